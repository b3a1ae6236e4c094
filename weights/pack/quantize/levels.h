/* The integers that a type's weights may be, and which of them is nearest. */
#ifndef PACK_LEVELS_H
#define PACK_LEVELS_H

#include <stdbool.h>

#include "weights/types.h"

/* From low to high: all, or with `table` those of WEIGHT_TABLE. */
struct levels {
    float low, high;
    bool table;
};

/* The range is all that a type's bits can hold. Without scales of groups, whose sign makes use of
 * the least integer, that one is left out. */
static inline struct levels levels_of(enum weight_type type) {
    static const int8_t table[16] = WEIGHT_TABLE(0);
    const struct weight_traits *t = weight_traits(type);
    const float high = (float)((1 << (t->bits - 1)) - 1);
    if (type == WEIGHT_W4T) return (struct levels){table[0], table[15], true};
    return (struct levels){t->scale_bits ? -high - 1 : -high, high, false};
}

/* The nearest integer, ties to even, inside the range; |x| <= 2^22. */
static inline float level(float x, float low, float high) {
    const float nearest = 12582912.0f; /* 1.5 * 2^23 */
    float q = (x + nearest) - nearest;
    q = q < low ? low : q;
    return q > high ? high : q;
}

/* The nearest of WEIGHT_TABLE: one of its integers from -6 to 5, between which none is missing, or
 * beyond them every second one. So it takes four comparisons, where a search takes fifteen. */
static inline float table_level(float x) {
    float q = level(x, -6, 5);
    q += (x > 6 ? 2.0f : 0.0f) + (x > 8 ? 2.0f : 0.0f);
    return q - ((x < -7 ? 2.0f : 0.0f) + (x < -9 ? 2.0f : 0.0f));
}

static inline float nearest_level(float x, struct levels to) {
    return to.table ? table_level(x) : level(x, to.low, to.high);
}

/* The nibble of one of WEIGHT_TABLE's integers. */
static inline int table_place(int w) {
    return 8 + (w > 5 ? (w + 5) / 2 : w < -6 ? (w - 6) / 2 : w);
}

#endif
