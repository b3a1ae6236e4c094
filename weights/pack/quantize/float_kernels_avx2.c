/* Compiled for AVX2 and FMA; CMakeLists.txt has the flags. */
#include <immintrin.h>

typedef __m256 lanes;
#define LANES        8
#define TILE_ROWS    6
#define TILE_VECTORS 2
#define KERNELS      KERNELS_AVX2

static inline lanes load(const float *from) { return _mm256_loadu_ps(from); }
static inline lanes spread(float x) { return _mm256_set1_ps(x); }
static inline lanes fused(lanes a, lanes b, lanes c) { return _mm256_fmadd_ps(a, b, c); }
static inline lanes fused_negative(lanes a, lanes b, lanes c) { return _mm256_fnmadd_ps(a, b, c); }

#include "weights/pack/quantize/float_kernels_body.h"
