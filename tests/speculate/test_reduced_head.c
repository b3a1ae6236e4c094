/* A head with rows for some ids only: their logits are those of the rows, the others' are
 * -infinity, by every instruction set and engine; such a model chooses among its ids alone, and as
 * a draft proposes only these, while the output stays the target's. */
#include "tests/speculate/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ROWS = 40, VOCAB = 272 };

static const struct tiny_spec full_spec = {.layers = 2, .seed = 1},
                              reduced_spec = {.layers = 2, .seed = 1, .head_rows = ROWS};

static int32_t id_of(uint32_t row) { return (int32_t)(row * VOCAB / ROWS); }

static int has_row(int32_t id) {
    uint32_t row = 0;
    while (row < ROWS && id_of(row) != id) row++;
    return row < ROWS;
}

/* The weights of both come from one sequence of random numbers, in which the head is last: the
 * first rows of the whole head are the rows of the smaller one. */
static void logits_are_those_of_the_rows(const apus_model *reduced, const float *full,
                                         const int32_t *ids, uint32_t count) {
    float *logits = malloc(count * VOCAB * sizeof *logits);
    assert_non_null(logits);
    apus_session *s = open_session((apus_config){.model = reduced, .threads = 2});
    assert_int_equal(apus_eval(s, ids, count, logits, NULL), APUS_OK);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t row = 0, id = 0; id < VOCAB; id++) {
            float found = logits[i * VOCAB + id];
            if (has_row((int32_t)id))
                assert_memory_equal(&found, &full[i * VOCAB + row++], sizeof found);
            else
                assert_true(found == -INFINITY);
        }
    close_session(s);
    free(logits);
}

static const apus_model *open_on(const char *engine) {
    size_t bytes;
    apus_blob blob;
    apus_memory need = {.size = sizeof need};
    apus_model *model = NULL;
    const apus_engine_config engines = {.size = sizeof engines, .name = engine};
    void *data = keep(tiny_blob(&reduced_spec, &bytes));
    assert_int_equal(apus_blob_open(&blob, data, bytes, NULL), APUS_OK);
    const apus_model_config config = {.size = sizeof config,
                                      .blob = &blob,
                                      .port = apus_port_host(),
                                      .engines = &engines,
                                      .engines_count = 1};
    if (apus_model_measure(&config, &need) != APUS_OK) return NULL;
    void *memory = keep(aligned_alloc(64, need.bytes));
    return apus_model_open(&model, &config, memory, need.bytes) == APUS_OK ? model : NULL;
}

static void the_same_everywhere(void **unused) {
    (void)unused;
    static const int32_t ids[] = {'a', 'b', 0,  3,  200, 271, 'a', 9,  10,
                                  11,  12,  13, 14, 15,  16,  17,  18, 19};
    enum { COUNT = sizeof ids / sizeof *ids };
    float *full = malloc(COUNT * VOCAB * sizeof *full);
    assert_non_null(full);
    apus_session *s = open_session((apus_config){.model = open_model(&full_spec)});
    assert_int_equal(apus_eval(s, ids, COUNT, full, NULL), APUS_OK);
    close_session(s);
    for (apus_cpu cpu = APUS_CPU_REF; cpu <= apus_cpu_best(); cpu++) {
        size_t bytes;
        void *data = tiny_blob(&reduced_spec, &bytes);
        if (apus_cpu_has(cpu))
            logits_are_those_of_the_rows(open_bytes(data, bytes, apus_port_host(), cpu), full, ids,
                                         COUNT);
        else
            free(data);
    }
    const apus_model *device = open_on("igpu"); /* NULL: there is none here */
    if (device) {
        logits_are_those_of_the_rows(device, full, ids, COUNT);
        apus_model_close((apus_model *)(uintptr_t)device);
    }
    free(full);
}

/* With every rule of sampling, alternatives included: never an id without a row. */
static void chooses_among_its_rows(void **unused) {
    (void)unused;
    struct result *r = calloc(1, sizeof *r);
    assert_non_null(r);
    apus_session *s = open_session((apus_config){.model = open_model(&reduced_spec)});
    for (int kind = 0; kind < SAMPLINGS; kind++)
        for (uint64_t seed = 0; seed < 8; seed++) {
            apus_sampling sampling = sampling_of(kind);
            sampling.seed = seed, sampling.alternatives = 20;
            prompt(s, "abcabcabd");
            generate(s, &sampling, 0, r);
            assert_true(r->count > 0);
            for (size_t i = 0; i < r->count; i++)
                assert_true(has_row(r->ids[i]) && isfinite(r->log_probs[i]));
            for (size_t i = 0; i < r->count * r->alternatives; i++)
                assert_true(has_row(r->likely[i]) && isfinite(r->likely_log_probs[i]));
        }
    close_session(s);
    free(r);
}

/* As the draft of a target whose logits are the same where it has rows. */
static void proposes_its_rows(void **unused) {
    (void)unused;
    const apus_model *target = open_model(&full_spec), *reduced = open_model(&reduced_spec);
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    uint64_t proposed = 0;
    assert_true(want && got);
    for (int kind = 0; kind < SAMPLINGS; kind++) {
        apus_sampling sampling = sampling_of(kind);
        apus_session *plain = open_session((apus_config){.model = target});
        prompt(plain, "abcabcabd and more");
        generate(plain, &sampling, 0, want);
        close_session(plain);
        for (uint32_t n = 0; n <= 15; n += n < 3 ? 1 : 6) {
            apus_session *s = open_session((apus_config){
                .model = target, .draft = reduced, .proposals = n, .threads = 1 + n % 2});
            prompt(s, "abcabcabd and more");
            generate(s, &sampling, 0, got);
            assert_same(got, want);
            proposed += got->stats.proposed;
            close_session(s);
        }
        /* A target with such a head, and itself as its draft. */
        apus_session *alone = open_session((apus_config){.model = reduced});
        prompt(alone, "abcabcabd and more");
        generate(alone, &sampling, 0, want);
        close_session(alone);
        apus_session *twin =
            open_session((apus_config){.model = reduced, .draft = reduced, .proposals = 3});
        prompt(twin, "abcabcabd and more");
        generate(twin, &sampling, 0, got);
        assert_same(got, want);
        if (kind < 3) assert_int_equal(got->stats.accepted, got->stats.proposed);
        close_session(twin);
    }
    assert_true(proposed > 500);
    free(want);
    free(got);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_everywhere),
                                       cmocka_unit_test(chooses_among_its_rows),
                                       cmocka_unit_test(proposes_its_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
