/* W8 GEMV with vpdpbusd: one 64-byte line is 4 columns of 16 rows. Weights act as 0..255, so a column's accumulator starts at
 * -128 * sum of its activations. */
#include "cpu/avx512_gemv_inl.h"
#include "cpu/variants.h"

enum { COLUMNS_AT_ONCE = 256 };

/* -128 times the sum of a column's activations */
static int32_t start_of(const uint8_t *gsum, uint32_t groups) {
    uint32_t sum = 0;
    for (uint32_t g = 0; g < groups; g++) {
        int32_t s;
        __builtin_memcpy(&s, gsum + g * sizeof s, sizeof s);
        sum += (uint32_t)s;
    }
    return (int32_t)(sum * -128u);
}

INLINE uint32_t compute(const struct tile *t, const uint32_t COLUMNS) {
    const int chains = chains_of(COLUMNS);
    const struct gemv_args *a = t->args;
    const size_t ahead = a->ahead;
    const uint8_t *w = t->w;
    EACH_COLUMN(POINT, a->x + t->column * a->x_stride, a->x_stride)
    EACH_COLUMN(CLEAR, _mm512_setzero_si512())
#define LESS(c, none)                                                                                                                      \
    if (c < COLUMNS) acc##c = _mm512_set1_epi32(t->less[t->column + c]);
    EACH_COLUMN(LESS, )

    for (uint32_t g = 0; g < a->kp / GROUP; g++) {
#pragma GCC unroll 4
        for (uint32_t k = 0; k < GROUP; k += 16) {
            __m512i v = _mm512_load_si512(w + k * 16);
            prefetch(w + k * 16, COLUMNS, ahead);
            EACH_COLUMN(DOT, acc, acc, k)
            v = _mm512_load_si512(w + k * 16 + 64);
            prefetch(w + k * 16 + 64, COLUMNS, ahead);
            EACH_COLUMN(DOT, odd, odd, k + 4)
            v = _mm512_load_si512(w + k * 16 + 128);
            prefetch(w + k * 16 + 128, COLUMNS, ahead);
            EACH_COLUMN(DOT, third, acc, k + 8)
            v = _mm512_load_si512(w + k * 16 + 192);
            prefetch(w + k * 16 + 192, COLUMNS, ahead);
            EACH_COLUMN(DOT, fourth, odd, k + 12)
        }
        EACH_COLUMN(ADVANCE, GROUP)
        w += GROUP * 16;
    }
    EACH_COLUMN(JOIN, )
    const __m512i sum[TILE_COLUMNS] = {acc0, acc1, acc2, acc3, acc4, acc5, acc6, acc7};
    return tile_finish(t, COLUMNS, sum);
}

TILES

uint32_t avx512_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE;
    int32_t less[COLUMNS_AT_ONCE];
    struct gemv_args part = *args;
    uint32_t bad = 0;
    for (uint32_t left = args->columns; left; left -= part.columns) {
        part.columns = left < COLUMNS_AT_ONCE ? left : COLUMNS_AT_ONCE;
        for (uint32_t c = 0; c < part.columns; c++) less[c] = start_of(part.x + c * part.x_stride + part.kp, part.kp / GROUP);
        bad |= walk(&part, panel_begin, panel_end, WEIGHT_W8, less, table);
        part.x += part.columns * part.x_stride;
        part.y += part.columns * part.y_stride;
    }
    return bad;
}
