/* What a tensor's inputs look like, and its factor: with X the inputs of calibration, token by
 * token, H = X^T X. Changing a row's weights by d changes its outputs by d H d^T in squares.
 *
 * The factor is H + damping = R R^T with R upper triangular: |d R|^2 is the same number, and
 * element j of d R holds the columns up to j alone. That is what lets column after column be
 * rounded, each seeing the errors before it (feedback.h). */
#ifndef PACK_HESSIAN_H
#define PACK_HESSIAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* h [n][n] += X^T X, the lower triangle (j <= i); of x [tokens][n]. room: threads * MATMUL_ROOM
 * floats. */
void hessian_add(unsigned threads, const float *x, size_t tokens, uint32_t n, float *h,
                 float *room);

/* Columns stand in the order in which they are rounded: groups of 64 stay whole, the group with the
 * largest inputs first, and inside each the column with the largest first. A width that is no
 * multiple of 64 keeps its groups in place. */
struct hessian_factor {
    uint32_t n;
    const float *unit;     /* [n][n], row j: R[i][j] / R[j][j] for i < j; the rest is undefined */
    const float *weight;   /* [n]: R[j][j]^2 */
    const uint32_t *order; /* [n]: the tensor's column at each place */
};

/* Storage of a factor beside h. */
struct hessian_room {
    float *weight;   /* [n] */
    uint32_t *order; /* [n] */
};

/* h's lower triangle becomes the factor, `damping` times the mean of its diagonal added first.
 * False, and h undefined, where h is zero or not finite or rounding made it singular all the same.
 * scratch: threads * MATMUL_ROOM floats. */
bool hessian_factor(unsigned threads, float *h, uint32_t n, float damping,
                    const struct hessian_room *room, struct hessian_factor *factor, float *scratch);

#endif
