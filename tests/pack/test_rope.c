/* RoPE tables against the formulas as the models' own code states them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "weights/pack/quantize/rope.h"

enum { DIM = 128 };

static double base(double theta, int i) { return pow(theta, -2.0 * i / DIM); }

static void check_table(const double *expected, const double *frequency) {
    static const uint32_t positions[] = {0, 1, 2, 3, 1000, 4095, 16383, 131071};
    float out[DIM];
    for (int i = 0; i < DIM / 2; i++) assert_true(fabs(frequency[i] / expected[i] - 1) < 1e-14);
    for (size_t p = 0; p < sizeof positions / sizeof positions[0]; p++) {
        rope_position(frequency, DIM, positions[p], out);
        for (int i = 0; i < DIM / 2; i++) {
            assert_true(fabs((double)out[i] - cos(expected[i] * positions[p])) < 1e-7);
            assert_true(fabs((double)out[DIM / 2 + i] - sin(expected[i] * positions[p])) < 1e-7);
            assert_true(fabsf(out[i]) <= 1 && fabsf(out[DIM / 2 + i]) <= 1);
        }
    }
}

static void plain_and_linear(void **state) {
    (void)state;
    static const double thetas[] = {1e4, 1e5, 5e5, 1e6, 1e8};
    for (size_t t = 0; t < sizeof thetas / sizeof thetas[0]; t++) {
        for (int linear = 0; linear < 2; linear++) {
            double factor = linear ? 4 : 1;
            struct rope_config rope = {
                .theta = thetas[t], .scaling = linear ? ROPE_LINEAR : ROPE_NONE, .factor = factor};
            double expected[DIM / 2], frequency[DIM / 2];
            struct diag d = {0};
            for (int i = 0; i < DIM / 2; i++) expected[i] = base(thetas[t], i) / factor;
            assert_true(rope_frequencies(&rope, DIM, NULL, frequency, &d));
            check_table(expected, frequency);
        }
    }
}

/* By wavelengths, as the formula was published. */
static void llama3(void **state) {
    (void)state;
    struct rope_config rope = {.theta = 5e5,
                               .scaling = ROPE_LLAMA3,
                               .factor = 8,
                               .low_freq_factor = 1,
                               .high_freq_factor = 4,
                               .original_positions = 8192};
    double expected[DIM / 2], frequency[DIM / 2];
    struct diag d = {0};
    int kept = 0, divided = 0;
    for (int i = 0; i < DIM / 2; i++) {
        double f = base(5e5, i), wavelength = 2 * M_PI / f;
        if (wavelength < 8192.0 / 4)
            expected[i] = f, kept++;
        else if (wavelength > 8192.0 / 1)
            expected[i] = f / 8, divided++;
        else {
            double smooth = (8192.0 / wavelength - 1) / (4 - 1);
            expected[i] = (1 - smooth) * f / 8 + smooth * f;
        }
    }
    assert_true(kept > 0 && divided > 0 && kept + divided < DIM / 2);
    assert_true(rope_frequencies(&rope, DIM, NULL, frequency, &d));
    check_table(expected, frequency);
}

static void divisors(void **state) {
    (void)state;
    struct rope_config rope = {.theta = 1e4, .scaling = ROPE_DIVISORS, .factor = 1};
    double expected[DIM / 2], frequency[DIM / 2];
    float divisor[DIM / 2];
    struct diag d = {0};
    for (int i = 0; i < DIM / 2; i++)
        divisor[i] = 1 + (float)i / 8, expected[i] = base(1e4, i) / (double)divisor[i];
    assert_true(rope_frequencies(&rope, DIM, divisor, frequency, &d));
    check_table(expected, frequency);
    divisor[5] = 0;
    assert_false(rope_frequencies(&rope, DIM, divisor, frequency, &d));
    assert_non_null(strstr(d.text, "divisor 5"));
}

static void tiny_values_are_zero(void **state) {
    (void)state;
    double frequency[8] = {1e-17, 1e-15, 1e-3, 1};
    float out[16];
    rope_position(frequency, 8, 1, out);
    assert_true(out[4] == 0 && out[5] == 1e-15f && !signbit(out[4]));
    rope_position(frequency, 8, 0, out);
    for (int i = 0; i < 4; i++) assert_true(out[i] == 1 && out[4 + i] == 0 && !signbit(out[4 + i]));
}

static void refuses_nonsense(void **state) {
    (void)state;
    double frequency[DIM / 2];
    const struct rope_config bad[] = {
        {.theta = 0},
        {.theta = -1e4},
        {.theta = (double)NAN},
        {.theta = 1e300},
        {.theta = 1e4, .scaling = ROPE_LINEAR},
        {.theta = 1e4, .scaling = ROPE_LINEAR, .factor = (double)INFINITY},
        {.theta = 1e4,
         .scaling = ROPE_LLAMA3,
         .factor = 8,
         .low_freq_factor = 4,
         .high_freq_factor = 4}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct diag d = {0};
        assert_false(rope_frequencies(&bad[i], DIM, NULL, frequency, &d));
        assert_true(d.text[0] != 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_linear), cmocka_unit_test(llama3), cmocka_unit_test(divisors),
        cmocka_unit_test(tiny_values_are_zero), cmocka_unit_test(refuses_nonsense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
