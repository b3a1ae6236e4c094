/* What the vector attentions share: which slots a query sees, and the layout of the scratch memory.
 *
 * scratch: scores, float [ATTEND_QUERIES][slots]; then, past some slack, sums, int32 [queries][3
 * digits][head_dim], of digit times V; then digits, uint8 [queries][3][ATTEND_BLOCK], of the slots
 * in work. */
#ifndef CPU_ATTEND_INL_H
#define CPU_ATTEND_INL_H

#include "cpu/kernels.h"

enum {
    ATTEND_BLOCK = 128, /* slots whose digits are made before their V is read: with head_dim 128
                           that V takes half of L1 */
    ATTEND_SUMS = ATTEND_QUERIES * 3 * BLOB_HEAD_DIM_MAX,
    DIGIT_TOP = 2097151 /* 2^21 - 1 */
};
_Static_assert(ATTEND_SUMS * 4 + ATTEND_QUERIES * 3 * ATTEND_BLOCK <= 8192 * 4,
               "fits what attend_scratch_floats gives");

static inline float *attend_scores(const struct attend_args *a, uint32_t query) {
    return a->scratch + (size_t)query * a->slots;
}

static inline int32_t *attend_sums(const struct attend_args *a, uint32_t query) {
    return (int32_t *)(void *)(a->scratch + (size_t)ATTEND_QUERIES * (a->slots + 64)) +
           (size_t)query * 3 * a->head_dim;
}

static inline uint8_t *attend_digits(const struct attend_args *a, uint32_t query) {
    float *base = a->scratch + (size_t)ATTEND_QUERIES * (a->slots + 64) + ATTEND_SUMS;
    return (uint8_t *)(void *)base + (size_t)query * 3 * ATTEND_BLOCK;
}

/* Bit j: the query sees slot + j, j = 0 .. 15. */
static inline uint32_t attend_visible(const struct attend_query *q, uint32_t slot) {
    uint32_t bits = q->prefix >= slot + 16 ? 0xffff
                    : q->prefix > slot     ? (1u << (q->prefix - slot)) - 1
                                           : 0;
    if (q->tail >= slot && q->tail < slot + 16) bits |= q->mask << (q->tail - slot);
    if (q->tail < slot && q->tail + 16 > slot) bits |= q->mask >> (slot - q->tail);
    return bits & 0xffff;
}

/* One past the last slot any query can see, rounded up to a panel. */
static inline uint32_t attend_end(const struct attend_args *a) {
    uint32_t end = 0;
    for (uint32_t i = 0; i < a->queries; i++) {
        const struct attend_query *q = &a->query[i];
        uint32_t last = q->prefix;
        for (uint32_t b = 0; b < 16; b++)
            if (q->mask >> b & 1) last = q->tail + b + 1;
        if (last > end) end = last;
    }
    return round_up(end, 16);
}

#endif
