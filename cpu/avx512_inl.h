/* docs/numerics.md 1 and 2 on 16 lanes, and what the AVX-512 files share. The operations and their
 * order are those of hal/scalar.h. */
#ifndef CPU_AVX512_INL_H
#define CPU_AVX512_INL_H

#include <immintrin.h>

#include "cpu/kernels.h"
#include "hal/scalar.h"

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline)) /* so that no frame needs the room of all functions */

/* acc += in every lane the dot product of 4 unsigned bytes of u and 4 signed bytes of v. It is
 * written in asm because gcc 12 gives the intrinsic's result another register than its accumulator,
 * and a full set of accumulators then spills. */
INLINE __m512i dot4(__m512i acc, __m512i u, __m512i v) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(u), "v"(v));
    return acc;
}

/* *top becomes the greatest magnitude, as bits, that was snapped. beyond(top) then says whether any
 * value left the range. */
INLINE __m512 snap16(__m512 x, __m512i *top) {
    __m512i m = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
    *top = _mm512_max_epu32(*top, m);
    return _mm512_maskz_mov_ps(_mm512_cmpge_epu32_mask(m, _mm512_set1_epi32(SNAP_LOW)), x);
}
INLINE uint32_t beyond(__m512i top) {
    return _mm512_cmpgt_epu32_mask(top, _mm512_set1_epi32(SNAP_HIGH));
}

/* |x| <= 2^22 */
INLINE __m512 rint16(__m512 x) {
    __m512 magic = _mm512_set1_ps(12582912.0f);
    return _mm512_sub_ps(_mm512_add_ps(x, magic), magic);
}

INLINE __m512 recip16(__m512 x) {
    __m512 r = _mm512_castsi512_ps(
        _mm512_sub_epi32(_mm512_set1_epi32(0x7EF311C3), _mm512_castps_si512(x)));
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++)
        r = _mm512_mul_ps(r, _mm512_sub_ps(_mm512_set1_ps(2.0f), _mm512_mul_ps(x, r)));
    return r;
}

/* t in [-30, 30] */
INLINE __m512 exp2_16(__m512 t) {
    __m512 n = rint16(t), f = _mm512_sub_ps(t, n);
    __m512i m = _mm512_and_si512(_mm512_castps_si512(f), _mm512_set1_epi32(0x7fffffff));
    f = _mm512_maskz_mov_ps(_mm512_cmpge_epu32_mask(m, _mm512_set1_epi32(SNAP_LOW)), f);
    __m512 p = _mm512_set1_ps(0x1.41fbbcp-13f);
    p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(0x1.5f3e54p-10f));
    p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(0x1.3b2d4cp-7f));
    p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(0x1.c6aee8p-5f));
    p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(0x1.ebfbdcp-3f));
    p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(0x1.62e430p-1f));
    p = _mm512_add_ps(_mm512_mul_ps(p, f), _mm512_set1_ps(1.0f));
    return _mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_cvtps_epi32(n), 23)));
}

#endif
