/* An engine that does not take everything: what it refuses is computed by the CPU, it never sees
 * it, and the bits are those of the CPU alone. The engine is the CPU's under another name, which
 * refuses what a case says; this file has its own list of engines, in place of
 * runtime/engines.c. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "hal/hal.h"
#include "tests/pack/tiny_blob.h"

enum { LAYERS = 6, POSITIONS = 21, TOKENS = 6, CONTEXT = 64, CHUNK = 8, ANY = -1 };

/* What the engine refuses: a kind or a weight's type, or either, in the layers whose bit is set. */
struct refusal {
    const char *name;
    int kind, type;
    uint32_t layers;
    /* What it gets then. */
    struct hal_range run;
};
static const struct refusal refusals[] = {
    {"nothing", ANY, ANY, 0, {0, LAYERS}},
    {"attention in the first layer", HAL_ATTEND, ANY, 1u << 0, {1, LAYERS}},
    {"SiLU in the last", HAL_ACT, ANY, 1u << (LAYERS - 1), {0, LAYERS - 1}},
    {"norms in the second", HAL_NORM, ANY, 1u << 1, {2, LAYERS}},
    {"heads in the fourth", HAL_HEADS, ANY, 1u << 3, {0, 3}},
    {"quantizing in the second and the sixth", HAL_QUANT, ANY, 1u << 1 | 1u << 5, {2, 5}},
    {"the embedding", HAL_EMBED, ANY, ~0u, {1, LAYERS}},
    {"W8 in the first and the fifth", ANY, WEIGHT_W8, 1u << 0 | 1u << 4, {1, 4}},
    {"W4 but in the third", ANY, WEIGHT_W4, ~(1u << 2), {2, 3}},
    {"every product", HAL_GEMV, ANY, ~0u, {0, 0}},
    {"W8, which each layer has", ANY, WEIGHT_W8, ~0u, {0, 0}},
};

static const struct refusal *refusal;
static uint32_t prepared, passes;

static int refuses(const struct hal_model *model, const struct hal_op *op, const uint32_t *weight) {
    int type = refusal->type == ANY && refusal->layers;
    for (uint32_t i = 0; i < op->weights.count; i++)
        type |= op->kind == HAL_GEMV && (int)model->tensors[weight[i]].type == refusal->type;
    return refusal->layers >> op->layer & 1 && type &&
           (refusal->kind == ANY || refusal->kind == (int)op->kind);
}

static int picky_takes(const struct hal_model *model, const struct hal_op *op,
                       const uint32_t *weight) {
    return hal_cpu_engine.takes(model, op, weight) && !refuses(model, op, weight);
}

static apus_status picky_prepare(void *memory, const struct hal_setup *setup) {
    const struct hal_program *p = setup->program;
    for (uint32_t i = 0; i < p->count; i++)
        assert_false(refuses(setup->model, &p->ops[i], p->weight + p->ops[i].weights.first));
    prepared++;
    return hal_cpu_engine.prepare(memory, setup);
}

static apus_status picky_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    passes++;
    return hal_cpu_engine.submit(memory, pass, ticket);
}

static struct hal_engine picky;
const struct hal_engine *const hal_engines[] = {&picky, &hal_cpu_engine, NULL};
const struct hal_engine *hal_engine_find(const char *name) {
    return !strcmp(name, "picky") ? &picky : !strcmp(name, "cpu") ? &hal_cpu_engine : NULL;
}
APUS_API void apus_probe(const apus_port *port,
                         void (*say)(void *, const char *, int, const char *), void *user) {
    (void)port, (void)say, (void)user;
}

static char said[256], opening[256]; /* while the model was opened */
static void hear(void *user, int level, const char *text) {
    (void)user;
    if (level != APUS_LOG_INFO) strncpy(said, text, sizeof said - 1);
}

/* The model on one engine, or on `first` layers of the CPU and that; what it gives, by
 * api_generate. */
static apus_status compute(const char *engine, uint32_t cpu_layers, uint64_t *hash,
                           apus_stats *stats) {
    const struct tiny_spec spec = {.layers = LAYERS, .weights = WEIGHT_W4, .seed = 5};
    const apus_engine_config engines[] = {
        {.size = sizeof *engines, .name = "cpu", .layers = cpu_layers},
        {.size = sizeof *engines, .name = engine}};
    struct api_model m;
    struct api_session s;
    apus_port port = *api_port();
    port.log = hear;
    apus_memory need = {.size = sizeof need};
    size_t bytes;
    void *data = tiny_blob(&spec, &bytes);
    memset(&m, 0, sizeof m);
    m.info.size = sizeof m.info;
    assert_int_equal(apus_blob_open(&m.blob, data, bytes, NULL), APUS_OK);
    assert_int_equal(apus_blob_describe(&m.blob, &m.info), APUS_OK);
    apus_model_config config = {.size = sizeof config,
                                .blob = &m.blob,
                                .port = &port,
                                .engines_count = cpu_layers ? 2 : 1,
                                .engines = cpu_layers ? engines : engines + 1};
    apus_status status = apus_model_measure(&config, &need);
    if (!status) {
        m.memory = guarded_take(need.bytes, 64);
        assert_int_equal(apus_model_open(&m.model, &config, m.memory.at, m.memory.bytes), APUS_OK);
        memcpy(opening, said, sizeof opening);
        int32_t ids[POSITIONS], made[TOKENS];
        size_t compiled;
        assert_int_equal(apus_model_pipeline_cache(m.model, cpu_layers ? 1 : 0, NULL, 0, &compiled),
                         APUS_OK);
        assert_int_equal(apus_model_pipeline_cache(m.model, cpu_layers ? 2 : 1, NULL, 0, &compiled),
                         APUS_E_ARGUMENT);
        api_ids(&m, 5, ids, POSITIONS);
        api_open(&s, &m, CONTEXT, 2, CHUNK);
        assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
        *hash = api_hash(api_generate(&s, TOKENS, made), made, sizeof made);
        assert_int_equal(apus_get_stats(s.session, stats), APUS_OK);
        api_close(&s);
        apus_model_close(m.model);
        guarded_free(&m.memory);
    }
    free(data);
    return status;
}

/* The engines of the session are the CPU, the engine with its layers, and the CPU, as they are
 * needed. */
static void check_parts(const apus_stats *stats, struct hal_range run, uint32_t first) {
    uint32_t i = first != 0;
    if (run.first > first) {
        assert_string_equal(stats->engines[i], "cpu");
        assert_int_equal(stats->engines_from[i++], first);
    }
    assert_string_equal(stats->engines[i], "picky");
    assert_int_equal(stats->engines_from[i++], run.first);
    if (run.end < LAYERS) {
        assert_string_equal(stats->engines[i], "cpu");
        assert_int_equal(stats->engines_from[i++], run.end);
    }
    assert_int_equal(stats->engines_count, i);
}

static void what_it_refuses_the_cpu_computes(void **unused) {
    (void)unused;
    uint64_t want, got;
    apus_stats stats = {.size = sizeof stats};
    assert_int_equal(compute("cpu", 0, &want, &stats), APUS_OK);
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        refusal = &refusals[i];
        const struct hal_range run = refusal->run;
        prepared = passes = 0, said[0] = 0;
        apus_status s = compute("picky", 0, &got, &stats);
        if (run.first == run.end) {
            assert_int_equal(s, APUS_E_UNSUPPORTED);
            assert_non_null(strstr(said, "picky"));
            continue;
        }
        assert_int_equal(s, APUS_OK);
        if (got != want) fail_msg("other bits where it refuses %s", refusal->name);
        assert_true(prepared == 1 && passes >= POSITIONS / CHUNK + TOKENS - 1);
        assert_int_equal(opening[0] != 0, run.first > 0 || run.end < LAYERS);
        check_parts(&stats, run, 0);
    }
}

/* Of the layers that it is asked for. */
static void behind_layers_of_another(void **unused) {
    (void)unused;
    uint64_t want, got;
    apus_stats stats = {.size = sizeof stats};
    assert_int_equal(compute("cpu", 0, &want, &stats), APUS_OK);
    for (uint32_t first = 1; first < LAYERS - 1; first++) {
        const struct refusal last = {"SiLU", HAL_ACT, ANY, 1u << (LAYERS - 1), {0, 0}};
        refusal = &last;
        assert_int_equal(compute("picky", first, &got, &stats), APUS_OK);
        assert_true(got == want);
        check_parts(&stats, (struct hal_range){first, LAYERS - 1}, first);
    }
}

int main(void) {
    picky = hal_cpu_engine;
    picky.name = "picky";
    picky.takes = picky_takes;
    picky.prepare = picky_prepare;
    picky.submit = picky_submit;
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_it_refuses_the_cpu_computes),
                                       cmocka_unit_test(behind_layers_of_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
