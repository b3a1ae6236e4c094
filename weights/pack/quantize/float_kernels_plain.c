/* One float at a time. fmaf is one instruction or, on machines without it, a slow function with the
 * same result. */
#include <math.h>

typedef float lanes;
#define LANES        1
#define TILE_ROWS    6
#define TILE_VECTORS 8
#define KERNELS      KERNELS_PLAIN

static inline lanes load(const float *from) { return *from; }
static inline lanes spread(float x) { return x; }
static inline lanes fused(lanes a, lanes b, lanes c) { return fmaf(a, b, c); }
static inline lanes fused_negative(lanes a, lanes b, lanes c) { return fmaf(-a, b, c); }

#include "weights/pack/quantize/float_kernels_body.h"
