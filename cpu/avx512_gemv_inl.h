/* What the AVX-512 GEMVs share: tiles of one panel and 1..16 columns, and the walk over panels and columns.
 *
 * One panel at a time reads memory as one stream. Sixteen columns are 16 accumulators, which leaves room for the weights and makes three
 * instructions of unpacking serve 32 vpdpbusd; more columns take the panel again from the cache, 16 at a time. */
#ifndef CPU_AVX512_GEMV_INL_H
#define CPU_AVX512_GEMV_INL_H

#include "cpu/avx512_inl.h"

enum { TILE_COLUMNS = 16 };

/* Prefetches for the line of weights at w. Where the arithmetic (dots of a line: instructions that take a cycle each) is slower than memory
 * a second one, far ahead into L2, lets memory work meanwhile. Measured on Zen 4 with two threads, W4: with the near one alone 4 columns
 * read 33 GB/s where the arithmetic allows 46 and memory 55; with both, 46. With fewer columns the near one alone is better. */
INLINE void prefetch(const uint8_t *w, const uint32_t dots) {
    if (dots >= 5) _mm_prefetch((const char *)w + 24576, _MM_HINT_T1);
    _mm_prefetch((const char *)w + (dots >= 5 ? 5120 : 4096), _MM_HINT_T0);
}

struct tile {
    const struct gemv_args *args;
    const uint8_t *w; /* the panel */
    uint32_t panel, column;
};

/* Computes columns column .. column + (its own constant) - 1 of the panel. */
typedef __mmask16 tile_fn(const struct tile *t);

/* An array of registers spills (gcc 12 splits arrays before it unrolls loops), so the columns of a tile are 16 sets of named variables.
 * COLUMNS is a constant wherever DO is used and what lies past it vanishes. */
#define EACH_COLUMN(DO) DO(0) DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)

/* 16 columns' addresses from two pointers and four odd multiples of the stride, or there would be 16 pointers to spill. */
struct strides {
    size_t s1, s3, s5, s7;
};

INLINE struct strides strides_of(size_t s) {
    struct strides d = {s, 3 * s, 5 * s, 7 * s};
    __asm__("" : "+r"(d.s3), "+r"(d.s5), "+r"(d.s7)); /* opaque: the compiler would find the 16 pointers again */
    return d;
}

INLINE const uint8_t *column_at(const uint8_t *x, struct strides d, const uint32_t c) {
    const uint8_t *base = c < 8 ? x : x + 8 * d.s1;
    switch (c % 8) {
    case 0:
        return base;
    case 1:
        return base + d.s1;
    case 2:
        return base + 2 * d.s1;
    case 3:
        return base + d.s3;
    case 4:
        return base + 4 * d.s1;
    case 5:
        return base + d.s5;
    case 6:
        return base + 2 * d.s3;
    default:
        return base + d.s7;
    }
}

/* 4 activations in every lane */
INLINE __m512i broadcast4(const uint8_t *x) {
    int32_t v;
    __builtin_memcpy(&v, x, sizeof v);
    return _mm512_set1_epi32(v);
}

/* The 16 rows of the panel in `columns` columns: y = snap((float) sum * row_scale * scale), added to what is there where `add`. */
static NOINLINE __mmask16 tile_finish(const struct tile *t, uint32_t columns, const __m512i *sum) {
    const struct gemv_args *a = t->args;
    const size_t row = (size_t)t->panel * PANEL_ROWS;
    const __m512 row_scale = _mm512_loadu_ps(a->row_scale + row);
    __mmask16 bad = 0;
    for (uint32_t c = 0; c < columns; c++) {
        float scale, *y = a->y + (t->column + c) * a->y_stride + row;
        __builtin_memcpy(&scale, a->x + (t->column + c) * a->x_stride + a->kp + a->kp / 16, sizeof scale);
        __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[c]), row_scale);
        v = snap16(_mm512_mul_ps(v, _mm512_set1_ps(scale)), &bad);
        if (a->add) v = snap16(_mm512_add_ps(_mm512_load_ps(y), v), &bad);
        _mm512_store_ps(y, v);
    }
    return bad;
}

/* table[n - 1] computes n columns. */
INLINE uint32_t walk(const struct gemv_args *a, uint32_t begin, uint32_t end, uint32_t type, tile_fn *const table[TILE_COLUMNS]) {
    const size_t bytes = panel_bytes(type, a->kp);
    struct tile t = {a, a->panels + begin * bytes, begin, 0};
    __mmask16 bad = 0;
    for (; t.panel < end; t.panel++, t.w += bytes)
        for (t.column = 0; t.column < a->columns; t.column += TILE_COLUMNS) {
            uint32_t n = a->columns - t.column;
            bad |= table[(n < TILE_COLUMNS ? n : TILE_COLUMNS) - 1](&t);
        }
    return bad;
}

#define TILE(c)                                                                                                                            \
    static __mmask16 tile_##c(const struct tile *t) { return compute(t, c); }
#define TILES                                                                                                                              \
    TILE(1) TILE(2) TILE(3) TILE(4) TILE(5) TILE(6) TILE(7) TILE(8) TILE(9) TILE(10) TILE(11) TILE(12) TILE(13) TILE(14) TILE(15) TILE(16)
#define TILE_TABLE                                                                                                                         \
    {                                                                                                                                      \
        tile_1, tile_2, tile_3, tile_4, tile_5, tile_6, tile_7, tile_8, tile_9, tile_10, tile_11, tile_12, tile_13, tile_14, tile_15,      \
            tile_16                                                                                                                        \
    }

#endif
