/* Spends bits where they help most: tensors go from 4 bits to 5, 6 and 8 in the order of KL per
 * bit, as far as the budget for all layers allows. */
#ifndef PACK_BUDGET_H
#define PACK_BUDGET_H

#include "weights/pack/quantize/pack_plan.h"

/* kl [plan tensors] as sensitivity.h gives it; what the tensors' roles cost in a small model
 * (packed_roles.h) counts as much. NULL: it was not measured; then only the roles count. All
 * tensors of layers get one of WEIGHT_W4T, W5, W6 and W8, with at most plan->bits bits a weight by
 * plan_layer_bits. False if 4 bits everywhere take more. */
bool budget_spend(struct plan *plan, const double *kl, struct diag *d);

#endif
