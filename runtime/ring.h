/* Positions in a ring of slots: position p lies in slot p % slots. */
#ifndef RUNTIME_RING_H
#define RUNTIME_RING_H

#include "hal/kv.h"

enum { RING_RANGES = 3 }; /* the most that one of these functions gives */

/* The slots of positions from .. to - 1 as ranges that ascend and do not overlap; all slots where
 * there are more positions. Returns how many ranges there are. */
uint32_t ring_ranges(uint32_t slots, uint32_t from, uint32_t to, struct kv_range *range);

/* The same, with the slot of the position `own`, which is none of these. from .. own are fewer
 * positions than the ring has slots. */
uint32_t ring_sight(uint32_t slots, uint32_t from, uint32_t to, uint32_t own,
                    struct kv_range *range);

#endif
