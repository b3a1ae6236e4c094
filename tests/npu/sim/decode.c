/* Descriptors as the array's registers hold them, field by field: the reverse of npu/array.c, and
 * stricter than the hardware, which takes any bits. */
#include <string.h>

#include "tests/npu/sim/sim_parts.h"

static int32_t value_of(uint32_t field) { return (int32_t)((field & 0x7f) ^ 0x40) - 0x40; }

static void unpack_iteration(struct descriptor *d, uint32_t word, uint32_t step_bits) {
    d->iterations = (word >> step_bits & 0x3f) + 1;
    d->iteration_step = (word & ((1u << step_bits) - 1)) + 1;
}

static int unpack_shim(struct descriptor *d, const uint32_t *w) {
    if (!(w[7] >> 25 & 1) || w[7] & 0x81ffffff || w[2] >> 16 || w[3] >> 30 || w[4] >> 30 != 2 ||
        w[5] >> 24 != 2 || w[6] >> 26)
        return 0;
    d->words = w[0];
    d->base = w[1] | (uint64_t)w[2] << 32;
    d->wrap[0] = w[3] >> 20 & 0x3ff;
    d->step[0] = (w[3] & 0xfffff) + 1;
    d->wrap[1] = w[4] >> 20 & 0x3ff;
    d->step[1] = (w[4] & 0xfffff) + 1;
    d->step[2] = (w[5] & 0xfffff) + 1;
    unpack_iteration(d, w[6], 20);
    d->next = w[7] >> 26 & 1 ? (int32_t)(w[7] >> 27 & 15) : -1;
    return 1;
}

static int unpack_mem(struct descriptor *d, const uint32_t *w) {
    uint32_t base = (w[1] & 0x7ffff) * 4;
    if (!(w[7] >> 31) || w[0] >> 17 || w[1] >> 26 || w[2] >> 27 || w[3] >> 27 || w[4] >> 17 ||
        w[5] || w[6] >> 23)
        return 0;
    if (base < MEM_WINDOW || base >= MEM_WINDOW + MEM_BYTES) return 0; /* a neighbour's memory */
    d->words = w[0];
    d->base = base - MEM_WINDOW;
    d->next = w[1] >> 19 & 1 ? (int32_t)(w[1] >> 20 & 0x3f) : -1;
    for (uint32_t i = 0; i < 2; i++) {
        d->wrap[i] = w[2 + i] >> 17 & 0x3ff;
        d->step[i] = (w[2 + i] & 0x1ffff) + 1;
    }
    d->step[2] = (w[4] & 0x1ffff) + 1;
    unpack_iteration(d, w[6], 17);
    d->acquire = w[7] >> 15 & 1 ? (int32_t)(w[7] & 0xff) - MEM_LOCK_BASE : -1;
    d->acquire_value = value_of(w[7] >> 8);
    d->release = (int32_t)(w[7] >> 16 & 0xff) - MEM_LOCK_BASE;
    d->release_value = value_of(w[7] >> 24);
    return 1;
}

static int unpack_core(struct descriptor *d, const uint32_t *w) {
    if (!(w[5] >> 25 & 1) || w[5] >> 31 || w[5] >> 17 & 1 || w[5] >> 4 & 1 || w[0] >> 28 || w[1] ||
        w[2] >> 26 || w[3] >> 29 || w[4] >> 19)
        return 0;
    d->base = (w[0] >> 14) * 4;
    d->words = w[0] & 0x3fff;
    d->step[0] = (w[2] & 0x1fff) + 1;
    d->step[1] = (w[2] >> 13 & 0x1fff) + 1;
    d->step[2] = (w[3] & 0x1fff) + 1;
    d->wrap[0] = w[3] >> 13 & 0xff;
    d->wrap[1] = w[3] >> 21 & 0xff;
    unpack_iteration(d, w[4], 13);
    d->next = w[5] >> 26 & 1 ? (int32_t)(w[5] >> 27 & 15) : -1;
    d->acquire = w[5] >> 12 & 1 ? (int32_t)(w[5] & 15) : -1;
    d->acquire_value = value_of(w[5] >> 5);
    d->release = (int32_t)(w[5] >> 13 & 15);
    d->release_value = value_of(w[5] >> 18);
    return 1;
}

int sim_decode(struct descriptor *d, uint32_t row, const uint32_t words[BD_WORDS_MAX]) {
    memset(d, 0, sizeof *d);
    d->acquire = -1;
    if (row == ROW_SHIM) return unpack_shim(d, words);
    return row == ROW_MEM ? unpack_mem(d, words) : unpack_core(d, words);
}
