#include "tests/hal/rig.h"

#include <stdlib.h>
#include <string.h>

#include "hal/pool.h"
#include "hal/scalar.h"
#include "runtime/graph.h"

#define PLAIN                                                                                      \
    .q_gain = BLOB_ABSENT, .k_gain = BLOB_ABSENT, .sinks = BLOB_ABSENT, .router = BLOB_ABSENT

const struct random_shape shapes[SHAPES] = {
    {.layers = 3,
     .dim = 64,
     .vocab = 80,
     .head_dim = 16,
     .positions = POSITIONS,
     .layer = {{.heads = 4, .kv_heads = 2, .ffn = 128},
               {.heads = 2, .kv_heads = 2, .ffn = 64, .variant = 1},
               {.heads = 6, .kv_heads = 1, .ffn = 192, .variant = 2}},
     .variant = {{PLAIN, .rotation = ROTATION_NONE}, {PLAIN, .activation = ACTIVATION_CLAMPED}},
     .gains = 1 << 1},
    {.layers = 3,
     .dim = 160,
     .vocab = 100,
     .head_dim = 64,
     .positions = POSITIONS,
     .layer = {{.heads = 3, .kv_heads = 1, .ffn = 320, .variant = 2},
               {.ffn = 128, .variant = 3},
               {.heads = 2, .kv_heads = 2, .variant = 1}},
     .w4 = 1,
     .bias = 1,
     .variant = {{.q_gain = BLOB_ABSENT, .k_gain = BLOB_ABSENT, .router = BLOB_ABSENT},
                 {PLAIN, .rotation = ROTATION_SECOND},
                 {PLAIN, .activation = ACTIVATION_GELU}},
     .gains = 1 << 1},
    {.layers = 1,
     .dim = 320,
     .vocab = 48,
     .head_dim = 128,
     .positions = POSITIONS,
     .layer = {{.heads = 4, .kv_heads = 4, .ffn = 704}},
     .mixed = 1},
    {.layers = 2,
     .dim = 320,
     .vocab = 48,
     .head_dim = 64,
     .positions = POSITIONS,
     .layer = {{.heads = 5, .kv_heads = 1, .ffn = 448, .variant = 1},
               {.heads = 2, .kv_heads = 2, .ffn = 64}},
     .sparse = 1,
     .variant = {{PLAIN, .activation = ACTIVATION_PLAIN}}},
    {.layers = 2,
     .dim = 320,
     .vocab = 48,
     .head_dim = 64,
     .positions = POSITIONS,
     .layer = {{.heads = 5, .kv_heads = 1, .ffn = 448}, {.heads = 2, .kv_heads = 2, .ffn = 64}},
     .table = 1,
     .bias = 1},
    /* Experts: fewer of them than pairs, so that some have several columns, and more; one column
     * for all of them; W4, biases. */
    {.layers = 3,
     .dim = 96,
     .vocab = 60,
     .head_dim = 32,
     .positions = POSITIONS,
     .layer = {{.heads = 3, .kv_heads = 1, .ffn = 64, .variant = 1},
               {.heads = 2, .kv_heads = 2, .ffn = 192, .variant = 2},
               {.ffn = 128, .variant = 3}},
     .variant = {{PLAIN, .experts = 5, .active = 2, .activation = ACTIVATION_CLAMPED},
                 {PLAIN, .experts = 19, .active = 7, .mixing = MIXING_ALL},
                 {PLAIN, .experts = 3, .active = 3}}},
    {.layers = 2,
     .dim = 320,
     .vocab = 48,
     .head_dim = 16,
     .positions = POSITIONS,
     .layer = {{.heads = 2, .kv_heads = 1, .ffn = 320, .variant = 1},
               {.heads = 1, .kv_heads = 1, .ffn = 64}},
     .w4 = 1,
     .bias = 1,
     .variant = {{PLAIN, .experts = 8, .active = 1}}},
    /* Norms behind the sublayers: alone, and with others before them; in blocks of 32; all heads of
     * q and k normalised together. */
    {.layers = 3,
     .dim = 160,
     .vocab = 60,
     .head_dim = 32,
     .positions = POSITIONS,
     .layer = {{.heads = 4, .kv_heads = 2, .ffn = 128, .variant = 1},
               {.heads = 3, .kv_heads = 1, .ffn = 64, .variant = 2},
               {.heads = 2, .kv_heads = 2, .ffn = 192, .variant = 1}},
     .variant = {{PLAIN, .norms = NORMS_BEHIND, .whole = 1}, {PLAIN, .norms = NORMS_AROUND}},
     .gains = 3,
     .rotated = 1},
};

const struct hal_engine *tested = &hal_cpu_engine;
const char *device, *options;
apus_map overlay;
enum kv_type kv_type;
int last_cpu(void) { return tested == &hal_cpu_engine ? APUS_CPU_NEON : APUS_CPU_REF; }
uint32_t last_threads(void) { return tested == &hal_cpu_engine ? 3 : 1; }

/* All threads compute all the time: without a clock the engine does not learn how many pay, and it
 * does not know the processors. */
static const apus_port *tireless(void) {
    static apus_port port;
    port = *apus_port_host();
    port.now_ns = NULL;
    port.processors = NULL;
    return &port;
}

static void *aligned(size_t bytes) {
    void *p = aligned_alloc(64, (size_t)place_up(bytes, PLACE_LINE));
    assert_non_null(p);
    memset(p, 0, bytes);
    return p;
}

struct kv_cache cache_of(const struct rig *r, const struct hal_model *model, uint32_t layer) {
    return (struct kv_cache){r->kv[layer], kv_type, r->kv_slots[hal_view_of(model, layer)],
                             model->layers[layer].kv_heads, model->dims->head_dim};
}

static struct rig *open_rig(const struct hal_engine *engine, const struct hal_model *model,
                            apus_cpu cpu, uint32_t threads, const apus_port *port,
                            const uint32_t kv_slots[HAL_VIEWS]) {
    struct rig *r = calloc(1, sizeof *r);
    memcpy(r->kv_slots, kv_slots, sizeof r->kv_slots);
    struct hal_need need;
    r->port = *port;
    struct hal_model_setup ms = {.model = model,
                                 .program = &r->program,
                                 .port = &r->port,
                                 .cpu = cpu,
                                 .device = device,
                                 .options = options,
                                 .overlay = overlay.data,
                                 .overlay_bytes = overlay.size,
                                 .layers = {0, model->dims->layers}};
    r->engine = engine;
    if (engine->model_measure(&ms, &need)) {
        free(r);
        return NULL;
    }
    graph_measure(model, &r->program);
    r->ops = calloc(r->program.count, sizeof *r->ops);
    r->weight = calloc(r->program.weights, sizeof *r->weight);
    graph_build(model, r->ops, r->weight, &r->program);
    r->model_memory = aligned(need.bytes);
    assert_int_equal(engine->model_open(r->model_memory, &ms), APUS_OK);
    for (uint32_t i = 0; i < model->dims->layers; i++) {
        struct kv_cache cache = cache_of(r, model, i);
        r->kv[i] = cache.kv_heads ? aligned(kv_bytes(&cache)) : NULL;
    }
    for (uint32_t i = 0; i < HAL_SLOTS; i++)
        r->slot[i] = aligned(COLUMNS * r->program.stride[i] + 64);
    r->pool = hal_pool_open(aligned(hal_pool_bytes(threads)), &r->port, threads);
    struct hal_setup setup = {.model = model,
                              .program = &r->program,
                              .layers = {0, model->dims->layers},
                              .port = &r->port,
                              .model_memory = r->model_memory,
                              .pool = r->pool,
                              .kv = r->kv,
                              .kv_type = kv_type,
                              .threads = threads};
    memcpy(setup.slot, r->slot, sizeof setup.slot);
    memcpy(setup.kv_slots, kv_slots, sizeof setup.kv_slots);
    setup.columns_max = COLUMNS;
    for (uint32_t v = 0; v < HAL_VIEWS; v++)
        if (kv_slots[v] && kv_slots[v] < setup.columns_max) setup.columns_max = kv_slots[v];
    assert_int_equal(engine->prepare_measure(&setup, &need), APUS_OK);
    r->memory = aligned(need.bytes);
    assert_int_equal(engine->prepare(r->memory, &setup), APUS_OK);
    return r;
}

struct rig *rig_open_on(const struct hal_engine *engine, const struct hal_model *model,
                        apus_cpu cpu, uint32_t threads, const apus_port *port) {
    uint32_t kv_slots[HAL_VIEWS] = {SLOTS};
    for (uint32_t v = 1; v < HAL_VIEWS; v++) kv_slots[v] = model->window[v] ? SLOTS : 0;
    return open_rig(engine, model, cpu, threads, port, kv_slots);
}

struct rig *rig_open_rings(const struct hal_engine *engine, const struct hal_model *model,
                           apus_cpu cpu, uint32_t threads, const uint32_t kv_slots[HAL_VIEWS]) {
    return open_rig(engine, model, cpu, threads, tireless(), kv_slots);
}

struct rig *rig_open(const struct hal_engine *engine, const struct hal_model *model, apus_cpu cpu,
                     uint32_t threads) {
    return rig_open_on(engine, model, cpu, threads, tireless());
}

void rig_close(struct rig *r) {
    r->engine->release(r->memory);
    hal_pool_close(r->pool);
    free(r->pool);
    r->engine->model_close(r->model_memory);
    for (int i = 0; i < 8; i++) free(r->kv[i]);
    for (int i = 0; i < HAL_SLOTS; i++) free(r->slot[i]);
    free(r->ops);
    free(r->weight);
    free(r->memory);
    free(r->model_memory);
    free(r);
}

struct hal_pass pass_of(struct rig *r, const struct hal_column *columns, uint32_t count,
                        uint32_t logits_from) {
    return (struct hal_pass){.columns = count,
                             .logits_from = logits_from,
                             .column = {columns},
                             .range = r->range,
                             .ranges = COLUMNS * HAL_RANGES_MAX,
                             .chosen_bytes = &r->chosen_bytes,
                             .stop = {.cancel = &r->cancel}};
}

apus_status run(struct rig *r, const struct hal_column *columns, uint32_t count,
                uint32_t logits_from) {
    struct hal_pass pass = pass_of(r, columns, count, logits_from);
    return run_pass(r, &pass);
}

apus_status run_pass(struct rig *r, const struct hal_pass *pass) {
    uint64_t ticket;
    assert_true(hal_pass_good(pass, r->kv_slots));
    apus_status s = r->engine->submit(r->memory, pass, &ticket);
    return s ? s : r->engine->wait(r->memory, ticket);
}

void rig_clear(struct rig *r, const struct hal_model *model) {
    r->chosen_bytes = 0;
    for (uint32_t i = 0; i < model->dims->layers; i++) {
        struct kv_cache cache = cache_of(r, model, i);
        kv_zero(&cache, 0, cache.slots);
    }
}

void rig_poison(struct rig *r, const struct hal_model *model) {
    static int8_t q[BLOB_HEAD_DIM_MAX];
    memset(q, 127, sizeof q);
    for (uint32_t i = 0; i < model->dims->layers; i++) {
        struct kv_cache cache = cache_of(r, model, i);
        for (uint32_t h = 0; h < cache.kv_heads; h++)
            for (uint32_t slot = 0; slot < cache.slots; slot++) {
                kv_store(&cache, h, slot, KV_K, q, bits_float(0x7fc00000u));
                kv_store(&cache, h, slot, KV_V, q, bits_float(0x7fc00000u));
            }
    }
    for (uint32_t v = 0; v < HAL_VIEWS && r->engine->cache_written; v++)
        if (r->kv_slots[v]) r->engine->cache_written(r->memory, v, 0, r->kv_slots[v]);
}

int32_t id_at(uint32_t i, uint32_t vocab) { return (int32_t)(i * 7919u % vocab); }

void linear(struct rig *r, struct hal_column *c, uint32_t first, uint32_t count, uint32_t vocab) {
    for (uint32_t i = 0; i < count; i++)
        hal_line(c, r->range, i, id_at(first + i, vocab), first + i);
}
