/* Rounding with error feedback: columns become integers in order, and each sees what the errors of
 * those before it do to the outputs, by the factor of its inputs' Hessian (hessian.h). With d = w -
 * (what the integers stand for), the tensor's outputs move by |d R|^2; element j is R[j][j]
 * (target_j - value_j) with target_j = w_j + sum over i < j of d_i R[i][j] / R[j][j], so the target
 * is what is rounded.
 *
 * This is GPTQ with the factor of H in place of its inverse's: the same integers but for rounding,
 * and no inverse. The scale of a group of W4 is the one among several that leaves the least
 * R[j][j]^2 (target_j - value_j)^2 over the group once its columns are rounded in turn.
 *
 * Once all integers are there, scales are fitted to them: group after group the integer scale
 * nearest to where |d R|^2 is least, then the row's. */
#ifndef PACK_FEEDBACK_H
#define PACK_FEEDBACK_H

#include "weights/pack/quantize/hessian.h"
#include "weights/pack/quantize/quantize.h"

/* factor->n is the tensor's padded width; it must outlive the quantizer. */
struct quantizer quantizer_feedback(enum weight_type type, const struct hessian_factor *factor);
/* A third of the time: scales of groups are those that cost least with each column rounded apart,
 * and are not fitted. */
struct quantizer quantizer_quick(enum weight_type type, const struct hessian_factor *factor);
/* Scales as they were when the integers were chosen, for tests. */
struct quantizer quantizer_unfitted(enum weight_type type, const struct hessian_factor *factor);

#endif
