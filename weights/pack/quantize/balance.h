/* Balances UP against DOWN: row i of UP is multiplied by c[i], column i of DOWN is divided by c[i].
 * silu(g) * u is linear in u, so the model's function does not change. But then the channels of the
 * product have about equal weight in DOWN, so that one int8 scale per token fits all of them
 * better. docs/numerics.md section 8 has the formula. */
#ifndef PACK_BALANCE_H
#define PACK_BALANCE_H

#include "weights/pack/quantize/pack_plan.h"

/* part: the expert, or 0 in a layer without experts. c [rows of UP, padding included] becomes 1 for
 * rows after the source's own. room: at least one row of each of the three tensors. */
bool balance_layer(struct source *source, const struct plan *plan, uint32_t layer, uint32_t part,
                   float *room, size_t room_floats, float *c, struct diag *d);

#endif
