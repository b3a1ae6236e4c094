#include "runtime/model.h"

#include <assert.h>
#include <string.h>

#include "hal/fenv.h"
#include "hal/place.h"
#include "runtime/assign.h"
#include "runtime/pipeline_cache.h"
#include "runtime/config.h"
#include "runtime/graph.h"
#include "runtime/refuse_size.h"
#include "runtime/selftest.h"
#include "weights/refuse.h"

/* An engine and what it is asked for. Its model and port are filled in when it is asked. */
struct engine_request {
    const struct hal_engine *engine;
    struct hal_model_setup setup;
    uint32_t asked; /* as in struct model_engine */
};

struct request {
    const apus_blob *blob;
    struct hal_model hal;
    apus_port port;
    apus_cpu cpu;
    struct engine_request engine[MODEL_ENGINES];
    uint32_t engines, parts; /* as in struct apus_model */
};

/* Where the parts of an opened model lie after struct apus_model. */
struct places {
    uint64_t records, ops, weight, engine[MODEL_ENGINES];
};

static const char where_engine[] = "apus_engine_config";

static struct hal_model hal_view(const struct blob *b) {
    struct hal_model m = {.dims = b->model,
                          .layers = b->layers,
                          .tensors = b->tensors,
                          .rows = b->rows,
                          .rope = b->rope,
                          .rope_tables = b->rope_tables,
                          .weights = b->weights,
                          .variants = blob_variants(b)};
    hal_set_windows(&m);
    return m;
}

static apus_status find_engine(struct request *r, uint32_t index, const char *name) {
    r->engine[index].engine = hal_engine_find(name ? name : "cpu");
    if (r->engine[index].engine) return APUS_OK;
    port_log(&r->port, APUS_LOG_ERROR,
             "this build has no engine of that name; apus_probe lists those it has");
    return APUS_E_UNAVAILABLE;
}

/* The layers of engine `index` of `count` begin where those of the engine before it end. */
static apus_status read_layers(struct request *r, uint32_t index, uint32_t count, uint32_t layers) {
    struct hal_range *range = &r->engine[index].setup.layers;
    const int last = index + 1 == count;
    range->first = index ? r->engine[index - 1].setup.layers.end : 0;
    const uint32_t left = r->hal.dims->layers - range->first, high = left - (count - 1 - index);
    range->end = range->first + (layers ? layers : left);
    if (last ? !layers || layers == left : layers && layers <= high) return APUS_OK;
    return refuse_at(
        &r->port, APUS_E_ARGUMENT, where_engine, index,
        "layers is #, must be # to #: every engine computes at least one, and together "
        "they compute all of the model",
        NULL, CHECK_NUMBERS(layers, last ? left : 1, high));
}

static apus_status read_engine(struct request *r, uint32_t index, uint32_t count,
                               const apus_engine_config *c) {
    if ((uintptr_t)c->pipeline_cache % 8)
        return refuse_at(&r->port, APUS_E_ARGUMENT, where_engine, index,
                         "pipeline_cache is at $, must be at a multiple of 8", NULL,
                         CHECK_NUMBERS((uintptr_t)c->pipeline_cache));
    struct hal_model_setup *s = &r->engine[index].setup;
    *s = (struct hal_model_setup){.cpu = r->cpu,
                                  .device = c->device,
                                  .options = c->options,
                                  .overlay = c->overlay,
                                  .overlay_bytes = c->overlay_bytes};
    s->pipeline_cache =
        pipeline_cache_read(c->pipeline_cache, c->pipeline_cache_bytes, &s->pipeline_cache_bytes);
    apus_status status = find_engine(r, index, c->name);
    return status ? status : read_layers(r, index, count, c->layers);
}

static apus_status read_engines(struct request *r, const apus_model_config *c) {
    static const apus_engine_config cpu = {.size = sizeof cpu};
    const uint32_t count = c->engines_count ? c->engines_count : 1, layers = r->hal.dims->layers;
    const uint8_t *at = (const uint8_t *)(c->engines_count ? c->engines : &cpu);
    apus_status s = refuse_outside(&r->port, "apus_model_config", "engines_count", c->engines_count,
                                   0, layers < APUS_ENGINES_MAX ? layers : APUS_ENGINES_MAX);
    uint32_t size = 0;
    for (uint32_t i = 0; !s && i < count; i++, at += size) {
        apus_engine_config e;
        s = config_read(&e, at, STRUCT(apus_engine_config), &r->port);
        if (!s && i && e.size != size)
            s = refuse_at(&r->port, APUS_E_ARGUMENT, where_engine, i,
                          "size is #, must be # as that of the first", NULL,
                          CHECK_NUMBERS(e.size, size));
        if (!s) size = e.size, s = read_engine(r, i, count, &e);
    }
    r->engines = r->parts = count;
    return s;
}

static struct engine_request own_cpu(const struct request *r, struct hal_range layers) {
    return (struct engine_request){&hal_cpu_engine, {.cpu = r->cpu, .layers = layers}, MODEL_OWN};
}

/* Adds an engine that was asked for, with the layers that it takes, and the CPU before and after
 * it. */
static apus_status add_engine(struct request *r, const struct engine_request *e, uint32_t asked) {
    assert(r->parts + 3 <= MODEL_ENGINES && e->setup.layers.first < e->setup.layers.end);
    const struct hal_range all = e->setup.layers,
                           run = assign_run(e->engine, &r->hal, blob_of(r->blob), all);
    if (run.first == run.end)
        return refuse_at(&r->port, APUS_E_UNSUPPORTED, where_engine, asked,
                         "the engine @ computes none of its layers: each has an operation or a "
                         "type of weights that it does not take",
                         e->engine->name, NULL);
    if (all.first < run.first)
        r->engine[r->parts++] = own_cpu(r, (struct hal_range){all.first, run.first});
    r->engine[r->parts] = *e;
    r->engine[r->parts].asked = asked;
    r->engine[r->parts++].setup.layers = run;
    if (run.end < all.end) r->engine[r->parts++] = own_cpu(r, (struct hal_range){run.end, all.end});
    return APUS_OK;
}

/* Layers that an engine does not take go to the CPU. */
static apus_status assign_layers(struct request *r) {
    struct engine_request asked[APUS_ENGINES_MAX];
    const uint32_t count = r->parts;
    apus_status s = APUS_OK;
    memcpy(asked, r->engine, count * sizeof *asked);
    r->parts = 0;
    for (uint32_t i = 0; !s && i < count; i++) s = add_engine(r, &asked[i], i);
    r->engines = r->parts;
    if (!s && r->parts > count)
        port_log(&r->port, APUS_LOG_WARN,
                 "an engine does not take all layers that it is asked for: the cpu computes the "
                 "others");
    return s;
}

/* Adds the engine that computes all layers when another engine has failed. */
static void add_spare(struct request *r) {
    uint32_t others = 0;
    for (uint32_t i = 0; i < r->parts; i++) others += r->engine[i].engine != &hal_cpu_engine;
    assert(r->engines < MODEL_ENGINES);
    if (others) r->engine[r->engines++] = own_cpu(r, (struct hal_range){0, r->hal.dims->layers});
}

static apus_status read_request(struct request *r, const apus_model_config *config) {
    static const char where[] = "apus_model_config";
    apus_model_config c;
    config_ahead(&c, config, sizeof c, _Alignof(apus_model_config));
    config_ahead(&r->port, c.port, sizeof r->port, _Alignof(apus_port));
    apus_status s = config_read(&c, config, STRUCT(apus_model_config), &r->port);
    if (!s) s = port_read(&r->port, c.port);
    if (s) return s;
    if (!blob_opened(c.blob))
        return refuse(&r->port, APUS_E_ARGUMENT, where,
                      "blob is not one that apus_blob_open has filled", NULL);
    s = refuse_outside(&r->port, where, "cpu", (uint32_t)c.cpu, 0, APUS_CPU_NEON);
    if (s) return s;
    if (!apus_cpu_has(c.cpu))
        return refuse_at(&r->port, APUS_E_UNAVAILABLE, where, CHECK_NO_INDEX,
                         "cpu is @, which this machine does not have", apus_cpu_name(c.cpu), NULL);
    r->blob = c.blob;
    r->hal = hal_view(blob_of(c.blob));
    r->cpu = c.cpu;
    s = read_engines(r, &c);
    if (!s) s = assign_layers(r);
    if (!s) add_spare(r);
    return s;
}

/* The setup for an engine of the list, with the given model and port. */
static struct hal_model_setup setup_of(const struct request *r, uint32_t index,
                                       const struct hal_model *model, const apus_port *port) {
    struct hal_model_setup setup = r->engine[index].setup;
    setup.model = model;
    setup.port = port;
    return setup;
}

static apus_status measure(const struct request *r, apus_memory *memory, struct places *at) {
    uint64_t driver_bytes = 0;
    struct place walk = {0};
    place_next(&walk, 1, sizeof(struct apus_model));
    at->records = place_next(&walk, 1, blob_records_bytes(blob_of(r->blob)));
    const uint32_t layers = blob_of(r->blob)->layer_count;
    at->ops = place_next(&walk, graph_ops_most(layers), sizeof(struct hal_op));
    at->weight = place_next(&walk, graph_weights_most(layers), sizeof(uint32_t));
    for (uint32_t i = 0; i < r->engines; i++) {
        struct hal_need need = {0, 0};
        struct hal_model_setup setup = setup_of(r, i, &r->hal, &r->port);
        apus_status s = r->engine[i].engine->model_measure(&setup, &need);
        if (s) return s;
        at->engine[i] = place_next(&walk, 1, need.bytes);
        driver_bytes += need.driver_bytes;
    }
    *memory = (apus_memory){sizeof *memory, PLACE_LINE, walk.end, driver_bytes};
    return refuse_size(&r->port, "apus_model_config", walk.end);
}

static void close_engines(struct apus_model *m) {
    while (m->engines-- > 0)
        m->engine[m->engines].engine->model_close(m->engine[m->engines].memory);
}

/* This uses the records that were copied. Layers were assigned by the file's records, which may
 * have changed since. */
static apus_status check_assigned(const struct apus_model *m, const struct request *r) {
    for (uint32_t i = 0; i < r->engines; i++) {
        const struct hal_range all = r->engine[i].setup.layers;
        for (uint32_t k = all.first; k < all.end; k++)
            if (!assign_taken(r->engine[i].engine, &m->hal, k))
                return refuse_at(&m->port, APUS_E_UNSUPPORTED, "apus_model_open", CHECK_NO_INDEX,
                                 "layer # has an operation or a type of weights that the engine @ "
                                 "does not take",
                                 r->engine[i].engine->name, CHECK_NUMBERS(k));
    }
    return APUS_OK;
}

static apus_status open_engines(struct apus_model *m, const struct request *r,
                                const struct places *at) {
    for (m->engines = 0; m->engines < r->engines; m->engines++) {
        struct model_engine *e = &m->engine[m->engines];
        struct hal_model_setup setup = setup_of(r, m->engines, &m->hal, &m->port);
        setup.program = &m->program;
        *e =
            (struct model_engine){r->engine[m->engines].engine, place_at(m, at->engine[m->engines]),
                                  setup.layers, r->engine[m->engines].asked};
        apus_status s = e->engine->model_open(e->memory, &setup);
        if (!s) continue;
        close_engines(m);
        return s;
    }
    m->parts = r->parts;
    return APUS_OK;
}

static apus_status copy_records(struct apus_model *m, void *memory) {
    char why[BLOB_WHY];
    struct blob *blob = (struct blob *)(void *)&m->blob;
    apus_status s = blob_copy_records(blob, blob, memory, why);
    if (s)
        port_log(&m->port, APUS_LOG_ERROR, why);
    else
        m->hal = hal_view(blob);
    return s;
}

APUS_API apus_status apus_model_measure(const apus_model_config *config, apus_memory *memory) {
    struct request r;
    apus_memory need;
    struct places at;
    apus_status s = read_request(&r, config);
    if (!s) s = config_check(memory, STRUCT(apus_memory), &r.port);
    if (!s) s = measure(&r, &need, &at);
    if (!s) config_write(memory, &need, sizeof need);
    return s;
}

APUS_API apus_status apus_model_open(apus_model **model, const apus_model_config *config,
                                     void *memory, size_t bytes) {
    struct request r;
    apus_memory need;
    struct places at;
    apus_status s = read_request(&r, config);
    if (!s) s = refuse_null(&r.port, "apus_model_open", "model", model);
    if (s) return s;
    uint64_t fenv = fenv_enter();
    const char *wrong = selftest_rounding();
    s = measure(&r, &need, &at);
    if (wrong) {
        port_log(&r.port, APUS_LOG_ERROR, wrong);
        s = APUS_E_CONTRACT;
    }
    if (!s) s = refuse_memory(&r.port, "apus_model_open", memory, bytes, &need);
    if (!s) {
        struct apus_model *m = memory;
        memset(m, 0, sizeof *m);
        m->blob = *r.blob, m->hal = r.hal, m->port = r.port;
        s = copy_records(m, place_at(memory, at.records));
        if (!s) {
            assert(m->hal.dims->layers == blob_of(r.blob)->layer_count);
            graph_build(&m->hal, place_at(m, at.ops), place_at(m, at.weight), &m->program);
            assert(m->program.count <= graph_ops_most(m->hal.dims->layers) &&
                   m->program.weights <= graph_weights_most(m->hal.dims->layers));
            s = check_assigned(m, &r);
            if (!s) s = open_engines(m, &r, &at);
        }
        if (!s) *model = m;
    }
    fenv_leave(fenv);
    return s;
}

APUS_API void apus_model_close(apus_model *model) {
    assert(!model || model->engines <= MODEL_ENGINES);
    if (model) close_engines(model);
}
