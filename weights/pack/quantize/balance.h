/* Balances UP against DOWN: row i of UP times c[i], column i of DOWN over c[i]. silu(g) * u is
 * linear in u, so the model stays what it is; but the channels of the product then reach DOWN with
 * about equal weight, and one int8 scale per token serves them all better. docs/numerics.md section
 * 8 has the formula. */
#ifndef PACK_BALANCE_H
#define PACK_BALANCE_H

#include "weights/pack/quantize/pack_plan.h"

/* c [rows of UP, padding included]: 1 for rows past the source's own. room: at least one row of
 * each of the three tensors. */
bool balance_layer(struct source *source, const struct plan *plan, uint32_t layer, float *room,
                   size_t room_floats, float *c, struct diag *d);

#endif
