/* GEMV with vpmaddubsw, in tiles of one panel and up to 4 columns. For more columns the panel is
 * read again, from the cache.
 *
 * vpmaddubsw saturates at int16, so the sum of a pair of products must not leave it. W4: nibbles
 * act as 0..15 and a pair is at most 2 * 15 * 127. Eight such pairs still fit, so half a group is
 * summed in int16. W8: |w| is the unsigned operand, x takes the sign of w, and a pair is at most 2
 * * 128 * 127. Activations are -127..127 (docs/numerics.md 3). */
#include "cpu/avx2_gemv_inl.h"
#include "cpu/variants.h"

/* The steps of compute_w4 for column c. They use its variables. EACH_COLUMN writes each of them
 * once for every column of a tile. */
#define W4_BEGIN(c, none)                                                                          \
    __m256i acc##c = _mm256_setzero_si256();                                                       \
    if (c < COLUMNS)                                                                               \
        acc##c = _mm256_sub_epi32(acc##c, _mm256_slli_epi32(broadcast4(sums + c * stride), 3));
#define W4_BEGIN_PART(c, none) __m256i part##c = _mm256_setzero_si256();
#define W4_DOT(c, none)                                                                            \
    if (c < COLUMNS) {                                                                             \
        part##c =                                                                                  \
            _mm256_add_epi16(part##c, _mm256_maddubs_epi16(low, broadcast4(y + c * stride)));      \
        part##c =                                                                                  \
            _mm256_add_epi16(part##c, _mm256_maddubs_epi16(high, broadcast4(y + c * stride + 4))); \
    }
#define W4_ADD_PART(c, none) acc##c = _mm256_add_epi32(acc##c, _mm256_madd_epi16(part##c, one));
#define W4_SCALE(c, none)                                                                          \
    if (c < COLUMNS)                                                                               \
        total[c * 2 + half] = _mm256_add_epi32(total[c * 2 + half], _mm256_mullo_epi32(acc##c, s));

INLINE uint32_t compute_w4(const struct tile *t, const uint32_t COLUMNS) {
    const struct gemv_args *a = t->args;
    const uint8_t *w = t->w, *scales = w, *x = a->x + t->column * a->x_stride;
    const uint8_t *sums = x + act_gsum_at(a->kp); /* gsum */
    const size_t stride = a->x_stride;
    const __m256i nibble = _mm256_set1_epi8(15), one = _mm256_set1_epi16(1);
    __m256i total[TILE_COLUMNS * 2] = {_mm256_setzero_si256()};

    for (uint32_t g = 0; g < a->kp / GROUP; g++, w += 8 * 64, x += GROUP, sums += 4) {
        if (g % 4 == 0) {
            scales = w;
            w += 64;
        }
        for (uint32_t half = 0; half < 2; half++) {
            EACH_COLUMN(W4_BEGIN, )
            for (uint32_t line = 0; line < 8; line += 4) {
                const uint8_t *v = w + line * 64 + half * 32, *y = x + line * 8;
                EACH_COLUMN(W4_BEGIN_PART, )
#pragma GCC unroll 4
                for (uint32_t l = 0; l < 4; l++, v += 64, y += 8) {
                    __m256i b = load8(v), low = _mm256_and_si256(b, nibble),
                            high = _mm256_and_si256(_mm256_srli_epi16(b, 4), nibble);
                    if (half == 0) prefetch(v, 4 * COLUMNS, a->ahead);
                    EACH_COLUMN(W4_DOT, )
                }
                EACH_COLUMN(W4_ADD_PART, )
            }
            __m256i s = _mm256_cvtepi8_epi32(
                _mm_loadl_epi64((const __m128i *)(const void *)(scales + g % 4 * 16 + half * 8)));
            EACH_COLUMN(W4_SCALE, )
        }
    }
    return tile_finish(t, COLUMNS, total);
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

uint32_t avx2_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4);
    return walk(args, panel_begin, panel_end, WEIGHT_W4, NULL, table, TILE_COLUMNS);
}

uint32_t avx2_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w8);
    return walk(args, panel_begin, panel_end, WEIGHT_W8, NULL, table, TILE_COLUMNS);
}
