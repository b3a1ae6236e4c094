#include "npu/array.h"

#include <assert.h>
#include <string.h>

/* Registers hold steps minus one. A step of 0, which does not matter, counts as one. */
static uint32_t step_field(uint32_t step) { return step ? step - 1 : 0; }

static uint32_t iteration_fields(const struct descriptor *d, uint32_t step_bits) {
    if (d->iterations < 2) return 0;
    return (d->iterations - 1) << step_bits | step_field(d->iteration_step);
}

static uint32_t value_field(int32_t value) { return (uint32_t)value & 0x7f; }

static void pack_shim(const struct descriptor *d, uint32_t *w) {
    w[0] = d->words;
    w[1] = (uint32_t)d->base;
    w[2] = (uint32_t)(d->base >> 32) & 0xffff;
    w[3] = d->wrap[0] << 20 | step_field(d->step[0]);
    w[4] = 2u << 30 | d->wrap[1] << 20 | step_field(d->step[1]); /* bursts of 256 bytes */
    /* memory attribute "modifiable", as in the driver's own examples */
    w[5] = 2u << 24 | step_field(d->step[2]);
    w[6] = iteration_fields(d, 20);
    w[7] = (d->next >= 0 ? (uint32_t)d->next << 27 | 1u << 26 : 0) | 1u << 25;
}

static void pack_mem(const struct descriptor *d, uint32_t *w) {
    w[0] = d->words;
    w[1] = (d->next >= 0 ? (uint32_t)d->next << 20 | 1u << 19 : 0) |
           (MEM_WINDOW + (uint32_t)d->base) / 4;
    w[2] = d->wrap[0] << 17 | step_field(d->step[0]);
    w[3] = d->wrap[1] << 17 | step_field(d->step[1]);
    w[4] = step_field(d->step[2]);
    w[6] = iteration_fields(d, 17);
    w[7] = 1u << 31;
    if (d->acquire >= 0)
        w[7] |=
            1u << 15 | value_field(d->acquire_value) << 8 | (uint32_t)(MEM_LOCK_BASE + d->acquire);
    if (d->release_value)
        w[7] |= value_field(d->release_value) << 24 | (uint32_t)(MEM_LOCK_BASE + d->release) << 16;
}

static void pack_core(const struct descriptor *d, uint32_t *w) {
    w[0] = (uint32_t)d->base / 4 << 14 | d->words;
    w[2] = step_field(d->step[1]) << 13 | step_field(d->step[0]);
    w[3] = d->wrap[1] << 21 | d->wrap[0] << 13 | step_field(d->step[2]);
    w[4] = iteration_fields(d, 13);
    w[5] = (d->next >= 0 ? (uint32_t)d->next << 27 | 1u << 26 : 0) | 1u << 25;
    if (d->acquire >= 0)
        w[5] |= 1u << 12 | value_field(d->acquire_value) << 5 | (uint32_t)d->acquire;
    if (d->release_value) w[5] |= value_field(d->release_value) << 18 | (uint32_t)d->release << 13;
}

uint32_t descriptor_pack(const struct descriptor *d, uint32_t row, uint32_t out[BD_WORDS_MAX]) {
    assert(row < ARRAY_ROWS && d->words && d->base % 4 == 0);
    memset(out, 0, BD_WORDS_MAX * sizeof *out);
    if (row == ROW_SHIM)
        pack_shim(d, out);
    else if (row == ROW_MEM)
        pack_mem(d, out);
    else
        pack_core(d, out);
    return row >= ROW_CORE ? BD_WORDS_CORE : BD_WORDS_MEM;
}
