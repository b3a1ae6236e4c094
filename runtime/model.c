#include "runtime/model.h"

#include "hal/fenv.h"
#include "runtime/compiled.h"
#include "runtime/config.h"
#include "runtime/selftest.h"

enum { MODEL_BYTES = (sizeof(struct apus_model) + 63) & ~63 };

struct request {
    const apus_blob *blob;
    struct hal_model hal;
    apus_port port;
    const struct hal_engine *engine, *spare;
    struct hal_model_setup setup;
};

static struct hal_model hal_view(const struct blob *b) {
    return (struct hal_model){b->model, b->layers, b->tensors, b->rows, b->rope, b->weights};
}

static apus_status read_request(struct request *r, const apus_model_config *config) {
    apus_model_config c;
    apus_status s = config_read(&c, sizeof c, config);
    if (s) return s;
    s = port_read(&r->port, c.port);
    if (s) return s;
    if (!c.blob || !blob_of(c.blob)->header || (uint32_t)c.cpu > APUS_CPU_AVX512) return APUS_E_ARGUMENT;
    r->blob = c.blob;
    r->hal = hal_view(blob_of(c.blob));
    r->engine = hal_engine_find(c.engine ? c.engine : "cpu");
    if (!r->engine) {
        port_log(&r->port, APUS_LOG_ERROR, "this build has no engine of that name; apus_probe lists those it has");
        return APUS_E_UNAVAILABLE;
    }
    r->spare = r->engine == &hal_cpu_engine ? NULL : &hal_cpu_engine;
    if ((uintptr_t)c.compiled % 8) return APUS_E_ARGUMENT;
    r->setup = (struct hal_model_setup){&r->hal, &r->port, c.cpu, c.device, NULL, 0};
    r->setup.compiled = compiled_read(c.compiled, c.compiled_bytes, &r->setup.compiled_bytes);
    return APUS_OK;
}

static apus_status measure(const struct request *r, apus_memory *memory, size_t *spare_at) {
    struct hal_need need, spare = {0, 0};
    apus_status s = r->engine->model_measure(&r->setup, &need);
    if (!s && r->spare) s = r->spare->model_measure(&r->setup, &spare);
    if (s) return s;
    *spare_at = MODEL_BYTES + need.bytes;
    *memory = (apus_memory){*spare_at + spare.bytes, 64, need.driver_bytes + spare.driver_bytes};
    return APUS_OK;
}

static apus_status open_engines(struct apus_model *m, const struct hal_model_setup *setup) {
    apus_status s = m->engine->model_open(m->memory, setup);
    if (s || !m->spare) return s;
    s = m->spare->model_open(m->spare_memory, setup);
    if (s) m->engine->model_close(m->memory);
    return s;
}

APUS_API apus_status apus_model_measure(const apus_model_config *config, apus_memory *memory) {
    struct request r;
    size_t spare_at;
    if (!memory) return APUS_E_ARGUMENT;
    apus_status s = read_request(&r, config);
    return s ? s : measure(&r, memory, &spare_at);
}

APUS_API apus_status apus_model_open(apus_model **model, const apus_model_config *config, void *memory, size_t bytes) {
    struct request r;
    apus_memory need;
    size_t spare_at;
    if (!model) return APUS_E_ARGUMENT;
    apus_status s = read_request(&r, config);
    if (s) return s;
    uint64_t fenv = fenv_enter();
    const char *wrong = selftest_rounding();
    s = measure(&r, &need, &spare_at);
    if (wrong) {
        port_log(&r.port, APUS_LOG_ERROR, wrong);
        s = APUS_E_CONTRACT;
    }
    if (!s && (!memory || (uintptr_t)memory % need.alignment || bytes < need.bytes)) s = APUS_E_SPACE;
    if (!s) {
        struct apus_model *m = memory;
        *m = (struct apus_model){*r.blob, r.hal, r.port, r.engine, (uint8_t *)memory + MODEL_BYTES, r.spare, (uint8_t *)memory + spare_at};
        struct hal_model_setup setup = r.setup;
        setup.model = &m->hal;
        setup.port = &m->port;
        s = open_engines(m, &setup);
        if (!s) *model = m;
    }
    fenv_leave(fenv);
    return s;
}

APUS_API void apus_model_close(apus_model *model) {
    if (!model) return;
    if (model->spare) model->spare->model_close(model->spare_memory);
    model->engine->model_close(model->memory);
}
