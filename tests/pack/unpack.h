/* A second reader of the weight layouts, written from docs/blob.md and the comments of
 * weights/format.h alone, one weight at a time. */
#ifndef TESTS_PACK_UNPACK_H
#define TESTS_PACK_UNPACK_H

#include <stdint.h>

#include "weights/format.h"

/* The integer weight and the integer scale of row r, column c. */
static inline int unpack_weight(uint32_t type, uint32_t cols, const uint8_t *bytes, uint32_t r,
                                uint32_t c) {
    uint32_t kp = (cols + 63) / 64 * 64, lane = r % 16;
    if (type == WEIGHT_ROW8) return (int8_t)bytes[(uint64_t)r * kp + c];
    if (type == WEIGHT_W8) {
        const uint8_t *panel = bytes + (uint64_t)(r / 16) * kp * 16;
        return panel[c / 4 * 64 + lane * 4 + c % 4] - 128;
    }
    uint32_t groups = kp / 64, lines = (groups + 3) / 4 + groups * 8;
    const uint8_t *panel = bytes + (uint64_t)(r / 16) * lines * 64;
    /* every block before this one is full: 33 lines */
    uint32_t block = c / 256, line = block * (1 + 32) + 1 + c % 256 / 8;
    uint8_t byte = panel[line * 64 + lane * 4 + c % 4];
    return (c % 8 < 4 ? byte & 15 : byte >> 4) - 8;
}

static inline int unpack_scale(uint32_t type, uint32_t cols, const uint8_t *bytes, uint32_t r,
                               uint32_t c) {
    if (type != WEIGHT_W4) return 1;
    uint32_t groups = (cols + 63) / 64, lines = (groups + 3) / 4 + groups * 8;
    const uint8_t *panel = bytes + (uint64_t)(r / 16) * lines * 64;
    return (int8_t)panel[c / 256 * 33 * 64 + c / 64 % 4 * 16 + r % 16];
}

#endif
