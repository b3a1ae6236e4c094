/* What the runtime does between two matrix products, in floats, over many tokens at once: the
 * numbers of docs/numerics.md but for the order of float sums, activations rounded to 8 bits where
 * it rounds them. For calibration, which needs the inputs of every tensor.
 *
 * Only +, -, *, / and square roots, in an order of their own: the same bits on every machine.
 * Matrices are [tokens][width], padding 0. */
#ifndef PACK_FORWARD_H
#define PACK_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/roles.h"

struct forward {
    unsigned threads;
    uint32_t windows, length; /* tokens are windows * length, each window on its own from position
                                 0 */
    uint32_t dim, head_dim;
    float eps;
    const float *rope; /* [positions][2][head_dim / 2] */
    float *room;       /* threads * forward_room(...) floats */
};

size_t forward_room(uint32_t length, uint32_t head_dim); /* floats that one thread needs */

/* a [tokens][padded dim] = x [tokens][dim] normalised and rounded to 8 bits. */
void forward_norm(const struct forward *f, const float *x, float *a);

/* x [tokens][width], each token rounded to 8 bits. */
void forward_quantize(const struct forward *f, float *x, uint32_t width);

/* Of a matrix; NULL: it has none. */
struct forward_runs {
    const float *of[ROW_RUNS];
};

/* q [tokens][heads * head_dim], k and v [tokens][kv_heads * head_dim], without what their runs add,
 * become o [tokens][padded heads * head_dim], rounded to 8 bits. Changes q, k and v. */
void forward_attention(const struct forward *f, uint32_t heads, uint32_t kv_heads, float *q,
                       float *k, float *v, const struct forward_runs runs[3], float *o);

/* g = the transform of silu(g) u in blocks of 64, rounded to 8 bits; [tokens][ffn]. */
void forward_gate(const struct forward *f, uint32_t ffn, float *g, const float *u);

bool forward_is_finite(const struct forward *f, const float *x, uint32_t width);

#endif
