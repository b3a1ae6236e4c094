/* GEMVs with a 256-bit vpdpbusd. The file that includes this only chooses the instruction's
 * encoding (avxvnni_dot_inl.h).
 *
 * A 64-byte line of weights is two vectors of 8 rows. vpdpbusd takes unsigned bytes. Weights of
 * types with scales of groups act as 0..15, 31 or 63, W4T's as 6..25, so a column's sums start each
 * group of 64 at -8, -16 or -32 times gsum. W8's weights act as 0..255 (gemv_less_inl.h). */
#ifndef CPU_AVXVNNI_GEMV_INL_H
#define CPU_AVXVNNI_GEMV_INL_H

#include "cpu/avx2_gemv_inl.h"
#include "cpu/avxvnni_dot_inl.h"
#include "cpu/gemv_high_inl.h"
#include "cpu/gemv_less_inl.h"

/* vpdpbusd has a latency of 4 or 5 cycles, and two start in a cycle. A column has two sums, one for
 * the first 8 rows of a line and one for the others. One column keeps four accumulators for each
 * sum (acc, odd, third, fourth), two columns keep two, more columns one. That is at most 8, so that
 * the weights also fit into the 16 registers. */
INLINE int chains_of(const uint32_t columns) { return columns == 1 ? 4 : columns == 2 ? 2 : 1; }
#define CLEAR(c, none)                                                                             \
    __m256i acc##c##n = _mm256_setzero_si256(), odd##c##n = acc##c##n, third##c##n = acc##c##n,    \
            fourth##c##n = acc##c##n;                                                              \
    __m256i acc##c##f = acc##c##n, odd##c##f = acc##c##n, third##c##f = acc##c##n,                 \
            fourth##c##f = acc##c##n;
#define DOT(c, one, two, offset)                                                                   \
    if (c < COLUMNS) {                                                                             \
        const __m256i v = broadcast4(x##c + (offset));                                             \
        if (chains == 4)                                                                           \
            one##c##n = dot4(one##c##n, near, v), one##c##f = dot4(one##c##f, far, v);             \
        if (chains == 2)                                                                           \
            two##c##n = dot4(two##c##n, near, v), two##c##f = dot4(two##c##f, far, v);             \
        if (chains == 1)                                                                           \
            acc##c##n = dot4(acc##c##n, near, v), acc##c##f = dot4(acc##c##f, far, v);             \
    }
#define JOIN_HALF(c)                                                                               \
    if (chains == 4)                                                                               \
        third##c = _mm256_add_epi32(third##c, fourth##c),                                          \
        acc##c = _mm256_add_epi32(acc##c, third##c);                                               \
    if (chains > 1) acc##c = _mm256_add_epi32(acc##c, odd##c);
#define JOIN(c, none)                                                                              \
    if (c < COLUMNS) {                                                                             \
        JOIN_HALF(c##n)                                                                            \
        JOIN_HALF(c##f)                                                                            \
    }

#define UP(n)   _mm256_slli_epi16(high, n)
#define DOWN(n) _mm256_srli_epi16(high, n)

/* x keeps its low nibbles and, from the line of high bits at `from`, gets those above them of run
 * w5 or w6 under that line. */
#define WEIGHTS(x, from, w5, w6)                                                                   \
    do {                                                                                           \
        x = _mm256_and_si256(x, nibble);                                                           \
        if (table) x = _mm256_shuffle_epi8(values, x);                                             \
        if (more) {                                                                                \
            const __m256i high = load8(from);                                                      \
            x = _mm256_or_si256(x,                                                                 \
                                _mm256_and_si256(more == 1 ? W5_HIGH_##w5 : W6_HIGH_##w6, mask));  \
        }                                                                                          \
    } while (0)

/* 8 columns from 8 * n of the group on: those of the low nibbles, then those of the high ones. i
 * and j, f and g: the numbers of their runs under a line of high bits of W5 and W6. */
#define LINE(n, i, j, f, g, low_one, low_two, high_one, high_two)                                  \
    do {                                                                                           \
        const uint8_t *at = w + nibble_line(n, more) * 64;                                         \
        if (high_before(n, more)) {                                                                \
            above = at - 64;                                                                       \
            prefetch(above, 2 * COLUMNS, ahead);                                                   \
        }                                                                                          \
        const __m256i first = load8(at), second = load8(at + 32);                                  \
        __m256i near = first, far = second;                                                        \
        WEIGHTS(near, above, i, f);                                                                \
        WEIGHTS(far, above + 32, i, f);                                                            \
        prefetch(at, 2 * COLUMNS, ahead);                                                          \
        EACH_COLUMN(DOT, low_one, low_two, (n)*8)                                                  \
        near = _mm256_srli_epi16(first, 4), far = _mm256_srli_epi16(second, 4);                    \
        WEIGHTS(near, above, j, g);                                                                \
        WEIGHTS(far, above + 32, j, g);                                                            \
        EACH_COLUMN(DOT, high_one, high_two, (n)*8 + 4)                                            \
    } while (0)

#define LESS(c, none)                                                                              \
    if (c < COLUMNS)                                                                               \
        acc##c##n = acc##c##f =                                                                    \
            _mm256_sub_epi32(zero, _mm256_sll_epi32(broadcast4(x##c + sums), half_range));
#define SCALE(c, none)                                                                             \
    if (c < COLUMNS) {                                                                             \
        total[c * 2] = _mm256_add_epi32(total[c * 2], _mm256_mullo_epi32(acc##c##n, s));           \
        total[c * 2 + 1] = _mm256_add_epi32(total[c * 2 + 1], _mm256_mullo_epi32(acc##c##f, r));   \
    }

/* more: the bits that a weight has above its nibble; table: whether that is a place in
 * WEIGHT_TABLE */
INLINE uint32_t compute_grouped(const struct tile *t, const uint32_t COLUMNS, const uint32_t more,
                                const int table) {
    static const uint8_t above_16[16] = WEIGHT_TABLE(16);
    const int chains = chains_of(COLUMNS);
    const struct gemv_args *a = t->args;
    const size_t ahead = a->ahead;
    const uint8_t *w = t->w, *scales = w, *above = w;
    const __m256i nibble = _mm256_set1_epi8(15), zero = _mm256_setzero_si256(),
                  mask = _mm256_set1_epi8((char)high_mask(more)),
                  values = _mm256_broadcastsi128_si256(
                      _mm_loadu_si128((const __m128i *)(const void *)above_16));
    const __m128i half_range = _mm_cvtsi32_si128((int)half_range_log2(more, table));
    size_t sums = act_gsum_at(a->kp); /* from a column's activations to its gsum of the group */
    __m256i total[TILE_COLUMNS * 2] = {zero, zero, zero, zero, zero, zero, zero, zero};
    EACH_COLUMN(POINT, a->x + t->column * a->x_stride, a->x_stride)

    for (uint32_t g = 0; g < a->kp / GROUP; g++) {
        if (g % 4 == 0) {
            scales = w;
            w += 64;
            prefetch(w, 2 * COLUMNS, ahead);
        }
        EACH_COLUMN(CLEAR, )
        EACH_COLUMN(LESS, )
        LINE(0, 0, 1, 0, 1, acc, acc, odd, odd);
        LINE(1, 2, 3, 2, 3, third, acc, fourth, odd);
        LINE(2, 4, 5, 0, 1, acc, acc, odd, odd);
        LINE(3, 6, 7, 2, 3, third, acc, fourth, odd);
        LINE(4, 0, 1, 0, 1, acc, acc, odd, odd);
        LINE(5, 2, 3, 2, 3, third, acc, fourth, odd);
        LINE(6, 4, 5, 0, 1, acc, acc, odd, odd);
        LINE(7, 6, 7, 2, 3, third, acc, fourth, odd);
        EACH_COLUMN(JOIN, )
        const __m256i s = _mm256_cvtepi8_epi32(
            _mm_loadl_epi64((const __m128i *)(const void *)(scales + g % 4 * 16)));
        const __m256i r = _mm256_cvtepi8_epi32(
            _mm_loadl_epi64((const __m128i *)(const void *)(scales + g % 4 * 16 + 8)));
        EACH_COLUMN(SCALE, )
        EACH_COLUMN(ADVANCE, GROUP)
        sums -= GROUP - sizeof(int32_t);
        w += group_bytes(more);
    }
    return tile_finish(t, COLUMNS, total);
}

INLINE uint32_t compute_w4(const struct tile *t, const uint32_t COLUMNS) {
    return compute_grouped(t, COLUMNS, 0, 0);
}
INLINE uint32_t compute_w4t(const struct tile *t, const uint32_t COLUMNS) {
    return compute_grouped(t, COLUMNS, 0, 1);
}
INLINE uint32_t compute_w5(const struct tile *t, const uint32_t COLUMNS) {
    return compute_grouped(t, COLUMNS, 1, 0);
}
INLINE uint32_t compute_w6(const struct tile *t, const uint32_t COLUMNS) {
    return compute_grouped(t, COLUMNS, 2, 0);
}

#define LINE_W8(w, one, two, k)                                                                    \
    do {                                                                                           \
        __m256i near = load8(w), far = load8((w) + 32);                                            \
        PREFETCH(near, w, COLUMNS, ahead);                                                         \
        EACH_COLUMN(DOT, one, two, k)                                                              \
    } while (0)

#define LESS_W8(c, none)                                                                           \
    if (c < COLUMNS) acc##c##n = acc##c##f = _mm256_set1_epi32(t->less[t->column + c]);

INLINE uint32_t compute_w8(const struct tile *t, const uint32_t COLUMNS) {
    const int chains = chains_of(COLUMNS);
    const struct gemv_args *a = t->args;
    const size_t ahead = a->ahead;
    const uint8_t *w = t->w;
    EACH_COLUMN(POINT, a->x + t->column * a->x_stride, a->x_stride)
    EACH_COLUMN(CLEAR, )
    EACH_COLUMN(LESS_W8, )

    for (uint32_t g = 0; g < a->kp / GROUP; g++) {
#pragma GCC unroll 4
        for (uint32_t k = 0; k < GROUP; k += 16) {
            LINE_W8(w + k * 16, acc, acc, k);
            LINE_W8(w + k * 16 + 64, odd, odd, k + 4);
            LINE_W8(w + k * 16 + 128, third, acc, k + 8);
            LINE_W8(w + k * 16 + 192, fourth, odd, k + 12);
        }
        EACH_COLUMN(ADVANCE, GROUP)
        w += GROUP * 16;
    }
    EACH_COLUMN(JOIN, )
    const __m256i sum[TILE_COLUMNS * 2] = {acc0n, acc0f, acc1n, acc1f, acc2n, acc2f, acc3n, acc3f};
    return tile_finish(t, COLUMNS, sum);
}

TILES

INLINE uint32_t gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4);
    return walk(args, panel_begin, panel_end, WEIGHT_W4, NULL, table, TILE_COLUMNS);
}

#ifndef APUS_FEWER_KERNELS
INLINE uint32_t gemv_w4t(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4t);
    return walk(args, panel_begin, panel_end, WEIGHT_W4T, NULL, table, TILE_COLUMNS);
}

INLINE uint32_t gemv_w5(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w5);
    return walk(args, panel_begin, panel_end, WEIGHT_W5, NULL, table, TILE_COLUMNS);
}

INLINE uint32_t gemv_w6(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w6);
    return walk(args, panel_begin, panel_end, WEIGHT_W6, NULL, table, TILE_COLUMNS);
}
#endif

INLINE uint32_t gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w8);
    return walk_w8(args, panel_begin, panel_end, table, TILE_COLUMNS);
}

#endif
