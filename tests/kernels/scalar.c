/* The elementary functions: their error against double precision, and every vector form against
 * hal/scalar.h bit for bit. */
#include "checker.h"

#include <math.h>

#include "lanes.h"

static double relative(double got, double want) { return fabs(got / want - 1.0); }

static void recip_error(void **state) {
    (void)state;
    double worst = 0;
    for (uint32_t m = 0; m < 1u << 23; m++) { /* another exponent only shifts the result's */
        float x = bits_float(0x3f800000u | m);
        double e = relative(num_recip(x), 1.0 / x);
        if (e > worst) worst = e;
    }
    struct dice d = {31};
    for (int i = 0; i < 1000000; i++) {
        float x = bits_float(float_bits(dice_float(&d, -50, 50)) & 0x7fffffffu);
        double e = relative(num_recip(x), 1.0 / x);
        if (e > worst) worst = e;
    }
    assert_true(relative(num_recip(0x1p50f), 0x1p-50) < 1.5e-7 &&
                relative(num_recip(0x1p-50f), 0x1p50) < 1.5e-7);
    print_message("recip: largest relative error %.4g\n", worst);
    assert_true(worst <= 1.5e-7 && worst > 0);
}

static void rsqrt_error(void **state) {
    (void)state;
    double worst = 0;
    for (uint32_t m = 0; m < 1u << 24; m++) { /* two octaves: the rest differ by a power of four */
        float x = bits_float(0x3f800000u + m);
        double e = relative(num_rsqrt(x), 1.0 / sqrt(x));
        if (e > worst) worst = e;
    }
    for (int exponent = -40; exponent <= 114; exponent++)
        for (uint32_t m = 0; m < 1u << 23; m += 65537) {
            float x = bits_float((uint32_t)(exponent + 127) << 23 | m);
            double e = relative(num_rsqrt(x), 1.0 / sqrt(x));
            if (e > worst) worst = e;
            if (exponent == 114) break; /* 2^114 itself is the end */
        }
    print_message("rsqrt: largest relative error %.4g\n", worst);
    assert_true(worst <= 1.61e-7 && worst > 0);
}

static void exp2_error(void **state) {
    (void)state;
    double worst = 0;
    for (uint32_t i = 0; i <= 6000000; i++) {
        float t = (float)((double)i * 1e-5 - 30.0);
        double e = relative(num_exp2(t), exp2((double)t));
        if (e > worst) worst = e;
    }
    print_message("exp2: largest relative error %.4g\n", worst);
    assert_true(worst <= 1.0e-7 && worst > 0);
    /* attention counts on exp2(0) = 1 */
    for (int n = -30; n <= 30; n++) assert_true(num_exp2((float)n) == ldexp(1.0, n));
    float previous = 0;
    /* and on weights not passing 1 */
    for (uint32_t i = 0; i <= (0x41f00000u - 0x33000000u) / 256; i++) {
        float e = num_exp2(-bits_float(0x33000000u + i * 256));
        assert_true(e <= 1.0f);
        previous = e;
    }
    assert_true(previous < 1.0f);
}

static void log2_error(void **state) {
    (void)state;
    double worst = 0;
    struct dice d = {32};
    for (int i = 0; i < 3000000; i++) {
        float x = i < 2000000 ? 0.25f + (float)i * 1e-6f
                              : bits_float(float_bits(dice_float(&d, -126, 127)) & 0x7fffffffu);
        double want = log2((double)x),
               e = fabs(num_log2(x) - want) / (fabs(want) > 1 ? fabs(want) : 1);
        if (e > worst) worst = e;
    }
    print_message("log2: largest error %.3g, relative where the result is above 1\n", worst);
    assert_true(worst <= 3.0e-7 && worst > 0);
    assert_true(num_log2(1.0f) == 0.0f && num_log2(8.0f) == 3.0f);
}

static void snap_edges(void **state) {
    (void)state;
    static const struct {
        uint32_t in, out, bad;
    } edge[] = {
        {0x00000000, 0, 0},          {0x80000000, 0, 0},          {0x00000001, 0, 0},
        {0x807fffff, 0, 0},          {0x267fffff, 0, 0},          {0xa67fffff, 0, 0},
        {0x26800000, 0x26800000, 0}, {0xa6800000, 0xa6800000, 0}, {0x58800000, 0x58800000, 0},
        {0xd8800000, 0xd8800000, 0}, {0x58800001, 0, 1},          {0xd8800001, 0, 1},
        {0x7f800000, 0, 1},          {0xff800000, 0, 1},          {0x7fc00000, 0, 1},
        {0xffffffff, 0, 1}};
    for (unsigned i = 0; i < sizeof edge / sizeof *edge; i++) {
        uint32_t bad = 0;
        assert_int_equal(float_bits(num_snap(bits_float(edge[i].in), &bad)), edge[i].out);
        assert_int_equal(bad, edge[i].bad);
    }
}

static void rint_ties(void **state) {
    (void)state;
    struct dice d = {33};
    assert_true(num_rint(0.5f) == 0 && num_rint(1.5f) == 2 && num_rint(-2.5f) == -2 &&
                num_rint(126.5f) == 126 && num_rint(4194304.0f) == 4194304);
    for (int i = 0; i < 1000000; i++) {
        float x = dice_float(&d, -30, 22);
        assert_true(num_rint(x) == rintf(x));
    }
}

static float scalar(enum lane_function f, float x, uint32_t *bad) {
    switch (f) {
    case LANES_SNAP:
        return num_snap(x, bad);
    case LANES_RINT:
        return num_rint(x);
    case LANES_RECIP:
        return num_recip(x);
    default:
        return num_exp2(x);
    }
}

static float argument(struct dice *d, enum lane_function f, uint32_t i) {
    switch (f) {
    case LANES_SNAP:
        return bits_float(i % 5 ? dice_roll(d)
                                : 0x26800000u + 0x32000000u * (i & 1) + dice_below(d, 5) - 2);
    case LANES_RINT:
        return i % 3 ? dice_float(d, -30, 22) : (float)((int)dice_below(d, 512) - 256) + 0.5f;
    case LANES_RECIP:
        return bits_float(float_bits(dice_float(d, -50, 50)) & 0x7fffffffu);
    default:
        return i % 3   ? (float)((int)dice_below(d, 6000001) - 3000000) * 1e-5f
               : i % 2 ? dice_float(d, -60, 0)
                       : (float)(i % 61) - 30.0f;
    }
}

static void lanes(void **state) {
    (void)state;
    static const struct {
        apus_cpu cpu;
        lanes_fn *fn;
    } set[] = {{APUS_CPU_AVX2, lanes_avx2}, {APUS_CPU_AVX512, lanes_avx512}};
    struct dice d = {34};
    float in[16], out[16], want[16];
    for (enum lane_function f = LANES_SNAP; f < LANES_FUNCTIONS; f++)
        for (uint32_t round = 0; round < 100000; round++) {
            uint32_t want_bad = 0, lane_bad[16] = {0};
            for (uint32_t i = 0; i < 16; i++) {
                in[i] = argument(&d, f, round + i);
                want[i] = scalar(f, in[i], &lane_bad[i]);
                want_bad |= lane_bad[i];
            }
            for (unsigned s = 0; s < 2; s++) {
                if (!has_mask(set[s].cpu)) continue;
                uint32_t bad = set[s].fn(f, in, out);
                for (uint32_t i = 0; i < 16; i++)
                    if (lane_bad[i])
                        out[i] = want[i]; /* the pass fails; what comes out is not
                                                          said */
                if (memcmp(want, out, sizeof out) != 0 || bad != want_bad)
                    fail_msg("function %d of %s, round %u, bad %u and %u", f,
                             apus_cpu_name(set[s].cpu), round, want_bad, bad);
            }
        }
}

int scalar_tests(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(recip_error), cmocka_unit_test(rsqrt_error),
                                       cmocka_unit_test(exp2_error),  cmocka_unit_test(log2_error),
                                       cmocka_unit_test(snap_edges),  cmocka_unit_test(rint_ties),
                                       cmocka_unit_test(lanes)};
    return cmocka_run_group_tests_name("scalar", tests, NULL, NULL);
}
