/* What the AVX-512 GEMVs share: tiles of one panel and 1..8 columns, and the walk over panels and columns.
 *
 * One panel at a time reads memory as one stream; more than 8 columns take the panel again from the cache. Eight, because each column has
 * its own pointer: an address with an index register costs Zen 4 a tenth of its vpdpbusd (measured in registers and L1: 236 G
 * multiply-adds a second with pointers, 204 with base and index). */
#ifndef CPU_AVX512_GEMV_INL_H
#define CPU_AVX512_GEMV_INL_H

#include "cpu/avx512_inl.h"

enum { TILE_COLUMNS = 8 };

/* Prefetches for the line of weights at w. Where the arithmetic (dots of a line: instructions that take a cycle each) is slower than memory
 * a second one, far ahead into L2, lets memory work meanwhile. Measured on Zen 4 with two threads, W4: with the near one alone 4 columns
 * read 33 GB/s where the arithmetic allows 46 and memory 55; with both, 46. With fewer columns the near one alone is better, as far ahead as
 * the caller says (gemv_args.ahead). */
INLINE void prefetch(const uint8_t *w, const uint32_t dots, size_t ahead) {
    if (dots >= 5) _mm_prefetch((const char *)w + 24576, _MM_HINT_T1);
    _mm_prefetch((const char *)w + (dots >= 5 ? 5120 : ahead), _MM_HINT_T0);
}

struct tile {
    const struct gemv_args *args;
    const uint8_t *w; /* the panel */
    uint32_t panel, column;
    const int32_t *less; /* W8: [columns] where a column's sums start */
};

/* Computes columns column .. column + (its own constant) - 1 of the panel. */
typedef uint32_t tile_fn(const struct tile *t);

/* An array of registers spills (gcc 12 splits arrays before it unrolls loops), so the columns of a tile are 8 sets of named variables.
 * COLUMNS is a constant wherever DO is used and what lies past it vanishes. */
#define EACH_COLUMN(DO, ...)                                                                                                               \
    DO(0, __VA_ARGS__)                                                                                                                     \
    DO(1, __VA_ARGS__) DO(2, __VA_ARGS__) DO(3, __VA_ARGS__) DO(4, __VA_ARGS__) DO(5, __VA_ARGS__) DO(6, __VA_ARGS__) DO(7, __VA_ARGS__)

/* Column c's activations at x##c. Opaque: the compiler would make it a base and an index again. */
#define POINT(c, first, stride)                                                                                                            \
    const uint8_t *x##c = (first) + (c < COLUMNS ? c : 0) * (stride);                                                                      \
    if (c < COLUMNS) __asm__("" : "+r"(x##c));
#define ADVANCE(c, bytes)                                                                                                                  \
    if (c < COLUMNS) {                                                                                                                     \
        x##c += (bytes);                                                                                                                   \
        __asm__("" : "+r"(x##c));                                                                                                          \
    }

/* vpdpbusd takes 4 cycles to come back: one column has 4 accumulators (acc, odd, third, fourth), two to four columns have 2. */
INLINE int chains_of(const uint32_t columns) { return columns == 1 ? 4 : columns < 5 ? 2 : 1; }
#define CLEAR(c, first) __m512i acc##c = first, odd##c = _mm512_setzero_si512(), third##c = odd##c, fourth##c = odd##c;
#define DOT(c, one, few, offset)                                                                                                           \
    if (c < COLUMNS && chains == 4) one##c = dot4(one##c, v, broadcast4(x##c + (offset)));                                                 \
    if (c < COLUMNS && chains == 2) few##c = dot4(few##c, v, broadcast4(x##c + (offset)));                                                 \
    if (c < COLUMNS && chains == 1) acc##c = dot4(acc##c, v, broadcast4(x##c + (offset)));
#define JOIN(c, none)                                                                                                                      \
    if (c < COLUMNS && chains == 4) third##c = _mm512_add_epi32(third##c, fourth##c), acc##c = _mm512_add_epi32(acc##c, third##c);         \
    if (c < COLUMNS && chains > 1) acc##c = _mm512_add_epi32(acc##c, odd##c);

/* 4 activations in every lane */
INLINE __m512i broadcast4(const uint8_t *x) {
    int32_t v;
    __builtin_memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

/* The 16 rows of the panel in `columns` columns: y = snap((float) sum * row_scale * scale), added to what is there where `add`. */
static NOINLINE uint32_t tile_finish(const struct tile *t, uint32_t columns, const __m512i *sum) {
    const struct gemv_args *a = t->args;
    const size_t row = (size_t)t->panel * PANEL_ROWS;
    const __m512 row_scale = _mm512_loadu_ps(a->row_scale + row);
    __m512i top = _mm512_setzero_si512();
    for (uint32_t c = 0; c < columns; c++) {
        float scale, *y = a->y + (t->column + c) * a->y_stride + row;
        __builtin_memcpy(&scale, a->x + (t->column + c) * a->x_stride + a->kp + a->kp / 16, sizeof scale);
        __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), row_scale);
        v = snap16(_mm512_mul_ps(v, _mm512_set1_ps(scale)), &top);
        if (a->add) v = snap16(_mm512_add_ps(_mm512_load_ps(y), v), &top);
        _mm512_store_ps(y, v);
    }
    return beyond(top);
}

/* table[n - 1] computes n columns. */
INLINE uint32_t walk(const struct gemv_args *a, uint32_t begin, uint32_t end, uint32_t type, const int32_t *less,
                     tile_fn *const table[TILE_COLUMNS]) {
    const size_t bytes = panel_bytes(type, a->kp);
    const uint32_t tiles = (a->columns + TILE_COLUMNS - 1) / TILE_COLUMNS, most = (a->columns + tiles - 1) / tiles;
    struct tile t = {a, a->panels + begin * bytes, begin, 0, less};
    uint32_t bad = 0;
    for (; t.panel < end; t.panel++, t.w += bytes)
        for (t.column = 0; t.column < a->columns; t.column += most) {
            uint32_t n = a->columns - t.column;
            bad |= table[(n < most ? n : most) - 1](&t);
        }
    return bad;
}

#define TILE(c)                                                                                                                            \
    static uint32_t tile_##c(const struct tile *t) { return compute(t, c); }
#define TILES TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8)
#define TILE_TABLE                                                                                                                         \
    { tile_1, tile_2, tile_3, tile_4, tile_5, tile_6, tile_7, tile_8 }

#endif
