/* Rounding with error feedback: columns become integers one after another, and each takes into
 * account what the errors of those before it do to the outputs, by the factor of the inputs'
 * Hessian (hessian.h). With d = w - (what the integers stand for), the tensor's outputs move by |d
 * R|^2; element j is R[j][j] (target_j - value_j) with target_j = w_j + sum over i < j of d_i
 * R[i][j] / R[j][j], so the target is what is rounded.
 *
 * This is GPTQ with the factor of H in place of the factor of its inverse. It gives the same
 * integers except for rounding, and needs no inverse. The scale of a group of W4 is, of several,
 * the one that leaves the least sum of R[j][j]^2 (target_j - value_j)^2 over the group when its
 * columns are rounded one after another.
 *
 * Of a sparse type two columns of every four are kept, and the others are 0 whatever their targets
 * are. Where a row has two zeros in a quad, those stay. Elsewhere the choice is made when the turn
 * of the quad's first column comes: the two with the largest R[j][j]^2 target_j^2, which is
 * SparseGPT's measure of what a weight is worth to the outputs. The choice comes before the scales,
 * as if the columns of the group that are kept were kept exactly.
 *
 * When all integers are chosen, the scales are fitted to them: for one group after another the
 * integer scale nearest to where |d R|^2 is least, then the row's scale. */
#ifndef PACK_FEEDBACK_H
#define PACK_FEEDBACK_H

#include "weights/pack/quantize/hessian.h"
#include "weights/pack/quantize/quantize.h"

/* factor->n is the tensor's padded width; it must outlive the quantizer. */
struct quantizer quantizer_feedback(enum weight_type type, const struct hessian_factor *factor);
/* Takes a third of the time: the scales of groups are those that cost least when each column is
 * rounded by itself, and they are not fitted. */
struct quantizer quantizer_quick(enum weight_type type, const struct hessian_factor *factor);
/* For tests: the scales stay as they were when the integers were chosen. */
struct quantizer quantizer_unfitted(enum weight_type type, const struct hessian_factor *factor);

#endif
