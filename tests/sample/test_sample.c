/* The sampler against the contract written plainly, against probability, and at the edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

#include "apus/apus.h"
#include "runtime/sample.h"
#include "tests/sample/plain_sample.h"

static uint64_t rng = 1;
static uint32_t random32(void) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 32);
}
static float random_float(void) { return (float)(random32() >> 8) * 0x1p-24f; }

static uint32_t bits(float x) {
    uint32_t b;
    memcpy(&b, &x, 4);
    return b;
}

/* The alternatives one after the other: each the first of the largest that were not told yet, with
 * the log-probability that it has when it is chosen itself. */
static void likely_as_written(const struct sampler *s, const float *logits, uint32_t vocab,
                              const struct choice *choice) {
    uint32_t count = sample_alternatives(s, vocab);
    assert_true(count <= s->config.alternatives && (count == vocab || count <= 20));
    for (uint32_t k = 0; k < count; k++) {
        int32_t best = -1;
        for (uint32_t i = 0; i < vocab; i++) {
            int told = 0;
            for (uint32_t j = 0; j < k; j++) told |= choice->likely[j] == (int32_t)i;
            if (!told && (best < 0 || logits[i] > logits[best])) best = (int32_t)i;
        }
        assert_int_equal(choice->likely[k], best);
        if (best == choice->id)
            assert_int_equal(bits(choice->likely_log_prob[k]), bits(choice->log_prob));
        float log_prob = choice->log_prob + (logits[best] - logits[choice->id]);
        assert_true(fabsf(choice->likely_log_prob[k] - log_prob) <=
                    1e-5f + 1e-5f * fabsf(log_prob) + 2e-7f * fabsf(logits[best]) +
                        2e-7f * fabsf(logits[choice->id]));
    }
}

/* sample_pick in memory of exactly the size it asks for; a sanitizer sees one byte more. Checks
 * that logits stay. */
static apus_status pick(const apus_sampling *c, const float *logits, uint32_t vocab,
                        const int32_t *context, size_t context_count, size_t made,
                        uint64_t position, int32_t *id, float *log_prob) {
    struct sampler s;
    struct choice choice;
    assert_int_equal(sampler_open(&s, c, NULL), APUS_OK);
    void *scratch = malloc(sample_scratch_bytes(vocab));
    float *copy = malloc(vocab * sizeof *copy);
    memcpy(copy, logits, vocab * sizeof *copy);
    memset(scratch, 0xee, sample_scratch_bytes(vocab));
    apus_status status = sample_pick(&s, copy, vocab, context, context_count,
                                     context ? context + context_count - made : NULL, made,
                                     position, scratch, &choice);
    if (!status) *id = choice.id, *log_prob = choice.log_prob;
    if (!status) likely_as_written(&s, logits, vocab, &choice);
    assert_memory_equal(copy, logits, vocab * sizeof *copy);
    free(copy);
    free(scratch);
    return status;
}

/* The same for sample_guess, which does not call the callback. */
static void guesses_as_written(const apus_sampling *c, const float *logits, uint32_t vocab,
                               const int32_t *context, size_t context_count, uint64_t position) {
    struct sampler s;
    struct guess got = {-7, -7, -7}, want;
    assert_int_equal(sampler_open(&s, c, NULL), APUS_OK);
    void *scratch = malloc(sample_scratch_bytes(vocab));
    assert_int_equal(
        sample_guess(&s, logits, vocab, context, context_count, position, scratch, &got), APUS_OK);
    plain_guess(c, logits, vocab, context, context_count, position, &want);
    if (got.id != want.id || got.other != want.other || bits(got.margin) != bits(want.margin))
        fail_msg("guesses %d, then %d, by %a where %d, then %d, by %a", got.id, got.other,
                 (double)got.margin, want.id, want.other, (double)want.margin);
    free(scratch);
}

/* A callback that depends on the ids so far and takes some out; user: one id in how many stays. */
static void mask(void *user, float *logits, uint32_t vocab, const int32_t *ids, size_t count) {
    uint32_t keep = *(uint32_t *)user, salt = count ? (uint32_t)ids[count - 1] : 7;
    for (uint32_t i = 0; i < vocab; i++) {
        uint32_t h = (i + salt) * 2654435761u >> 8;
        if (h % keep)
            logits[i] = h % 3 ? -INFINITY : -FLT_MAX;
        else if (h % 5 == 0)
            logits[i] += 1.5f;
    }
}

static void random_logits(float *l, uint32_t vocab) {
    uint32_t style = random32() % 8;
    for (uint32_t i = 0; i < vocab; i++) {
        float x = random_float() * 2 - 1;
        switch (style) {
        case 0:
            l[i] = x * 10;
            break;
        case 1:
            l[i] = (float)(int)(x * 3);
            break; /* few values, many ties */
        case 2:
            l[i] = random32() % 2 ? 0.0f : -0.0f;
            break;
        case 3:
            l[i] = x * x * x * 0x1p50f;
            break;
        case 4:
            l[i] = x * 0x1p-45f;
            break;
        case 5:
            l[i] = 1.0f + (float)(random32() % 3) * 0x1p-23f;
            break; /* neighbours */
        case 6:
            l[i] = 0x1.ep40f + (float)(random32() % 3) * 0x1p17f;
            break; /* neighbours that a temperature may make one */
        default:
            l[i] = 20 - logf(random_float() + 1e-6f) * x;
            break;
        }
    }
}

static float one_of(const float *values, size_t n) { return values[random32() % n]; }

static void equals_the_contract_as_written(void **state) {
    (void)state;
    static const float temperatures[] = {0, 0.01f, 0.3f, 0.8f, 1, 1.7f, 100},
                       masses[] = {0, 0, 1e-9f, 0.1f, 0.5f, 0.9f, 0.95f, 0.9999999f, 1},
                       least[] = {0, 0, 1e-9f, 0.01f, 0.05f, 0.3f, 0.999f, 1},
                       penalties[] = {0, 1, 0.1f, 0.9f, 1.1f, 1.3f, 10};
    static const uint32_t ks[] = {0, 0, 1, 2, 5, 40, 64, 100000}, lasts[] = {0, 1, 3, 64, 1024};
    for (int round = 0; round < 30000; round++) {
        uint32_t vocab =
            round % 100 == 0 ? 3000 + random32() % 3000 : 1 + random32() % (round % 10 ? 40 : 600);
        float *l = malloc(vocab * sizeof *l);
        random_logits(l, vocab);
        int32_t context[100];
        size_t count = random32() % 100, made = random32() % (count + 1);
        for (size_t i = 0; i < count; i++) context[i] = (int32_t)(random32() % vocab);
        uint32_t keep = 1 + random32() % 4;
        apus_sampling c = {.size = sizeof c,
                           .temperature = one_of(temperatures, 7),
                           .top_k = ks[random32() % 8],
                           .top_p = one_of(masses, 9),
                           .min_p = one_of(least, 8),
                           .repeat_penalty = one_of(penalties, 7),
                           .repeat_last = lasts[random32() % 5],
                           .seed = rng,
                           .alternatives = random32() % (APUS_ALTERNATIVES_MAX + 1),
                           .logits = random32() % 3 ? NULL : mask,
                           .logits_user = &keep};
        uint64_t position = random32() % 3 ? random32() : rng;
        int32_t id = -7, plain_id = -7;
        float p = 99, plain_p = 99;
        int nothing = plain_sample(&c, l, vocab, context, count, context + count - made, made,
                                   position, &plain_id, &plain_p);
        apus_status status = pick(&c, l, vocab, context, count, made, position, &id, &p);
        /* Logits near 2^50 that are punished or raised may pass it: then the callback's check says
         * so. */
        if (status == APUS_E_NUMERIC && !nothing)
            assert_true(c.logits != NULL && fabsf(l[plain_id]) > 0x1p46f);
        else {
            assert_int_equal(status, nothing ? APUS_E_NUMERIC : APUS_OK);
            if (id != plain_id || bits(p) != bits(plain_p))
                fail_msg("round %d: id %d where %d, log-probability %a where %a", round, id,
                         plain_id, p, plain_p);
        }
        guesses_as_written(&c, l, vocab, context, count, position);
        free(l);
    }
}

/* ------------------------------------------------------------------------------- probability -- */

enum { SMALL = 12, DRAWS = 100000 };
static const float small[SMALL] = {1.5f, -2, 0.3f, 2.2f, 2.2f, -0.7f, 0, 1, -4, 2, 0.9f, -1};

/* Softmax at a temperature over what the rules leave, in double. */
static void expected(const apus_sampling *c, double p[SMALL]) {
    int order[SMALL], n = SMALL;
    double e[SMALL], total = 0, sum = 0;
    for (int i = 0; i < SMALL; i++) {
        int at = i;
        for (; at > 0 && small[order[at - 1]] < small[i]; at--) order[at] = order[at - 1];
        order[at] = i;
    }
    if (c->top_k && c->top_k < SMALL) n = (int)c->top_k;
    for (int i = 0; i < n; i++) total += e[i] = exp((double)small[order[i]] - small[order[0]]);
    if (c->top_p > 0 && c->top_p < 1) {
        int keep = 0;
        do sum += e[keep++];
        while (sum < total * (double)c->top_p);
        n = keep;
    }
    while (n > 1 && c->min_p > 0 && e[n - 1] < (double)c->min_p) n--;
    for (int i = 0; i < SMALL; i++) p[i] = 0;
    total = 0;
    for (int i = 0; i < n; i++)
        total += p[order[i]] =
            exp(((double)small[order[i]] - small[order[0]]) / (double)c->temperature);
    for (int i = 0; i < SMALL; i++) p[i] /= total;
}

static void draws_what_softmax_says(void **state) {
    (void)state;
    static const apus_sampling settings[] = {
        {.size = sizeof(apus_sampling), .temperature = 1},
        {.size = sizeof(apus_sampling), .temperature = 0.5f, .seed = 3},
        {.size = sizeof(apus_sampling), .temperature = 3, .seed = UINT64_MAX},
        {.size = sizeof(apus_sampling), .temperature = 1, .top_k = 4, .seed = 5},
        {.size = sizeof(apus_sampling), .temperature = 1, .top_p = 0.8f, .seed = 6},
        {.size = sizeof(apus_sampling), .temperature = 1, .min_p = 0.2f, .seed = 7},
        {.size = sizeof(apus_sampling),
         .temperature = 1.3f,
         .top_k = 9,
         .top_p = 0.93f,
         .min_p = 0.05f,
         .seed = 8},
    };
    for (size_t k = 0; k < sizeof settings / sizeof *settings; k++) {
        for (int by_seed = 0; by_seed < 2; by_seed++) { /* noise by position, then by seed */
            apus_sampling c = settings[k];
            double p[SMALL], chi = 0;
            int seen[SMALL] = {0}, kinds = 0;
            expected(&c, p);
            for (int i = 0; i < DRAWS; i++) {
                int32_t id;
                float log_prob;
                if (by_seed) c.seed = settings[k].seed + (uint64_t)i;
                assert_int_equal(
                    pick(&c, small, SMALL, NULL, 0, 0, by_seed ? 17 : (uint64_t)i, &id, &log_prob),
                    APUS_OK);
                seen[id]++;
            }
            for (int i = 0; i < SMALL; i++) {
                if (p[i] == 0)
                    assert_int_equal(seen[i], 0);
                else
                    chi += pow(seen[i] - DRAWS * p[i], 2) / (DRAWS * p[i]), kinds++;
            }
            /* one in ten thousand passes it */
            double df = kinds - 1,
                   limit = df * pow(1 - 2 / (9 * df) + 3.72 * sqrt(2 / (9 * df)), 3);
            if (chi > limit)
                fail_msg("settings %zu: chi-square %.1f with %.0f degrees of freedom", k, chi, df);
        }
    }
}

static void log_probabilities_are_those_of_softmax(void **state) {
    (void)state;
    for (int round = 0; round < 300; round++) {
        uint32_t vocab = 1 + random32() % 2000;
        float l[2000], p;
        double sum = 0;
        int32_t id;
        for (uint32_t i = 0; i < vocab; i++) l[i] = random_float() * 30 - 15;
        for (uint32_t i = 0; i < vocab; i++) sum += exp((double)l[i]);
        apus_sampling c = {.size = sizeof c, .temperature = 2, .seed = rng};
        assert_int_equal(pick(&c, l, vocab, NULL, 0, 0, 1, &id, &p), APUS_OK);
        assert_true(fabs((double)p - ((double)l[id] - log(sum))) < 2e-5);
        assert_true(p <= 1e-6f);
    }
}

/* ------------------------------------------------------------------------------------- edges -- */

static void same_arguments_same_id(void **state) {
    (void)state;
    apus_sampling c = {.size = sizeof c, .temperature = 1, .seed = 42};
    float l[300], p, q;
    int32_t a, b;
    int by_position = 0, by_seed = 0;
    for (int i = 0; i < 300; i++) l[i] = random_float();
    for (uint64_t at = 0; at < 200; at++) {
        c.seed = 42;
        pick(&c, l, 300, NULL, 0, 0, at, &a, &p);
        pick(&c, l, 300, NULL, 0, 0, at, &b, &q);
        assert_int_equal(a, b);
        assert_int_equal(bits(p), bits(q));
        pick(&c, l, 300, NULL, 0, 0, at + 1, &b, &q);
        by_position += a != b;
        c.seed = 43;
        pick(&c, l, 300, NULL, 0, 0, at, &b, &q);
        by_seed += a != b;
    }
    assert_true(by_position > 150 && by_seed > 150);
}

static void greedy_takes_the_lower_of_equals(void **state) {
    (void)state;
    apus_sampling c = {.size = sizeof c};
    float l[100] = {0}, p;
    int32_t id;
    for (int first = 0; first < 100; first++) {
        for (int i = 0; i < 100; i++) l[i] = i < first ? -1.0f : i % 2 ? 0.0f : -0.0f;
        assert_int_equal(pick(&c, l, 100, NULL, 0, 0, 0, &id, &p), APUS_OK);
        assert_int_equal(id, first);
    }
}

/* Equal logits everywhere: ranks are ids, and the k lowest stay. */
static void ties_at_the_cut_go_to_lower_ids(void **state) {
    (void)state;
    enum { VOCAB = 70000 };
    float *l = malloc(VOCAB * sizeof *l), p;
    for (uint32_t i = 0; i < VOCAB; i++) l[i] = 0.5f;
    for (uint32_t k = 1; k < VOCAB; k = k * 5 + 1) {
        uint32_t highest = 0;
        for (uint64_t at = 0; at < 40; at++) {
            apus_sampling c = {.size = sizeof c, .temperature = 1, .top_k = k, .seed = k};
            int32_t id;
            assert_int_equal(pick(&c, l, VOCAB, NULL, 0, 0, at, &id, &p), APUS_OK);
            assert_true((uint32_t)id < k);
            if ((uint32_t)id > highest) highest = (uint32_t)id;
            apus_sampling half = {.size = sizeof c, .temperature = 1, .top_p = 0.5f, .seed = k};
            assert_int_equal(pick(&half, l, VOCAB, NULL, 0, 0, at, &id, &p), APUS_OK);
            assert_true(id < VOCAB / 2);
        }
        assert_true(highest >= k / 2);
    }
    free(l);
}

/* The largest vocabulary, all equal: the sums are as large as they get. */
static void the_largest_sums_fit(void **state) {
    (void)state;
    enum { VOCAB = 1 << 20 };
    static const float masses[] = {0.9999999f, 0.999999f, 0.5f, 1e-7f};
    static const uint32_t below[] = {VOCAB, VOCAB - 1, VOCAB / 2, 1};
    float *l = calloc(VOCAB, sizeof *l), p;
    for (int k = 0; k < 4; k++) {
        apus_sampling c = {.size = sizeof c, .temperature = 1, .top_p = masses[k]};
        int32_t id, highest = 0;
        for (uint64_t at = 0; at < 3; at++) {
            assert_int_equal(pick(&c, l, VOCAB, NULL, 0, 0, at, &id, &p), APUS_OK);
            assert_true((uint32_t)id < below[k]);
            if (id > highest) highest = id;
            assert_true(fabsf(p + 13.862944f) < 1e-5f);
        }
        assert_true((uint32_t)highest >= below[k] / 4);
    }
    free(l);
}

/* One candidate of mass 2^24 and 17 of mass 1: top-p asks for 16 * (2^20 - 1) and 17 - 17/2^20 on
 * top of it, a bit more than the first. */
static void mass_is_counted_to_the_unit(void **state) {
    (void)state;
    float l[18] = {0}, p, plain_p;
    int32_t id, plain_id, second = 0;
    for (int i = 1; i < 18; i++) l[i] = -16.6355f;
    for (uint64_t at = 0; at < 100; at++) {
        apus_sampling c = {.size = sizeof c, .temperature = 100, .top_p = 1 - 0x1p-20f};
        assert_int_equal(plain_sample(&c, l, 18, NULL, 0, NULL, 0, at, &plain_id, &plain_p), 0);
        assert_int_equal(pick(&c, l, 18, NULL, 0, 0, at, &id, &p), APUS_OK);
        assert_int_equal(id, plain_id);
        assert_true(id <= 1);
        second += id;
    }
    assert_true(second > 20);
}

static void punishes_each_recent_id_once(void **state) {
    (void)state;
    static const float l[6] = {4, 3.5f, -1, 1, 3.9f, 0};
    static const int32_t context[] = {4, 0, 0, 0, 1};
    apus_sampling c = {.size = sizeof c, .repeat_penalty = 1.1f};
    int32_t id;
    float p;
    pick(&c, l, 6, context, 5, 2, 5, &id, &p); /* 4/1.1 = 3.64, 3.9/1.1 = 3.55, 3.5/1.1 = 3.18 */
    assert_int_equal(id, 0);
    assert_true(fabsf(p - (4 - 5.0167f)) < 0.3f); /* and the log-probability knows nothing of it */
    c.repeat_last = 4;
    pick(&c, l, 6, context, 5, 2, 5, &id, &p);
    assert_int_equal(id, 4);
    c.repeat_last = 1;
    pick(&c, l, 6, context, 5, 2, 5, &id, &p);
    assert_int_equal(id, 0);
}

/* user: what to write into every logit (NaN: only into the last). */
static void overwrite(void *user, float *logits, uint32_t vocab, const int32_t *ids, size_t count) {
    (void)ids, (void)count;
    float value = *(float *)user;
    for (uint32_t i = 0; i < vocab; i++)
        if (i + 1 == vocab || value < 0) logits[i] = value;
}

static void the_callback_may_not_write_everything(void **state) {
    (void)state;
    static const float bad[] = {-INFINITY, -FLT_MAX, NAN, INFINITY, FLT_MAX, 0x1.000002p50f},
                       good[] = {0x1p50f, -0x1p50f, -0.0f, 1e-45f, -1e-45f};
    static const float temperatures[] = {0, 0.01f, 1, 100};
    float value, l[40] = {0}, p = 5;
    int32_t id = 5;
    for (int k = 0; k < 4; k++) {
        apus_sampling c = {.size = sizeof c,
                           .temperature = temperatures[k],
                           .logits = overwrite,
                           .logits_user = &value};
        for (int i = 0; i < 6; i++) {
            value = bad[i];
            assert_int_equal(pick(&c, l, 40, NULL, 0, 0, 0, &id, &p), APUS_E_NUMERIC);
            assert_int_equal(id, 5);
            assert_true(p == 5);
        }
    }
    for (int k = 0; k < 4; k++)
        for (int i = 0; i < 5; i++) {
            apus_sampling c = {.size = sizeof c,
                               .temperature = temperatures[k],
                               .top_p = 0.9f,
                               .logits = overwrite,
                               .logits_user = &value};
            value = good[i];
            assert_int_equal(pick(&c, l, 40, NULL, 0, 0, 0, &id, &p), APUS_OK);
            assert_true(id >= 0 && id < 40 && isfinite(p));
            if (i == 0) assert_int_equal(id, 39);
        }
}

static apus_status try(apus_sampling c) {
    struct sampler s, before;
    memset(&s, 0x5a, sizeof s);
    before = s;
    apus_status status = sampler_open(&s, &c, NULL);
    if (status) assert_memory_equal(&s, &before, sizeof s);
    return status;
}

static void refuses_settings_out_of_range(void **state) {
    (void)state;
#define SET(...) ((apus_sampling){.size = sizeof(apus_sampling), __VA_ARGS__})
    static const float never[] = {-1, -FLT_MAX, FLT_MAX, INFINITY, -INFINITY, -1e-45f, 100.5f};
    for (int i = 0; i < 8; i++) {
        float x = i < 7 ? never[i] : nanf("");
        assert_int_equal(try(SET(.temperature = x)), APUS_E_ARGUMENT);
        assert_int_equal(try(SET(.top_p = x)), APUS_E_ARGUMENT);
        assert_int_equal(try(SET(.min_p = x)), APUS_E_ARGUMENT);
        assert_int_equal(try(SET(.repeat_penalty = x)), APUS_E_ARGUMENT);
    }
    assert_int_equal(try(SET(.temperature = 0.0099f)), APUS_E_ARGUMENT);
    assert_int_equal(try(SET(.top_p = 1.0001f)), APUS_E_ARGUMENT);
    assert_int_equal(try(SET(.min_p = 1.0001f)), APUS_E_ARGUMENT);
    assert_int_equal(try(SET(.repeat_penalty = 0.0999f)), APUS_E_ARGUMENT);
    assert_int_equal(try(SET(.repeat_penalty = 10.01f)), APUS_E_ARGUMENT);
    assert_int_equal(try(SET(.repeat_last = 1025)), APUS_E_ARGUMENT);
    assert_int_equal(try(SET(.stops_count = 1)), APUS_E_ARGUMENT);
    const apus_stop good[9] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1},
                               {"f", 1}, {"g", 1}, {"h", 1}, {"i", 1}};
    const apus_stop bad[3] = {
        {NULL, 1},
        {"a", 0},
        {"0123456789012345678901234567890123456789012345678901234567890123", 64}};
    assert_int_equal(try(SET(.stops = good, .stops_count = 8)), APUS_OK);
    assert_int_equal(try(SET(.stops = good, .stops_count = 9)), APUS_E_ARGUMENT);
    assert_int_equal(try(SET(.stops = good, .stops_count = UINT32_MAX)), APUS_E_ARGUMENT);
    for (int i = 0; i < 3; i++)
        assert_int_equal(try(SET(.stops = bad + i, .stops_count = 1)), APUS_E_ARGUMENT);
    assert_int_equal(try(SET(.temperature = 0.01f, .top_k = UINT32_MAX, .top_p = 1, .min_p = 1,
                             .repeat_penalty = 0.1f, .repeat_last = 1024)),
                     APUS_OK);
    assert_int_equal(
        try(SET(.temperature = 100, .top_p = 1e-45f, .min_p = 1e-45f, .repeat_penalty = 10)),
        APUS_OK);
#undef SET
    struct sampler s;
    assert_int_equal(sampler_open(&s, NULL, NULL), APUS_E_ARGUMENT);
    apus_sampling c = {.size = 0, .temperature = 1, .top_k = 3};
    assert_int_equal(sampler_open(&s, &c, NULL), APUS_E_ARGUMENT);
    c.size = sizeof c + 1;
    assert_int_equal(sampler_open(&s, &c, NULL), APUS_E_ARGUMENT);
    c.size = offsetof(apus_sampling, top_k); /* an older caller's struct: what follows is not looked
                                                at */
    assert_int_equal(sampler_open(&s, &c, NULL), APUS_OK);
    assert_int_equal(s.config.top_k, 0);
    assert_true(s.config.temperature == 1);
}

#if defined(__x86_64__)
/* A caller that rounds upwards and flushes denormals gets the settings of one that does not. */
static void settings_do_not_hear_the_float_environment(void **state) {
    (void)state;
    const unsigned plain = _mm_getcsr(), wild = 0x8000 | 0x0040 | 0x4000 | 0x1f80;
    for (int i = 1; i < 100; i++) {
        apus_sampling c = {.size = sizeof c,
                           .temperature = (float)i * 0.07f,
                           .repeat_penalty = 0.1f + (float)i * 0.05f,
                           .top_p = (float)i * 0.0099f,
                           .min_p = (float)i * 0.0033f};
        struct sampler a, b;
        assert_int_equal(sampler_open(&a, &c, NULL), APUS_OK);
        _mm_setcsr(wild);
        apus_status status = sampler_open(&b, &c, NULL);
        unsigned found = _mm_getcsr();
        _mm_setcsr(plain);
        assert_int_equal(status, APUS_OK);
        assert_int_equal(found & 0xffc0, wild & 0xffc0);
        assert_int_equal(bits(a.inverse_temperature), bits(b.inverse_temperature));
        assert_int_equal(bits(a.inverse_penalty), bits(b.inverse_penalty));
        assert_true(a.top_p == b.top_p && a.min_p == b.min_p);
    }
    apus_sampling c = {.size = sizeof c, .temperature = 1e-45f}; /* not 0, and below 0.01 */
    struct sampler s;
    _mm_setcsr(wild);
    apus_status status = sampler_open(&s, &c, NULL);
    _mm_setcsr(plain);
    assert_int_equal(status, APUS_E_ARGUMENT);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_contract_as_written),
        cmocka_unit_test(draws_what_softmax_says),
        cmocka_unit_test(log_probabilities_are_those_of_softmax),
        cmocka_unit_test(same_arguments_same_id),
        cmocka_unit_test(greedy_takes_the_lower_of_equals),
        cmocka_unit_test(ties_at_the_cut_go_to_lower_ids),
        cmocka_unit_test(the_largest_sums_fit),
        cmocka_unit_test(mass_is_counted_to_the_unit),
        cmocka_unit_test(punishes_each_recent_id_once),
        cmocka_unit_test(the_callback_may_not_write_everything),
#if defined(__x86_64__)
        cmocka_unit_test(settings_do_not_hear_the_float_environment),
#endif
        cmocka_unit_test(refuses_settings_out_of_range)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
