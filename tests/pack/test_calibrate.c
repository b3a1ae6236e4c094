/* What calibration is made of: matrix products with the same bits everywhere, the Hessian's factor,
 * rounding with feedback. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/pack/random.h"
#include "weights/pack/quantize/feedback.h"
#include "weights/pack/quantize/forward.h"
#include "weights/pack/quantize/hessian.h"
#include "weights/pack/quantize/float_kernels.h"
#include "weights/pack/quantize/matmul.h"

static float *noise(size_t count, uint64_t seed) {
    float *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++) x[i] = (float)random_normal(&seed);
    return x;
}

static float *zeros(size_t count) {
    float *x = calloc(count, sizeof *x);
    assert_non_null(x);
    return x;
}

/* --------------------------------------------------------------------------- matrix products -- */

/* The definition: fused multiply-adds in the order of k. */
static void chain(size_t rows, size_t columns, size_t depth, struct matrix a, struct matrix b,
                  float *c, bool negative) {
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            for (size_t k = 0; k < depth; k++) {
                float x = a.at[i * a.row + k * a.column];
                c[i * columns + j] =
                    fmaf(negative ? -x : x, b.at[k * b.row + j * b.column], c[i * columns + j]);
            }
}

static void products_are_what_is_defined(void **state) {
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1},    {5, 7, 3},      {12, 32, 256},  {13, 33, 257},
                                       {64, 64, 64}, {250, 530, 70}, {241, 20, 600}, {3, 1000, 1}};
    float *room = malloc(3 * MATMUL_ROOM * sizeof *room);
    assert_non_null(room);
    for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++) {
        size_t m = shapes[s][0], n = shapes[s][1], k = shapes[s][2];
        float *a = noise(m * k, 3 * s + 1), *b = noise(n * k, 3 * s + 2),
              *c = noise(m * n, 3 * s + 3), *want = malloc(m * n * sizeof *want);
        assert_non_null(want);
        for (int form = 0; form < 4; form++) { /* either matrix by rows or by columns */
            struct matrix x = form & 1 ? (struct matrix){a, k, 1} : (struct matrix){a, 1, m};
            struct matrix y = form & 2 ? (struct matrix){b, n, 1} : (struct matrix){b, 1, k};
            memcpy(want, c, m * n * sizeof *c);
            chain(m, n, k, x, y, want, form == 1);
            matmul_threads(1 + (unsigned)form % 3, MATMUL_ALL, m, n, k, x, y, c, n, form == 1,
                           room);
            assert_memory_equal(c, want, m * n * sizeof *c);
        }
        free(a), free(b), free(c), free(want);
    }
    free(room);
}

/* Every instruction set this machine has. */
static const struct kernels *sets[3];
static size_t sets_count;

static void find_sets(void) {
    sets[sets_count++] = &KERNELS_PLAIN;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        sets[sets_count++] = &KERNELS_AVX2;
    if (__builtin_cpu_supports("avx512f")) sets[sets_count++] = &KERNELS_AVX512;
#endif
}

static void kernels_agree(void **state) {
    (void)state;
    enum { DEPTH = 100, MOST = 64 };
    float *a = noise(DEPTH * MOST, 5), *b = noise(DEPTH * MOST, 6), *unit = noise(GROUP * 100, 7),
          *w = noise(GROUP * TRIAL_ROWS, 8);
    float *weight = noise(GROUP, 9);
    struct trial trial = {.unit = unit, .weight = weight, .n = 100, .weights = w, .targets = w};
    for (int j = 0; j < TRIAL_ROWS; j++) trial.scale[j] = (float)j / 100 - 0.1f;
    for (int i = 0; i < GROUP; i++) weight[i] *= weight[i];
    static const enum weight_type types[2] = {WEIGHT_W4, WEIGHT_W4T};
    static struct trial_result first[2], other;
    float apart[2][TRIAL_ROWS], other_apart[TRIAL_ROWS];
    for (int i = 0; i < 2; i++) {
        trial.to = levels_of(types[i]);
        KERNELS_PLAIN.round_group(&trial, &first[i]);
        KERNELS_PLAIN.round_apart(&trial, apart[i]);
    }
    for (size_t s = 0; s < sets_count; s++) {
        size_t m = sets[s]->rows, n = sets[s]->columns;
        float c[12 * 32] = {0}, want[12 * 32] = {0};
        chain(m, n, DEPTH, (struct matrix){a, 1, m}, (struct matrix){b, n, 1}, want, false);
        sets[s]->add(DEPTH, a, b, c, n);
        assert_memory_equal(c, want, m * n * sizeof *c);
        chain(m, n, DEPTH, (struct matrix){b, 1, m}, (struct matrix){a, n, 1}, want, true);
        sets[s]->subtract(DEPTH, b, a, c, n);
        assert_memory_equal(c, want, m * n * sizeof *c);
        for (int i = 0; i < 2; i++) {
            trial.to = levels_of(types[i]);
            sets[s]->round_group(&trial, &other);
            assert_memory_equal(&first[i], &other, sizeof other);
            sets[s]->round_apart(&trial, other_apart);
            assert_memory_equal(apart[i], other_apart, sizeof other_apart);
        }
    }
    free(a), free(b), free(unit), free(w), free(weight);
}

/* ----------------------------------------------------------------------------------- Hessian -- */

enum { TOKENS = 700, ROWS = 90 };

/* Inputs as layers have them: a few strong directions, and some channels that are never on. */
static float *inputs(uint32_t n, uint32_t dead) {
    enum { STRONG = 20 };
    float *x = noise((size_t)TOKENS * n, 21), *basis = noise((size_t)STRONG * n, 22),
          *part = noise((size_t)TOKENS * STRONG, 23);
    for (size_t t = 0; t < TOKENS; t++)
        for (uint32_t i = 0; i < n; i++) {
            float sum = 0.2f * x[t * n + i];
            for (int s = 0; s < STRONG; s++)
                sum += part[t * STRONG + (size_t)s] * basis[(size_t)s * n + i];
            x[t * n + i] = dead && i % dead == 0 ? 0 : sum;
        }
    free(basis), free(part);
    return x;
}

/* Storage for a factor of n columns. */
static struct hessian_room rooms(uint32_t n) {
    struct hessian_room room = {zeros(n), malloc(n * sizeof(uint32_t))};
    assert_non_null(room.order);
    return room;
}

static void free_rooms(struct hessian_room room) { free(room.weight), free(room.order); }

static bool factor_of(const float *x, uint32_t n, unsigned threads, float *h,
                      const struct hessian_room *with, struct hessian_factor *factor) {
    float *room = malloc(threads * MATMUL_ROOM * sizeof *room);
    assert_non_null(room);
    memset(h, 0, (size_t)n * n * sizeof *h);
    hessian_add(threads, x, TOKENS, n, h, room);
    bool good = hessian_factor(threads, h, n, 0.04f, with, factor, room);
    free(room);
    return good;
}

/* Every column once, groups of 64 whole and largest first, inside them the largest first. */
static void check_order(const struct hessian_factor *f, const float *x) {
    double last_group = INFINITY;
    uint8_t *seen = calloc(f->n, 1);
    assert_non_null(seen);
    for (uint32_t g = 0; g * GROUP < f->n; g++) {
        double sum = 0, last = INFINITY;
        for (uint32_t c = g * GROUP; c < f->n && c < (g + 1) * GROUP; c++) {
            uint32_t at = f->order[c];
            double size = 0;
            assert_true(at < f->n && !seen[at]++ && at / GROUP == f->order[g * GROUP] / GROUP);
            for (size_t t = 0; t < TOKENS; t++)
                size += (double)x[t * f->n + at] * (double)x[t * f->n + at];
            assert_true(size <= last * (1 + 1e-5));
            last = size, sum += size;
        }
        if (f->n % GROUP == 0) assert_true(sum <= last_group * (1 + 1e-5));
        last_group = sum;
    }
    free(seen);
}

static void factors_are_factors(void **state) {
    (void)state;
    static const uint32_t widths[] = {1, 40, 64, 65, 192, 300};
    for (size_t s = 0; s < sizeof widths / sizeof widths[0]; s++) {
        uint32_t n = widths[s];
        float *x = inputs(n, 7), *h = zeros((size_t)n * n), *again = zeros((size_t)n * n);
        struct hessian_room with = rooms(n);
        struct hessian_factor f;
        if (n == 1) x[0] = 1;
        assert_true(factor_of(x, n, 1, h, &with, &f) && f.n == n);
        check_order(&f, x);
        double mean = 0;
        for (size_t t = 0; t < TOKENS * (size_t)n; t++) mean += (double)x[t] * (double)x[t] / n;
        for (uint32_t i = 0; i < n; i++) {
            for (uint32_t j = 0; j <= i; j++) { /* (R R^T)[j][i] */
                double want = i == j ? 0.04 * mean : 0, got = 0;
                for (size_t t = 0; t < TOKENS; t++)
                    want += (double)x[t * n + f.order[i]] * (double)x[t * n + f.order[j]];
                for (uint32_t k = i; k < n; k++) {
                    double a = i == k ? 1 : (double)h[(size_t)k * n + i],
                           b = j == k ? 1 : (double)h[(size_t)k * n + j];
                    got += a * b * (double)f.weight[k];
                }
                if (fabs(got - want) > 1e-4 * mean)
                    fail_msg("%u: [%u][%u] %g where %g is right", n, j, i, got, want);
            }
        }
        assert_true(factor_of(x, n, 3, again, &with, &f));
        for (uint32_t i = 0; i < n; i++)
            assert_memory_equal(h + (size_t)i * n, again + (size_t)i * n, (i + 1) * sizeof *h);
        free(x), free(h), free(again), free_rooms(with);
    }
}

static void hopeless_inputs_have_none(void **state) {
    (void)state;
    enum { N = 70 };
    float *x = zeros((size_t)TOKENS * N), *h = zeros((size_t)N * N);
    struct hessian_room with = rooms(N);
    struct hessian_factor f;
    assert_false(factor_of(x, N, 1, h, &with, &f)); /* nothing is ever on */
    for (size_t i = 0; i < (size_t)TOKENS * N; i++) x[i] = 1;
    assert_true(factor_of(x, N, 1, h, &with, &f)); /* of rank one */
    x[5] = NAN;
    assert_false(factor_of(x, N, 1, h, &with, &f));
    x[5] = 3e38f;
    assert_false(factor_of(x, N, 1, h, &with, &f));
    free(x), free(h), free_rooms(with);
}

/* ---------------------------------------------------------------------------------- feedback -- */

/* The outputs' squared error, and the integers within their ranges. */
static double loss(struct quantizer quantizer, const float *x, const float *w, uint32_t cols) {
    uint32_t n = padded_cols(cols);
    int8_t *q = malloc((size_t)n * QUANTIZE_ROWS),
           *scale = malloc((size_t)n / GROUP * QUANTIZE_ROWS);
    float *room = malloc((quantizer.room_floats + 1) * sizeof *room), *d = zeros(n);
    assert_true(q && scale && room);
    double sum = 0;
    for (uint32_t first = 0; first < ROWS; first += QUANTIZE_ROWS) {
        uint32_t rows = ROWS - first < QUANTIZE_ROWS ? ROWS - first : QUANTIZE_ROWS;
        struct quantized_row row[QUANTIZE_ROWS];
        memset(q, 99, (size_t)n * QUANTIZE_ROWS);
        for (uint32_t r = 0; r < rows; r++)
            row[r] = (struct quantized_row){.q = q + (size_t)r * n,
                                            .scale = scale + (size_t)r * n / GROUP};
        quantizer.rows(&quantizer, w + (size_t)first * n, rows, cols, room, row);
        for (uint32_t r = 0; r < rows; r++) {
            const struct levels to = levels_of(quantizer.type);
            for (uint32_t c = 0; c < n; c++) {
                assert_in_range(row[r].q[c] + 128, (int)to.low + 128, (int)to.high + 128);
                if (!weight_traits(quantizer.type)->scale_bits)
                    assert_int_equal(row[r].scale[c / GROUP], 1);
                if (c >= cols) assert_int_equal(row[r].q[c], 0);
                d[c] = w[(size_t)(first + r) * n + c] - quantized_value(&row[r], c);
            }
            assert_true(quantized_reach(&row[r], cols) < (uint64_t)1 << 31 &&
                        row[r].row_scale >= 0x1p-50f);
            for (size_t t = 0; t < TOKENS; t++) {
                double y = 0;
                for (uint32_t c = 0; c < n; c++) y += (double)d[c] * (double)x[t * n + c];
                sum += y * y;
            }
        }
    }
    free(q), free(scale), free(room), free(d);
    return sum;
}

static void feedback_beats_rounding(void **state) {
    (void)state;
    static const uint32_t widths[] = {50, 192, 256, 300};
    for (size_t s = 0; s < sizeof widths / sizeof widths[0]; s++) {
        uint32_t cols = widths[s], n = padded_cols(cols);
        float *x = inputs(n, 9), *w = noise((size_t)ROWS * n, 31), *h = zeros((size_t)n * n);
        struct hessian_room with = rooms(n);
        for (size_t t = 0; t < TOKENS; t++)
            for (uint32_t c = cols; c < n; c++) x[t * n + c] = 0;
        for (size_t r = 0; r < ROWS; r++)
            for (uint32_t c = cols; c < n; c++) w[r * n + c] = 0;
        struct hessian_factor f;
        assert_true(factor_of(x, n, 2, h, &with, &f));
        static const enum weight_type types[] = {WEIGHT_W8, WEIGHT_W4,  WEIGHT_W4T, WEIGHT_W5,
                                                 WEIGHT_W6, WEIGHT_W4S, WEIGHT_W8S};
        for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
            const enum weight_type type = types[t];
            double fed = loss(quantizer_feedback(type, &f), x, w, cols),
                   rounded = loss(quantizer_rounding(type), x, w, cols);
            if (!(fed < 0.5 * rounded))
                fail_msg("%u columns, type %d: %g with feedback, %g without", cols, (int)type, fed,
                         rounded);
            double quick = loss(quantizer_quick(type, &f), x, w, cols);
            if (!(fed < quick && quick < 0.6 * rounded))
                fail_msg("%u columns, type %d: %g quickly, %g in full, %g without", cols, (int)type,
                         quick, fed, rounded);
        }
        free(x), free(w), free(h), free_rooms(with);
    }
}

/* --------------------------------------------------------------------------------- attention -- */

enum { HEADS = 2, HEAD = 16, LENGTH = 24, WIDTH = 64 };

/* What a query makes of the values that it sees: a softmax to the base 2, with the sink's part. */
static void attend(const float *q, const float *k, const float *v, uint32_t at, uint32_t window,
                   const float *sink, double out[HEAD]) {
    double sum = sink ? exp2((double)*sink) : 0;
    memset(out, 0, HEAD * sizeof *out);
    for (uint32_t j = window && at + 1 > window ? at + 1 - window : 0; j <= at; j++) {
        double score = 0;
        for (uint32_t c = 0; c < HEAD; c++) score += (double)q[c] * (double)k[j * HEAD + c];
        sum += exp2(score);
        for (uint32_t c = 0; c < HEAD; c++) out[c] += exp2(score) * (double)v[j * HEAD + c];
    }
    for (uint32_t c = 0; c < HEAD; c++) out[c] /= sum;
}

static void attention_has_windows_and_sinks(void **state) {
    (void)state;
    static const float sinks[HEADS] = {2, -3};
    for (int how = 0; how < 4; how++) {
        float *q = noise(LENGTH * HEADS * HEAD, 21), *k = noise(LENGTH * HEAD, 22),
              *v = noise(LENGTH * HEAD, 23), *o = zeros(LENGTH * WIDTH),
              *room = zeros(forward_room(LENGTH, HEAD)), *const none[2] = {NULL, NULL};
        const struct forward f = {.threads = 1,
                                  .windows = 1,
                                  .length = LENGTH,
                                  .dim = WIDTH,
                                  .head_dim = HEAD,
                                  .eps = 1e-5f,
                                  .window = how & 1 ? 5 : 0,
                                  .sinks = how & 2 ? sinks : NULL,
                                  .room = room};
        for (size_t i = 0; i < LENGTH * HEADS * HEAD; i++) q[i] *= 0.02f; /* the transform's 16 */
        forward_attention(&f, HEADS, 1, q, k, v, (const float *const *)none, o);
        for (uint32_t at = 0; at < LENGTH; at++)
            for (uint32_t h = 0; h < HEADS; h++) {
                double want[HEAD], most = 0;
                const float *got = o + at * WIDTH;
                attend(q + (at * HEADS + h) * HEAD, k, v, at, f.window,
                       f.sinks ? &f.sinks[h] : NULL, want);
                for (uint32_t c = 0; c < WIDTH; c++) most = fmax(most, fabs((double)got[c]));
                for (uint32_t c = 0; c < HEAD; c++)
                    if (!(fabs((double)got[h * HEAD + c] - want[c]) <= most / 250))
                        fail_msg("token %u, head %u: %g, not %g", at, h, (double)got[h * HEAD + c],
                                 want[c]);
            }
        free(q), free(k), free(v), free(o), free(room);
    }
}

int main(void) {
    find_sets();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products_are_what_is_defined),
        cmocka_unit_test(kernels_agree),
        cmocka_unit_test(factors_are_factors),
        cmocka_unit_test(hopeless_inputs_have_none),
        cmocka_unit_test(feedback_beats_rounding),
        cmocka_unit_test(attention_has_windows_and_sinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
