/* Attention against the reference. Slots that no query sees hold bytes that would show: their
 * scales are NaN. */
#include <sys/mman.h>
#include <unistd.h>

#include "checker.h"

enum content {
    C_PLAIN,
    C_SHARP,
    C_FLAT,
    C_EXTREME,
    C_NO_VALUES,
    C_LARGE_SCALES,
    C_SMALL_SCALES,
    C_GROWING,
    C_PATTERNS
};

enum { RANGES = 8 };

struct scene {
    uint32_t slots, head_dim, queries;
    enum content content;
    enum kv_type type;
    uint32_t ranges[ATTEND_QUERIES], tail[ATTEND_QUERIES], mask[ATTEND_QUERIES];
    struct kv_range range[ATTEND_QUERIES][RANGES];
    float sink[ATTEND_QUERIES]; /* 0: none */
};

/* All slots below `end`, after which others follow. */
static void see(struct scene *s, uint32_t query, uint32_t end) {
    s->ranges[query] = end ? 1 : 0;
    s->range[query][0] = (struct kv_range){0, end};
}

struct attend_data {
    struct attend_args args;
    enum kv_type type;
    const struct cpu_kernels *table;
    struct guarded kv, q[ATTEND_QUERIES], out[ATTEND_QUERIES], scratch;
};

static int seen(const struct scene *s, uint32_t slot) {
    for (uint32_t i = 0; i < s->queries; i++) {
        for (uint32_t k = 0; k < s->ranges[i]; k++)
            if (slot >= s->range[i][k].begin && slot < s->range[i][k].end) return 1;
        if (slot >= s->tail[i] && slot < s->tail[i] + 16 && (s->mask[i] >> (slot - s->tail[i]) & 1))
            return 1;
    }
    return 0;
}

static float positive(float x) { return bits_float(float_bits(x) & 0x7fffffffu); }

static void fill_scales(const struct scene *s, struct dice *d, uint32_t slot, float *k, float *v) {
    *k = positive(dice_float(d, -9, -3));
    *v = positive(dice_float(d, -9, -3));
    switch (s->content) {
    case C_SHARP:
        *k *= 100.0f;
        break;
    case C_FLAT:
        *k = 0x1p-40f;
        break;
    case C_NO_VALUES:
        *v = 0.0f;
        break;
    case C_LARGE_SCALES:
        *v = positive(dice_float(d, 40, 50));
        break;
    case C_SMALL_SCALES:
        *v = slot % 3 ? 0.0f : positive(dice_float(d, -50, -48));
        break;
    case C_GROWING: /* later slots, which an earlier query does not see, outweigh all that it
                       sees */
        *v = bits_float((127u - 40 + slot % 40 * 2) << 23);
        break;
    default:
        break;
    }
    if (!seen(s, slot)) *k = *v = bits_float(0x7fc00000u);
}

static struct attend_data attend_take(const struct scene *s, struct dice d, enum side side) {
    struct attend_data a;
    memset(&a, 0, sizeof a);
    struct kv_cache cache = {NULL, s->type, s->slots, 1, s->head_dim};
    a.kv = guard_take(kv_bytes(&cache), 64, side);
    cache.data = a.kv.data;
    dice_fill(&d, a.kv.data, a.kv.bytes);
    struct kv_head kv = kv_head_of(&cache, 0);
    if (s->content == C_EXTREME) {
        const size_t values = (size_t)s->slots * s->head_dim;
        memset(kv.k, dice_below(&d, 2) ? 0 : 255, values * kv_bits(s->type, KV_K) / 8);
        memset(kv.v, kv_bits(s->type, KV_V) == 8 ? 0x80 : 0, values * kv_bits(s->type, KV_V) / 8);
    }
    for (uint32_t slot = 0; slot < s->slots; slot++)
        fill_scales(s, &d, slot, kv.kscale + slot, kv.vscale + slot);
    a.scratch = guard_take(attend_scratch_floats(s->slots) * sizeof(float), 64, side);
    memset(a.scratch.data, 0xff, a.scratch.bytes);
    a.type = s->type;
    a.args = (struct attend_args){.kv = kv,
                                  .slots = s->slots,
                                  .head_dim = s->head_dim,
                                  .queries = s->queries,
                                  .scratch = (float *)(void *)a.scratch.data};
    for (uint32_t i = 0; i < s->queries; i++) {
        a.q[i] = guard_take(s->head_dim, 64, side);
        a.out[i] = guard_take(s->head_dim * sizeof(float), 64, side);
        for (uint32_t c = 0; c < s->head_dim; c++)
            ((int8_t *)a.q[i].data)[c] = s->content == C_EXTREME
                                             ? (c ^ i) & 1 ? 127 : -127
                                             : (int8_t)((int)dice_below(&d, 255) - 127);
        a.args.query[i] = (struct attend_query){(const int8_t *)a.q[i].data,
                                                i == 5 ? 0.0f : positive(dice_float(&d, -12, -6)),
                                                s->range[i],
                                                s->ranges[i],
                                                s->tail[i],
                                                s->mask[i],
                                                (float *)(void *)a.out[i].data,
                                                s->sink[i] != 0.0f ? &s->sink[i] : NULL};
    }
    return a;
}

static void attend_give(struct attend_data *a) {
    guard_give(&a->kv);
    guard_give(&a->scratch);
    for (uint32_t i = 0; i < a->args.queries; i++) {
        guard_give(&a->q[i]);
        guard_give(&a->out[i]);
    }
}

static uint32_t attend_call(const struct attend_data *a) {
    return a->table->attend[a->type](&a->args);
}

static uint64_t good, bad_cases;

static void check_type(const struct scene *s, const struct dice *d) {
    char text[160];
    struct cpu_kernels ref = table_of(APUS_CPU_REF);
    struct attend_data want = attend_take(s, *d, FRONT);
    want.table = &ref;
    uint32_t want_bad = attend_call(&want) != 0;
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        for (enum side side = FRONT; side <= BACK; side++) {
            struct attend_data got = attend_take(s, *d, side);
            got.table = &t;
            uint32_t bad = attend_call(&got) != 0;
            snprintf(
                text, sizeof text,
                "%s type %d head_dim %u queries %u content %d; first: %u ranges, %u .. %u, tail %u "
                "mask %x",
                apus_cpu_name(mask), (int)s->type, s->head_dim, s->queries, s->content,
                s->ranges[0], s->range[0][0].begin, s->range[0][0].end, s->tail[0], s->mask[0]);
            if (bad != want_bad) fail_msg("bad is %u, not %u (%s)", bad, want_bad, text);
            for (uint32_t i = 0; i < s->queries && !bad; i++)
                same_bytes("out", want.out[i].data, got.out[i].data, got.out[i].bytes, text);
            same_bytes("kv", want.kv.data, got.kv.data, got.kv.bytes, text);
            attend_give(&got);
        }
    }
    attend_give(&want);
    good += !want_bad;
    bad_cases += want_bad;
}

static void check(const struct scene *s, struct dice *d) {
    struct scene each = *s;
    for (int type = 0; type < KV_TYPES; type++) {
        each.type = (enum kv_type)type;
        check_type(&each, d);
    }
    dice_roll(d);
}

static void every_head_dim(void **state) {
    (void)state;
    struct dice d = {21};
    for (uint32_t dim = 16; dim <= 256; dim += 16)
        for (uint32_t queries = 1; queries <= ATTEND_QUERIES; queries++) {
            struct scene s = {.slots = 64, .head_dim = dim, .queries = queries};
            for (uint32_t i = 0; i < queries; i++) see(&s, i, 1 + dice_below(&d, 64));
            check(&s, &d);
        }
}

static void prefixes(void **state) {
    (void)state;
    static const uint32_t lengths[] = {1, 2, 15, 16, 17, 31, 33, 127, 128, 129, 1000, 2048};
    struct dice d = {22};
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (int content = 0; content < C_PATTERNS; content++)
            for (uint32_t queries = 1; queries <= 8; queries += 7) {
                struct scene s = {.slots = lengths[i] / 16 * 16 + 32,
                                  .head_dim = 64,
                                  .queries = queries,
                                  .content = (enum content)content};
                for (uint32_t q = 0; q < queries; q++)
                    see(&s, q, q < 2 ? lengths[i] : 1 + dice_below(&d, lengths[i]));
                check(&s, &d);
            }
}

/* Trees: a prefix, a gap of slots that nobody sees, and a pass with ancestor masks at any offset to
 * the panels. */
static void masks(void **state) {
    (void)state;
    struct dice d = {23};
    for (uint32_t round = 0; round < 300; round++) {
        struct scene s = {.slots = 256, .head_dim = round & 1 ? 32 : 128, .queries = 1 + round % 8};
        uint32_t prefix = dice_below(&d, 100), tail = prefix + dice_below(&d, round % 3 ? 2 : 140);
        for (uint32_t q = 0; q < s.queries; q++) {
            see(&s, q, prefix);
            s.tail[q] = tail;
            s.mask[q] = (dice_roll(&d) & 0xffff & (round % 5 ? 0xffff : 1u << q)) | 1u << q;
        }
        check(&s, &d);
    }
}

/* Ranges anywhere, of any length, that touch or leave gaps; masks beside them. */
static void scatter(struct scene *s, uint32_t q, struct dice *d) {
    uint32_t at = dice_below(d, s->slots / 2);
    s->ranges[q] = dice_below(d, RANGES + 1);
    for (uint32_t k = 0; k < s->ranges[q]; k++) {
        const uint32_t left = s->slots - at - (s->ranges[q] - k) * 2;
        s->range[q][k].begin = at + dice_below(d, 4) * dice_below(d, left / 16 + 1) / 4;
        s->range[q][k].end = s->range[q][k].begin + 1 + dice_below(d, left / 8 + 1);
        at = s->range[q][k].end;
    }
    s->tail[q] = dice_below(d, s->slots - 16);
    s->mask[q] = dice_below(d, 3) && s->ranges[q] ? 0 : (dice_roll(d) & 0xffff) | 1;
    struct scene alone = {.queries = 1, .ranges = {s->ranges[q]}};
    memcpy(alone.range[0], s->range[q], sizeof alone.range[0]);
    for (uint32_t i = 0; i < 16; i++)
        if (seen(&alone, s->tail[q] + i)) s->mask[q] &= ~(1u << i);
    if (!s->ranges[q] && !s->mask[q]) see(s, q, 1);
}

static void ranges(void **state) {
    (void)state;
    struct dice d = {27};
    for (uint32_t round = 0; round < 300; round++) {
        struct scene s = {.slots = round % 3 ? 320 : 1024,
                          .head_dim = round & 1 ? 32 : 80,
                          .queries = 1 + round % 8,
                          .content = (enum content)(round / 8 % C_PATTERNS)};
        if (s.content == C_LARGE_SCALES) s.content = C_PLAIN; /* test of limits */
        for (uint32_t q = 0; q < s.queries; q++) scatter(&s, q, &d);
        check(&s, &d);
    }
}

/* Sinks below, among and above the scores, and so far above that they take everything. */
static void sinks(void **state) {
    (void)state;
    static const float at[] = {-0x1p50f, -40.0f, -3.0f,  -0x1p-50f, 0x1p-50f, 0.3f,
                               5.0f,     31.0f,  100.0f, 1e4f,      0x1p50f};
    enum { KINDS = sizeof at / sizeof *at };
    struct dice d = {29};
    for (uint32_t round = 0; round < 8 * KINDS; round++) {
        struct scene s = {.slots = 320,
                          .head_dim = round & 1 ? 32 : 64,
                          .queries = 1 + round % 8,
                          .content = round % 3 ? C_PLAIN : C_SHARP};
        for (uint32_t q = 0; q < s.queries; q++) {
            scatter(&s, q, &d);
            s.sink[q] = (round + q) % 5 ? at[(round + q) % KINDS] : 0.0f;
        }
        check(&s, &d);
    }
}

/* A sink as large as the only score takes half, one far below takes nothing, one far above all. */
static void a_sink_takes_its_share(void **state) {
    (void)state;
    struct scene s = {.slots = 16, .head_dim = 16, .queries = 1, .content = C_PLAIN};
    see(&s, 0, 1);
    EACH_MASK(mask) {
        struct cpu_kernels t = table_of(mask);
        struct attend_data a = attend_take(&s, (struct dice){25}, FRONT);
        float alone[16], sink;
        struct attend_query *q = &a.args.query[0];
        int32_t dot = 0;
        a.table = &t;
        assert_int_equal(attend_call(&a), 0);
        memcpy(alone, q->out, sizeof alone);
        for (uint32_t c = 0; c < 16; c++)
            dot += q->q[c] * kv_k_value(&a.args.kv, kv_bits(s.type, KV_K), 0, c, 16);
        sink = (float)dot * q->scale;
        sink = sink * a.args.kv.kscale[0];
        q->sink = &sink;
        assert_int_equal(attend_call(&a), 0);
        for (uint32_t c = 0; c < 16; c++) assert_true(q->out[c] == alone[c] * 0.5f);
        sink -= 31.0f;
        assert_int_equal(attend_call(&a), 0);
        assert_memory_equal(q->out, alone, sizeof alone);
        sink += 62.0f;
        assert_int_equal(attend_call(&a), 0);
        for (uint32_t c = 0; c < 16; c++) assert_true(q->out[c] == 0.0f);
        attend_give(&a);
    }
}

/* With head_dim 256 a panel of K, and one of V, is a page of 4096 bytes: those that nobody sees
 * cannot be read. */
static void what_nobody_sees_is_not_read(void **state) {
    (void)state;
    enum { SLOTS = 1024, DIM = 256, PAGE = 16 * DIM };
    struct dice d = {28};
    if (sysconf(_SC_PAGESIZE) != PAGE) skip();
    for (uint32_t round = 0; round < 40; round++) {
        /* of 4 bits two panels are a page */
        const enum kv_type type = round / 8 % 2 ? KV_4 : KV_8;
        const uint32_t bytes = SLOTS * DIM * kv_bits(type, KV_K) / 8,
                       slots = 16 * 8 / kv_bits(type, KV_K);
        struct scene s = {.slots = SLOTS, .head_dim = DIM, .queries = 1 + round % 8, .type = type};
        for (uint32_t q = 0; q < s.queries; q++) scatter(&s, q, &d);
        struct attend_data a = attend_take(&s, d, FRONT);
        struct kv_head real = a.args.kv;
        uint8_t *pages =
            mmap(NULL, 2 * SLOTS * DIM, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(pages != MAP_FAILED);
        memcpy(pages, real.k, bytes);
        memcpy(pages + bytes, real.v, bytes);
        a.args.kv.k = pages;
        a.args.kv.v = (int8_t *)pages + bytes;
        uint32_t hidden = 0;
        for (uint32_t page = 0; page < SLOTS / slots; page++) {
            int some = 0;
            for (uint32_t slot = 0; slot < slots; slot++) some |= seen(&s, page * slots + slot);
            if (some) continue;
            assert_int_equal(mprotect(pages + page * PAGE, PAGE, PROT_NONE), 0);
            assert_int_equal(mprotect(pages + bytes + page * PAGE, PAGE, PROT_NONE), 0);
            hidden++;
        }
        assert_true(hidden > 0);
        EACH_MASK(mask) {
            struct cpu_kernels t = table_of(mask);
            a.table = &t;
            assert_int_equal(attend_call(&a), 0);
        }
        munmap(pages, 2 * SLOTS * DIM);
        attend_give(&a);
        dice_roll(&d);
    }
}

static void limits(void **state) {
    (void)state;
    struct dice d = {24};
    good = bad_cases = 0;
    for (uint32_t round = 0; round < 100; round++) {
        struct scene s = {.slots = 32, .head_dim = 32, .queries = 1, .content = C_LARGE_SCALES};
        see(&s, 0, 1 + dice_below(&d, 3));
        check(&s, &d);
    }
    assert_true(good > 10 && bad_cases > 10);
}

/* One visible slot: attention is that slot's V, whatever the score. */
static void one_slot(void **state) {
    (void)state;
    struct scene s = {.slots = 16, .head_dim = 16, .queries = 1, .content = C_PLAIN};
    see(&s, 0, 1);
    for (int type = 0; type < KV_TYPES; type++) EACH_MASK(mask) {
            struct cpu_kernels t = table_of(mask);
            s.type = (enum kv_type)type;
            struct attend_data a = attend_take(&s, (struct dice){25}, FRONT);
            a.table = &t;
            assert_int_equal(attend_call(&a), 0);
            for (uint32_t c = 0; c < 16; c++) {
                double want = (double)a.args.kv.vscale[0] *
                              kv_v_value(&a.args.kv, kv_bits(s.type, KV_V), 0, c, 16);
                double got = a.args.query[0].out[c], error = got > want ? got - want : want - got;
                assert_true(error <= 1e-6 * (want < 0 ? -want : want));
            }
            attend_give(&a);
        }
}

int attend_tests(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_slot),
                                       cmocka_unit_test(every_head_dim),
                                       cmocka_unit_test(prefixes),
                                       cmocka_unit_test(masks),
                                       cmocka_unit_test(ranges),
                                       cmocka_unit_test(what_nobody_sees_is_not_read),
                                       cmocka_unit_test(limits),
                                       cmocka_unit_test(sinks),
                                       cmocka_unit_test(a_sink_takes_its_share)};
    return cmocka_run_group_tests_name("attend", tests, NULL, NULL);
}

static void bench_call(void *user) { attend_call(user); }

void attend_bench(void) {
    /* the last of so many slots only; 0: all */
    static const uint32_t shape[][4] = {{1024, 128, 1},     {1024, 128, 4},      {1024, 128, 8},
                                        {16384, 128, 1},    {16384, 128, 8},     {1024, 64, 3},
                                        {128, 128, 8, 128}, {32768, 128, 8, 128}};
    for (unsigned i = 0; i < 2 * sizeof shape / sizeof *shape; i++) {
        const uint32_t *of = shape[i / 2];
        struct scene s = {
            .slots = of[0], .head_dim = of[1], .queries = of[2], .type = i % 2 ? KV_4 : KV_8};
        const uint32_t window = of[3] ? of[3] : s.slots;
        for (uint32_t q = 0; q < s.queries; q++) {
            see(&s, q, s.slots);
            s.range[q][0].begin = s.slots - window;
        }
        struct attend_data a = attend_take(&s, (struct dice){26}, FRONT);
        EACH_MASK(mask) {
            struct cpu_kernels t = table_of(mask);
            char what[80];
            a.table = &t;
            snprintf(what, sizeof what, "attend %u of %u slots x %u, %u queries, %u bits", window,
                     s.slots, s.head_dim, s.queries, kv_bits(s.type, KV_K));
            say_time(apus_cpu_name(mask), what, time_ns(bench_call, &a),
                     (double)a.kv.bytes * window / s.slots);
        }
        attend_give(&a);
    }
}
