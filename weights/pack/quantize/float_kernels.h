/* The innermost loops of matmul.c and feedback.c, compiled for each instruction set in
 * float_kernels_plain.c, float_kernels_avx2.c and float_kernels_avx512.c. All give the same
 * bits. */
#ifndef PACK_FLOAT_KERNELS_H
#define PACK_FLOAT_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "weights/format.h"
#include "weights/pack/quantize/levels.h"

enum { TRIAL_ROWS = 64 };

/* One group of columns, TRIAL_ROWS rows of a tensor, and the scales to try. */
struct trial {
    const float *unit;   /* [GROUP][n]: the factor's unit, from the group's square on (hessian.h) */
    const float *weight; /* [GROUP] */
    size_t n;
    const float *weights, *targets; /* [GROUP][TRIAL_ROWS] */
    const float *keep;              /* likewise: 1, or 0 where the integer is 0; NULL: all are 1 */
    struct levels to;
    float scale[TRIAL_ROWS];
};

/* The result of rounding the columns one after another. */
struct trial_result {
    float error[GROUP][TRIAL_ROWS]; /* weight - scale * integer */
    float q[GROUP][TRIAL_ROWS];
    float cost[TRIAL_ROWS]; /* sum of weight (target - scale * integer)^2 */
};

struct kernels {
    size_t rows, columns; /* of a tile of a matrix product */
    /* c[i * c_row + j] += or -= sum over k of a[k * rows + i] * b[k * columns + j], fused, in the
     * order of k */
    void (*add)(size_t depth, const float *a, const float *b, float *c, size_t c_row);
    void (*subtract)(size_t depth, const float *a, const float *b, float *c, size_t c_row);
    void (*round_group)(const struct trial *trial, struct trial_result *result);
    /* Gives only the costs, with each column rounded as if those before it had left no error. */
    void (*round_apart)(const struct trial *trial, float cost[TRIAL_ROWS]);
};

const struct kernels *kernels_best(void); /* the best that this machine can run */

extern const struct kernels KERNELS_PLAIN;
#if defined(__x86_64__)
extern const struct kernels KERNELS_AVX2, KERNELS_AVX512;
#endif

#endif
