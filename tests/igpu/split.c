/* A model whose first layers are on one engine and the others on another. It must have the bits of
 * the CPU alone, its saved states must work on models that are split in another way, and each
 * engine must take no more of its driver's memory than its layers need. */
#include "tests/api/saved_state.h"
#include "tests/speculate/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LAYERS = 4, CHUNK = 8 };
static const struct tiny_spec spec = {.layers = LAYERS, .seed = 1},
                              draft_spec = {
                                  .layers = 1, .dim = 128, .heads = 2, .kv_heads = 1, .seed = 77};
static const char text[] = "a prompt of several passes, then abcabcabd";
static apus_blob blob;
static int igpu; /* whether the engine can run here */

/* Engines in the order of their layers, with the number of layers for each but the last. */
struct list {
    const char *name[APUS_ENGINES_MAX + 1];
    uint32_t layers[APUS_ENGINES_MAX + 1];
};

static apus_model_config on(const struct list *list, apus_engine_config engine[]) {
    apus_model_config config = {
        .size = sizeof config, .blob = &blob, .port = apus_port_host(), .engines = engine};
    for (uint32_t i = 0; i <= APUS_ENGINES_MAX && list->name[i]; i++) {
        engine[i] = (apus_engine_config){
            .size = sizeof *engine, .name = list->name[i], .layers = list->layers[i]};
        config.engines_count++;
    }
    return config;
}

static apus_status measure(const struct list *list, apus_memory *need) {
    apus_engine_config engine[APUS_ENGINES_MAX + 1];
    apus_model_config config = on(list, engine);
    return apus_model_measure(&config, need);
}

static apus_model *open_on(const struct list *list) {
    apus_memory need = {.size = sizeof need};
    apus_model *model;
    apus_engine_config engine[APUS_ENGINES_MAX + 1];
    apus_model_config config = on(list, engine);
    assert_int_equal(apus_model_measure(&config, &need), APUS_OK);
    assert_int_equal(
        apus_model_open(&model, &config, keep(aligned_alloc(64, need.bytes)), need.bytes), APUS_OK);
    return model;
}

/* Runs a generation of the given kind. Its second half runs after the state was restored in a
 * session on another model. */
static void run(const apus_model *model, const apus_model *other, const apus_model *draft, int kind,
                struct result *first, struct result *rest) {
    apus_sampling sampling = sampling_of(kind);
    sampling.max_tokens = 40;
    apus_config config = {
        .model = model, .chunk = CHUNK, .draft = draft, .proposals = draft ? 4 : 0};
    apus_session *s = open_session(config);
    prompt(s, text);
    generate(s, &sampling, 0, first);
    size_t bytes;
    void *state = saved_state(s, &bytes);
    close_session(s);
    config.model = other;
    s = open_session(config);
    assert_int_equal(apus_restore(s, state, bytes), APUS_OK);
    const apus_part more = {APUS_PART_TEXT, 0, "and so on", 9};
    assert_int_equal(apus_append(s, &more, 1, 0), APUS_OK);
    generate(s, &sampling, 0, rest);
    close_session(s);
    free(state);
}

static void the_same_bits(void **unused) {
    (void)unused;
    static const struct list engines[] = {{{"cpu", "cpu"}, {1}},
                                          {{"cpu", "cpu"}, {3}},
                                          {{"cpu", "cpu", "cpu"}, {1, 2}},
                                          {{"cpu", "cpu", "cpu", "cpu"}, {1, 1, 1, 1}},
                                          {{"igpu", "cpu"}, {1}},
                                          {{"igpu", "cpu"}, {3, 1}},
                                          {{"cpu", "igpu"}, {1}},
                                          {{"cpu", "igpu"}, {2}},
                                          {{"cpu", "igpu", "cpu"}, {1, 2}},
                                          {{"igpu", "igpu"}, {2}}};
    struct result *want[2][SAMPLINGS], *got[2];
    const apus_model *cpu = open_on(&(struct list){{"cpu"}, {0}}), *draft = open_model(&draft_spec);
    for (int i = 0; i < 2; i++) {
        got[i] = keep(calloc(1, sizeof *got[i]));
        for (int kind = 0; kind < SAMPLINGS; kind++)
            want[i][kind] = keep(calloc(1, sizeof *got[i]));
    }
    for (int kind = 0; kind < SAMPLINGS; kind++)
        run(cpu, cpu, NULL, kind, want[0][kind], want[1][kind]);
    for (size_t e = 0; e < sizeof engines / sizeof *engines; e++) {
        uint32_t count = 0, on_igpu = 0;
        while (count < APUS_ENGINES_MAX && engines[e].name[count])
            on_igpu += !strcmp(engines[e].name[count++], "igpu");
        if (on_igpu && !igpu) continue;
        apus_model *model = open_on(&engines[e]);
        for (int kind = 0; kind < SAMPLINGS; kind++) {
            int to_cpu = (kind + (int)e) % 2;
            run(to_cpu ? model : cpu, to_cpu ? cpu : model, kind / 2 % 2 ? draft : NULL, kind,
                got[0], got[1]);
            for (int i = 0; i < 2; i++) assert_same(got[i], want[i][kind]);
            const apus_stats *stats = &got[!to_cpu]->stats;
            assert_int_equal(stats->engines_count, count);
            assert_string_equal(stats->engine, stats->engines[0]);
            for (uint32_t i = 0, from = 0; i < count; from += engines[e].layers[i++]) {
                assert_string_equal(stats->engines[i], engines[e].name[i]);
                assert_int_equal(stats->engines_from[i], from);
            }
            assert_int_equal(got[to_cpu]->stats.engines_count, 1);
            assert_null(got[to_cpu]->stats.engines[1]);
        }
        apus_model_close(model);
    }
}

static void what_callers_get_wrong(void **unused) {
    (void)unused;
    static const struct list no_split[] = {{{"cpu", "cpu"}, {0}},
                                           {{"cpu", "cpu"}, {4}},
                                           {{"cpu", "cpu"}, {UINT32_MAX}},
                                           {{"cpu", "cpu"}, {1, 2}},
                                           {{"cpu", "cpu"}, {1, UINT32_MAX}},
                                           {{"cpu"}, {3}},
                                           {{"cpu"}, {5}},
                                           {{"cpu", "cpu", "cpu"}, {2, 2}},
                                           {{"cpu", "cpu", "cpu", "cpu", "cpu"}, {1, 1, 1, 1}}},
                             no_engine[] = {{{"cpu", "abacus"}, {1}},
                                            {{"abacus", "cpu"}, {1}},
                                            {{"an-engine-with-a-long-name"}, {0}},
                                            {{"cpu:1,cpu"}, {0}},
                                            {{""}, {0}}};
    apus_memory need = {.size = sizeof need};
    for (size_t i = 0; i < sizeof no_split / sizeof *no_split; i++)
        assert_int_equal(measure(&no_split[i], &need), APUS_E_ARGUMENT);
    for (size_t i = 0; i < sizeof no_engine / sizeof *no_engine; i++)
        assert_int_equal(measure(&no_engine[i], &need), APUS_E_UNAVAILABLE);
}

static void memory_of_its_layers(void **unused) {
    (void)unused;
    apus_memory whole = {.size = sizeof whole}, front = {.size = sizeof front},
                back = {.size = sizeof back};
    if (!igpu) skip();
    assert_int_equal(measure(&(struct list){{"igpu"}, {0}}, &whole), APUS_OK);
    assert_int_equal(measure(&(struct list){{"igpu", "cpu"}, {1}}, &front), APUS_OK);
    assert_int_equal(measure(&(struct list){{"cpu", "igpu"}, {1}}, &back), APUS_OK);
    assert_true(front.driver_bytes < back.driver_bytes && back.driver_bytes < whole.driver_bytes);
}

static void note(void *user, const char *engine, int available, const char *words) {
    (void)user, (void)words;
    igpu |= available && !strcmp(engine, "igpu");
}

int main(void) {
    size_t bytes;
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_same_bits),
                                       cmocka_unit_test(what_callers_get_wrong),
                                       cmocka_unit_test(memory_of_its_layers)};
    apus_probe(apus_port_host(), note, NULL);
    if (!igpu) printf("the igpu engine cannot run here: the CPU beside itself only\n");
    void *data = keep(tiny_blob(&spec, &bytes));
    if (apus_blob_open(&blob, data, bytes, NULL)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
