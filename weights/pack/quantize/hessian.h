/* The Hessian of a tensor's inputs, and its factor. With X the inputs of calibration, token by
 * token, H = X^T X. If a row's weights change by d, the squares of the changes of its outputs add
 * up to d H d^T.
 *
 * The factor is H + damping = R R^T with R upper triangular. |d R|^2 is the same number, and
 * element j of d R depends only on the columns up to j. So columns can be rounded one after
 * another, each with the errors of those before it taken into account (feedback.h). */
#ifndef PACK_HESSIAN_H
#define PACK_HESSIAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Adds X^T X of x [tokens][n] to the lower triangle (j <= i) of h [n][n]. room: threads *
 * MATMUL_ROOM floats. */
void hessian_add(unsigned threads, const float *x, size_t tokens, uint32_t n, float *h,
                 float *room);

/* The columns are in the order in which they are rounded: groups of 64 stay whole, the group with
 * the largest inputs comes first, and inside each group the column with the largest inputs comes
 * first. If the width is no multiple of 64, the groups stay in place. */
struct hessian_factor {
    uint32_t n;
    const float *unit;     /* [n][n], row j: R[i][j] / R[j][j] for i < j; the rest is undefined */
    const float *weight;   /* [n]: R[j][j]^2 */
    const uint32_t *order; /* [n]: the tensor's column at each place */
};

/* The memory that a factor needs beside h. */
struct hessian_room {
    float *weight;   /* [n] */
    uint32_t *order; /* [n] */
};

/* Adds `damping` times the mean of h's diagonal to the diagonal, and replaces h's lower triangle by
 * the factor. False, and h is undefined, if h is zero or not finite, or if rounding made it
 * singular in spite of the damping. scratch: threads * MATMUL_ROOM floats. */
bool hessian_factor(unsigned threads, float *h, uint32_t n, float damping,
                    const struct hessian_room *room, struct hessian_factor *factor, float *scratch);

#endif
