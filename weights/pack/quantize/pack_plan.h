/* What a blob will be, decided from the source's configuration before any weight is read: every
 * record, every offset, every size. */
#ifndef PACK_PLAN_H
#define PACK_PLAN_H

#include "weights/pack/quantize/packed_roles.h"
#include "weights/pack/quantize/quantize.h"
#include "weights/pack/checkpoint/source.h"

#define PLAN_BITS 4.25 /* or what 8 bits for all V take, where that is more */

/* The types that layers' matrices get: 4 bits, and 8 for those that --bits spends more on. */
#define PLAN_LESS WEIGHT_W4
#define PLAN_MORE WEIGHT_W8

struct plan_choice {
    unsigned layer_bits; /* 8, 4, or 0: 8 below a billion parameters, 4 from there on */
    double bits;         /* with 4: what budget.h may spend, by plan_layer_bits; 0: PLAN_BITS */
    uint32_t positions;  /* cap; 0: 32 768 */
    bool rotate;
    const char *name;        /* NULL: the source's */
    const char *origin;      /* file or directory name for the provenance, without its path */
    const char *calibration; /* a few words for the provenance */
    uint64_t dropped;        /* bytes of the calibration text that no token has */
};

struct plan_tensor {
    struct blob_tensor record;
    const struct source_tensor *from, *gain, *run[ROW_RUNS]; /* gain and runs may be NULL */
    enum plan_mix rows, columns;
    float factor; /* on all weights and runs */
    enum plan_heads heads;
    enum plan_balance balance;
    uint32_t layer;
    struct quantizer quantizer;
};

struct plan {
    struct blob_model model; /* text offsets included */
    uint32_t head_size;      /* as the source has it; model.head_dim is the next multiple of 16 */
    struct blob_layer *layers;
    struct plan_tensor *tensors; /* in file order: embedding, layers, head */
    char *text;
    uint64_t text_bytes, row_floats, weight_bytes;
    unsigned layer_bits;
    double bits;      /* the budget where layer_bits is 4, else 0 */
    char notes[2048]; /* what was decided on the way, sentences with "; " between; in the
                         provenance, too */
};

/* Layer tensors get 4 or 8 bits as layer_bits says. */
bool plan_make(struct plan *plan, const struct source *source, const struct plan_choice *choice,
               struct diag *d);
void plan_free(struct plan *plan); /* also one all zero */

/* Offsets, sizes and quantizers anew, after the types of tensors have changed. */
void plan_place(struct plan *plan);

/* Bits that `rows` x `cols` weights take as a budget counts them: integers of 4 bits and a scale of
 * 8 for every group of 64, or integers of 8 bits. Neither the scale of a row nor what pads groups
 * and panels. */
uint64_t plan_counted_bits(enum weight_type type, uint32_t rows, uint32_t cols);
/* These over all tensors of the layers, for each of their weights. */
double plan_layer_bits(const struct plan *plan);
/* Bits of all tensors' bytes per weight stored, row scales included. */
double plan_bits_per_weight(const struct plan *plan);

#endif
