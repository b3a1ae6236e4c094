/* The rotations of docs/numerics.md section 8, element by element in double. */
#ifndef TESTS_PACK_MATRIX_H
#define TESTS_PACK_MATRIX_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "weights/pack/quantize/rotate.h"

/* (H_p (x) C_m), or with C_m's transpose, signs before it: what row vectors are multiplied with.
 * [from][to] */
static inline double matrix_element(uint32_t n, bool signs, bool transposed, uint32_t from,
                                    uint32_t to) {
    uint32_t p = 1;
    while (n % (2 * p) == 0) p *= 2;
    uint32_t m = n / p, a = from / m, i = from % m, b = to / m, k = to % m;
    double h = __builtin_popcount(a & b) % 2 ? -1 / sqrt(p) : 1 / sqrt(p);
    if (transposed) {
        uint32_t swap = i;
        i = k, k = swap;
    }
    double c = sqrt((i ? 2.0 : 1.0) / m) * cos(M_PI * (2.0 * k + 1) * i / (2.0 * m));
    return (signs && rotation_negative(from) ? -1 : 1) * h * c;
}

#endif
