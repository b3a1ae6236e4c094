/* A second reader of the weight layouts, written from docs/blob.md and the comments of
 * weights/format.h alone, one weight at a time. */
#ifndef TESTS_PACK_UNPACK_H
#define TESTS_PACK_UNPACK_H

#include <stdint.h>

#include "weights/format.h"

/* The bits of a weight above its nibble. */
static inline uint32_t unpack_more(uint32_t type) {
    return type == WEIGHT_W5 ? 1 : type == WEIGHT_W6 ? 2 : 0;
}

/* The integer weight and the integer scale of row r, column c. */
static inline int unpack_weight(uint32_t type, uint32_t cols, const uint8_t *bytes, uint32_t r,
                                uint32_t c) {
    uint32_t kp = (cols + 63) / 64 * 64, lane = r % 16;
    if (type == WEIGHT_ROW8) return (int8_t)bytes[(uint64_t)r * kp + c];
    if (type == WEIGHT_W8) {
        const uint8_t *panel = bytes + (uint64_t)(r / 16) * kp * 16;
        return panel[c / 4 * 64 + lane * 4 + c % 4] - 128;
    }
    uint32_t more = unpack_more(type), half = 8u << more, group = 8 + 2 * more;
    uint32_t groups = kp / 64, lines = (groups + 3) / 4 + groups * group;
    const uint8_t *panel = bytes + (uint64_t)(r / 16) * lines * 64;
    /* every block before this one is full: a line of scales and four groups */
    uint32_t line = c / 256 * (1 + 4 * group) + 1 + c / 64 % 4 * group, in = c % 64 / 8;
    if (!more) {
        uint8_t byte = panel[(line + in) * 64 + lane * 4 + c % 4];
        return (c % 8 < 4 ? byte & 15 : byte >> 4) - 8;
    }
    /* a line of high bits stands before the lines of nibbles of 32 or 16 columns */
    uint32_t columns = 32 / more, high = line + c % 64 / columns * (1 + columns / 8);
    uint8_t byte = panel[(high + 1 + c % columns / 8) * 64 + lane * 4 + c % 4],
            above = panel[high * 64 + lane * 4 + c % 4];
    int low = c % 8 < 4 ? byte & 15 : byte >> 4;
    int up = above >> c % columns / 4 * more & (more == 1 ? 1 : 3);
    return low + 16 * up - (int)half;
}

static inline int unpack_scale(uint32_t type, uint32_t cols, const uint8_t *bytes, uint32_t r,
                               uint32_t c) {
    if (type == WEIGHT_W8 || type == WEIGHT_ROW8) return 1;
    uint32_t groups = (cols + 63) / 64, group = 8 + 2 * unpack_more(type),
             lines = (groups + 3) / 4 + groups * group;
    const uint8_t *panel = bytes + (uint64_t)(r / 16) * lines * 64;
    return (int8_t)panel[c / 256 * (1 + 4 * group) * 64 + c / 64 % 4 * 16 + r % 16];
}

#endif
