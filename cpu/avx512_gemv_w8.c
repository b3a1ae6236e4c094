/* W8 GEMV with vpdpbusd: one 64-byte line is 4 columns of 16 rows. Weights act as 0..255, so a column's accumulator starts at
 * -128 * sum of its activations. */
#include "cpu/avx512_gemv_inl.h"
#include "cpu/variants.h"

INLINE int32_t activation_sum(const struct gemv_args *a, uint32_t column) {
    const uint8_t *sums = a->x + column * a->x_stride + a->kp;
    int32_t sum = 0;
    for (uint32_t g = 0; g < a->kp / GROUP; g++) {
        int32_t s;
        __builtin_memcpy(&s, sums + g * 4, sizeof s);
        sum += s;
    }
    return sum;
}

INLINE __mmask16 compute(const struct tile *t, const uint32_t COLUMNS) {
    const int split = COLUMNS < 3; /* two accumulators a column: vpdpbusd takes 4 cycles to come back */
    const struct gemv_args *a = t->args;
    const struct strides d = strides_of(a->x_stride);
    const uint8_t *w = t->w, *x = a->x + t->column * a->x_stride;

#define DO(c)                                                                                                                              \
    __m512i acc##c = _mm512_setzero_si512(), odd##c = acc##c;                                                                              \
    if (c < COLUMNS) acc##c = _mm512_set1_epi32((int32_t)((uint32_t)activation_sum(a, t->column + c) * -128u));
    EACH_COLUMN(DO)
#undef DO
    for (uint32_t k = 0; k < a->kp; k += 8) {
        __m512i v = _mm512_load_si512(w);
        prefetch(w, COLUMNS);
#define DO(c)                                                                                                                              \
    if (c < COLUMNS) acc##c = dot4(acc##c, v, broadcast4(column_at(x, d, c)));
        EACH_COLUMN(DO)
#undef DO
        v = _mm512_load_si512(w + 64);
        prefetch(w + 64, COLUMNS);
#define DO(c)                                                                                                                              \
    if (c < COLUMNS && split) odd##c = dot4(odd##c, v, broadcast4(column_at(x, d, c) + 4));                                                \
    if (c < COLUMNS && !split) acc##c = dot4(acc##c, v, broadcast4(column_at(x, d, c) + 4));
        EACH_COLUMN(DO)
#undef DO
        w += 128;
        x += 8;
    }
    __m512i sum[TILE_COLUMNS];
#define DO(c)                                                                                                                              \
    if (c < COLUMNS) sum[c] = split ? _mm512_add_epi32(acc##c, odd##c) : acc##c;
    EACH_COLUMN(DO)
#undef DO
    return tile_finish(t, COLUMNS, sum);
}

TILES

uint32_t avx512_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE;
    return walk(args, panel_begin, panel_end, WEIGHT_W8, table);
}
