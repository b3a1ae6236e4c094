/* W8 GEMV with vpdpbusd: one 64-byte line is 4 columns of 16 rows. */
#include "cpu/avx512_gemv_inl.h"
#include "cpu/gemv_less_inl.h"
#include "cpu/variants.h"

/* A step of compute for column c, like those of avx512_gemv_inl.h. */
#define LESS(c, none)                                                                              \
    if (c < COLUMNS) acc##c = _mm512_set1_epi32(t->less[t->column + c]);

INLINE uint32_t compute_w8(const struct tile *t, const uint32_t COLUMNS) {
    const int chains = chains_of(COLUMNS);
    const struct gemv_args *a = t->args;
    const size_t ahead = a->ahead;
    const uint8_t *w = t->w;
    EACH_COLUMN(POINT, a->x + t->column * a->x_stride, a->x_stride)
    EACH_COLUMN(CLEAR, _mm512_setzero_si512())
    EACH_COLUMN(LESS, )

    for (uint32_t g = 0; g < a->kp / GROUP; g++) {
#pragma GCC unroll 4
        for (uint32_t k = 0; k < GROUP; k += 16) {
            __m512i v = _mm512_load_si512(w + k * 16);
            PREFETCH(v, w + k * 16, COLUMNS, ahead);
            EACH_COLUMN(DOT, acc, acc, k)
            v = _mm512_load_si512(w + k * 16 + 64);
            PREFETCH(v, w + k * 16 + 64, COLUMNS, ahead);
            EACH_COLUMN(DOT, odd, odd, k + 4)
            v = _mm512_load_si512(w + k * 16 + 128);
            PREFETCH(v, w + k * 16 + 128, COLUMNS, ahead);
            EACH_COLUMN(DOT, third, acc, k + 8)
            v = _mm512_load_si512(w + k * 16 + 192);
            PREFETCH(v, w + k * 16 + 192, COLUMNS, ahead);
            EACH_COLUMN(DOT, fourth, odd, k + 12)
        }
        EACH_COLUMN(ADVANCE, GROUP)
        w += GROUP * 16;
    }
    EACH_COLUMN(JOIN, )
    const __m512i sum[TILE_COLUMNS] = {acc0, acc1, acc2, acc3, acc4, acc5, acc6, acc7};
    return tile_finish(t, COLUMNS, sum);
}

TILES(w8)

uint32_t avx512_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w8);
    return walk_w8(args, panel_begin, panel_end, table, TILE_COLUMNS);
}
