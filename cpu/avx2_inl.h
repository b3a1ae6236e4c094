/* docs/numerics.md 1 and 2 on 8 lanes. The operations and their order are those of hal/scalar.h.
 * FMA is never used, because it rounds once instead of twice. */
#ifndef CPU_AVX2_INL_H
#define CPU_AVX2_INL_H

#include <immintrin.h>

#include "cpu/kernels.h"
#include "hal/scalar.h"

#define INLINE   static inline __attribute__((always_inline))
#define NOINLINE __attribute__((noinline)) /* so that no frame needs the room of all functions */

/* 4 bytes in every lane */
INLINE __m256i broadcast4(const void *x) {
    int32_t v;
    __builtin_memcpy(&v, x, sizeof v);
    return _mm256_set1_epi32(v);
}

INLINE __m256i load8(const void *p) { return _mm256_load_si256(p); }

INLINE __m256i magnitude8(__m256 x) {
    return _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(0x7fffffff));
}

/* Lanes out of range are or-ed into *bad as all ones. Magnitudes have no sign bit, so signed
 * comparisons order them correctly. */
INLINE __m256 snap8(__m256 x, __m256i *bad) {
    __m256i m = magnitude8(x);
    __m256i high = _mm256_cmpgt_epi32(m, _mm256_set1_epi32(SNAP_HIGH)),
            low = _mm256_cmpgt_epi32(_mm256_set1_epi32(SNAP_LOW), m);
    *bad = _mm256_or_si256(*bad, high);
    return _mm256_castsi256_ps(
        _mm256_andnot_si256(_mm256_or_si256(high, low), _mm256_castps_si256(x)));
}

INLINE uint32_t any8(__m256i bad) { return !_mm256_testz_si256(bad, bad); }

/* |x| <= 2^22 */
INLINE __m256 rint8(__m256 x) {
    __m256 magic = _mm256_set1_ps(12582912.0f);
    return _mm256_sub_ps(_mm256_add_ps(x, magic), magic);
}

INLINE __m256 recip8(__m256 x) {
    __m256 r = _mm256_castsi256_ps(
        _mm256_sub_epi32(_mm256_set1_epi32(0x7EF311C3), _mm256_castps_si256(x)));
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++)
        r = _mm256_mul_ps(r, _mm256_sub_ps(_mm256_set1_ps(2.0f), _mm256_mul_ps(x, r)));
    return r;
}

/* t in [-30, 30] */
INLINE __m256 exp2_8(__m256 t) {
    __m256 n = rint8(t), f = _mm256_sub_ps(t, n);
    __m256i low = _mm256_cmpgt_epi32(_mm256_set1_epi32(SNAP_LOW), magnitude8(f));
    f = _mm256_castsi256_ps(_mm256_andnot_si256(low, _mm256_castps_si256(f)));
    __m256 p = _mm256_set1_ps(0x1.41fbbcp-13f);
    p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(0x1.5f3e54p-10f));
    p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(0x1.3b2d4cp-7f));
    p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(0x1.c6aee8p-5f));
    p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(0x1.ebfbdcp-3f));
    p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(0x1.62e430p-1f));
    p = _mm256_add_ps(_mm256_mul_ps(p, f), _mm256_set1_ps(1.0f));
    return _mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(p), _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23)));
}

INLINE int32_t sum8(__m256i v) {
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    return _mm_cvtsi128_si32(s);
}

INLINE uint32_t max8(__m256i v) {
    __m128i s = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    s = _mm_max_epu32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_max_epu32(s, _mm_shuffle_epi32(s, 0xb1));
    return (uint32_t)_mm_cvtsi128_si32(s);
}

#endif
