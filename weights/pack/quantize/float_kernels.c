#include "weights/pack/quantize/float_kernels.h"

const struct kernels *kernels_best(void) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f")) return &KERNELS_AVX512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return &KERNELS_AVX2;
#endif
    return &KERNELS_PLAIN;
}
