/* Models with experts: what their passes read, and that proposals are weighed with the experts that
 * more columns choose. That their text is the same with proposals is test_exact.c's matter. */
#include "tests/speculate/fixture.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Nearly all that a pass reads is experts, and a column chooses one of many. */
static const struct tiny_spec mixture = {.layers = 2,
                                         .dim = 256,
                                         .ffn = 256,
                                         .with_experts = 3,
                                         .experts = 64,
                                         .active = 1,
                                         .seed = 5,
                                         .noise = 1};

/* Time on the processor: a session of one thread then costs what it computes and reads, however
 * busy the machine is. */
static uint64_t processor_ns(void *unused) {
    struct timespec t;
    (void)unused;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const apus_model *open_timed(const struct tiny_spec *spec) {
    static apus_port port;
    size_t bytes;
    void *data = tiny_blob(spec, &bytes);
    port = *apus_port_host();
    port.now_ns = processor_ns;
    return open_bytes(data, bytes, &port, APUS_CPU_BEST);
}

static apus_stats generated(const apus_model *model, const apus_model *draft, uint32_t proposals) {
    struct result *r = calloc(1, sizeof *r);
    apus_sampling sampling = sampling_of(0);
    sampling.max_tokens = 24;
    apus_session *s = open_session(
        (apus_config){.model = model, .draft = draft, .proposals = proposals, .overlap = 1});
    assert_non_null(r);
    prompt(s, "abcabc");
    generate(s, &sampling, 0, r);
    const apus_stats stats = r->stats;
    close_session(s);
    free(r);
    return stats;
}

static void a_generation_counts_what_it_read(void **unused) {
    (void)unused;
    const apus_model *model = open_model(&mixture), *plain = open_model(&(struct tiny_spec){0}),
                     *stranger = open_model(&(struct tiny_spec){.seed = 9});
    /* One column chooses as many experts as are expected. */
    apus_stats s = generated(model, NULL, 0);
    assert_true(s.passes > 8);
    assert_int_equal(s.read_bytes, s.passes * s.weight_bytes);
    /* Eight columns choose more than one column does, and no more than eight times as much. */
    s = generated(model, stranger, 7);
    assert_true(s.read_bytes > 2 * s.passes * s.weight_bytes);
    assert_true(s.read_bytes < 8 * s.passes * s.weight_bytes);
    /* Without experts the columns do not matter. */
    s = generated(plain, stranger, 7);
    assert_true(s.passes > 2);
    assert_int_equal(s.read_bytes, s.passes * s.weight_bytes);
}

static apus_costs costs_of(const apus_session *s) {
    apus_costs costs = {.size = sizeof costs};
    assert_int_equal(apus_get_costs(s, &costs), APUS_OK);
    return costs;
}

/* What passes of `proposals` + 1 columns were learned to cost. */
static double learned(const apus_model *model, const apus_model *draft, uint32_t proposals) {
    struct result *r = calloc(1, sizeof *r);
    apus_sampling sampling = sampling_of(0);
    sampling.max_tokens = 32;
    apus_session *s = open_session(
        (apus_config){.model = model, .draft = draft, .proposals = proposals, .overlap = 1});
    assert_non_null(r);
    prompt(s, "abcabc");
    generate(s, &sampling, 0, r);
    const double ns = (double)costs_of(s).verify_ns[proposals];
    close_session(s);
    free(r);
    return ns;
}

static void rounds_learn_what_experts_cost(void **unused) {
    (void)unused;
    const apus_model *model = open_timed(&mixture),
                     *stranger = open_model(&(struct tiny_spec){.seed = 9});
    const double two = learned(model, stranger, 1), sixteen = learned(model, stranger, 15);
    assert_true(two > 0 && sixteen > 3 * two);
}

/* The timing at open sees the experts of different columns. The pages of a model are first touched
 * there, which takes a part of the time that there is, so it may take a second session. */
static void opening_times_different_experts(void **unused) {
    (void)unused;
    const apus_model *model = open_timed(&mixture);
    apus_costs costs = {.size = sizeof costs};
    for (int tries = 0; tries < 20 && !costs.verify_ns[7]; tries++) {
        apus_session *s = open_session((apus_config){.model = model, .lookup = 1});
        costs = costs_of(s);
        close_session(s);
    }
    assert_true(costs.verify_ns[0] && costs.verify_ns[7] > 5 * costs.verify_ns[0] / 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_generation_counts_what_it_read),
                                       cmocka_unit_test(rounds_learn_what_experts_cost),
                                       cmocka_unit_test(opening_times_different_experts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
