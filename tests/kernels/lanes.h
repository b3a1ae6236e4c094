/* The vector forms of the elementary functions, called from outside: each is compiled with its own
 * instruction set's flags. */
#ifndef TESTS_KERNELS_LANES_H
#define TESTS_KERNELS_LANES_H

#include <stdint.h>

enum lane_function { LANES_SNAP, LANES_RINT, LANES_RECIP, LANES_EXP2, LANES_FUNCTIONS };

/* out[i] = f(in[i]) for 16 values; gives 0 or 1, snap's `bad`. */
typedef uint32_t lanes_fn(enum lane_function f, const float in[16], float out[16]);
lanes_fn lanes_avx2, lanes_avx512;

#endif
