/* What the GEMVs of every vector length share: tiles of one panel and a few columns, the walk over
 * panels and columns, and prefetches. Include it after the vectors' own header.
 *
 * Taking one panel at a time reads memory as one stream. For more columns than a tile holds, the
 * panel is read again from the cache. */
#ifndef CPU_GEMV_INL_H
#define CPU_GEMV_INL_H

#include <immintrin.h>

#include "cpu/kernels.h"

/* Prefetches for the line of weights at w. `dots` is the number of one-cycle instructions for a
 * line. Where this arithmetic is slower than memory, a second prefetch, far ahead into L2, lets
 * memory work meanwhile. Measured on Zen 4 with two threads, W4: with only the near prefetch 4
 * columns read 33 GB/s where the arithmetic allows 46 and memory 55; with both prefetches, 46. With
 * fewer columns the near one alone is better, as far ahead as the caller says (gemv_args.ahead). */
INLINE void prefetch(const uint8_t *w, const uint32_t dots, size_t ahead) {
    if (dots >= 5) _mm_prefetch((const char *)w + 24576, _MM_HINT_T1);
    _mm_prefetch((const char *)w + (dots >= 5 ? 5120 : ahead), _MM_HINT_T0);
}

/* The same prefetch, kept between the load of a vector of that line and the computation with it. A
 * compiler would gather the prefetches at the beginning of the loop. This is known to be faster
 * only for W8 with more than one column. */
#define PREFETCH(line, w, dots, ahead)                                                             \
    do {                                                                                           \
        if (COLUMNS == 1) {                                                                        \
            prefetch(w, dots, ahead);                                                              \
        } else {                                                                                   \
            if ((dots) >= 5) __asm__ volatile("prefetcht1 %1" : "+v"(line) : "m"((w)[24576]));     \
            __asm__ volatile("prefetcht0 %1"                                                       \
                             : "+v"(line)                                                          \
                             : "m"((w)[(dots) >= 5 ? 5120 : (ahead)]));                            \
        }                                                                                          \
    } while (0)

struct tile {
    const struct gemv_args *args;
    const uint8_t *w; /* the panel */
    uint32_t panel, column;
    const int32_t *less; /* W8 with vpdpbusd: [columns] where a column's sums start
                            (gemv_less_inl.h) */
};

/* Computes columns column .. column + (its own constant) - 1 of the panel. */
typedef uint32_t tile_fn(const struct tile *t);

/* Column c's activations at x##c. The asm hides the pointer from the compiler, which would make it
 * a base and an index again. */
#define POINT(c, first, stride)                                                                    \
    const uint8_t *x##c = (first) + (c < COLUMNS ? c : 0) * (stride);                              \
    if (c < COLUMNS) __asm__("" : "+r"(x##c));
#define ADVANCE(c, bytes)                                                                          \
    if (c < COLUMNS) {                                                                             \
        x##c += (bytes);                                                                           \
        __asm__("" : "+r"(x##c));                                                                  \
    }

/* table[n - 1] computes n columns, n at most `widest`. */
INLINE uint32_t walk(const struct gemv_args *a, uint32_t begin, uint32_t end, uint32_t type,
                     const int32_t *less, tile_fn *const table[], const uint32_t widest) {
    assert(gemv_good(a, begin, end));
    const size_t bytes = panel_bytes(type, a->kp);
    const uint32_t tiles = (a->columns + widest - 1) / widest,
                   most = (a->columns + tiles - 1) / tiles;
    struct tile t = {a, a->panels + begin * bytes, begin, 0, less};
    uint32_t bad = 0;
    for (; t.panel < end; t.panel++, t.w += bytes) {
        _mm_prefetch((const char *)(a->row_scale + ((size_t)t.panel + 1) * PANEL_ROWS),
                     _MM_HINT_T0);
        if (a->bias)
            _mm_prefetch((const char *)(a->bias + ((size_t)t.panel + 1) * PANEL_ROWS), _MM_HINT_T0);
        for (t.column = 0; t.column < a->columns; t.column += most) {
            uint32_t n = a->columns - t.column;
            bad |= table[(n < most ? n : most) - 1](&t);
        }
    }
    return bad;
}

#endif
