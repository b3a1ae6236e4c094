/* The noise of sampling: its bound over every value it has, and that what neighbours draw has
 * nothing to do with each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "runtime/noise.h"

static void the_bound_holds_for_every_value(void **state) {
    (void)state;
    double slack = 0;
    for (uint32_t i = 0; i < 1u << 23; i++) {
        float noise = noise_of(i << 9), bound = noise_bound(i << 9);
        if (!(bound >= noise))
            fail_msg("value %u: noise %a, bound %a", i, (double)noise, (double)bound);
        if (i >= (1u << 23) / 100 * 99) slack += (double)(bound - noise);
    }
    /* It is there to be close where noise may win. */
    assert_true(slack / ((1 << 23) / 100) < 0.1);
}

static void it_is_gumbel(void **state) {
    (void)state;
    double sum = 0, squares = 0;
    enum { N = 1 << 22 };
    for (uint32_t i = 0; i < N; i++) {
        double x = (double)noise_of(noise_hash(noise_key(3, i >> 10), i & 1023));
        sum += x, squares += x * x;
    }
    double mean = sum / N, variance = squares / N - mean * mean;
    assert_true(fabs(mean - 0.5772156649) < 5 * 1.2825 / sqrt(N));
    assert_true(fabs(variance - 1.644934) < 5 * 1.644934 * sqrt(4.4 / N)); /* kurtosis 5.4 */
}

/* Four high bits of one hash against four of its neighbour's: 256 kinds, all equally likely. */
enum { STEPS = 1 << 18 };

static double chi_square(uint64_t seed_step, uint64_t position_step, uint32_t id_step, int by,
                         uint64_t start, int shift) {
    static uint32_t seen[256];
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < STEPS; i++) {
        uint64_t seed = start + (by == 0 ? i : 0), position = 100 + (by == 1 ? i : 0),
                 id = by == 2 ? i : 5;
        uint32_t a = noise_hash(noise_key(seed, position), (uint32_t)id);
        uint32_t b = noise_hash(noise_key(seed + seed_step, position + position_step),
                                (uint32_t)id + id_step);
        seen[(a >> shift & 15) * 16 + (b >> shift & 15)]++;
    }
    double chi = 0, want = STEPS / 256.0;
    for (int i = 0; i < 256; i++) chi += (seen[i] - want) * (seen[i] - want) / want;
    return chi;
}

static void neighbours_are_independent(void **state) {
    (void)state;
    static const uint64_t starts[] = {0, 1, 42, 0xffffffff, 0x8000000000000000};
    static const uint32_t steps[] = {1, 2, 16, 4096, 1u << 16};
    /* one in 300,000 passes it */
    const double df = 255, limit = df * pow(1 - 2 / (9 * df) + 4.5 * sqrt(2 / (9 * df)), 3);
    for (size_t s = 0; s < sizeof starts / sizeof *starts; s++)
        for (size_t k = 0; k < sizeof steps / sizeof *steps; k++)
            for (int what = 0; what < 3; what++)
                for (int by = 0; by < 3; by++)
                    for (int shift = 9; shift <= 28; shift += 19) {
                        double chi = chi_square(what == 0 ? steps[k] : 0, what == 1 ? steps[k] : 0,
                                                what == 2 ? steps[k] : 0, by, starts[s], shift);
                        if (chi > limit || chi < 150)
                            fail_msg("start %llu, step %u of %d, along %d, bits from %d: "
                                     "chi-square %.0f of 255",
                                     (unsigned long long)starts[s], steps[k], what, by, shift, chi);
                    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_bound_holds_for_every_value),
        cmocka_unit_test(it_is_gumbel),
        cmocka_unit_test(neighbours_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
