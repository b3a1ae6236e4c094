/* GEMV for the types that keep two of every four columns (weights/format.h).
 *
 * Not the weights but the activations are put into place: vpshufb takes, from 16 activations that
 * every 128-bit lane has, those that belong to the first weights of a line, then those of the
 * second. So 16 columns of 16 rows are two vpdpbusd and two vpshufb for a column, where dense
 * weights are four vpdpbusd, and nothing is expanded.
 *
 * vpdpbusd wants one unsigned operand. Activations act as 0..255, and weights are signed, nibbles
 * times 16. What the 128 of every activation adds is the same for all columns: 128 times the sum of
 * a row's weights, which is taken off at the end. */
#include "cpu/variants.h"

#ifndef APUS_FEWER_KERNELS
#include "cpu/avx512_gemv_inl.h"
#include "cpu/gemv_sparse_inl.h"

/* Steps of compute for column c, like those of avx512_gemv_inl.h. first and second: the places of
 * the kept weights; low and high: the weights; offset: of the 16 activations. */
#define BEGIN(c, none) __m512i acc##c = zero, odd##c = zero;
#define DOT_SPARSE(c, offset)                                                                      \
    if (c < COLUMNS) {                                                                             \
        const __m512i v = _mm512_xor_si512(broadcast16(x##c + (offset)), sign);                    \
        acc##c = dot4(acc##c, _mm512_shuffle_epi8(v, first), low);                                 \
        if (chains > 1)                                                                            \
            odd##c = dot4(odd##c, _mm512_shuffle_epi8(v, second), high);                           \
        else                                                                                       \
            acc##c = dot4(acc##c, _mm512_shuffle_epi8(v, second), high);                           \
    }
#define SCALE(c, none)                                                                             \
    if (c < COLUMNS) {                                                                             \
        if (chains > 1) acc##c = _mm512_add_epi32(acc##c, odd##c);                                 \
        acc##c = _mm512_srai_epi32(_mm512_sub_epi32(acc##c, less), 4);                             \
        total[c] = _mm512_add_epi32(total[c], _mm512_mullo_epi32(acc##c, s));                      \
        acc##c = odd##c = zero;                                                                    \
    }
#define TOTAL(c, none)                                                                             \
    if (c < COLUMNS) total[c] = _mm512_sub_epi32(_mm512_add_epi32(acc##c, odd##c), less);

INLINE __m512i broadcast16(const uint8_t *x) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(const void *)x));
}

/* Run i of the group: its 16 columns. */
#define RUN(i)                                                                                     \
    do {                                                                                           \
        const uint8_t *at = w + (i) * (bytes ? 128 : 64);                                          \
        const __m512i first = places((i) ? _mm512_srli_epi16(near, 2 * (i)) : near, quads),        \
                      second = places((i) ? _mm512_srli_epi16(far, 2 * (i)) : far, quads);         \
        __m512i low = _mm512_load_si512(at), high = low;                                           \
        prefetch(at, 4 * COLUMNS, ahead);                                                          \
        if (bytes) {                                                                               \
            high = _mm512_load_si512(at + 64);                                                     \
            prefetch(at + 64, 4 * COLUMNS, ahead);                                                 \
        } else {                                                                                   \
            low = _mm512_and_si512(_mm512_slli_epi16(low, 4), upper);                              \
            high = _mm512_and_si512(high, upper);                                                  \
        }                                                                                          \
        less = dot4(less, sign, low);                                                              \
        more = dot4(more, sign, high);                                                             \
        EACH_COLUMN(DOT_SPARSE, (i)*16)                                                            \
    } while (0)

/* The columns in bits 0 and 1 of every byte, counted from those of its quad. */
INLINE __m512i places(__m512i at, __m512i quads) {
    return _mm512_ternarylogic_epi64(at, _mm512_set1_epi8(3), quads, 0xEA); /* (a & b) | c */
}

INLINE uint32_t compute(const struct tile *t, const uint32_t COLUMNS, const int bytes) {
    const int chains = COLUMNS < 5 ? 2 : 1;
    const struct gemv_args *a = t->args;
    const size_t ahead = a->ahead;
    const uint8_t *w = t->w, *scales = w;
    const __m512i zero = _mm512_setzero_si512(), sign = _mm512_set1_epi8((char)0x80),
                  upper = _mm512_set1_epi8((char)0xF0), quads = _mm512_set1_epi32(SPARSE_QUADS),
                  tops = _mm512_set1_epi8((char)SPARSE_TOPS),
                  bottoms = _mm512_set1_epi8(SPARSE_BOTTOMS);
    __m512i flags = zero, less = zero, more = zero;
    __m512i total[TILE_COLUMNS] = {zero, zero, zero, zero, zero, zero, zero, zero};
    EACH_COLUMN(POINT, a->x + t->column * a->x_stride, a->x_stride)
    EACH_COLUMN(BEGIN, )

    for (uint32_t g = 0; g < a->kp / GROUP; g++) {
        if (!bytes && g % 4 == 0) {
            scales = w;
            prefetch(w, 4 * COLUMNS, ahead);
            w += 64;
        }
        if (g % 2 == 0) {
            flags = _mm512_load_si512(w);
            prefetch(w, 4 * COLUMNS, ahead);
            w += 64;
        } else {
            flags = _mm512_slli_epi16(flags, 1);
        }
        /* far = near ^ m, gemv_sparse_inl.h */
        const __m512i near = _mm512_load_si512(w);
        prefetch(w, 4 * COLUMNS, ahead);
        w += 64;
        __m512i clear = _mm512_ternarylogic_epi64(flags, near, tops, 0x20); /* a & ~b & c */
        clear = _mm512_srli_epi16(clear, 1);
        const __m512i m = _mm512_ternarylogic_epi64(flags, tops, bottoms, 0xEA);
        const __m512i far = _mm512_ternarylogic_epi64(near, clear, m, 0x96); /* a ^ b ^ c */
        RUN(0);
        RUN(1);
        RUN(2);
        RUN(3);
        w += bytes ? 512 : 256;
        if (!bytes) {
            const __m512i s = _mm512_cvtepi8_epi32(
                _mm_load_si128((const __m128i *)(const void *)(scales + g % 4 * 16)));
            less = _mm512_add_epi32(less, more);
            EACH_COLUMN(SCALE, )
            less = more = zero;
        }
        EACH_COLUMN(ADVANCE, GROUP)
    }
    if (bytes) {
        less = _mm512_add_epi32(less, more);
        EACH_COLUMN(TOTAL, )
    }
    return tile_finish(t, COLUMNS, total);
}

INLINE uint32_t compute_w4s(const struct tile *t, const uint32_t COLUMNS) {
    return compute(t, COLUMNS, 0);
}
TILES(w4s)

uint32_t avx512_gemv_w4s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w4s);
    return walk(args, panel_begin, panel_end, WEIGHT_W4S, NULL, table, TILE_COLUMNS);
}

INLINE uint32_t compute_w8s(const struct tile *t, const uint32_t COLUMNS) {
    return compute(t, COLUMNS, 1);
}
TILES(w8s)

uint32_t avx512_gemv_w8s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    static tile_fn *const table[] = TILE_TABLE(w8s);
    return walk(args, panel_begin, panel_end, WEIGHT_W8S, NULL, table, TILE_COLUMNS);
}
#endif
