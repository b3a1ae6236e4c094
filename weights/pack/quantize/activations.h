/* The activations of one layer over many tokens, and what the layer does to them between its matrix
 * products, role by role in the order of weights/roles.h. For calibration and for measuring what
 * hurts, which make the products themselves. */
#ifndef PACK_ACTIVATIONS_H
#define PACK_ACTIVATIONS_H

#include <stdint.h>
#include <stdlib.h>

#include "weights/pack/quantize/forward.h"
#include "weights/pack/quantize/pack_plan.h"

/* a * b floats, at least one for b = 0; NULL also where size_t, of 32 bits in some builds, does not
 * count their bytes. */
static inline float *floats(size_t a, size_t b) {
    if (!b) b = 1;
    return a > SIZE_MAX / sizeof(float) / b ? NULL : malloc(a * b * sizeof(float));
}

/* All [tokens][...]. */
struct activations {
    float *x;                      /* [dim] the residual stream */
    float *a;                      /* [widest] a normalised input, or the attention's output */
    float *first, *second, *third; /* Q, K, V, or GATE and UP; FIRST becomes DOWN's input */
    uint32_t widest;               /* padded columns of any matrix */
};

/* False where memory is short. */
bool activations_make(struct activations *s, const struct plan *plan, size_t tokens);
void activations_free(struct activations *s); /* also one all zero */

const float *activations_input(const struct activations *s, enum layer_tensor role);
/* [tokens][rows of the role] */
float *activations_output(const struct activations *s, enum layer_tensor role);
/* Whether its input is that of the role before it. */
bool activations_share_input(enum layer_tensor role);

/* Before a role's products: its input is made, and its output is zero where it is not the residual
 * stream. */
void activations_before(const struct activations *s, const struct forward *f,
                        const struct plan *plan, uint32_t layer, enum layer_tensor role);
/* After them. rows: the blob's section, for runs. */
void activations_after(const struct activations *s, const struct forward *f,
                       const struct plan *plan, const float *rows, uint32_t layer,
                       enum layer_tensor role);

#endif
