/* GEMV with vpmaddubsw, in tiles of one panel and up to 4 columns. For more columns the panel is
 * read again, from the cache.
 *
 * vpmaddubsw saturates at int16, so the sum of a pair of products must not leave it. W4: nibbles
 * act as 0..15 and a pair is at most 2 * 15 * 127. Eight such pairs still fit, four of W5 and two
 * of W6. So they are summed in int16 over 4, 2 or 1 lines. W4T acts as 6..25: 2 lines. W8: |w| is
 * the unsigned operand, x takes the sign of w, and a pair is at most 2 * 128 * 127. Activations are
 * -127..127 (docs/numerics.md 3). */
#include "cpu/avx2_gemv_inl.h"
#include "cpu/gemv_high_inl.h"
#include "cpu/variants.h"

/* The steps of compute_grouped for column c. They use its variables. EACH_COLUMN writes each of
 * them once for every column of a tile. */
#define BEGIN(c, none)                                                                             \
    __m256i acc##c = _mm256_setzero_si256(), part##c = acc##c;                                     \
    if (c < COLUMNS)                                                                               \
        acc##c =                                                                                   \
            _mm256_sub_epi32(acc##c, _mm256_sll_epi32(broadcast4(sums + c * stride), half_range));
#define DOT(c, n)                                                                                  \
    if (c < COLUMNS) {                                                                             \
        const __m256i p = _mm256_maddubs_epi16(low, broadcast4(x + c * stride + (n)*8)),           \
                      q = _mm256_maddubs_epi16(up, broadcast4(x + c * stride + (n)*8 + 4));        \
        part##c = (n) % lines == 0 ? _mm256_add_epi16(p, q)                                        \
                                   : _mm256_add_epi16(part##c, _mm256_add_epi16(p, q));            \
    }
#define ADD_PART(c, none) acc##c = _mm256_add_epi32(acc##c, _mm256_madd_epi16(part##c, one));
#define SCALE(c, none)                                                                             \
    if (c < COLUMNS)                                                                               \
        total[c * 2 + half] = _mm256_add_epi32(total[c * 2 + half], _mm256_mullo_epi32(acc##c, s));

#define UP(n)   _mm256_slli_epi16(high, n)
#define DOWN(n) _mm256_srli_epi16(high, n)

/* The weights of a run of four columns, whose nibbles are the low ones of x. w5 and w6 are the
 * number of the run under its line of high bits. */
#define WEIGHTS(x, w5, w6)                                                                         \
    (table       ? _mm256_shuffle_epi8(values, _mm256_and_si256(x, nibble))                        \
     : more == 0 ? _mm256_and_si256(x, nibble)                                                     \
     : more == 1 ? above(_mm256_and_si256(x, nibble), _mm256_and_si256(W5_HIGH_##w5, mask))        \
                 : above(_mm256_and_si256(x, nibble), _mm256_and_si256(W6_HIGH_##w6, mask)))

INLINE __m256i above(__m256i x, __m256i high) { return _mm256_or_si256(x, high); }

/* 8 columns from 8 * n of the group on. i and j, f and g: the numbers of their two runs under a
 * line of high bits of W5 and W6. */
#define LINE(n, i, j, f, g)                                                                        \
    do {                                                                                           \
        const uint8_t *at = w + nibble_line(n, more) * 64 + half * 32;                             \
        if (high_before(n, more)) {                                                                \
            high = load8(at - 64);                                                                 \
            if (half == 0) prefetch(at - 64, 4 * COLUMNS, a->ahead);                               \
        }                                                                                          \
        const __m256i b = load8(at), b4 = _mm256_srli_epi16(b, 4);                                 \
        const __m256i low = WEIGHTS(b, i, f), up = WEIGHTS(b4, j, g);                              \
        if (half == 0) prefetch(at, 4 * COLUMNS, a->ahead);                                        \
        EACH_COLUMN(DOT, n)                                                                        \
        if ((n) % lines == lines - 1) { EACH_COLUMN(ADD_PART, ) }                                  \
    } while (0)

/* more: the bits that a weight has above its nibble; table: whether that is a place in
 * WEIGHT_TABLE */
INLINE uint32_t compute_grouped(const struct tile *t, const uint32_t COLUMNS, const uint32_t more,
                                const int table) {
    static const uint8_t above_16[16] = WEIGHT_TABLE(16);
    const struct gemv_args *a = t->args;
    const uint8_t *w = t->w, *scales = w, *x = a->x + t->column * a->x_stride;
    const uint8_t *sums = x + act_gsum_at(a->kp); /* gsum */
    const size_t stride = a->x_stride;
    const uint32_t lines = 4 >> (more + (uint32_t)table); /* whose sums fit int16 */
    const __m256i nibble = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1),
                  mask = _mm256_set1_epi8((char)high_mask(more)),
                  values = _mm256_broadcastsi128_si256(
                      _mm_loadu_si128((const __m128i *)(const void *)above_16));
    const __m128i half_range = _mm_cvtsi32_si128((int)half_range_log2(more, table));
    __m256i total[TILE_COLUMNS * 2] = {_mm256_setzero_si256()}, high = total[0];

    for (uint32_t g = 0; g < a->kp / GROUP; g++, w += group_bytes(more), x += GROUP, sums += 4) {
        if (g % 4 == 0) {
            scales = w;
            w += 64;
        }
        for (uint32_t half = 0; half < 2; half++) {
            EACH_COLUMN(BEGIN, )
            LINE(0, 0, 1, 0, 1);
            LINE(1, 2, 3, 2, 3);
            LINE(2, 4, 5, 0, 1);
            LINE(3, 6, 7, 2, 3);
            LINE(4, 0, 1, 0, 1);
            LINE(5, 2, 3, 2, 3);
            LINE(6, 4, 5, 0, 1);
            LINE(7, 6, 7, 2, 3);
            __m256i s = _mm256_cvtepi8_epi32(
                _mm_loadl_epi64((const __m128i *)(const void *)(scales + g % 4 * 16 + half * 8)));
            EACH_COLUMN(SCALE, )
        }
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

/* The steps of compute_w8, in the same way. */
#define W8_BEGIN(c, none) __m256i first##c = _mm256_setzero_si256(), second##c = first##c;
#define W8_DOT(c, none)                                                                            \
    if (c < COLUMNS) {                                                                             \
        __m256i q = broadcast4(x + c * stride);                                                    \
        __m256i p0 = _mm256_maddubs_epi16(m0, _mm256_sign_epi8(q, v0)),                            \
                p1 = _mm256_maddubs_epi16(m1, _mm256_sign_epi8(q, v1));                            \
        first##c = _mm256_add_epi32(first##c, _mm256_madd_epi16(p0, one));                         \
        second##c = _mm256_add_epi32(second##c, _mm256_madd_epi16(p1, one));                       \
    }

INLINE uint32_t compute_w8(const struct tile *t, const uint32_t COLUMNS) {
    const struct gemv_args *a = t->args;
    const uint8_t *w = t->w, *x = a->x + t->column * a->x_stride;
    const size_t stride = a->x_stride;
    const __m256i sign = _mm256_set1_epi8((char)0x80), one = _mm256_set1_epi16(1);
    EACH_COLUMN(W8_BEGIN, )
    for (uint32_t k = 0; k < a->kp; k += 4, w += 64, x += 4) {
        __m256i v0 = _mm256_xor_si256(load8(w), sign), v1 = _mm256_xor_si256(load8(w + 32), sign);
        __m256i m0 = _mm256_abs_epi8(v0), m1 = _mm256_abs_epi8(v1);
        prefetch(w, 2 * COLUMNS, a->ahead);
        EACH_COLUMN(W8_DOT, )
    }
    const __m256i sum[TILE_COLUMNS * 2] = {first0, second0, first1, second1,
                                           first2, second2, first3, second3};
    return tile_finish(t, COLUMNS, sum);
}

TILES
#ifdef APUS_FEWER_KERNELS
TILES_OF(w4t) /* other sets take these, too */
#endif

uint32_t avx2_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4);
    return walk(args, panel_begin, panel_end, WEIGHT_W4, NULL, table, TILE_COLUMNS);
}

uint32_t avx2_gemv_w4t(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4t);
    return walk(args, panel_begin, panel_end, WEIGHT_W4T, NULL, table, TILE_COLUMNS);
}

uint32_t avx2_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w8);
    return walk(args, panel_begin, panel_end, WEIGHT_W8, NULL, table, TILE_COLUMNS);
}

#ifndef APUS_FEWER_KERNELS
uint32_t avx2_gemv_w5(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w5);
    return walk(args, panel_begin, panel_end, WEIGHT_W5, NULL, table, TILE_COLUMNS);
}

uint32_t avx2_gemv_w6(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w6);
    return walk(args, panel_begin, panel_end, WEIGHT_W6, NULL, table, TILE_COLUMNS);
}
#endif
