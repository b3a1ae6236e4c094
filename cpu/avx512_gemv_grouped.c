/* GEMV with vpdpbusd for the types whose groups have scales: one 64-byte line is the nibbles of 8
 * columns of 16 rows, with columns k..k+3 in the low halves and k+4..k+7 in the high halves. W5 and
 * W6 have lines of high bits besides (weights/format.h). W4T's nibbles are places in a table, where
 * vpshufb looks them up.
 *
 * Weights act as 0..15, 31 or 63, W4T's as 6..25, so a column's accumulator starts each group of 64
 * at -8, -16 or -32 times gsum. At the end of the group it is multiplied once by the 16 rows'
 * scales and added to the column's total. */
#include "cpu/avx512_gemv_inl.h"
#include "cpu/gemv_high_inl.h"
#include "cpu/variants.h"

/* Steps of compute for column c, like those of avx512_gemv_inl.h. */
#define LESS(c, none)                                                                              \
    if (c < COLUMNS)                                                                               \
        acc##c = _mm512_sub_epi32(zero, _mm512_sll_epi32(broadcast4(x##c + sums), half_range));
#define SCALE(c, none)                                                                             \
    if (c < COLUMNS) total[c] = _mm512_add_epi32(total[c], _mm512_mullo_epi32(acc##c, s));

#define UP(n)   _mm512_slli_epi16(high, n)
#define DOWN(n) _mm512_srli_epi16(high, n)

/* v becomes the weights of a run of four columns, whose nibbles are the low ones of x. w5 and w6
 * are the number of the run under its line of high bits. */
#define WEIGHTS(x, w5, w6)                                                                         \
    do {                                                                                           \
        if (more == 0) v = _mm512_and_si512(x, nibble);                                            \
        if (table) v = _mm512_shuffle_epi8(values, v);                                             \
        if (more == 1) v = above(x, nibble, _mm512_and_si512(W5_HIGH_##w5, mask));                 \
        if (more == 2) v = above(x, nibble, _mm512_and_si512(W6_HIGH_##w6, mask));                 \
    } while (0)

/* (x & nibble) | high */
INLINE __m512i above(__m512i x, __m512i nibble, __m512i high) {
    return _mm512_ternarylogic_epi64(x, nibble, high, 0xEA);
}

/* 16 columns, k of the group on. a..d: the numbers of their runs under a line of high bits of W5.
 * W6 has a line for each 16 columns. */
#define PAIR(k, a, b, c, d)                                                                        \
    do {                                                                                           \
        const uint8_t *at = w + (size_t)nibble_line((k) / 8, more) * 64;                           \
        if (high_before((k) / 8, more)) {                                                          \
            high = _mm512_load_si512(at - 64);                                                     \
            prefetch(at - 64, 2 * COLUMNS, ahead);                                                 \
        }                                                                                          \
        __m512i line = _mm512_load_si512(at), v;                                                   \
        WEIGHTS(line, a, 0);                                                                       \
        prefetch(at, 2 * COLUMNS, ahead);                                                          \
        EACH_COLUMN(DOT, acc, acc, k)                                                              \
        line = _mm512_srli_epi16(line, 4);                                                         \
        WEIGHTS(line, b, 1);                                                                       \
        EACH_COLUMN(DOT, odd, odd, (k) + 4)                                                        \
        line = _mm512_load_si512(at + 64);                                                         \
        WEIGHTS(line, c, 2);                                                                       \
        prefetch(at + 64, 2 * COLUMNS, ahead);                                                     \
        EACH_COLUMN(DOT, third, acc, (k) + 8)                                                      \
        line = _mm512_srli_epi16(line, 4);                                                         \
        WEIGHTS(line, d, 3);                                                                       \
        EACH_COLUMN(DOT, fourth, odd, (k) + 12)                                                    \
    } while (0)

/* more: the bits that a weight has above its nibble; table: whether that is a place in
 * WEIGHT_TABLE */
INLINE uint32_t compute(const struct tile *t, const uint32_t COLUMNS, const uint32_t more,
                        const int table) {
    static const uint8_t above_16[16] = WEIGHT_TABLE(16);
    const int chains = chains_of(COLUMNS);
    const struct gemv_args *a = t->args;
    const size_t ahead = a->ahead;
    const uint8_t *w = t->w, *scales = w;
    const __m512i nibble = _mm512_set1_epi8(15), zero = _mm512_setzero_si512(),
                  mask = _mm512_set1_epi8((char)high_mask(more)),
                  values = _mm512_broadcast_i32x4(
                      _mm_loadu_si128((const __m128i *)(const void *)above_16));
    const __m128i half_range = _mm_cvtsi32_si128((int)half_range_log2(more, table));
    __m512i high = zero;
    size_t sums = act_gsum_at(a->kp); /* from a column's activations to its gsum of the group */
    __m512i total[TILE_COLUMNS] = {zero, zero, zero, zero, zero, zero, zero, zero};
    EACH_COLUMN(POINT, a->x + t->column * a->x_stride, a->x_stride)

    for (uint32_t g = 0; g < a->kp / GROUP; g++) {
        if (g % 4 == 0) {
            scales = w;
            w += 64;
            prefetch(w, 2 * COLUMNS, ahead);
        }
        EACH_COLUMN(CLEAR, zero)
        EACH_COLUMN(LESS, )
        PAIR(0, 0, 1, 2, 3);
        PAIR(16, 4, 5, 6, 7);
        PAIR(32, 0, 1, 2, 3);
        PAIR(48, 4, 5, 6, 7);
        const __m512i s = _mm512_cvtepi8_epi32(
            _mm_load_si128((const __m128i *)(const void *)(scales + g % 4 * 16)));
        EACH_COLUMN(JOIN, )
        EACH_COLUMN(SCALE, )
        EACH_COLUMN(ADVANCE, GROUP)
        sums -= GROUP - sizeof(int32_t);
        w += group_bytes(more);
    }
    return tile_finish(t, COLUMNS, total);
}

INLINE uint32_t compute_w4(const struct tile *t, const uint32_t COLUMNS) {
    return compute(t, COLUMNS, 0, 0);
}
TILES(w4)

uint32_t avx512_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4);
    return walk(args, panel_begin, panel_end, WEIGHT_W4, NULL, table, TILE_COLUMNS);
}

#ifndef APUS_FEWER_KERNELS
INLINE uint32_t compute_w4t(const struct tile *t, const uint32_t COLUMNS) {
    return compute(t, COLUMNS, 0, 1);
}
TILES(w4t)

uint32_t avx512_gemv_w4t(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4t);
    return walk(args, panel_begin, panel_end, WEIGHT_W4T, NULL, table, TILE_COLUMNS);
}

INLINE uint32_t compute_w5(const struct tile *t, const uint32_t COLUMNS) {
    return compute(t, COLUMNS, 1, 0);
}
TILES(w5)

uint32_t avx512_gemv_w5(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w5);
    return walk(args, panel_begin, panel_end, WEIGHT_W5, NULL, table, TILE_COLUMNS);
}

INLINE uint32_t compute_w6(const struct tile *t, const uint32_t COLUMNS) {
    return compute(t, COLUMNS, 2, 0);
}
TILES(w6)

uint32_t avx512_gemv_w6(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w6);
    return walk(args, panel_begin, panel_end, WEIGHT_W6, NULL, table, TILE_COLUMNS);
}
#endif
