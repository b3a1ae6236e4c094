/* An engine that fails at its n-th call, for every n: the spare goes on with the same bits, and
 * without a spare the context keeps what was good. What the failing call leaves in the slots and in
 * the pass's cache rows is noise: a lost device's memory is undefined. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/model.h"

enum { POSITIONS = 21, TOKENS = 6, CONTEXT = 64, CHUNK = 8 };

/* The CPU engine, but for one call of submit or wait. */
static struct {
    struct hal_setup setup;
    struct hal_column column[CHUNK];
    uint32_t columns, calls, fail_at; /* 0: never */
    int failed;
} faulty;

static void scribble(void) {
    const struct hal_setup *s = &faulty.setup;
    memset(s->slot[SLOT_LOGITS], 0xa5, s->program->stride[SLOT_LOGITS]);
    memset(s->slot[SLOT_X], 0xa5, s->program->stride[SLOT_X]);
    for (uint32_t l = 0; l < s->model->dims->layers; l++)
        for (uint32_t h = 0; h < s->model->layers[l].kv_heads; h++)
            for (uint32_t c = 0; c < faulty.columns; c++) {
                static const int8_t q[BLOB_HEAD_DIM_MAX];
                struct kv_cache cache = hal_cache(s, l);
                kv_store(&cache, h, faulty.column[c].slot, KV_K, q, -1e30f);
                kv_store(&cache, h, faulty.column[c].slot, KV_V, q, -1e30f);
            }
}

static int fails_now(void) {
    if (faulty.failed) fail_msg("an engine that has failed was asked again");
    faulty.failed = ++faulty.calls == faulty.fail_at;
    if (faulty.failed) scribble();
    return faulty.failed;
}

static apus_status faulty_prepare(void *memory, const struct hal_setup *setup) {
    faulty.setup = *setup;
    return hal_cpu_engine.prepare(memory, setup);
}

static apus_status faulty_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    faulty.columns = pass->columns;
    memcpy(faulty.column, pass->column[0], pass->columns * sizeof *faulty.column);
    return fails_now() ? APUS_E_ENGINE : hal_cpu_engine.submit(memory, pass, ticket);
}

static apus_status faulty_wait(void *memory, uint64_t ticket) {
    return fails_now() ? APUS_E_ENGINE : hal_cpu_engine.wait(memory, ticket);
}

static struct hal_engine faulty_engine(void) {
    struct hal_engine e = hal_cpu_engine;
    e.name = "faulty";
    e.prepare = faulty_prepare;
    e.submit = faulty_submit;
    e.wait = faulty_wait;
    return e;
}

/* A model of the fixture's, the layer 0 or all others of it on the faulty engine. */
static void make_half_faulty(struct api_model *m, const struct hal_engine *engine, int second,
                             uint32_t fail_at) {
    const uint32_t layers = m->model->hal.dims->layers;
    void *memory = m->model->engine[0].memory;
    m->model->engine[0] =
        (struct model_engine){second ? &hal_cpu_engine : engine, memory, {0, 1}, 0};
    m->model->engine[1] =
        (struct model_engine){second ? engine : &hal_cpu_engine, memory, {1, layers}, 1};
    m->model->engine[2] = (struct model_engine){&hal_cpu_engine, memory, {0, layers}, MODEL_OWN};
    m->model->engines = 3, m->model->parts = 2;
    faulty.calls = 0, faulty.failed = 0, faulty.fail_at = fail_at;
}

/* A model of the fixture's, on the faulty engine. */
static void make_faulty(struct api_model *m, const struct hal_engine *engine, int with_spare,
                        uint32_t fail_at) {
    m->model->engine[0].engine = engine;
    m->model->engine[1] = m->model->engine[0];
    m->model->engine[1].engine = &hal_cpu_engine;
    m->model->engines = with_spare ? 2 : 1, m->model->parts = 1;
    faulty.calls = 0, faulty.failed = 0, faulty.fail_at = fail_at;
}

/* As the fixture opened it. */
static void make_sound(struct api_model *m) {
    m->model->engine[0].engine = &hal_cpu_engine;
    m->model->engine[0].layers = (struct hal_range){0, m->model->hal.dims->layers};
    m->model->engines = m->model->parts = 1;
}

static uint64_t run(const struct api_model *m, const int32_t *ids, const char **engine) {
    struct api_session s;
    apus_stats stats = {.size = sizeof stats};
    int32_t made[TOKENS];
    api_open(&s, m, CONTEXT, 1, CHUNK);
    assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
    uint64_t hash = api_generate(&s, TOKENS, made);
    assert_int_equal(apus_get_stats(s.session, &stats), APUS_OK);
    size_t bytes;
    unsigned char *saved = saved_state(s.session, &bytes);
    hash = api_hash(api_hash(hash, saved, bytes), made, sizeof made);
    free(saved);
    *engine = stats.engine;
    api_close(&s);
    return hash;
}

static void the_spare_goes_on_with_the_same_bits(void **state) {
    (void)state;
    const struct hal_engine engine = faulty_engine();
    struct api_model m;
    int32_t ids[POSITIONS];
    const char *by;
    api_model_open(&m, 0, APUS_CPU_BEST);
    api_ids(&m, 5, ids, POSITIONS);
    make_faulty(&m, &engine, 1, 0);
    uint64_t want = run(&m, ids, &by);
    uint32_t calls = faulty.calls;
    assert_string_equal(by, "faulty");
    assert_true(calls >= 2 * (POSITIONS / CHUNK + TOKENS - 1));
    for (uint32_t n = 1; n <= calls; n++) {
        make_faulty(&m, &engine, 1, n);
        uint64_t got = run(&m, ids, &by);
        if (got != want) fail_msg("other bits after a failure at call %u of %u", n, calls);
        assert_string_equal(by, "cpu");
        assert_int_equal(faulty.calls, n);
    }
    make_sound(&m);
    api_model_close(&m);
}

static void the_spare_takes_both_halves(void **state) {
    (void)state;
    const struct hal_engine engine = faulty_engine();
    struct api_model m;
    int32_t ids[POSITIONS];
    const char *by;
    api_model_open(&m, 0, APUS_CPU_BEST);
    api_ids(&m, 5, ids, POSITIONS);
    uint64_t want = run(&m, ids, &by);
    for (int second = 0; second < 2; second++) {
        make_half_faulty(&m, &engine, second, 0);
        assert_true(run(&m, ids, &by) == want);
        assert_string_equal(by, second ? "cpu" : "faulty");
        uint32_t calls = faulty.calls;
        for (uint32_t n = 1; n <= calls; n++) {
            make_half_faulty(&m, &engine, second, n);
            if (run(&m, ids, &by) != want)
                fail_msg("other bits after a failure of half %d at call %u of %u", second, n,
                         calls);
            assert_string_equal(by, "cpu");
            assert_int_equal(faulty.calls, n);
        }
    }
    make_sound(&m);
    api_model_close(&m);
}

static void without_a_spare_what_was_good_stays(void **state) {
    (void)state;
    const struct hal_engine engine = faulty_engine();
    struct api_model m;
    struct api_session s;
    int32_t ids[POSITIONS];
    const int32_t *kept;
    size_t count;
    api_model_open(&m, 0, APUS_CPU_BEST);
    api_ids(&m, 5, ids, POSITIONS);
    make_faulty(&m, &engine, 0, 4); /* the second chunk's wait */
    api_open(&s, &m, CONTEXT, 1, CHUNK);
    assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_E_ENGINE);
    assert_int_equal(apus_ids(s.session, &kept, &count), APUS_OK);
    assert_int_equal(count, CHUNK);
    assert_memory_equal(kept, ids, CHUNK * sizeof *ids);
    api_close(&s);
    make_sound(&m);
    api_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_spare_goes_on_with_the_same_bits),
                                       cmocka_unit_test(the_spare_takes_both_halves),
                                       cmocka_unit_test(without_a_spare_what_was_good_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
