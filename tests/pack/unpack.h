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

static inline int unpack_sparse(uint32_t type) { return type == WEIGHT_W4S || type == WEIGHT_W8S; }

/* Where a line of a sparse panel is: the scales' of column c's group, the flags', the positions'
 * and the weights'. W8S has no scales. */
struct unpack_lines {
    uint32_t scales, flags, positions, weights;
};
static inline struct unpack_lines unpack_lines(uint32_t type, uint32_t c) {
    uint32_t g = c / 64, with_scales = type == WEIGHT_W4S, group = with_scales ? 5 : 9;
    struct unpack_lines l = {.scales = g / 4 * (1 + 2 * (1 + 2 * group))};
    l.flags = with_scales ? l.scales + 1 + g % 4 / 2 * (1 + 2 * group) : g / 2 * (1 + 2 * group);
    l.positions = l.flags + 1 + g % 2 * group;
    l.weights = l.positions + 1 + c % 64 / 16 * (with_scales ? 1 : 2);
    return l;
}

/* The bytes of a sparse panel. */
static inline uint64_t unpack_sparse_panel(uint32_t type, uint32_t cols) {
    uint32_t groups = (cols + 63) / 64, with_scales = type == WEIGHT_W4S;
    return 64 * (uint64_t)((with_scales ? (groups + 3) / 4 : 0) + (groups + 1) / 2 +
                           groups * (with_scales ? 5 : 9));
}

static inline int unpack_sparse_weight(uint32_t type, uint32_t cols, const uint8_t *bytes,
                                       uint32_t r, uint32_t c) {
    /* the column of the second weight by position, without and with the flag */
    static const uint8_t second[2][4] = {{1, 0, 3, 2}, {2, 3, 1, 0}};
    const uint8_t *panel = bytes + r / 16 * unpack_sparse_panel(type, cols);
    const struct unpack_lines l = unpack_lines(type, c);
    const uint32_t lane = r % 16 * 4 + c % 16 / 4, run = c % 64 / 16;
    const uint32_t p = panel[l.positions * 64 + lane] >> 2 * run & 3;
    const uint32_t flag = panel[l.flags * 64 + lane] >> (2 * run + (c / 64 % 2 ? 0 : 1)) & 1;
    const uint8_t *at = panel + l.weights * 64 + lane;
    const int first = c % 4 == p;
    if (!first && c % 4 != second[flag][p]) return 0;
    if (type == WEIGHT_W8S) return (int8_t)at[first ? 0 : 64];
    const int code = first ? *at & 15 : *at >> 4;
    return code < 8 ? code : code - 16;
}

/* The integer weight and the integer scale of row r, column c. */
static inline int unpack_weight(uint32_t type, uint32_t cols, const uint8_t *bytes, uint32_t r,
                                uint32_t c) {
    uint32_t kp = (cols + 63) / 64 * 64, lane = r % 16;
    if (type == WEIGHT_ROW8) return (int8_t)bytes[(uint64_t)r * kp + c];
    if (unpack_sparse(type)) return unpack_sparse_weight(type, cols, bytes, r, c);
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
        static const int table[16] = {-10, -8, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 9};
        uint8_t byte = panel[(line + in) * 64 + lane * 4 + c % 4];
        int nibble = c % 8 < 4 ? byte & 15 : byte >> 4;
        return type == WEIGHT_W4T ? table[nibble] : nibble - 8;
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
    if (type == WEIGHT_W8 || type == WEIGHT_ROW8 || type == WEIGHT_W8S) return 1;
    if (type == WEIGHT_W4S)
        return (int8_t)bytes[r / 16 * unpack_sparse_panel(type, cols) +
                             unpack_lines(type, c).scales * 64 + c / 64 % 4 * 16 + r % 16];
    uint32_t groups = (cols + 63) / 64, group = 8 + 2 * unpack_more(type),
             lines = (groups + 3) / 4 + groups * group;
    const uint8_t *panel = bytes + (uint64_t)(r / 16) * lines * 64;
    return (int8_t)panel[c / 256 * (1 + 4 * group) * 64 + c / 64 % 4 * 16 + r % 16];
}

#endif
