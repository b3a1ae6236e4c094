#include "runtime/ring.h"

#include <assert.h>

uint32_t ring_ranges(uint32_t slots, uint32_t from, uint32_t to, struct kv_range *range) {
    assert(from <= to && slots);
    const uint32_t count = to - from, begin = from % slots;
    if (count >= slots) {
        range[0] = (struct kv_range){0, slots};
        return 1;
    }
    if (begin + count <= slots) {
        range[0] = (struct kv_range){begin, begin + count};
        return count ? 1 : 0;
    }
    range[0] = (struct kv_range){0, begin + count - slots};
    range[1] = (struct kv_range){begin, slots};
    return 2;
}

uint32_t ring_sight(uint32_t slots, uint32_t from, uint32_t to, uint32_t own,
                    struct kv_range *range) {
    assert(to <= own && own - from < slots);
    if (to == own) return ring_ranges(slots, from, own + 1, range);
    const uint32_t slot = own % slots;
    uint32_t ranges = ring_ranges(slots, from, to, range), at = ranges++;
    for (; at && range[at - 1].begin > slot; at--) range[at] = range[at - 1];
    range[at] = (struct kv_range){slot, slot + 1};
    return ranges;
}
