/* Where the kernels find the high bits of W5 and W6 (weights/format.h): which line of a group, and
 * how far its bytes are to be moved so that the bits of a run of four columns stand above the
 * nibbles, at bit 4. `more` is the number of those bits: 0 (W4), 1 or 2.
 *
 * The includer defines UP(n) and DOWN(n): the line of high bits, its bytes moved by n. Other bits
 * may come in from neighbouring bytes; they are masked off together with those of other runs. */
#ifndef CPU_GEMV_HIGH_INL_H
#define CPU_GEMV_HIGH_INL_H

#include <stdint.h>

#include "weights/types.h"

/* Weights act as unsigned numbers: what is stored, or WEIGHT_TABLE + 16. This is the power of two
 * of what is added to them. With 16 in place of 10 W4T takes it off as W5 does, by a shift. */
INLINE uint32_t half_range_log2(const uint32_t more, const int table) {
    return 3 + more + (uint32_t)table;
}

#define W5_HIGH_0 UP(4)
#define W5_HIGH_1 UP(3)
#define W5_HIGH_2 UP(2)
#define W5_HIGH_3 UP(1)
#define W5_HIGH_4 UP(0)
#define W5_HIGH_5 DOWN(1)
#define W5_HIGH_6 DOWN(2)
#define W5_HIGH_7 DOWN(3)
#define W6_HIGH_0 UP(4)
#define W6_HIGH_1 UP(2)
#define W6_HIGH_2 UP(0)
#define W6_HIGH_3 DOWN(2)

/* The bits to keep, in every byte. */
INLINE int high_mask(const uint32_t more) { return ((1 << more) - 1) << 4; }

/* Which line of a group holds the nibbles of its 8 columns from 8 * n on. */
INLINE uint32_t nibble_line(uint32_t n, const uint32_t more) {
    return more == 0 ? n : more == 1 ? n + n / 4 + 1 : n + n / 2 + 1;
}

/* Whether the line before that one is a line of high bits. */
INLINE int high_before(uint32_t n, const uint32_t more) {
    return (more == 1 && n % 4 == 0) || (more == 2 && n % 2 == 0);
}

/* The bytes of a group. */
INLINE uint32_t group_bytes(const uint32_t more) { return (8 + 2 * more) * 64; }

#endif
