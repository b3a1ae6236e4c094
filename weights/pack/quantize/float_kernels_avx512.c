/* Compiled for AVX-512; CMakeLists.txt has the flags. */
#include <immintrin.h>

typedef __m512 lanes;
#define LANES        16
#define TILE_ROWS    12
#define TILE_VECTORS 2
#define KERNELS      KERNELS_AVX512

static inline lanes load(const float *from) { return _mm512_loadu_ps(from); }
static inline lanes spread(float x) { return _mm512_set1_ps(x); }
static inline lanes fused(lanes a, lanes b, lanes c) { return _mm512_fmadd_ps(a, b, c); }
static inline lanes fused_negative(lanes a, lanes b, lanes c) { return _mm512_fnmadd_ps(a, b, c); }

#include "weights/pack/quantize/float_kernels_body.h"
