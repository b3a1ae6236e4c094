/* What the runtime does between two matrix products, in floats and for many tokens at once. The
 * numbers are those of docs/numerics.md except for the order of float sums; activations are rounded
 * to 8 bits in the same places. Calibration uses this, because it needs the inputs of every tensor.
 *
 * Only +, -, *, / and square roots are used, in a fixed order, so that every machine gives the same
 * bits. Matrices are [tokens][width]; padding is 0. */
#ifndef PACK_FORWARD_H
#define PACK_FORWARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/format.h"

struct forward {
    unsigned threads;
    uint32_t windows, length; /* there are windows * length tokens; each window begins at position 0
                                 and sees no other */
    uint32_t dim, head_dim;
    float eps;
    uint32_t window;    /* of a layer: a position sees this many, itself among them; 0: all */
    bool whole;         /* of a layer: gains of q and k are of all heads together */
    const float *sinks; /* of a layer [heads]: each takes part in its head's softmax; or NULL */
    const float *rope;  /* of a layer [positions][2][head_dim / 2]; NULL: without RoPE */
    float *room;        /* threads * forward_room(...) floats */
};

size_t forward_room(uint32_t length, uint32_t head_dim); /* floats that one thread needs */

/* Sets a [tokens][padded dim] to x [tokens][dim], normalised and rounded to 8 bits. */
void forward_norm(const struct forward *f, const float *x, float *a);

/* The same without the norm. */
void forward_input(const struct forward *f, const float *x, float *a);

/* Adds what a norm behind a sublayer makes of its products y [tokens][dim], with gain [dim] and in
 * blocks of the transform, to x [tokens][dim]. Changes y. */
void forward_join(const struct forward *f, float *y, const float *gain, uint32_t block, float *x);

/* Rounds each token of x [tokens][width] to 8 bits. */
void forward_quantize(const struct forward *f, float *x, uint32_t width);

/* Adds bias [width] to each token of x [tokens][width]. */
void forward_bias(const struct forward *f, uint32_t width, const float *bias, float *x);

/* Computes o [tokens][padded heads * head_dim], rounded to 8 bits, from q [tokens][heads *
 * head_dim] and k and v [tokens][kv_heads * head_dim]. gain [head_dim] of q's heads and of k's, or
 * where f says `whole` that for each head; NULL: they are not normalised. Changes q, k and v. */
void forward_attention(const struct forward *f, uint32_t heads, uint32_t kv_heads, float *q,
                       float *k, float *v, const float *const gain[2], float *o);

/* Sets g [tokens][ffn] to the activation of g and u, Hadamard-transformed in blocks of 64 and
 * rounded to 8 bits. */
void forward_act(const struct forward *f, enum blob_activation activation, uint32_t ffn, float *g,
                 const float *u);

bool forward_is_finite(const struct forward *f, const float *x, uint32_t width);

#endif
