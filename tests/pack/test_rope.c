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

enum { POSITIONS = 131072 };

/* Makes the table of `positions` positions and compares it with the frequencies expected of
 * rope->rotary / 2 pairs, in a head of DIM: the others stand still. */
static void check_table(const struct rope_config *rope, uint32_t positions, const float *divisor,
                        const double *expected, double attention) {
    static const uint32_t at[] = {0, 1, 2, 3, 1000, 4095, 16383, POSITIONS - 1};
    struct rope_table table;
    struct diag d = {0};
    float out[DIM];
    assert_true(rope_table_make(rope, positions, divisor, &table, &d));
    assert_true(table.pairs == rope->rotary / 2 &&
                fabs(rope_attention(rope) / attention - 1) < 1e-14);
    for (uint32_t i = 0; i < table.pairs; i++)
        assert_true(fabs(table.frequency[i] / expected[i] - 1) < 1e-13);
    for (size_t p = 0; p < sizeof at / sizeof at[0]; p++) {
        rope_position(&table, DIM, at[p], out);
        for (uint32_t i = 0; i < DIM / 2; i++) {
            double cosine = 1, sine = 0;
            if (i < table.pairs) {
                cosine = cos(expected[i] * at[p]);
                sine = sin(expected[i] * at[p]);
            }
            assert_true(fabs((double)out[i] - cosine) < 1e-7);
            assert_true(fabs((double)out[DIM / 2 + i] - sine) < 1e-7);
            if (i >= table.pairs) assert_true(out[i] == 1 && out[DIM / 2 + i] == 0);
        }
    }
}

static void plain_and_linear(void **state) {
    (void)state;
    static const double thetas[] = {1e4, 1e5, 5e5, 1e6, 1e8};
    for (size_t t = 0; t < sizeof thetas / sizeof thetas[0]; t++) {
        for (int linear = 0; linear < 2; linear++) {
            double factor = linear ? 4 : 1;
            struct rope_config rope = {.theta = thetas[t],
                                       .rotary = DIM,
                                       .scaling = linear ? ROPE_LINEAR : ROPE_NONE,
                                       .factor = factor};
            double expected[DIM / 2];
            for (int i = 0; i < DIM / 2; i++) expected[i] = base(thetas[t], i) / factor;
            check_table(&rope, POSITIONS, NULL, expected, 1);
        }
    }
}

/* By wavelengths, as the formula was published. */
static void llama3(void **state) {
    (void)state;
    struct rope_config rope = {.theta = 5e5,
                               .rotary = DIM,
                               .scaling = ROPE_LLAMA3,
                               .factor = 8,
                               .low_freq_factor = 1,
                               .high_freq_factor = 4,
                               .original_positions = 8192};
    double expected[DIM / 2];
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
    check_table(&rope, POSITIONS, NULL, expected, 1);
}

/* YaRN as its paper and the models' code state it, the ends of the ramp rounded or not. */
static void yarn(void **state) {
    (void)state;
    for (int exact = 0; exact < 2; exact++) {
        struct rope_config rope = {.theta = 150000,
                                   .rotary = DIM,
                                   .scaling = ROPE_YARN,
                                   .factor = 32,
                                   .beta_fast = 32,
                                   .beta_slow = 1,
                                   .exact_range = exact,
                                   .original_positions = 4096};
        double expected[DIM / 2], low, high;
        low = DIM * log(4096 / (32 * 2 * M_PI)) / (2 * log(150000));
        high = DIM * log(4096 / (1 * 2 * M_PI)) / (2 * log(150000));
        if (!exact) low = floor(low), high = ceil(high);
        int kept = 0, divided = 0;
        for (int i = 0; i < DIM / 2; i++) {
            double f = base(150000, i), ramp = (i - low) / (high - low);
            ramp = ramp < 0 ? 0 : ramp > 1 ? 1 : ramp;
            kept += ramp == 0, divided += ramp == 1;
            expected[i] = f / 32 * ramp + f * (1 - ramp);
        }
        assert_true(kept > 0 && divided > 0 && kept + divided < DIM / 2);
        check_table(&rope, POSITIONS, NULL, expected, 0.1 * log(32) + 1);
        rope.mscale = 0.7, rope.mscale_all = 1;
        check_table(&rope, POSITIONS, NULL, expected, (0.07 * log(32) + 1) / (0.1 * log(32) + 1));
        rope.attention_factor = 1.25;
        check_table(&rope, POSITIONS, NULL, expected, 1.25);
        /* both betas the same: the ramp is a step, and its ends lie inside the frequencies */
        struct rope_table table;
        struct diag d = {0};
        rope.beta_slow = rope.beta_fast = 1e-9;
        assert_true(rope_table_make(&rope, POSITIONS, NULL, &table, &d));
        for (int i = 0; i < DIM / 2; i++) assert_true(isfinite(table.frequency[i]));
    }
}

/* For a text of N positions, as transformers computes it; up to the original ones nothing
 * changes. */
static void dynamic(void **state) {
    (void)state;
    struct rope_config rope = {.theta = 1e4,
                               .rotary = DIM,
                               .scaling = ROPE_DYNAMIC,
                               .factor = 2,
                               .original_positions = 4096};
    double expected[DIM / 2];
    for (int i = 0; i < DIM / 2; i++) expected[i] = base(1e4, i);
    check_table(&rope, 4096, NULL, expected, 1);
    double theta = 1e4 * pow(2.0 * 6000 / 4096 - 1, DIM / (DIM - 2.0));
    for (int i = 0; i < DIM / 2; i++) expected[i] = base(theta, i);
    check_table(&rope, 6000, NULL, expected, 1);
}

/* LongRoPE, on three quarters of a head. */
static void long_and_partial(void **state) {
    (void)state;
    struct rope_config rope = {.theta = 1e4,
                               .rotary = DIM / 4 * 3,
                               .scaling = ROPE_LONG,
                               .factor = 32,
                               .original_positions = 4096};
    double expected[DIM / 2];
    float divisor[DIM / 2];
    for (uint32_t i = 0; i < rope.rotary / 2; i++) {
        divisor[i] = 1 + (float)i / 4;
        expected[i] = pow(1e4, -2.0 * i / rope.rotary) / (double)divisor[i];
    }
    check_table(&rope, POSITIONS, divisor, expected, sqrt(1 + log(32) / log(4096)));
}

static void divisors(void **state) {
    (void)state;
    struct rope_config rope = {.theta = 1e4, .rotary = DIM, .scaling = ROPE_DIVISORS, .factor = 1};
    struct rope_table table;
    double expected[DIM / 2];
    float divisor[DIM / 2];
    struct diag d = {0};
    for (int i = 0; i < DIM / 2; i++)
        divisor[i] = 1 + (float)i / 8, expected[i] = base(1e4, i) / (double)divisor[i];
    check_table(&rope, POSITIONS, divisor, expected, 1);
    divisor[5] = 0;
    assert_false(rope_table_make(&rope, POSITIONS, divisor, &table, &d));
    assert_non_null(strstr(d.text, "divisor 5"));
}

static void tiny_values_are_zero(void **state) {
    (void)state;
    struct rope_table table = {4, {1e-17, 1e-15, 1e-3, 1}};
    float out[16];
    rope_position(&table, 8, 1, out);
    assert_true(out[4] == 0 && out[5] == 1e-15f && !signbit(out[4]));
    rope_position(&table, 8, 0, out);
    for (int i = 0; i < 4; i++) assert_true(out[i] == 1 && out[4 + i] == 0 && !signbit(out[4 + i]));
}

static void refuses_nonsense(void **state) {
    (void)state;
    struct rope_table table;
    const struct rope_config bad[] = {
        {.rotary = DIM, .theta = 0},
        {.rotary = DIM, .theta = -1e4},
        {.rotary = DIM, .theta = (double)NAN},
        {.rotary = DIM, .theta = 1e300},
        {.rotary = 0, .theta = 1e4},
        {.rotary = 3, .theta = 1e4},
        {.rotary = 2 * BLOB_HEAD_DIM_MAX, .theta = 1e4},
        {.rotary = DIM, .theta = 1e4, .scaling = ROPE_LINEAR},
        {.rotary = DIM, .theta = 1e4, .scaling = ROPE_LINEAR, .factor = (double)INFINITY},
        {.rotary = DIM,
         .theta = 1e4,
         .scaling = ROPE_LLAMA3,
         .factor = 8,
         .low_freq_factor = 4,
         .high_freq_factor = 4},
        {.rotary = DIM,
         .theta = 1e4,
         .scaling = ROPE_YARN,
         .factor = 8,
         .beta_fast = 1,
         .beta_slow = 2,
         .original_positions = 4096}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct diag d = {0};
        assert_false(rope_table_make(&bad[i], POSITIONS, NULL, &table, &d));
        assert_true(d.text[0] != 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(plain_and_linear),
                                       cmocka_unit_test(llama3),
                                       cmocka_unit_test(yarn),
                                       cmocka_unit_test(dynamic),
                                       cmocka_unit_test(long_and_partial),
                                       cmocka_unit_test(divisors),
                                       cmocka_unit_test(tiny_values_are_zero),
                                       cmocka_unit_test(refuses_nonsense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
