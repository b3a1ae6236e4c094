/* What the GEMVs with 256-bit registers (AVX2, AVX-VNNI) share: tiles of 1..4 columns, and their
 * last step. */
#ifndef CPU_AVX2_GEMV_INL_H
#define CPU_AVX2_GEMV_INL_H

#include "cpu/avx2_inl.h"
#include "cpu/gemv_inl.h"

enum { TILE_COLUMNS = 4 };

/* Columns of a tile are named variables, because gcc 12 keeps arrays of registers in memory.
 * COLUMNS is a constant, and the code for columns past it is removed. */
#define EACH_COLUMN(DO, ...)                                                                       \
    DO(0, __VA_ARGS__) DO(1, __VA_ARGS__) DO(2, __VA_ARGS__) DO(3, __VA_ARGS__)

/* Writes the 16 rows of the panel in `columns` columns: y = snap((float) sum * row_scale * scale),
 * with the bias where there is one, added to the old y if `add`. sum: [columns][2 halves of 8
 * rows]. */
static NOINLINE uint32_t tile_finish(const struct tile *t, uint32_t columns, const __m256i *sum) {
    const struct gemv_args *a = t->args;
    const size_t row = (size_t)t->panel * PANEL_ROWS;
    __m256i bad = _mm256_setzero_si256();
    for (uint32_t i = 0; i < columns * 2; i++) {
        const uint32_t c = t->column + i / 2;
        const size_t r = row + i % 2 * 8;
        float scale, *y = a->y + c * a->y_stride + r;
        __builtin_memcpy(&scale, a->x + c * a->x_stride + act_scale_at(a->kp), sizeof scale);
        __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(sum[i]), _mm256_loadu_ps(a->row_scale + r));
        v = snap8(_mm256_mul_ps(v, _mm256_set1_ps(scale)), &bad);
        if (a->bias) v = snap8(_mm256_add_ps(v, _mm256_loadu_ps(a->bias + r)), &bad);
        if (a->add) v = snap8(_mm256_add_ps(_mm256_load_ps(y), v), &bad);
        _mm256_store_ps(y, v);
    }
    return any8(bad);
}

/* Called by compute_<type> with a constant number of columns. */
#define TILE(type, c)                                                                              \
    static uint32_t type##_##c(const struct tile *t) { return compute_##type(t, c); }
#define TILES_OF(type) TILE(type, 1) TILE(type, 2) TILE(type, 3) TILE(type, 4)
#ifdef APUS_FEWER_KERNELS
#define TILES TILES_OF(w4) TILES_OF(w8)
#else
#define TILES TILES_OF(w4) TILES_OF(w4t) TILES_OF(w5) TILES_OF(w6) TILES_OF(w8)
#endif
#define TILE_TABLE(type)                                                                           \
    { type##_1, type##_2, type##_3, type##_4 }

#endif
