/* Sparse GEMVs with a 256-bit vpdpbusd, in the encoding of DOT_PREFIX (avxvnni_dot_inl.h). */
#ifndef CPU_AVXVNNI_GEMV_SPARSE_INL_H
#define CPU_AVXVNNI_GEMV_SPARSE_INL_H

#include "cpu/avxvnni_dot_inl.h"

INLINE __m256i dot_nibbles(__m256i sum, __m256i u, __m256i s) { return dot4(sum, u, s); }
INLINE __m256i sum_of(__m256i sum) { return sum; }
INLINE __m256i dot_bytes(__m256i acc, __m256i u, __m256i s) { return dot4(acc, u, s); }
#include "cpu/avx2_gemv_sparse_inl.h"

#endif
