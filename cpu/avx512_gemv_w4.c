/* W4 GEMV with vpdpbusd: one 64-byte line is 8 columns of 16 rows, with columns k..k+3 in the low
 * nibbles and k+4..k+7 in the high nibbles.
 *
 * Nibbles act as 0..15, so a column's accumulator starts each group of 64 at -8 * gsum. At the end
 * of the group it is multiplied once by the 16 rows' scales and added to the column's total. */
#include "cpu/avx512_gemv_inl.h"
#include "cpu/variants.h"

/* Steps of compute for column c, like those of avx512_gemv_inl.h. */
#define LESS(c, none)                                                                              \
    if (c < COLUMNS) acc##c = _mm512_sub_epi32(zero, _mm512_slli_epi32(broadcast4(x##c + sums), 3));
#define SCALE(c, none)                                                                             \
    if (c < COLUMNS) total[c] = _mm512_add_epi32(total[c], _mm512_mullo_epi32(acc##c, s));

INLINE uint32_t compute(const struct tile *t, const uint32_t COLUMNS) {
    const int chains = chains_of(COLUMNS);
    const struct gemv_args *a = t->args;
    const size_t ahead = a->ahead;
    const uint8_t *w = t->w, *scales = w;
    const __m512i nibble = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
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
#pragma GCC unroll 4
        for (uint32_t pair = 0; pair < 4; pair++) {
            const uint32_t k = pair * 16;
            __m512i line = _mm512_load_si512(w + k * 8), v = _mm512_and_si512(line, nibble);
            prefetch(w + k * 8, 2 * COLUMNS, ahead);
            EACH_COLUMN(DOT, acc, acc, k)
            v = _mm512_and_si512(_mm512_srli_epi16(line, 4), nibble);
            EACH_COLUMN(DOT, odd, odd, k + 4)
            line = _mm512_load_si512(w + k * 8 + 64), v = _mm512_and_si512(line, nibble);
            prefetch(w + k * 8 + 64, 2 * COLUMNS, ahead);
            EACH_COLUMN(DOT, third, acc, k + 8)
            v = _mm512_and_si512(_mm512_srli_epi16(line, 4), nibble);
            EACH_COLUMN(DOT, fourth, odd, k + 12)
        }
        const __m512i s = _mm512_cvtepi8_epi32(
            _mm_load_si128((const __m128i *)(const void *)(scales + g % 4 * 16)));
        EACH_COLUMN(JOIN, )
        EACH_COLUMN(SCALE, )
        EACH_COLUMN(ADVANCE, GROUP)
        sums -= GROUP - sizeof(int32_t);
        w += 8 * 64;
    }
    return tile_finish(t, COLUMNS, total);
}

TILES

uint32_t avx512_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE;
    return walk(args, panel_begin, panel_end, WEIGHT_W4, NULL, table, TILE_COLUMNS);
}
