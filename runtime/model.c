#include "runtime/model.h"

#include <string.h>

#include "hal/fenv.h"
#include "hal/place.h"
#include "runtime/compiled.h"
#include "runtime/config.h"
#include "runtime/refuse.h"
#include "runtime/selftest.h"

struct request {
    const apus_blob *blob;
    struct hal_model hal;
    apus_port port;
    const struct hal_engine *engine, *second, *spare;
    uint32_t split; /* layers of the first engine where there is a second */
    struct hal_model_setup setup;
};

/* Where the parts of an opened model lie behind struct apus_model. */
struct places {
    uint64_t records, first, second, spare;
};

static struct hal_model hal_view(const struct blob *b) {
    return (struct hal_model){b->model, b->layers, b->tensors, b->rows, b->rope, b->weights};
}

static const struct hal_engine *find_engine(const char *name, size_t bytes) {
    char text[16] = "";
    if (bytes >= sizeof text) return NULL;
    memcpy(text, name, bytes);
    return hal_engine_find(text);
}

/* "NAME", or "NAME:LAYERS,NAME". */
static apus_status read_engines(struct request *r, const char *text) {
    size_t name = 0, at;
    while (text[name] && text[name] != ':') name++;
    r->engine = find_engine(text, name);
    if (text[name]) {
        for (at = name + 1; text[at] >= '0' && text[at] <= '9' && r->split < UINT16_MAX; at++)
            r->split = r->split * 10 + (uint32_t)(text[at] - '0');
        if (text[at] != ',' || !r->split || r->split >= r->hal.model->layers) {
            port_log(&r->port, APUS_LOG_ERROR,
                     "two engines are given as NAME:LAYERS,NAME, and each computes at least one "
                     "layer of the model");
            return APUS_E_ARGUMENT;
        }
        r->second = find_engine(text + at + 1, strlen(text + at + 1));
    }
    if (r->engine && (r->second || !r->split)) return APUS_OK;
    port_log(&r->port, APUS_LOG_ERROR,
             "this build has no engine of that name; apus_probe lists those it has");
    return APUS_E_UNAVAILABLE;
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
    s = refuse_outside(&r->port, where, "cpu", (uint32_t)c.cpu, 0, APUS_CPU_AVX512);
    if (s) return s;
    if ((uintptr_t)c.compiled % 8)
        return refuse(&r->port, APUS_E_ARGUMENT, where,
                      "compiled is at $, must be at a multiple of 8",
                      CHECK_NUMBERS((uintptr_t)c.compiled));
    if (!apus_cpu_has(c.cpu))
        return refuse_at(&r->port, APUS_E_UNAVAILABLE, where, CHECK_NO_INDEX,
                         "cpu is @, which this machine does not have", apus_cpu_name(c.cpu), NULL);
    r->blob = c.blob;
    r->hal = hal_view(blob_of(c.blob));
    r->split = 0;
    r->second = NULL;
    s = read_engines(r, c.engine ? c.engine : "cpu");
    if (s) return s;
    r->spare = r->engine != &hal_cpu_engine || (r->second && r->second != &hal_cpu_engine)
                   ? &hal_cpu_engine
                   : NULL;
    r->setup = (struct hal_model_setup){
        .model = &r->hal, .port = &r->port, .cpu = c.cpu, .device = c.device};
    r->setup.compiled = compiled_read(c.compiled, c.compiled_bytes, &r->setup.compiled_bytes);
    return APUS_OK;
}

/* For one of the model's engines: which 0, 1 (the second) or 2 (the spare). */
static struct hal_model_setup setup_of(const struct request *r, uint32_t which) {
    struct hal_model_setup setup = r->setup;
    uint32_t layers = r->hal.model->layers;
    setup.layers =
        (struct hal_range){which == 1 ? r->split : 0, which == 0 && r->split ? r->split : layers};
    return setup;
}

static apus_status measure(const struct request *r, apus_memory *memory, struct places *at) {
    const struct hal_engine *engines[] = {r->engine, r->second, r->spare};
    uint64_t driver_bytes = 0;
    uint64_t *const offset[] = {&at->first, &at->second, &at->spare};
    struct place walk = {0};
    place_next(&walk, 1, sizeof(struct apus_model));
    at->records = place_next(&walk, 1, blob_records_bytes(blob_of(r->blob)));
    for (uint32_t i = 0; i < 3; i++) {
        struct hal_need need = {0, 0};
        struct hal_model_setup setup = setup_of(r, i);
        apus_status s = engines[i] ? engines[i]->model_measure(&setup, &need) : APUS_OK;
        if (s) return s;
        *offset[i] = place_next(&walk, 1, need.bytes);
        driver_bytes += need.driver_bytes;
    }
    *memory = (apus_memory){sizeof *memory, PLACE_LINE, walk.end, driver_bytes};
    return refuse_size(&r->port, "apus_model_config", walk.end);
}

static void close_engines(struct apus_model *m, uint32_t opened) {
    if (opened > 2 && m->spare) m->spare->model_close(m->spare_memory);
    if (opened > 1 && m->second) m->second->model_close(m->second_memory);
    if (opened > 0) m->engine->model_close(m->memory);
}

static apus_status open_engines(struct apus_model *m, const struct request *r) {
    const struct hal_engine *engines[] = {m->engine, m->second, m->spare};
    void *memories[] = {m->memory, m->second_memory, m->spare_memory};
    for (uint32_t i = 0; i < 3; i++) {
        struct hal_model_setup setup = setup_of(r, i);
        setup.model = &m->hal;
        setup.port = &m->port;
        apus_status s = engines[i] ? engines[i]->model_open(memories[i], &setup) : APUS_OK;
        if (!s) continue;
        close_engines(m, i);
        return s;
    }
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
        *m = (struct apus_model){*r.blob,
                                 r.hal,
                                 r.port,
                                 r.engine,
                                 place_at(memory, at.first),
                                 r.split,
                                 r.second,
                                 place_at(memory, at.second),
                                 r.spare,
                                 place_at(memory, at.spare)};
        s = copy_records(m, place_at(memory, at.records));
        r.hal = m->hal;
        if (!s) s = open_engines(m, &r);
        if (!s) *model = m;
    }
    fenv_leave(fenv);
    return s;
}

APUS_API void apus_model_close(apus_model *model) {
    if (model) close_engines(model, 3);
}
