/* norm, quant, the activations, head, embed, rms, mix and join against the reference. One `struct
 * work` describes a call of any of them. */
#include "checker.h"

enum op { NORM, QUANT, SILU, CLAMPED, UNMIXED, GELU, HEAD, EMBED, RMS, MIX, JOIN, OPS };
static const char *const op_name[] = {"norm", "quant", "silu", "clamped", "plain", "gelu",
                                      "head", "embed", "rms",  "mix",     "join"};

static int gated(enum op op) { return op == SILU || op == CLAMPED || op == UNMIXED; }

enum values {
    V_PLAIN,
    V_WIDE,
    V_ZERO,
    V_TINY,
    V_HUGE,
    V_ONE_LARGE,
    V_ALTERNATING,
    V_EQUAL,
    V_TIES,
    V_BROKEN,
    V_PATTERNS
};

struct work {
    enum op op;
    uint32_t n;
    enum values values;
    int rope, gain;
    uint32_t block; /* JOIN */
};

struct vector_data {
    struct work work;
    const struct cpu_kernels *table;
    struct guarded x, y, out; /* floats changed in place; floats read; the column, or q */
    float scale;
};

static float pick(struct dice *d, enum values pattern, uint32_t i) {
    switch (pattern) {
    case V_WIDE:
        return dice_float(d, -50, 50);
    case V_ZERO:
        return i & 1 ? 0.0f : -0.0f;
    case V_TINY:
        return dice_float(d, -50, -48);
    case V_HUGE:
        return dice_float(d, 46, 50);
    case V_ONE_LARGE:
        return i == 3 ? 1e6f : dice_float(d, -20, -3);
    case V_ALTERNATING:
        return i & 1 ? 3.0f : -3.0f;
    case V_EQUAL:
        return 1.0f;
    case V_TIES:
        /* x * v close to ties */
        return i == 0 ? 127.0f : (float)((int)dice_below(d, 255) - 127) + 0.5f;
    case V_BROKEN:
        return i == 5   ? bits_float(0x7fc00000u)
               : i == 9 ? bits_float(0xff800000u)
                        : dice_float(d, -3, 3);
    default:
        return dice_float(d, -6, 3);
    }
}

static void fill(struct dice *d, struct guarded *g, enum values pattern) {
    float *x = (float *)(void *)g->data;
    for (uint32_t i = 0; i < g->bytes / sizeof(float); i++) x[i] = pick(d, pattern, i);
}

static struct vector_data vector_take(const struct work *w, struct dice d, enum side side) {
    struct vector_data v = {.work = *w, .scale = bits_float(0x55555555u)};
    size_t column = (size_t)padded_cols(w->n) + padded_cols(w->n) / 16 + 4;
    v.x = guard_take(w->n * sizeof(float), 4, side);
    fill(&d, &v.x, w->op == EMBED ? V_PLAIN : w->values);
    switch (w->op) {
    case HEAD: {
        float *table;
        v.y = guard_take((w->gain ? 2 : 1) * w->n * sizeof(float), 4, side);
        fill(&d, &v.y, w->values);
        table = (float *)(void *)v.y.data;
        for (uint32_t i = 0; i < w->n; i++) { /* first the table, then the gains */
            float c = (float)((int)dice_below(&d, 2001) - 1000) * 0.001f;
            table[i] = i % 13 == 12 ? 0.0f : c;
        }
        v.out = guard_take(w->n, 64, side);
        break;
    }
    case EMBED:
        v.y = guard_take(w->n, 1, side);
        dice_fill(&d, v.y.data, w->n);
        v.out = guard_take(0, 1, side);
        v.scale = w->values == V_PLAIN  ? 0.01f
                  : w->values == V_ZERO ? 0.0f
                  : w->values == V_TINY ? 0x1p-50f
                                        : 0x1p+50f;
        if (w->values == V_EQUAL) v.scale = 0x1p-49f;
        if (w->values == V_TIES) v.scale = 0x1p+43f;
        break;
    case MIX:
        v.y = guard_take(w->n * sizeof(float), 4, side);
        fill(&d, &v.y, w->values == V_ONE_LARGE ? V_WIDE : w->values);
        v.out = guard_take(0, 1, side);
        v.scale = w->values == V_ZERO ? 0.0f : w->values == V_EQUAL ? 1.0f : 0x1.55p-3f;
        break;
    case JOIN: /* its gains in y, what is added to in out */
        v.y = guard_take(w->n * sizeof(float), 4, side);
        fill(&d, &v.y, w->values == V_ONE_LARGE ? V_WIDE : V_PLAIN);
        v.out = guard_take(w->n * sizeof(float), 4, side);
        fill(&d, &v.out, w->values == V_HUGE ? V_HUGE : V_PLAIN);
        v.scale = w->values == V_TINY ? 0x1p+20f : w->values == V_HUGE ? 0x1p-50f : 0.7f;
        break;
    default:
        v.y = guard_take(gated(w->op) ? w->n * sizeof(float) : 0, 4, side);
        if (gated(w->op)) fill(&d, &v.y, w->values == V_ONE_LARGE ? V_WIDE : w->values);
        v.out = guard_take(w->op == RMS ? 0 : column, 64, side);
    }
    return v;
}

static void vector_give(struct vector_data *v) {
    guard_give(&v->x);
    guard_give(&v->y);
    guard_give(&v->out);
}

static uint32_t vector_call(struct vector_data *v) {
    const struct work *w = &v->work;
    float *x = (float *)(void *)v->x.data, *y = (float *)(void *)v->y.data;
    switch (w->op) {
    case NORM:
        return v->table->norm(x, w->n, 1.0f / (float)w->n, 1e-5f, v->out.data);
    case QUANT:
        return v->table->quant(x, w->n, v->out.data);
    case SILU:
        return v->table->act[ACTIVATION_SILU](x, y, w->n, v->out.data);
    case CLAMPED:
        return v->table->act[ACTIVATION_CLAMPED](x, y, w->n, v->out.data);
    case UNMIXED:
        return v->table->act[ACTIVATION_PLAIN](x, y, w->n, v->out.data);
    case GELU:
        return v->table->act[ACTIVATION_GELU](x, NULL, w->n, v->out.data);
    case HEAD:
        return v->table->head(x, w->gain ? y + w->n : NULL, 0.7f, w->rope ? y : NULL, w->n,
                              (int8_t *)v->out.data, &v->scale);
    case RMS:
        v->scale = v->table->rms(x, w->n, 1.0f / (float)w->n, 1e-5f);
        return 0;
    case MIX:
        return v->table->mix(x, y, v->scale, w->n);
    case JOIN:
        return v->table->join((float *)(void *)v->out.data, x, y, v->scale, w->n, w->block);
    default:
        return v->table->embed((const int8_t *)v->y.data, v->scale, w->n, x);
    }
}

static uint64_t good, bad_cases;

static void check(const struct work *w, struct dice *d) {
    char text[120];
    struct cpu_kernels ref = table_of(APUS_CPU_REF);
    struct vector_data want = vector_take(w, *d, FRONT);
    want.table = &ref;
    uint32_t want_bad = vector_call(&want) != 0;
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        for (enum side side = FRONT; side <= BACK; side++) {
            struct vector_data got = vector_take(w, *d, side);
            got.table = &t;
            uint32_t bad = vector_call(&got) != 0;
            snprintf(text, sizeof text, "%s %s n %u values %d rope %d gain %d", apus_cpu_name(mask),
                     op_name[w->op], w->n, w->values, w->rope, w->gain);
            if (bad != want_bad) fail_msg("bad is %u, not %u (%s)", bad, want_bad, text);
            if (!bad) {
                same_bytes("out", want.out.data, got.out.data, got.out.bytes, text);
                same_bytes("x", want.x.data, got.x.data, got.x.bytes, text);
                same_bytes("scale", &want.scale, &got.scale, sizeof got.scale, text);
            }
            same_bytes("y", want.y.data, got.y.data, got.y.bytes, text);
            vector_give(&got);
        }
    }
    vector_give(&want);
    good += !want_bad;
    bad_cases += want_bad;
    dice_roll(d);
}

static void norm_and_quant(void **state) {
    (void)state;
    struct dice d = {11};
    static const uint32_t widths[] = {1,   5,   16,  17,  48,  63,   64,   65,   100,
                                      128, 192, 256, 320, 576, 1000, 2048, 4096, 11008};
    good = bad_cases = 0;
    for (enum op op = NORM; op <= QUANT; op++)
        for (unsigned i = 0; i < sizeof widths / sizeof *widths; i++)
            for (int v = 0; v < V_PATTERNS; v++)
                check(&(struct work){.op = op, .n = widths[i], .values = (enum values)v}, &d);
    assert_true(good > 100 && bad_cases > 20);
}

static void act(void **state) {
    (void)state;
    struct dice d = {12};
    good = bad_cases = 0;
    for (enum op op = SILU; op <= GELU; op++) {
        for (uint32_t n = 64; n <= 1024; n += n < 256 ? 64 : 384)
            for (int v = 0; v < V_BROKEN; v++) /* what reaches it has been snapped */
                for (int round = 0; round < 4; round++)
                    check(&(struct work){.op = op, .n = n, .values = (enum values)v}, &d);
        check(&(struct work){.op = op, .n = 11008}, &d);
    }
    assert_true(good > 20 && bad_cases > 4);
}

static void head(void **state) {
    (void)state;
    struct dice d = {13};
    good = bad_cases = 0;
    for (uint32_t n = 16; n <= 256; n += 16)
        for (int v = 0; v < V_BROKEN; v++)
            for (int how = 0; how < 4; how++)
                check(&(struct work){HEAD, n, (enum values)v, how & 1, how >> 1, 0}, &d);
    assert_true(good > 100 && bad_cases > 20);
}

static void rms(void **state) {
    (void)state;
    struct dice d = {16};
    good = bad_cases = 0;
    for (uint32_t n = 16; n <= 256; n += 16)
        for (int v = 0; v < V_BROKEN; v++)
            check(&(struct work){.op = RMS, .n = n, .values = (enum values)v}, &d);
    assert_true(good > 100 && !bad_cases);
}

/* The known values of GELU, within what the contract rounds away: 127 levels of the largest. */
static void gelu_by_hand(void **state) {
    (void)state;
    float x[64], want[4] = {8.0f, -0.158808f, 0.841192f, -0.003637f};
    _Alignas(64) uint8_t column[192];
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        for (uint32_t i = 0; i < 64; i++) x[i] = (const float[]){8, -1, 1, -3}[i % 4];
        assert_int_equal(t.act[ACTIVATION_GELU](x, NULL, 64, column), 0);
        float sum = 0;
        for (uint32_t i = 0; i < 4; i++) sum += want[i] * 16;
        assert_true(x[0] > sum - 1e-3f && x[0] < sum + 1e-3f);
    }
}

/* The same of the clamped one: a gate beyond 7 counts as 7, one below -7 as it is, and what the
 * gate is multiplied by goes from -6 to 8. */
static void clamped_by_hand(void **state) {
    (void)state;
    static const float g[4] = {9, 1, -1, -20}, u[4] = {9, -9, 0.5f, 1},
                       want[4] = {55.999625f, -5.074776f, -0.231306f, 0};
    float x[64], y[64];
    _Alignas(64) uint8_t column[192];
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        for (uint32_t one = 0; one < 4; one++) {
            for (uint32_t i = 0; i < 64; i++) x[i] = g[one], y[i] = u[one];
            assert_int_equal(t.act[ACTIVATION_CLAMPED](x, y, 64, column), 0);
            assert_true(x[0] > 64 * want[one] - 5e-3f && x[0] < 64 * want[one] + 5e-3f);
        }
    }
}

/* SiLU of 1 and of -2, times 3: what is stored is itself, where a transform would mix it. */
static void plain_by_hand(void **state) {
    (void)state;
    float x[64], y[64], want[2] = {2.193176f, -0.715218f};
    _Alignas(64) uint8_t column[192];
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        for (uint32_t i = 0; i < 64; i++) x[i] = i % 2 ? -2 : 1, y[i] = 3;
        assert_int_equal(t.act[ACTIVATION_PLAIN](x, y, 64, column), 0);
        for (uint32_t i = 0; i < 64; i++)
            assert_true(x[i] > want[i % 2] - 1e-5f && x[i] < want[i % 2] + 1e-5f);
    }
}

static void embed(void **state) {
    (void)state;
    struct dice d = {14};
    good = bad_cases = 0;
    for (uint32_t n = 1; n < 100; n++)
        for (int v = 0; v < V_PATTERNS; v++)
            check(&(struct work){.op = EMBED, .n = n, .values = (enum values)v}, &d);
    check(&(struct work){.op = EMBED, .n = 4096}, &d);
    assert_true(good > 100 && bad_cases > 20);
}

static void mix(void **state) {
    (void)state;
    struct dice d = {16};
    good = bad_cases = 0;
    for (uint32_t n = 1; n < 100; n++)
        for (int v = 0; v < V_PATTERNS; v++)
            check(&(struct work){.op = MIX, .n = n, .values = (enum values)v}, &d);
    check(&(struct work){.op = MIX, .n = 4096}, &d);
    assert_true(good > 100 && bad_cases > 20);
}

/* Blocks from 1 to the whole width, and widths of several blocks. */
static void join(void **state) {
    (void)state;
    struct dice d = {17};
    good = bad_cases = 0;
    for (uint32_t block = 1; block <= 4096; block *= 2)
        for (uint32_t blocks = 1; blocks <= 5; blocks += 2)
            for (int v = 0; v < V_BROKEN; v++)
                check(
                    &(struct work){
                        .op = JOIN, .n = block * blocks, .values = (enum values)v, .block = block},
                    &d);
    assert_true(good > 100 && bad_cases > 10);
}

/* One element of 3, with a gain of 2 and a factor of 1/4, becomes a row of its block's Hadamard
 * matrix, times 3/2; it is added to what is there. */
static void join_by_hand(void **state) {
    (void)state;
    enum { N = 96 };
    float x[N], y[N], gain[N];
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        for (uint32_t block = 1; block <= 32; block *= 2)
            for (uint32_t j = 0; j < N; j++) {
                for (uint32_t i = 0; i < N; i++)
                    x[i] = (float)i, y[i] = i == j ? 3 : 0, gain[i] = 2;
                assert_int_equal(t.join(x, y, gain, 0.25f, N, block), 0);
                for (uint32_t i = 0; i < N; i++) {
                    const int row = i / block != j / block                        ? 0
                                    : __builtin_popcount(i & j & (block - 1)) & 1 ? -1
                                                                                  : 1;
                    assert_true(x[i] == (float)i + 1.5f * (float)row);
                }
            }
    }
}

/* The reference itself, where the answer is known: quant's q and s of a vector whose largest
 * magnitude is 127. */
static void quant_by_hand(void **state) {
    (void)state;
    float x[3] = {-127.0f, 2.4f, 0.0f};
    _Alignas(64) uint8_t column[128];
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        memset(column, 0x77, sizeof column);
        assert_int_equal(t.quant(x, 3, column), 0);
        assert_int_equal((int8_t)column[0], -127);
        assert_int_equal((int8_t)column[1], 2);
        for (int i = 2; i < 64; i++) assert_int_equal(column[i], 0);
        assert_int_equal(*act_gsum(column, 64), -125);
        assert_true(*act_scale(column, 64) == 127.0f * 0x1.020408p-7f);
    }
}

/* One element of 1 becomes a row of its block's Hadamard matrix: -1 where i and j share an odd
 * number of bits. V stays as it is. */
static void head_by_hand(void **state) {
    (void)state;
    static const uint32_t shapes[][2] = {{16, 16},  {48, 16},  {64, 64},  {80, 16}, {96, 32},
                                         {112, 16}, {128, 64}, {192, 64}, {256, 64}};
    float x[256], cos_sin[256];
    _Alignas(64) int8_t q[256];
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        for (unsigned s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            uint32_t n = shapes[s][0], block = shapes[s][1];
            for (uint32_t i = 0; i < n; i++) cos_sin[i] = i < n / 2 ? 1.0f : 0.0f;
            for (uint32_t j = 0; j < 2 * n; j++) {
                float scale = 0;
                for (uint32_t i = 0; i < n; i++) x[i] = i == j % n ? 1.0f : 0.0f;
                assert_int_equal(t.head(x, NULL, 0, j < n ? cos_sin : NULL, n, q, &scale), 0);
                assert_true(scale == 0x1.020408p-7f);
                for (uint32_t i = 0; i < n; i++) {
                    int want = j >= n                                        ? i == j - n
                               : i / block != j / block                      ? 0
                               : __builtin_popcount(i & j & (block - 1)) & 1 ? -1
                                                                             : 1;
                    if (x[i] != (float)want || q[i] != 127 * want)
                        fail_msg("head_dim %u: [%u][%u] is %g, not %d", n, j, i, x[i], want);
                }
            }
        }
    }
}

int vector_tests(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(quant_by_hand),
                                       cmocka_unit_test(head_by_hand),
                                       cmocka_unit_test(norm_and_quant),
                                       cmocka_unit_test(act),
                                       cmocka_unit_test(head),
                                       cmocka_unit_test(embed),
                                       cmocka_unit_test(rms),
                                       cmocka_unit_test(mix),
                                       cmocka_unit_test(join),
                                       cmocka_unit_test(join_by_hand),
                                       cmocka_unit_test(gelu_by_hand),
                                       cmocka_unit_test(clamped_by_hand),
                                       cmocka_unit_test(plain_by_hand)};
    return cmocka_run_group_tests_name("vector", tests, NULL, NULL);
}

static void bench_call(void *user) { vector_call(user); }

void vector_bench(void) {
    static const uint32_t widths[OPS] = {4096, 4096, 11008, 11008, 11008, 11008,
                                         128,  4096, 128,   4096,  4096};
    for (enum op op = NORM; op < OPS; op++) {
        struct work w = {op, widths[op], V_EQUAL, 1, 0, widths[op]};
        struct vector_data v = vector_take(&w, (struct dice){15}, FRONT);
        EACH_MASK(mask) {
            struct cpu_kernels t = table_of(mask);
            char what[40];
            v.table = &t;
            snprintf(what, sizeof what, "%s %u", op_name[op], widths[op]);
            say_time(apus_cpu_name(mask), what, time_ns(bench_call, &v), (double)v.x.bytes);
        }
        vector_give(&v);
    }
}
