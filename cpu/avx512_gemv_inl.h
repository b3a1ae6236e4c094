/* What the AVX-512 GEMVs share: tiles of 1..8 columns, and their last step.
 *
 * The limit is 8 because each column has its own pointer: an address with an index register costs
 * Zen 4 a tenth of its vpdpbusd (measured in registers and L1: 236 G multiply-adds a second with
 * pointers, 204 with base and index). */
#ifndef CPU_AVX512_GEMV_INL_H
#define CPU_AVX512_GEMV_INL_H

#include "cpu/avx512_inl.h"
#include "cpu/gemv_inl.h"

enum { TILE_COLUMNS = 8 };

/* An array of registers spills (gcc 12 splits arrays before it unrolls loops), so the columns of a
 * tile are 8 sets of named variables. COLUMNS is a constant wherever DO is used, and the code for
 * columns past it is removed. */
#define EACH_COLUMN(DO, ...)                                                                       \
    DO(0, __VA_ARGS__)                                                                             \
    DO(1, __VA_ARGS__)                                                                             \
    DO(2, __VA_ARGS__)                                                                             \
    DO(3, __VA_ARGS__) DO(4, __VA_ARGS__) DO(5, __VA_ARGS__) DO(6, __VA_ARGS__) DO(7, __VA_ARGS__)

/* vpdpbusd has a latency of 4 cycles. So one column has 4 accumulators (acc, odd, third, fourth),
 * and two to four columns have 2 each. */
INLINE int chains_of(const uint32_t columns) { return columns == 1 ? 4 : columns < 5 ? 2 : 1; }
#define CLEAR(c, first)                                                                            \
    __m512i acc##c = first, odd##c = _mm512_setzero_si512(), third##c = odd##c, fourth##c = odd##c;
#define DOT(c, one, few, offset)                                                                   \
    if (c < COLUMNS && chains == 4) one##c = dot4(one##c, v, broadcast4(x##c + (offset)));         \
    if (c < COLUMNS && chains == 2) few##c = dot4(few##c, v, broadcast4(x##c + (offset)));         \
    if (c < COLUMNS && chains == 1) acc##c = dot4(acc##c, v, broadcast4(x##c + (offset)));
#define JOIN(c, none)                                                                              \
    if (c < COLUMNS && chains == 4)                                                                \
        third##c = _mm512_add_epi32(third##c, fourth##c),                                          \
        acc##c = _mm512_add_epi32(acc##c, third##c);                                               \
    if (c < COLUMNS && chains > 1) acc##c = _mm512_add_epi32(acc##c, odd##c);

/* 4 activations in every lane */
INLINE __m512i broadcast4(const uint8_t *x) {
    int32_t v;
    __builtin_memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

/* Writes the 16 rows of the panel in `columns` columns: y = snap((float) sum * row_scale * scale),
 * with the bias where there is one, added to the old y if `add`. */
static NOINLINE uint32_t tile_finish(const struct tile *t, uint32_t columns, const __m512i *sum) {
    const struct gemv_args *a = t->args;
    const size_t row = (size_t)t->panel * PANEL_ROWS;
    const __m512 row_scale = _mm512_loadu_ps(a->row_scale + row);
    __m512i top = _mm512_setzero_si512();
    for (uint32_t c = 0; c < columns; c++) {
        float scale, *y = a->y + (t->column + c) * a->y_stride + row;
        __builtin_memcpy(&scale, a->x + (t->column + c) * a->x_stride + act_scale_at(a->kp),
                         sizeof scale);
        __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), row_scale);
        v = snap16(_mm512_mul_ps(v, _mm512_set1_ps(scale)), &top);
        if (a->bias) v = snap16(_mm512_add_ps(v, _mm512_loadu_ps(a->bias + row)), &top);
        if (a->add) v = snap16(_mm512_add_ps(_mm512_load_ps(y), v), &top);
        _mm512_store_ps(y, v);
    }
    return beyond(top);
}

/* Called by compute_<type> with a constant number of columns. */
#define TILE(type, c)                                                                              \
    static uint32_t type##_##c(const struct tile *t) { return compute_##type(t, c); }
#define TILES(type)                                                                                \
    TILE(type, 1)                                                                                  \
    TILE(type, 2)                                                                                  \
    TILE(type, 3) TILE(type, 4) TILE(type, 5) TILE(type, 6) TILE(type, 7) TILE(type, 8)
#define TILE_TABLE(type)                                                                           \
    { type##_1, type##_2, type##_3, type##_4, type##_5, type##_6, type##_7, type##_8 }

#endif
