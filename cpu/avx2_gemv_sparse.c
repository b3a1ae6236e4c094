/* Sparse GEMVs with vpmaddubsw, whose pairs saturate at int16. W4S: a pair is at most 2 * 255 * 8,
 * and four of them are added before they become 32 bits. W8S: at most 2 * 128 * 127. */
#include "cpu/variants.h"

#ifndef APUS_FEWER_KERNELS
#include "cpu/avx2_inl.h"

INLINE __m256i dot_nibbles(__m256i sum, __m256i u, __m256i s) {
    return _mm256_add_epi16(sum, _mm256_maddubs_epi16(u, s));
}
INLINE __m256i sum_of(__m256i sum) { return _mm256_madd_epi16(sum, _mm256_set1_epi16(1)); }
INLINE __m256i dot_bytes(__m256i acc, __m256i u, __m256i s) {
    return _mm256_add_epi32(acc, sum_of(_mm256_maddubs_epi16(u, s)));
}
#include "cpu/avx2_gemv_sparse_inl.h"

uint32_t avx2_gemv_w4s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w4s(args, panel_begin, panel_end);
}

uint32_t avx2_gemv_w8s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w8s(args, panel_begin, panel_end);
}
#endif
