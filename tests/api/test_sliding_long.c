/* 32768 positions of a model of gpt-oss's kind of layers, every other one of which sees 128: what a
 * session computes, whose caches of those layers are short rings, has the bits that an engine
 * computes by itself from caches that keep every position. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "hal/place.h"
#include "runtime/model.h"
#include "tests/hal/rig.h"
#include "tests/pack/tiny_blob.h"

enum { LONG = 32768, WINDOW = 128, GENERATED = 512, PROMPT = LONG - GENERATED };
enum { STEP = 16, CHUNK = 128 }; /* columns of a pass with logits and of the widest one */

static const struct tiny_spec spec = {.layers = 4,
                                      .window = {WINDOW, 0, WINDOW, 0},
                                      .sinks = 0xf,
                                      .with_experts = 0xf,
                                      .experts = 4,
                                      .active = 2,
                                      .clamped = 0xf,
                                      .bias = 1,
                                      .ffn = 64,
                                      .positions = LONG,
                                      .seed = 14};

/* The logits behind ids[first .. first + count - 1], from whole caches in which ranges hide what
 * lies before a window: float [count][stride]. */
static const float *whole(struct rig *r, const struct hal_model *model, const int32_t *ids,
                          uint32_t first, uint32_t count) {
    struct hal_column column[HAL_VIEWS][STEP] = {{{0}}};
    struct hal_pass pass = pass_of(r, column[0], count, 0);
    for (uint32_t v = 0; v < HAL_VIEWS && r->kv_slots[v]; v++) {
        pass.column[v] = column[v];
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t at = first + i, window = model->window[v], range = v * STEP + i,
                           from = window && at + 1 > window ? at + 1 - window : 0;
            hal_line(column[v], r->range + v * STEP, i, ids[i], at);
            r->range[range].begin = from;
            column[v][i].range = range;
        }
    }
    assert_int_equal(run_pass(r, &pass), APUS_OK);
    return (const float *)(const void *)r->slot[SLOT_LOGITS];
}

/* The session's logits behind the next STEP ids, which are at position `at`. */
static void same(const struct api_session *s, const int32_t *ids, uint32_t at, const float *want,
                 size_t stride, uint32_t vocab) {
    float *row = malloc((size_t)STEP * vocab * sizeof *row);
    assert_non_null(row);
    assert_int_equal(apus_eval(s->session, ids, STEP, row, NULL), APUS_OK);
    for (uint32_t i = 0; i < STEP; i++)
        if (memcmp(row + i * vocab, want + i * stride, vocab * sizeof *row))
            fail_msg("the logits behind position %u differ", at + i);
    free(row);
}

static int32_t likeliest(const float *logits, uint32_t vocab) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < vocab; i++)
        if (logits[i] > logits[best]) best = i;
    return (int32_t)best;
}

/* What the caches of both take, and that windows show: with them other ids come. */
static void differs_without_windows(const struct api_model *m, const int32_t *ids) {
    struct tiny_spec all = spec;
    struct api_model plain;
    struct api_session s, other;
    int32_t with[20], without[20];
    memset(all.window, 0, sizeof all.window);
    api_model_make(&plain, &all, APUS_CPU_BEST);
    api_open(&s, m, LONG, 1, CHUNK);
    api_open(&other, &plain, LONG, 1, CHUNK);
    print_message("arenas: %zu bytes with windows, %zu without\n", s.arena.bytes,
                  other.arena.bytes);
    assert_true(s.arena.bytes < other.arena.bytes);
    assert_int_equal(API_PROMPT(&s, ids, 600), APUS_OK);
    assert_int_equal(API_PROMPT(&other, ids, 600), APUS_OK);
    api_generate(&s, 20, with);
    api_generate(&other, 20, without);
    assert_memory_not_equal(with, without, sizeof with);
    api_close(&s);
    api_close(&other);
    api_model_close(&plain);
}

static void a_long_text(void **unused) {
    (void)unused;
    struct api_model m;
    struct api_session s, wide;
    int32_t *ids = malloc(LONG * sizeof *ids), *made = malloc(GENERATED * sizeof *made);
    assert_non_null(ids);
    assert_non_null(made);
    api_model_make(&m, &spec, APUS_CPU_BEST);
    api_ids(&m, 15, ids, PROMPT);
    differs_without_windows(&m, ids);

    const struct hal_model *model = &m.model->hal;
    const uint32_t vocab = m.info.vocab;
    uint32_t slots[HAL_VIEWS] = {LONG};
    for (uint32_t v = 1; v < HAL_VIEWS; v++) slots[v] = model->window[v] ? LONG : 0;
    assert_int_equal(slots[1], LONG);
    struct rig *r = rig_open_rings(&hal_cpu_engine, model, APUS_CPU_BEST, 1, slots);
    assert_non_null(r);
    const size_t stride = r->program.stride[SLOT_LOGITS] / sizeof(float);

    api_open(&s, &m, LONG, 1, CHUNK);
    api_open(&wide, &m, LONG, 1, CHUNK);
    const float *want = NULL;
    for (uint32_t at = 0; at < PROMPT; at += STEP) {
        want = whole(r, model, ids + at, at, STEP);
        same(&s, ids + at, at, want, stride, vocab);
        if ((at + STEP) % (CHUNK + STEP)) continue;
        const int32_t *chunk = ids + at - CHUNK; /* in one pass, without logits */
        assert_int_equal(apus_eval(wide.session, chunk, CHUNK, NULL, NULL), APUS_OK);
        same(&wide, ids + at, at, want, stride, vocab);
    }
    int32_t next = likeliest(want + (STEP - 1) * stride, vocab);
    api_generate(&s, GENERATED, made);
    for (uint32_t i = 0; i < GENERATED; i++) {
        if (made[i] != next) fail_msg("position %u: id %d, not %d", PROMPT + i, made[i], next);
        next = likeliest(whole(r, model, made + i, PROMPT + i, 1), vocab);
    }
    api_close(&s);
    api_close(&wide);
    rig_close(r);
    api_model_close(&m);
    free(ids);
    free(made);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_long_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
