/* Tensors that keep two of every four weights of a row, found by their zeros alone: of each four
 * inputs from a multiple of four on, a quad, at least two have weight 0 in every row.
 *
 * A rotation would fill the zeros. Every matrix of a layer reads the residual stream or writes to
 * it, so one sparse matrix is enough to keep all of a model in its own basis. That costs the dense
 * ones accuracy; it is done only if half of the layers' weights or more gain by it. */
#ifndef PACK_SPARSITY_H
#define PACK_SPARSITY_H

#include "weights/pack/checkpoint/source.h"
#include "weights/roles.h"

struct sparsity {
    uint8_t *roles;           /* [layers]: bit 1 << role, where the matrix is sparse */
    uint32_t found, matrices; /* matrices that are sparse, of how many */
    bool enough;              /* they hold at least half of the layers' weights */
};

static inline bool sparsity_has(const struct sparsity *s, uint32_t layer, enum layer_tensor role) {
    return s && s->enough && s->roles[layer] >> role & 1;
}

/* Looks at every matrix of the layers, up to its first quad that is not sparse. A matrix of experts
 * is sparse if those of all experts are. */
bool sparsity_find(struct source *source, struct sparsity *sparsity, struct diag *d);
/* Makes all matrices sparse: --prune. */
bool sparsity_of_all(struct source *source, struct sparsity *sparsity, struct diag *d);
void sparsity_free(struct sparsity *sparsity); /* also one of zeros */

/* How many of the quads of w [cols] have at least two zeros; a last one of fewer columns is filled
 * up with zeros. */
uint32_t sparsity_quads(const float *w, uint32_t cols);

/* Sets to 0 all but two weights of each quad, those with the largest magnitudes and, of equal ones,
 * the first. Zeros stay. cols: a multiple of 4. */
void sparsity_prune(float *w, uint32_t cols);

/* Which columns of a quad stay where `worth` says what each is worth, and 0 is of no worth: at most
 * two. */
void sparsity_keep(const float worth[4], bool keep[4]);

#endif
