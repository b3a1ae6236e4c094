/* GEMVs with 256-bit registers for the types that keep two of every four columns
 * (weights/format.h). As in avx512_gemv_sparse.c the activations are put into place, by vpshufb.
 *
 * A line is taken in halves of 8 rows. W4S: activations act as 0..255 and the weights are signed;
 * 128 times the sum of a row's weights is taken off a group's sums. W8S: the weights' magnitudes
 * are the unsigned operand, and the activations take their signs.
 *
 * The includer defines, for an accumulator of 8 lanes, unsigned bytes u and signed bytes s:
 *     dot_nibbles(sum, u, s)   s in -8..7; what 16 of them add up to is never more than a sum holds
 *     sum_of(sum)              that as 32 bits a row
 *     dot_bytes(acc, u, s)     u at most 128; acc is 32 bits a row */
#ifndef CPU_AVX2_GEMV_SPARSE_INL_H
#define CPU_AVX2_GEMV_SPARSE_INL_H

#include "cpu/avx2_gemv_inl.h"
#include "cpu/gemv_sparse_inl.h"

#define BEGIN(c, none) __m256i acc##c = zero, odd##c = zero;
#define DOT_NIBBLES(c, i)                                                                          \
    if (c < COLUMNS) {                                                                             \
        const __m256i v = _mm256_xor_si256(broadcast16(x + c * stride + (i)*16), sign);            \
        acc##c = dot_nibbles(acc##c, _mm256_shuffle_epi8(v, first), low);                          \
        odd##c = dot_nibbles(odd##c, _mm256_shuffle_epi8(v, second), high);                        \
    }
#define SCALE(c, none)                                                                             \
    if (c < COLUMNS) {                                                                             \
        acc##c = _mm256_add_epi32(sum_of(acc##c), sum_of(odd##c));                                 \
        acc##c = _mm256_mullo_epi32(_mm256_sub_epi32(acc##c, less), s);                            \
        total[c * 2 + half] = _mm256_add_epi32(total[c * 2 + half], acc##c);                       \
    }
#define DOT_BYTES(c, i)                                                                            \
    if (c < COLUMNS) {                                                                             \
        const __m256i v = broadcast16(x + c * stride + (i)*16);                                    \
        acc##c =                                                                                   \
            dot_bytes(acc##c, low_size, _mm256_sign_epi8(_mm256_shuffle_epi8(v, first), low));     \
        odd##c =                                                                                   \
            dot_bytes(odd##c, high_size, _mm256_sign_epi8(_mm256_shuffle_epi8(v, second), high));  \
    }
#define ADD(c, none)                                                                               \
    if (c < COLUMNS)                                                                               \
        total[c * 2 + half] =                                                                      \
            _mm256_add_epi32(total[c * 2 + half], _mm256_add_epi32(acc##c, odd##c));

INLINE __m256i broadcast16(const uint8_t *x) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)x));
}

/* The columns in bits 0 and 1 of every byte, counted from those of its quad. */
INLINE __m256i places(__m256i at) {
    return _mm256_or_si256(_mm256_and_si256(at, _mm256_set1_epi8(3)),
                           _mm256_set1_epi32(SPARSE_QUADS));
}

/* The second columns (gemv_sparse_inl.h). */
INLINE __m256i seconds(__m256i near, __m256i flags) {
    const __m256i top = _mm256_and_si256(flags, _mm256_set1_epi8((char)SPARSE_TOPS));
    const __m256i clear = _mm256_srli_epi16(_mm256_andnot_si256(near, top), 1);
    near = _mm256_xor_si256(near, _mm256_set1_epi8(SPARSE_BOTTOMS));
    return _mm256_xor_si256(_mm256_xor_si256(near, top), clear);
}

/* Run i of the group: its 16 columns. */
#define RUN(i)                                                                                     \
    do {                                                                                           \
        const uint8_t *at = w + (i) * (bytes ? 128 : 64) + half * 32;                              \
        const __m256i first = places((i) ? _mm256_srli_epi16(near, 2 * (i)) : near),               \
                      second = places((i) ? _mm256_srli_epi16(far, 2 * (i)) : far);                \
        const __m256i line = load8(at);                                                            \
        if (half == 0) prefetch(at, 4 * COLUMNS, a->ahead);                                        \
        if (bytes) {                                                                               \
            const __m256i low = line, high = load8(at + 64), low_size = _mm256_abs_epi8(low),      \
                          high_size = _mm256_abs_epi8(high);                                       \
            if (half == 0) prefetch(at + 64, 4 * COLUMNS, a->ahead);                               \
            EACH_COLUMN(DOT_BYTES, i)                                                              \
        } else {                                                                                   \
            const __m256i low = _mm256_shuffle_epi8(nibbles, _mm256_and_si256(line, fifteen));     \
            const __m256i high = _mm256_shuffle_epi8(                                              \
                nibbles, _mm256_and_si256(_mm256_srli_epi16(line, 4), fifteen));                   \
            both = _mm256_add_epi8(both, _mm256_add_epi8(low, high));                              \
            EACH_COLUMN(DOT_NIBBLES, i)                                                            \
        }                                                                                          \
    } while (0)

INLINE uint32_t compute(const struct tile *t, const uint32_t COLUMNS, const int bytes) {
    const struct gemv_args *a = t->args;
    const uint8_t *w = t->w, *scales = w, *flags = w, *x = a->x + t->column * a->x_stride;
    const size_t stride = a->x_stride;
    const __m256i zero = _mm256_setzero_si256(), sign = _mm256_set1_epi8((char)0x80),
                  fifteen = _mm256_set1_epi8(15);
    const __m256i nibbles = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1));
    __m256i total[TILE_COLUMNS * 2] = {zero, zero, zero, zero, zero, zero, zero, zero};

    for (uint32_t g = 0; g < a->kp / GROUP; g++, x += GROUP) {
        if (!bytes && g % 4 == 0) {
            scales = w;
            w += 64;
        }
        if (g % 2 == 0) {
            flags = w;
            prefetch(w, 4 * COLUMNS, a->ahead);
            w += 64;
        }
        const uint8_t *positions = w;
        prefetch(w, 4 * COLUMNS, a->ahead);
        w += 64;
#pragma GCC unroll 2
        for (uint32_t half = 0; half < 2; half++) {
            const __m256i near = load8(positions + half * 32), flag = load8(flags + half * 32);
            const __m256i far = seconds(near, g % 2 ? _mm256_slli_epi16(flag, 1) : flag);
            __m256i both = zero; /* the sums of a row's weights, in a group at most 16 each */
            EACH_COLUMN(BEGIN, )
            RUN(0);
            RUN(1);
            RUN(2);
            RUN(3);
            if (bytes) {
                EACH_COLUMN(ADD, )
            } else {
                const __m256i less = sum_of(dot_nibbles(zero, sign, both));
                const __m256i s = _mm256_cvtepi8_epi32(_mm_loadl_epi64(
                    (const __m128i *)(const void *)(scales + g % 4 * 16 + half * 8)));
                EACH_COLUMN(SCALE, )
            }
        }
        w += bytes ? 512 : 256;
    }
    return tile_finish(t, COLUMNS, total);
}

INLINE uint32_t compute_w4s(const struct tile *t, const uint32_t COLUMNS) {
    return compute(t, COLUMNS, 0);
}
INLINE uint32_t compute_w8s(const struct tile *t, const uint32_t COLUMNS) {
    return compute(t, COLUMNS, 1);
}
TILES_OF(w4s)
TILES_OF(w8s)

INLINE uint32_t gemv_w4s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4s);
    return walk(args, panel_begin, panel_end, WEIGHT_W4S, NULL, table, TILE_COLUMNS);
}

INLINE uint32_t gemv_w8s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w8s);
    return walk(args, panel_begin, panel_end, WEIGHT_W8S, NULL, table, TILE_COLUMNS);
}

#endif
