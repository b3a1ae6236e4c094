/* GEMV: every table's functions against the reference over shapes, ranges and data chosen to
 * hurt. */
#include "checker.h"

enum weights { W_RANDOM, W_ZERO, W_ONES, W_MIDDLE, W_EXTREME_SCALES, W_PATTERNS };
enum activations { X_RANDOM, X_HIGH, X_LOW, X_ALTERNATING, X_ZERO, X_PATTERNS };
enum scales { S_PLAIN, S_WIDE, S_LOW_EDGE, S_HIGH_EDGE, S_ZERO, S_PATTERNS };

struct shape {
    uint32_t type, k, rows, columns, begin, end; /* panels begin .. end */
    int add, bias;
    enum weights weights;
    enum activations activations;
    enum scales scales;
};

/* The types that CPUs multiply. */
#define EACH_TYPE(type)                                                                            \
    for (uint32_t type = 1; type < WEIGHT_TYPES; type++)                                           \
        if (weight_traits(type)->engines & WEIGHT_ON_CPU)

struct gemv_data {
    struct gemv_args args;
    uint32_t begin, end;
    cpu_gemv_fn *fn;
    struct guarded panels, row_scale, bias, x, y;
};

static void fill_weights(struct dice *d, const struct shape *s, uint8_t *p, size_t bytes) {
    const struct weight_traits *t = weight_traits(s->type);
    const size_t block_lines =
        t->block_lines + 2 * (size_t)t->pair_lines + 4 * (size_t)t->group_lines;
    dice_fill(d, p, bytes);
    switch (s->weights) {
    case W_ZERO:
        memset(p, 0x00, bytes);
        break;
    case W_ONES:
        memset(p, 0xff, bytes);
        break; /* 127 or 7, scale -1 */
    case W_MIDDLE:
        memset(p, 0x80, bytes);
        break; /* 0 in W8; nibbles 0 and 8, scale -128 */
    case W_EXTREME_SCALES:
        for (size_t i = 0; i < bytes; i++)
            if (i / 64 % block_lines == 0) p[i] = p[i] & 1 ? 0x7f : 0x80;
        break;
    default:
        break;
    }
}

static float pick_scale(struct dice *d, enum scales pattern, int acts) {
    switch (pattern) {
    case S_WIDE:
        return dice_float(d, -50, 50);
    case S_LOW_EDGE:
        return acts ? dice_float(d, -34, -32) : dice_float(d, -34, -30); /* products around 2^-50 */
    case S_HIGH_EDGE:
        return acts ? dice_float(d, 10, 12) : dice_float(d, 18, 22); /* products around 2^50 */
    case S_ZERO:
        return dice_below(d, 2) ? 0.0f : dice_float(d, -5, 5);
    default:
        return dice_float(d, -12, 0);
    }
}

static void fill_column(struct dice *d, const struct shape *s, uint8_t *column, uint32_t kp,
                        enum activations pattern) {
    int8_t *q = (int8_t *)column;
    for (uint32_t i = 0; i < kp; i++) {
        switch (pattern) {
        case X_HIGH:
            q[i] = 127;
            break;
        case X_LOW:
            q[i] = -127;
            break;
        case X_ALTERNATING:
            q[i] = i & 1 ? 127 : -127;
            break;
        case X_ZERO:
            q[i] = 0;
            break;
        default:
            q[i] = (int8_t)((int)dice_below(d, 255) - 127);
        }
        if (i >= s->k) q[i] = 0;
    }
    for (uint32_t g = 0; g < kp / GROUP; g++) {
        int32_t *sum = act_gsum(column, kp) + g;
        *sum = 0;
        for (uint32_t i = 0; i < GROUP; i++) *sum += q[g * GROUP + i];
    }
    *act_scale(column, kp) =
        pattern == X_ZERO ? 0.0f
                          : bits_float(float_bits(pick_scale(d, s->scales, 1)) & 0x7fffffffu);
}

static struct gemv_data gemv_take(const struct shape *s, struct dice d, enum side side) {
    uint32_t kp = padded_cols(s->k), rows = padded_rows(s->rows);
    struct gemv_data g = {.begin = s->begin, .end = s->end};
    size_t stride = act_stride(kp), y_stride = rows + 16;
    g.panels = guard_take(weight_bytes(s->type, s->rows, s->k), 64, side);
    g.row_scale = guard_take(rows * sizeof(float), 4, side);
    g.bias = guard_take(s->bias ? rows * sizeof(float) : 0, 4, side);
    g.x = guard_take(s->columns * stride, 64, side);
    g.y = guard_take((y_stride * (s->columns - 1) + rows) * sizeof(float), 64, side);
    fill_weights(&d, s, g.panels.data, g.panels.bytes);
    float *row_scale = (float *)(void *)g.row_scale.data, *y = (float *)(void *)g.y.data;
    for (uint32_t r = 0; r < s->rows; r++) row_scale[r] = pick_scale(&d, s->scales, 0);
    float *bias = s->bias ? (float *)(void *)g.bias.data : NULL;
    for (uint32_t r = 0; r < rows && bias; r++)
        bias[r] = r >= s->rows               ? 0
                  : s->scales == S_LOW_EDGE  ? dice_float(&d, -52, -48)
                  : s->scales == S_HIGH_EDGE ? dice_float(&d, 47, 50)
                                             : dice_float(&d, -8, 8);
    for (uint32_t c = 0; c < s->columns; c++) {
        enum activations pattern =
            s->activations == X_RANDOM && c % 7 == 5 ? X_ZERO : s->activations;
        fill_column(&d, s, g.x.data + c * stride, kp, pattern);
    }
    for (size_t i = 0; i < g.y.bytes / sizeof(float); i++)
        y[i] = s->scales == S_LOW_EDGE    ? dice_float(&d, -52, -48)
               : s->scales == S_HIGH_EDGE ? dice_float(&d, 47, 50)
                                          : dice_float(&d, -8, 8);
    g.args = (struct gemv_args){g.panels.data, row_scale, bias,     kp,     s->columns, g.x.data,
                                stride,        y,         y_stride, s->add, GEMV_AHEAD};
    return g;
}

static void gemv_give(struct gemv_data *g) {
    guard_give(&g->panels);
    guard_give(&g->row_scale);
    guard_give(&g->bias);
    guard_give(&g->x);
    guard_give(&g->y);
}

static uint32_t gemv_call(const struct gemv_data *g) { return g->fn(&g->args, g->begin, g->end); }

static cpu_gemv_fn *function(const struct gemvs *set, uint32_t type) { return set->of[type]; }

static struct gemvs sets[APUS_CPU_NEON + 1];
static uint32_t sets_count;

static int find_sets(void **state) {
    (void)state;
    sets_count = gemvs_here(sets);
    return 0;
}

static uint64_t cases, good, bad_cases;

static void check_one(const struct shape *s, struct dice *d) {
    char text[200];
    struct gemv_data want = gemv_take(s, *d, FRONT);
    want.fn = function(&sets[0], s->type);
    uint32_t want_bad = gemv_call(&want) != 0;
    for (uint32_t i = 0; i < sets_count; i++) {
        for (enum side side = FRONT; side <= BACK; side++) {
            struct gemv_data got = gemv_take(s, *d, side);
            got.fn = function(&sets[i], s->type);
            uint32_t bad = gemv_call(&got) != 0;
            snprintf(text, sizeof text,
                     "%s %s k %u rows %u columns %u panels %u..%u add %d bias %d data "
                     "%d %d %d",
                     sets[i].name, weight_traits(s->type)->name, s->k, s->rows, s->columns,
                     s->begin, s->end, s->add, s->bias, s->weights, s->activations, s->scales);
            if (bad != want_bad) fail_msg("bad is %u, not %u (%s)", bad, want_bad, text);
            if (!bad) same_bytes("y", want.y.data, got.y.data, got.y.bytes, text);
            same_bytes("x", want.x.data, got.x.data, got.x.bytes, text);
            gemv_give(&got);
        }
    }
    gemv_give(&want);
    cases++;
    good += !want_bad;
    bad_cases += want_bad;
    dice_roll(d);
}

static void check(const struct shape *shape, struct dice *d) {
    struct shape s = *shape;
    for (s.bias = 0; s.bias < 2; s.bias++) check_one(&s, d);
}

static void shapes(void **state) {
    (void)state;
    static const uint32_t widths[] = {64, 128, 192, 256, 320, 576, 63, 1, 4096};
    struct dice d = {1};
    EACH_TYPE(type)
    for (unsigned w = 0; w < sizeof widths / sizeof *widths; w++)
        for (uint32_t columns = 1; columns <= 17; columns++) {
            uint32_t rows = widths[w] > 1000 ? 16
                            : columns % 3    ? 48
                                             : 33,
                     panels = padded_rows(rows) / PANEL_ROWS;
            struct shape s = {.type = type,
                              .k = widths[w],
                              .rows = rows,
                              .columns = columns,
                              .end = panels,
                              .add = (int)columns & 1};
            check(&s, &d);
        }
}

static void rows_and_ranges(void **state) {
    (void)state;
    struct dice d = {2};
    EACH_TYPE(type) {
        for (uint32_t rows = 1; rows <= 17; rows++) {
            struct shape s = {.type = type,
                              .k = 192,
                              .rows = rows,
                              .columns = rows % 5 + 1,
                              .end = padded_rows(rows) / PANEL_ROWS,
                              .add = 1};
            check(&s, &d);
        }
        for (uint32_t begin = 0; begin <= 5; begin++)
            for (uint32_t end = begin; end <= 5; end++) {
                struct shape s = {.type = type,
                                  .k = 320,
                                  .rows = 80,
                                  .columns = 3 + begin,
                                  .begin = begin,
                                  .end = end};
                check(&s, &d);
            }
    }
}

static void many_columns(void **state) {
    (void)state;
    static const uint32_t counts[] = {24, 31, 32, 33, 48, 64, 100, 128};
    struct dice d = {3};
    EACH_TYPE(type)
    for (unsigned c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct shape s = {.type = type,
                          .k = c & 1 ? 576 : 320,
                          .rows = 40,
                          .columns = counts[c],
                          .end = 3,
                          .add = (int)c & 1};
        check(&s, &d);
    }
}

static void long_rows(void **state) {
    (void)state;
    struct dice d = {4};
    EACH_TYPE(type)
    for (uint32_t columns = 1; columns <= 17; columns += 4) {
        struct shape s = {.type = type, .k = 11008, .rows = 16, .columns = columns, .end = 1};
        check(&s, &d);
        s.weights = columns & 4 ? W_ZERO : W_ONES;
        s.activations = X_HIGH; /* the largest sums there are */
        check(&s, &d);
    }
}

static void saturating_data(void **state) {
    (void)state;
    static const uint32_t counts[] = {1, 2, 3, 4, 5, 8, 11, 16, 18};
    struct dice d = {5};
    EACH_TYPE(type)
    for (int w = 0; w < W_PATTERNS; w++)
        for (int x = 0; x < X_PATTERNS; x++)
            for (unsigned c = 0; c < sizeof counts / sizeof *counts; c++) {
                struct shape s = {.type = type,
                                  .k = 576,
                                  .rows = 16,
                                  .columns = counts[c],
                                  .end = 1,
                                  .add = (int)c & 1,
                                  .weights = (enum weights)w,
                                  .activations = (enum activations)x};
                check(&s, &d);
            }
}

/* Around the limits of snap() both answers must occur, or the test says nothing. */
static void snap_limits(void **state) {
    (void)state;
    struct dice d = {6};
    good = bad_cases = 0;
    for (int pattern = S_WIDE; pattern < S_PATTERNS; pattern++)
        for (int round = 0; round < 60; round++) {
            static const uint32_t types[] = {WEIGHT_W8,  WEIGHT_W4,  WEIGHT_W5, WEIGHT_W6,
                                             WEIGHT_W4S, WEIGHT_W8S, WEIGHT_W4T};
            struct shape s = {.type = types[round % 7],
                              .k = 64,
                              .rows = 1 + (uint32_t)round % 16,
                              .columns = 1 + (uint32_t)round / 8,
                              .end = 1,
                              .add = round / 6 & 1,
                              .scales = (enum scales)pattern};
            if (pattern == S_HIGH_EDGE) s.columns = s.rows = 1;
            check(&s, &d);
        }
    assert_true(good > 20 && bad_cases > 20);
}

/* Byte b in every place of a line. */
static void every_weight_byte(void **state) {
    (void)state;
    struct dice d = {7};
    EACH_TYPE(type) {
        struct shape s = {.type = type, .k = 256, .rows = 16, .columns = 2, .end = 1};
        struct gemv_data want = gemv_take(&s, d, FRONT), got = gemv_take(&s, d, BACK);
        want.fn = function(&sets[0], type);
        for (uint32_t i = 0; i < sets_count; i++) {
            got.fn = function(&sets[i], type);
            for (unsigned b = 0; b < 256; b++) {
                memset(want.panels.data, (int)b, want.panels.bytes);
                memset(got.panels.data, (int)b, got.panels.bytes);
                assert_int_equal(gemv_call(&want) != 0, gemv_call(&got) != 0);
                same_bytes("y", want.y.data, got.y.data, got.y.bytes, sets[i].name);
            }
        }
        gemv_give(&want);
        gemv_give(&got);
    }
}

int gemv_tests(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(rows_and_ranges),
        cmocka_unit_test(many_columns),
        cmocka_unit_test(long_rows),
        cmocka_unit_test(saturating_data),
        cmocka_unit_test(snap_limits),
        cmocka_unit_test(every_weight_byte),
    };
    return cmocka_run_group_tests_name("gemv", tests, find_sets, NULL);
}

static void bench_call(void *user) { gemv_call(user); }

void gemv_bench(void) {
    static const uint32_t counts[] = {1, 2, 4, 8, 16, 128};
    find_sets(NULL);
    EACH_TYPE(type)
    for (unsigned c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct shape s = {.type = type, .k = 4096, .rows = 256, .columns = counts[c], .end = 16};
        struct gemv_data g = gemv_take(&s, (struct dice){8}, FRONT);
        for (uint32_t i = 0; i < sets_count; i++) {
            char what[80];
            g.fn = function(&sets[i], type);
            snprintf(what, sizeof what, "gemv %s 256x4096, %u columns", weight_traits(type)->name,
                     counts[c]);
            say_time(sets[i].name, what, time_ns(bench_call, &g), (double)g.panels.bytes);
        }
        gemv_give(&g);
    }
}
