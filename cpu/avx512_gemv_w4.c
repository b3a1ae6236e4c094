/* W4 GEMV with vpdpbusd: one 64-byte line is 8 columns of 16 rows, low nibbles k..k+3, high nibbles k+4..k+7.
 *
 * Nibbles act as 0..15, so a column's accumulator starts each group of 64 at -8 * gsum; it ends the group with one multiplication by the
 * 16 rows' scales, added to the column's total. */
#include "cpu/avx512_gemv_inl.h"
#include "cpu/variants.h"

INLINE __mmask16 compute(const struct tile *t, const uint32_t COLUMNS) {
    const int split = COLUMNS < 4; /* an accumulator for each nibble: vpdpbusd takes 4 cycles to come back */
    const struct gemv_args *a = t->args;
    const struct strides d = strides_of(a->x_stride);
    const uint8_t *w = t->w, *scales = w, *x = a->x + t->column * a->x_stride;
    const uint8_t *sums = x + a->kp; /* gsum */
    const __m512i nibble = _mm512_set1_epi8(15), zero = _mm512_setzero_si512();
    __m512i total[TILE_COLUMNS]; /* in memory, so that 16 accumulators stay in registers */

#define DO(c)                                                                                                                              \
    if (c < COLUMNS) total[c] = zero;
    EACH_COLUMN(DO)
#undef DO
    for (uint32_t g = 0; g < a->kp / GROUP; g++) {
        if (g % 4 == 0) {
            scales = w;
            w += 64;
            prefetch(w, 2 * COLUMNS);
        }
#define DO(c)                                                                                                                              \
    __m512i acc##c = zero, high##c = zero;                                                                                                 \
    if (c < COLUMNS) acc##c = _mm512_sub_epi32(zero, _mm512_slli_epi32(broadcast4(column_at(sums, d, c)), 3));
        EACH_COLUMN(DO)
#undef DO
        sums += 4;
        for (uint32_t line = 0; line < 8; line++) {
            __m512i v = _mm512_load_si512(w), low = _mm512_and_si512(v, nibble), up = _mm512_and_si512(_mm512_srli_epi16(v, 4), nibble);
            prefetch(w, 2 * COLUMNS);
#define DO(c)                                                                                                                              \
    if (c < COLUMNS) acc##c = dot4(acc##c, low, broadcast4(column_at(x, d, c)));
            EACH_COLUMN(DO)
#undef DO
#define DO(c)                                                                                                                              \
    if (c < COLUMNS && split) high##c = dot4(high##c, up, broadcast4(column_at(x, d, c) + 4));                                             \
    if (c < COLUMNS && !split) acc##c = dot4(acc##c, up, broadcast4(column_at(x, d, c) + 4));
            EACH_COLUMN(DO)
#undef DO
            w += 64;
            x += 8;
        }
        __m512i s = _mm512_cvtepi8_epi32(_mm_load_si128((const __m128i *)(const void *)(scales + g % 4 * 16)));
#define DO(c)                                                                                                                              \
    if (c < COLUMNS && split) acc##c = _mm512_add_epi32(acc##c, high##c);                                                                  \
    if (c < COLUMNS) total[c] = _mm512_add_epi32(total[c], _mm512_mullo_epi32(acc##c, s));
        EACH_COLUMN(DO)
#undef DO
    }
    return tile_finish(t, COLUMNS, total);
}

TILES

uint32_t avx512_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE;
    return walk(args, panel_begin, panel_end, WEIGHT_W4, table);
}
