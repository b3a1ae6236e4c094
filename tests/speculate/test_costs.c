/* What passes cost before any has run: timed at open, as the caller says, or not known. It steers
 * the number of proposals and never the text. */
#include "tests/speculate/fixture.h"

#include <stdlib.h>
#include <string.h>

static const struct tiny_spec spec = {.layers = 2, .seed = 1};
/* A clock that moves by so much at every look, however busy the machine is. */
static uint64_t clock_ns, tick_ns;
static uint64_t ticking(void *unused) {
    (void)unused;
    return clock_ns += tick_ns;
}

static const apus_model *open_ticking(uint64_t ns) {
    static apus_port port;
    size_t bytes;
    void *data = tiny_blob(&spec, &bytes);
    port = *apus_port_host();
    port.now_ns = ticking, tick_ns = ns;
    return open_bytes(data, bytes, &port, APUS_CPU_BEST);
}

static apus_costs costs_of(const apus_session *s) {
    apus_costs costs = {.size = sizeof costs};
    assert_int_equal(apus_get_costs(s, &costs), APUS_OK);
    return costs;
}

static void small_models_are_timed_at_open(void **unused) {
    (void)unused;
    const apus_model *model = open_ticking(1000);
    apus_session *s = open_session((apus_config){.model = model, .draft = model});
    apus_costs costs = costs_of(s);
    assert_true(costs.draft_ns >= 1000); /* looks at the clock before and after */
    for (uint32_t n = 1; n <= 8; n *= 2) assert_true(costs.verify_ns[n - 1] >= 1000);
    assert_true(costs.verify_ns[15] == 0);
    close_session(s);

    /* no pass is wider */
    s = open_session((apus_config){.model = model, .draft = model, .chunk = 3});
    costs = costs_of(s);
    assert_true(costs.verify_ns[1] > 0 && costs.verify_ns[3] == 0);
    close_session(s);

    s = open_session((apus_config){.model = model}); /* nothing to choose */
    assert_true(costs_of(s).verify_ns[0] == 0);
    close_session(s);
    assert_int_equal(apus_get_costs(NULL, &costs), APUS_E_ARGUMENT);
}

/* By a clock on which every look takes a millisecond: 4 ms are over in the first turn, which only
 * brings pages in. */
static void the_budget_ends_it(void **unused) {
    (void)unused;
    const apus_model *model = open_ticking(1000000);
    apus_session *s = open_session((apus_config){.model = model, .lookup = 1});
    apus_costs costs = costs_of(s);
    for (int n = 0; n < 16; n++) assert_int_equal(costs.verify_ns[n], 0);
    close_session(s);
}

/* Costs that make every proposal a loss, then costs that make all of them free. */
static void supplied_costs_decide_at_first(void **unused) {
    (void)unused;
    const apus_model *model = open_model(&spec);
    apus_costs dear = {.size = sizeof dear, .draft_ns = 1000000000},
               cheap = {.size = sizeof cheap, .draft_ns = 1};
    for (int n = 0; n < 16; n++)
        dear.verify_ns[n] = 1024 + ((uint64_t)n << 30), cheap.verify_ns[n] = 1000000000;
    apus_sampling sampling = sampling_of(1);
    struct result *plain = calloc(1, sizeof *plain), *got = calloc(1, sizeof *got);
    apus_session *s = open_session((apus_config){.model = model});
    prompt(s, "abcabc");
    sampling.max_tokens = 12;
    generate(s, &sampling, 0, plain);
    close_session(s);

    s = open_session((apus_config){.model = model, .draft = model, .costs = &dear});
    assert_int_equal(costs_of(s).verify_ns[0], 1024);
    prompt(s, "abcabc");
    generate(s, &sampling, 0, got);
    assert_same(got, plain);
    assert_int_equal(got->stats.proposed, 0);
    close_session(s);

    s = open_session((apus_config){.model = model, .draft = model, .costs = &cheap});
    memset(&cheap, 0xee, sizeof cheap); /* read during apus_open only */
    prompt(s, "abcabc");
    generate(s, &sampling, 0, got);
    assert_same(got, plain);
    /* the first id comes from the prompt's logits */
    assert_true(got->stats.rounds <= 3 && got->stats.proposed >= 9);
    close_session(s);
    free(plain), free(got);
}

/* A server's slots share a model, a draft and a pool: what the first has learned is handed to the
 * next while both are open, and the first goes on as it was. */
static void costs_go_from_a_session_to_the_next(void **unused) {
    (void)unused;
    const apus_model *model = open_model(&spec);
    apus_pool_config pc = {.size = sizeof pc, .threads = 2, .port = apus_port_host()};
    apus_memory need = {.size = sizeof need};
    apus_pool *pool;
    assert_int_equal(apus_pool_measure(&pc, &need), APUS_OK);
    void *memory = aligned_alloc(64, (need.bytes + 63) / 64 * 64);
    assert_non_null(memory);
    assert_int_equal(apus_pool_open(&pool, &pc, memory, need.bytes), APUS_OK);
    /* Given, because a busy machine may not get to time all of them at open. */
    apus_costs first_costs = {.size = sizeof first_costs, .draft_ns = 1000};
    for (int n = 0; n < 16; n++) first_costs.verify_ns[n] = 10000;
    apus_config config = {
        .model = model, .draft = model, .lookup = 1, .pool = pool, .costs = &first_costs};
    apus_sampling sampling = sampling_of(1);
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    assert_true(want && got);

    apus_session *first = open_session(config);
    prompt(first, "abcabc");
    generate(first, &sampling, 0, want);
    apus_costs learned = costs_of(first);
    assert_true(learned.verify_ns[0] && learned.draft_ns);
    config.costs = &learned;
    apus_session *next = open_session(config);
    apus_costs given = costs_of(next);
    assert_int_equal(given.draft_ns, learned.draft_ns);
    for (int n = 0; n < 16; n++)
        if (learned.verify_ns[n]) assert_int_equal(given.verify_ns[n], learned.verify_ns[n]);
    prompt(next, "abcabc");
    generate(next, &sampling, 0, got);
    assert_same(got, want);
    prompt(first, "abcabc");
    generate(first, &sampling, 0, got);
    assert_same(got, want);

    close_session(first);
    prompt(next, "abcabc");
    generate(next, &sampling, 0, got);
    assert_same(got, want);
    close_session(next);
    apus_pool_close(pool);
    free(memory), free(want), free(got);
}

static void wrong_costs_are_refused(void **unused) {
    (void)unused;
    const apus_model *model = open_model(&spec);
    apus_costs costs = {.size = sizeof costs + 2};
    apus_config config = {.size = sizeof config, .model = model, .context = 64, .costs = &costs};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_measure(&config, &need), APUS_E_ARGUMENT);
    costs.size = 0;
    assert_int_equal(apus_measure(&config, &need), APUS_E_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_models_are_timed_at_open),
        cmocka_unit_test(the_budget_ends_it),
        cmocka_unit_test(supplied_costs_decide_at_first),
        cmocka_unit_test(costs_go_from_a_session_to_the_next),
        cmocka_unit_test(wrong_costs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
