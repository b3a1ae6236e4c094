/* The 256-bit vpdpbusd in the encoding that DOT_PREFIX names: "%{vex%} " (AVX-VNNI) or "%{evex%} "
 * (AVX-512 VL). So the code can also be tried on a processor that has only the other encoding. */
#ifndef CPU_AVXVNNI_DOT_INL_H
#define CPU_AVXVNNI_DOT_INL_H

#include "cpu/avx2_inl.h"

/* acc += in every lane the dot product of 4 unsigned bytes of u and 4 signed bytes of v. It is
 * written in asm for the same reason as in avx512_inl.h. */
INLINE __m256i dot4(__m256i acc, __m256i u, __m256i v) {
    __asm__(DOT_PREFIX "vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(u), "x"(v));
    return acc;
}

#endif
