/* W8 with vpdpbusd: weights act as 0..255, so a column's sums start at -128 times the sum of its
 * activations. Included after gemv_inl.h. */
#ifndef CPU_GEMV_LESS_INL_H
#define CPU_GEMV_LESS_INL_H

#include "cpu/kernels.h"
#include "weights/format.h"

enum { COLUMNS_AT_ONCE = 256 };

/* -128 times the sum of a column's activations */
INLINE int32_t start_of(const uint8_t *gsum, uint32_t groups) {
    uint32_t sum = 0;
    for (uint32_t g = 0; g < groups; g++) {
        int32_t s;
        __builtin_memcpy(&s, gsum + g * sizeof s, sizeof s);
        sum += (uint32_t)s;
    }
    return (int32_t)(sum * -128u);
}

/* walk() in parts: each has as many columns as the stack has room for their start values. */
INLINE uint32_t walk_w8(const struct gemv_args *args, uint32_t begin, uint32_t end,
                        tile_fn *const table[], const uint32_t widest) {
    int32_t less[COLUMNS_AT_ONCE];
    struct gemv_args part = *args;
    uint32_t bad = 0;
    for (uint32_t left = args->columns; left; left -= part.columns) {
        part.columns = left < COLUMNS_AT_ONCE ? left : COLUMNS_AT_ONCE;
        for (uint32_t c = 0; c < part.columns; c++)
            less[c] = start_of(part.x + c * part.x_stride + act_gsum_at(part.kp), part.kp / GROUP);
        bad |= walk(&part, begin, end, WEIGHT_W8, less, table, widest);
        part.x += part.columns * part.x_stride;
        part.y += part.columns * part.y_stride;
    }
    return bad;
}

#endif
