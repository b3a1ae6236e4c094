#include "runtime/selftest.h"

#include "hal/scalar.h"

/* The values are volatile, so that the compiler cannot compute the results itself. */
static float at_run_time(float x) {
    volatile float v = x;
    return v;
}

const char *selftest_rounding(void) {
    /* (1 + 2^-12)^2 = 1 + 2^-11 + 2^-24. Rounding the product drops the last term; a fused
     * multiply-add keeps it. */
    float a = at_run_time(0x1.001p0f), c = at_run_time(-0x1.002p0f);
    if (a * a + c != 0.0f)
        return "a product and a sum were contracted into one rounding; build with "
               "-ffp-contract=off";
    float one = at_run_time(1.0f), half_ulp = at_run_time(0x1p-24f);
    if (one + half_ulp != 1.0f || one + half_ulp * 3.0f != 1.0f + 0x1p-22f)
        return "sums do not round to nearest, ties to even";
    float tiny = at_run_time(0x1p-126f);
    if (tiny * 0.5f == 0.0f) return "denormals are flushed to zero";
    if (num_rint(at_run_time(2.5f)) != 2.0f || num_rint(at_run_time(-3.5f)) != -4.0f)
        return "rounding to integers by a large addend was optimised away; build without "
               "-ffast-math";
    if (float_bits(num_exp2(at_run_time(-0.75f))) != 0x3f1837f0u ||
        float_bits(num_recip(at_run_time(3.0f))) != 0x3eaaaaabu ||
        float_bits(num_rsqrt(at_run_time(7.0f))) != 0x3ec18490u ||
        float_bits(num_log2(at_run_time(10.0f))) != 0x40549a78u)
        return "an elementary function gives other bits than docs/numerics.md";
    return 0;
}
