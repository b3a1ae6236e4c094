#include "runtime/lives.h"

#include <stdbool.h>
#include <string.h>

#include "hal/place.h"

void lives_begin(struct lives *l) { memset(l, 0, sizeof *l); }

/* The slot is in use now and holds what was written at `written`. So it lived together with every
 * slot that was touched since then. A slot that was written earlier and is read later finds this
 * slot when it is read. */
static void use(struct lives *l, uint32_t slot) {
    l->touched[slot] = l->now;
    for (uint32_t t = 0; t < HAL_SLOTS; t++)
        if (t != slot && l->touched[t] && l->touched[t] >= l->written[slot])
            l->beside[slot] |= 1u << t, l->beside[t] |= 1u << slot;
}

void lives_add(struct lives *l, const struct hal_op *op) {
    l->now++;
    for (uint32_t i = 0; i < op->ins; i++) use(l, op->in[i]);
    for (uint32_t i = 0; i < op->outs; i++) {
        if (!(op->flags & HAL_ADD)) l->written[op->out[i]] = l->now;
        use(l, op->out[i]);
    }
}

void lives_end(struct lives *l, uint32_t slots) {
    l->now++;
    for (uint32_t s = 0; s < HAL_SLOTS; s++)
        if (slots >> s & 1) use(l, s);
}

static uint64_t end_of(uint64_t at, uint64_t bytes) {
    struct place walk = {at};
    place_next(&walk, 1, bytes);
    return walk.end;
}

/* The first place at or after `at` where the slot overlaps none of the slots below it that live
 * beside it. */
static uint64_t free_place(const struct lives *l, uint32_t slot, const uint64_t *bytes,
                           const uint64_t *at) {
    uint64_t place = 0;
    for (bool moved = true; moved;) { /* `place` only grows */
        moved = false;
        for (uint32_t t = 0; t < slot; t++) {
            if (!(l->beside[slot] >> t & 1) || !bytes[t]) continue;
            if (place >= end_of(at[t], bytes[t]) || end_of(place, bytes[slot]) <= at[t]) continue;
            place = end_of(at[t], bytes[t]);
            moved = true;
        }
    }
    return place;
}

uint64_t lives_place(const struct lives *l, const uint64_t bytes[HAL_SLOTS],
                     uint64_t at[HAL_SLOTS]) {
    uint64_t end = 0;
    for (uint32_t s = 0; s < HAL_SLOTS; s++) {
        at[s] = free_place(l, s, bytes, at);
        if (end_of(at[s], bytes[s]) > end) end = end_of(at[s], bytes[s]);
    }
    return end;
}
