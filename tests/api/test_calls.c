/* Calls into a session from its own callbacks: refused, each of them, and the call in progress goes
 * on as if there had been none. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/model.h"

/* As many positions as the first id needs: a call that went through would write behind them. */
enum { PROMPT = 11, CONTEXT = 12, NOISE = 0xcd };

static struct {
    apus_session *session; /* NULL: callbacks do nothing */
    uint32_t from_logits, from_clock, from_log;
} inside;

static void assert_untouched(const void *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) assert_int_equal(((const unsigned char *)bytes)[i], NOISE);
}

/* Every public function that takes a session, with arguments that are good otherwise. */
static void call_everything(apus_session *s) {
    static const int32_t id = 3;
    static unsigned char state[1 << 16];
    const apus_part part = api_ids_part(&id, 1);
    const apus_sampling sampling = {.size = sizeof sampling};
    struct {
        apus_piece piece;
        apus_stats stats;
        const int32_t *ids;
        size_t count, done, bytes;
        float logits[512];
    } out;
    apus_costs costs = {.size = sizeof costs, .draft_ns = 77};
    memset(&out, NOISE, sizeof out);
    memset(state, NOISE, sizeof state);
    assert_int_equal(apus_prompt(s, &part, 1, 0), APUS_E_ORDER);
    assert_int_equal(apus_append(s, &part, 1, 0), APUS_E_ORDER);
    assert_int_equal(apus_append(s, NULL, 0, 0), APUS_E_ORDER);
    assert_int_equal(apus_begin(s, &sampling), APUS_E_ORDER);
    assert_int_equal(apus_next(s, &out.piece), APUS_E_ORDER);
    assert_int_equal(apus_eval(s, &id, 1, out.logits, &out.done), APUS_E_ORDER);
    assert_int_equal(apus_rewind(s, 0), APUS_E_ORDER);
    assert_int_equal(apus_get_stats(s, &out.stats), APUS_E_ORDER);
    assert_int_equal(apus_ids(s, &out.ids, &out.count), APUS_E_ORDER);
    assert_int_equal(apus_save(s, NULL, 0, &out.bytes), APUS_E_ORDER);
    assert_int_equal(apus_save(s, state, sizeof state, &out.bytes), APUS_E_ORDER);
    assert_int_equal(apus_restore(s, state, sizeof state), APUS_E_ORDER);
    assert_int_equal(apus_get_costs(s, &costs), APUS_E_ORDER);
    apus_close(s);
    assert_untouched(&out, sizeof out);
    assert_untouched(state, sizeof state);
    assert_int_equal(costs.draft_ns, 77);
    /* and with bad ones: it is the time of the call that is wrong first */
    assert_int_equal(apus_prompt(s, NULL, 0, 0), APUS_E_ORDER);
    assert_int_equal(apus_begin(s, NULL), APUS_E_ORDER);
    assert_int_equal(apus_next(s, NULL), APUS_E_ORDER);
    assert_int_equal(apus_eval(s, NULL, 0, NULL, NULL), APUS_E_ORDER);
    assert_int_equal(apus_rewind(s, SIZE_MAX), APUS_E_ORDER);
    assert_int_equal(apus_restore(s, NULL, 0), APUS_E_ORDER);
}

static void logits_calls(void *user, float *logits, uint32_t vocab, const int32_t *ids,
                         size_t count) {
    (void)user, (void)logits, (void)vocab, (void)ids, (void)count;
    if (!inside.session) return;
    inside.from_logits++;
    call_everything(inside.session);
}

static uint64_t clock_calls(void *user) {
    static uint64_t ns;
    (void)user;
    if (inside.session) {
        inside.from_clock++;
        call_everything(inside.session);
    }
    return ns += 1000;
}

static void log_calls(void *user, int level, const char *text) {
    (void)user, (void)level, (void)text;
    if (!inside.session) return;
    inside.from_log++;
    call_everything(inside.session);
}

/* The CPU engine, lost at its third pass: the runtime logs that the spare takes over. */
static uint32_t submitted;
static apus_status lost_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    return ++submitted == 3 ? APUS_E_ENGINE : hal_cpu_engine.submit(memory, pass, ticket);
}

/* What a session of this history gives: a prompt, a generation to the end of the context, evaluated
 * ids, a saved and restored state. */
static uint64_t history(const struct api_model *m, int calls) {
    struct api_session s;
    int32_t ids[PROMPT];
    apus_piece piece = {.size = sizeof piece};
    size_t bytes, got = 0;
    float logits[2 * 512];
    api_ids(m, 3, ids, PROMPT);
    submitted = 0;
    inside.session = NULL;
    api_open(&s, m, CONTEXT, 2, 8);
    if (calls) inside.session = s.session;
    assert_int_equal(API_PROMPT(&s, ids, PROMPT), APUS_OK);
    apus_sampling sampling = {
        .size = sizeof sampling, .ignore_end = 1, .want_hash = 1, .logits = logits_calls};
    assert_int_equal(apus_begin(s.session, &sampling), APUS_OK);
    do {
        assert_int_equal(apus_next(s.session, &piece), APUS_OK);
        got += piece.count;
    } while (!piece.stop);
    assert_int_equal(got, 1);
    apus_stats stats = {.size = sizeof stats};
    assert_int_equal(apus_get_stats(s.session, &stats), APUS_OK);
    struct api_view view = api_look(&s);
    uint64_t hash = api_hash(stats.logits_hash, &view, sizeof view);
    assert_int_equal(apus_rewind(s.session, PROMPT - 1), APUS_OK);
    assert_int_equal(apus_eval(s.session, ids, 2, logits, NULL), APUS_OK);
    hash = api_hash(hash, logits, 2 * m->info.vocab * sizeof *logits);
    unsigned char *state = saved_state(s.session, &bytes);
    assert_int_equal(apus_restore(s.session, state, bytes), APUS_OK);
    hash = api_hash(hash, state, bytes);
    free(state);
    api_close(&s);
    return hash;
}

static void callbacks_are_refused(void **unused) {
    (void)unused;
    struct hal_engine lost = hal_cpu_engine;
    struct api_model m;
    lost.submit = lost_submit;
    api_model_open(&m, 0, APUS_CPU_BEST);
    m.model->engine[1] = m.model->engine[0];
    m.model->engine[0].engine = &lost, m.model->engines = 2;
    m.model->port.now_ns = clock_calls, m.model->port.log = log_calls;
    uint64_t want = history(&m, 0);
    assert_true(history(&m, 1) == want);
    assert_true(inside.from_logits && inside.from_clock && inside.from_log);
    m.model->engine[0].engine = &hal_cpu_engine, m.model->engines = 1;
    api_model_close(&m);
}

/* As long as its memory is there, a closed session is closed once and answers. */
static void closed_sessions_answer(void **unused) {
    (void)unused;
    struct api_model m;
    struct api_session s;
    api_model_open(&m, 0, APUS_CPU_BEST);
    api_open(&s, &m, CONTEXT, 2, 8);
    apus_close(s.session);
    call_everything(s.session);
    api_close(&s);
    api_model_close(&m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(callbacks_are_refused),
                                       cmocka_unit_test(closed_sessions_answer)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
