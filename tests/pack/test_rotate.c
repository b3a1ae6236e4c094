/* The fast rotation against the matrices of docs/numerics.md section 8, written out in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/pack/matrix.h"
#include "tests/pack/random.h"
#include "weights/pack/quantize/exact.h"
#include "weights/pack/quantize/rotate.h"

static const uint32_t SIZES[] = {1,   2,   7,   16,  64,   80,   96,   100,  128,
                                 333, 576, 768, 896, 1000, 1280, 2048, 4096, 5120};

static float *strip_of(uint32_t n, uint64_t seed) {
    float *x = malloc((size_t)n * STRIP * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < (size_t)n * STRIP; i++) x[i] = random_normal(&seed);
    return x;
}

static void check_against_matrix(uint32_t n, bool signs, bool transposed) {
    struct rotation rotation;
    assert_true(rotation_init(&rotation, n, signs, transposed));
    assert_int_equal(rotation.p * rotation.m, n);
    float *x = strip_of(n, n), *y = strip_of(n, n), *scratch = strip_of(rotation.m, 1);
    rotation_apply(&rotation, y, scratch);
    uint64_t seed = 7;
    uint32_t outputs = n < 600 ? n : 40; /* of large ones a sample, each against its whole column of
                                            the matrix */
    for (uint32_t o = 0; o < outputs; o++) {
        uint32_t to = n < 600 ? o : random_below(&seed, n);
        double sum[STRIP] = {0};
        for (uint32_t from = 0; from < n; from++) {
            double e = matrix_element(n, signs, transposed, from, to);
            for (int j = 0; j < STRIP; j++) sum[j] += e * (double)x[(size_t)from * STRIP + j];
        }
        for (int j = 0; j < STRIP; j++)
            assert_true(fabs(sum[j] - (double)y[(size_t)to * STRIP + j]) < 4e-6);
    }
    free(x), free(y), free(scratch);
    rotation_free(&rotation);
}

static void matches_the_matrix(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        check_against_matrix(SIZES[i], true, false);
        check_against_matrix(SIZES[i], false, true);
    }
}

static void keeps_lengths_and_angles(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SIZES / sizeof SIZES[0]; i++) {
        uint32_t n = SIZES[i];
        struct rotation rotation;
        assert_true(rotation_init(&rotation, n, true, false));
        float *x = strip_of(n, n + 1), *y = strip_of(n, n + 1), *scratch = strip_of(rotation.m, 1);
        rotation_apply(&rotation, y, scratch);
        for (int j = 0; j < STRIP; j++) {
            for (int k = 0; k <= j; k++) {
                double before = 0, after = 0, size = 0;
                for (uint32_t c = 0; c < n; c++) {
                    before += (double)x[(size_t)c * STRIP + j] * (double)x[(size_t)c * STRIP + k];
                    after += (double)y[(size_t)c * STRIP + j] * (double)y[(size_t)c * STRIP + k];
                    size += (double)x[(size_t)c * STRIP + j] * (double)x[(size_t)c * STRIP + j];
                }
                assert_true(fabs(before - after) < 1e-5 * (size + 1));
            }
        }
        free(x), free(y), free(scratch);
        rotation_free(&rotation);
    }
}

/* A V with O A^T: head by head the product of the two must be what it was. */
static void head_rotation_cancels(void **state) {
    (void)state;
    for (uint32_t n = 16; n <= 256; n += 16) {
        struct rotation rotation;
        assert_true(rotation_init(&rotation, n, false, true));
        float *o = strip_of(n, n), *v = strip_of(n, n + 100), *scratch = strip_of(rotation.m, 1);
        double before = 0, after = 0;
        for (uint32_t c = 0; c < n * STRIP; c++) before += (double)o[c] * (double)v[c];
        rotation_apply(&rotation, o, scratch);
        rotation_apply(&rotation, v, scratch);
        for (uint32_t c = 0; c < n * STRIP; c++) after += (double)o[c] * (double)v[c];
        assert_true(fabs(before - after) < 1e-5 * n);
        free(o), free(v), free(scratch);
        rotation_free(&rotation);
    }
}

static void signs_are_balanced(void **state) {
    (void)state;
    int negative = 0;
    for (uint64_t i = 0; i < 4096; i++) negative += rotation_negative(i);
    assert_in_range(negative, 1900, 2200);
}

static void elementary_functions(void **state) {
    (void)state;
    uint64_t seed = 3;
    for (int i = 0; i < 200000; i++) {
        double u = (double)(random_bits(&seed) >> 11) * 0x1p-53, sine, cosine;
        double x = (u - 0.5) * (i % 2 ? 20 : 1400) * 0.99, angle = (u - 0.5) * (i % 3 ? 10 : 2e6),
               large = exp((u - 0.5) * 100);
        assert_true(fabs(exact_exp(x) / exp(x) - 1) < 4e-16);
        assert_true(fabs(exact_log(large) - log(large)) <= 4e-16 * fmax(1, fabs(log(large))));
        exact_sincos(angle, &sine, &cosine);
        assert_true(fabs(sine - sin(angle)) < 4e-16 && fabs(cosine - cos(angle)) < 4e-16);
    }
    double sine, cosine;
    exact_sincos(0, &sine, &cosine);
    assert_true(sine == 0 && cosine == 1 && exact_exp(0) == 1 && exact_log(1) == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches_the_matrix), cmocka_unit_test(keeps_lengths_and_angles),
        cmocka_unit_test(head_rotation_cancels), cmocka_unit_test(signs_are_balanced),
        cmocka_unit_test(elementary_functions)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
