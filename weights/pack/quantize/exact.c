#include "weights/pack/quantize/exact.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* the high part has 32 bits, so that n times it is exact */
static const double LN2_HIGH = 0x1.62e42fee00000p-1, LN2_LOW = 0x1.a39ef35793c76p-33;

/* Nearest integer, ties to even, for |x| < 2^51. */
static double nearest(double x) { return (x + 0x1.8p52) - 0x1.8p52; }

double exact_log(double x) {
    uint64_t bits;
    memcpy(&bits, &x, 8);
    int64_t exponent = (int64_t)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffff) | (uint64_t)1023 << 52;
    double m;
    memcpy(&m, &bits, 8);
    if (m > 1.4142135623730951) m *= 0.5, exponent++;
    double s = (m - 1) / (m + 1), z = s * s, sum = 0; /* ln m = 2 artanh s, |s| < 0.172 */
    for (int k = 23; k >= 3; k -= 2) sum = sum * z + 1.0 / k;
    return (double)exponent * LN2_HIGH + ((double)exponent * LN2_LOW + (2 * s + 2 * s * (z * sum)));
}

double exact_exp(double x) {
    assert(x >= -700 && x <= 700);
    double n = nearest(x * 1.4426950408889634);
    double r = (x - n * LN2_HIGH) - n * LN2_LOW, sum = 1;
    for (int k = 15; k >= 1; k--) sum = sum * r / k + 1;
    uint64_t bits;
    memcpy(&bits, &sum, 8);
    bits += (uint64_t)(int64_t)n << 52;
    memcpy(&sum, &bits, 8);
    return sum;
}

void exact_sincos(double x, double *sine, double *cosine) {
    /* pi / 2 in two parts of 33 bits and the rest, so that the first two products are exact. */
    const double p1 = 0x1.921fb54400000p+0, p2 = 0x1.0b4611a600000p-34, p3 = 0x1.3198a2e037073p-69;
    assert(x >= -1e6 && x <= 1e6);
    double n = nearest(x * 0.6366197723675814);
    double r = ((x - n * p1) - n * p2) - n * p3, z = r * r, s = 0, c = 0;
    for (int k = 20; k >= 2; k -= 2) {
        s = (s + 1) * -z / (k * (k + 1));
        c = (c + 1) * -z / ((k - 1) * k);
    }
    s = r + r * s, c = 1 + c;
    switch ((int64_t)n & 3) {
    case 0:
        *sine = s, *cosine = c;
        break;
    case 1:
        *sine = c, *cosine = -s;
        break;
    case 2:
        *sine = -s, *cosine = -c;
        break;
    default:
        *sine = -c, *cosine = s;
        break;
    }
}
