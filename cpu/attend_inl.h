/* What the vector attentions share: which slots a query sees, which of them a batch must read, and
 * the layout of the scratch memory.
 *
 * scratch holds scores, float [ATTEND_QUERIES][slots + 64] (the 64 keep the scores of all queries
 * from the same places of a cache when slots is a power of two); then sums, int32 [queries][3
 * digits][head_dim], of digit times V; then digits, uint8 [queries][3][ATTEND_BLOCK], of the slots
 * in work. */
#ifndef CPU_ATTEND_INL_H
#define CPU_ATTEND_INL_H

#include "cpu/kernels.h"

enum {
    ATTEND_BLOCK = 128, /* slots whose digits are made before their V is read: with head_dim 128
                           their V takes half of L1 */
    ATTEND_SUMS = ATTEND_QUERIES * 3 * BLOB_HEAD_DIM_MAX,
    DIGIT_TOP = 2097151 /* 2^21 - 1 */
};
_Static_assert(ATTEND_SUMS * 4 + ATTEND_QUERIES * 3 * ATTEND_BLOCK <= 8192 * 4,
               "fits what attend_scratch_floats gives");

static inline float *attend_scores(const struct attend_args *a, uint32_t query) {
    return a->scratch + (size_t)query * (a->slots + 64);
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
    uint32_t bits = 0;
    for (uint32_t i = 0; i < q->ranges && q->range[i].begin < slot + 16; i++) {
        const uint32_t begin = q->range[i].begin, end = q->range[i].end;
        if (end <= slot) continue;
        bits |= (end < slot + 16 ? (1u << (end - slot)) - 1 : 0xffff) &
                ~(begin > slot ? (1u << (begin - slot)) - 1 : 0);
    }
    if (q->tail >= slot && q->tail < slot + 16) bits |= q->mask << (q->tail - slot);
    if (q->tail < slot && q->tail + 16 > slot) bits |= q->mask >> (slot - q->tail);
    return bits & 0xffff;
}

/* A run of panels of 16 slots, in each of which some query of the batch sees a slot. */
struct attend_run {
    uint32_t begin, end;
    int whole; /* all queries see all of it */
};

enum attend_sight { SEES_NOTHING, SEES_SOME, SEES_ALL };

/* The slots of the panel at `slot` that the query sees. *until is the panel up to which the answer
 * stays the same, UINT32_MAX if it does to the end. */
static inline enum attend_sight attend_sight(const struct attend_query *q, uint32_t slot,
                                             uint32_t *until) {
    *until = UINT32_MAX;
    for (uint32_t i = 0; i < q->ranges; i++) {
        const uint32_t begin = q->range[i].begin, end = q->range[i].end;
        if (end <= slot) continue;
        if (begin <= slot && end >= slot + 16) {
            *until = end - end % 16;
            return SEES_ALL;
        }
        *until = begin < slot + 16 ? slot + 16 : begin - begin % 16;
        if (begin < slot + 16) return SEES_SOME;
        break;
    }
    if (!q->mask) return SEES_NOTHING;
    const uint32_t first = q->tail + (uint32_t)__builtin_ctz(q->mask),
                   end = q->tail + 32 - (uint32_t)__builtin_clz(q->mask);
    if (slot < end) {
        const uint32_t next = first >= slot + 16 ? first - first % 16 : slot + 16;
        if (next < *until) *until = next;
        if (first < slot + 16) return SEES_SOME;
    }
    return SEES_NOTHING;
}

/* The first run at or after `slot`, a multiple of 16. After the last run the result is empty. */
static inline struct attend_run attend_next(const struct attend_args *a, uint32_t slot) {
    for (;;) {
        uint32_t until = UINT32_MAX, some = 0, all = 1;
        for (uint32_t i = 0; i < a->queries; i++) {
            uint32_t to;
            const enum attend_sight s = attend_sight(&a->query[i], slot, &to);
            some |= s != SEES_NOTHING;
            all &= s == SEES_ALL;
            if (to < until) until = to;
        }
        if (some) return (struct attend_run){slot, until, (int)all};
        if (until == UINT32_MAX) return (struct attend_run){slot, slot, 0};
        slot = until;
    }
}

/* The same, joined with the runs that follow without a gap. */
static inline struct attend_run attend_stretch(const struct attend_args *a, uint32_t slot) {
    struct attend_run run = attend_next(a, slot);
    for (;;) {
        const struct attend_run next = attend_next(a, run.end);
        if (next.begin != run.end || next.end == run.end) return run;
        run.end = next.end;
    }
}

#endif
