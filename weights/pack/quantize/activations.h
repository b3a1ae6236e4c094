/* The activations of one layer over many tokens, and what the layer does to them between its matrix
 * products, role by role in the order of weights/roles.h. Calibration and the measurement of
 * sensitivity use it; they compute the products themselves. */
#ifndef PACK_ACTIVATIONS_H
#define PACK_ACTIVATIONS_H

#include <stdint.h>
#include <stdlib.h>

#include "weights/pack/quantize/forward.h"
#include "weights/pack/quantize/pack_plan.h"

/* Allocates a * b floats (a floats if b is 0). NULL if memory is short, or if size_t, which has 32
 * bits in some builds, cannot hold the number of bytes. */
static inline float *floats(size_t a, size_t b) {
    if (!b) b = 1;
    return a > SIZE_MAX / sizeof(float) / b ? NULL : malloc(a * b * sizeof(float));
}

/* All arrays are [tokens][the width given]. */
struct activations {
    float *x;                      /* [dim] the residual stream */
    float *a;                      /* [widest] a normalised input, or the attention's output */
    float *first, *second, *third; /* Q, K and V, or GATE and UP; first becomes DOWN's input */
    float *products; /* [dim] of O or DOWN before a norm behind them; NULL: no layer has one */
    uint32_t widest; /* the most padded columns of any matrix */
};

/* False if memory is short. */
bool activations_make(struct activations *s, const struct plan *plan, size_t tokens);
void activations_free(struct activations *s); /* may be one of zeros */

const float *activations_input(const struct activations *s, enum layer_tensor role);
/* [tokens][rows of the role] */
float *activations_output(const struct activations *s, const struct plan *plan, uint32_t layer,
                          enum layer_tensor role);
/* Whether the role has the same input as the layer's role before it. */
bool activations_share_input(const struct plan *plan, uint32_t layer, enum layer_tensor role);

/* Call this before a role's products. It makes their input, and sets their output to zero unless
 * that is the residual stream. */
void activations_before(const struct activations *s, const struct forward *f,
                        const struct plan *plan, uint32_t layer, enum layer_tensor role);
/* Call this after the products. rows: the blob's ROWS section, which holds the runs. */
void activations_after(const struct activations *s, const struct forward *f,
                       const struct plan *plan, const float *rows, uint32_t layer,
                       enum layer_tensor role);

#endif
