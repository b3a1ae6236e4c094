/* Bits where they help most: within a budget over the layers, tensors go from 4 bits to 8 in the
 * order of KL per bit. */
#ifndef PACK_BUDGET_H
#define PACK_BUDGET_H

#include "weights/pack/quantize/pack_plan.h"

/* kl [plan tensors] as sensitivity.h gives it; NULL: not measured, and kinds of tensors stand in
 * the order that a small model had. All layer tensors become WEIGHT_W4 or WEIGHT_W8 with at most
 * plan->bits bits a weight by plan_layer_bits; false where 4 bits everywhere take more. */
bool budget_spend(struct plan *plan, const double *kl, struct diag *d);

#endif
