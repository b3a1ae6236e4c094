#include "igpu/device_model.h"

#include <string.h>

/* Collects the set of types of every product, which is one dispatch, and the type of every weight
 * alone: if one weight of a product is in pieces, or if its types do not go together, its weights
 * are dispatched one by one. */
struct model_types model_types(const struct hal_model *model, const struct hal_program *program) {
    struct model_types sets = {0, 0};
    for (uint32_t i = 0; i < program->count; i++) {
        const struct hal_op *op = &program->ops[i];
        const int of_experts = op->kind == HAL_EXPERTS;
        uint32_t types = 0;
        if (op->kind != HAL_GEMV && !of_experts) continue;
        for (uint32_t k = 0; k < op->weights.count; k++) {
            uint32_t type = gemv_type(model->tensors[hal_weight(program, op, k)].type);
            types |= type;
            *(of_experts ? &sets.experts : &sets.gemv) |= 1u << type;
        }
        if (!of_experts && gemv_one_dispatch(types)) sets.gemv |= 1u << types;
    }
    sets.gemv &= ~1u, sets.experts &= ~1u;
    return sets;
}

static size_t model_bytes(uint32_t regions) {
    return (size_t)place_up(sizeof(struct igpu_model) + regions * sizeof(struct region),
                            PLACE_LINE);
}

static apus_status refuse(const struct hal_model_setup *setup, const char *why) {
    struct words w;
    words_begin(&w, "the igpu engine cannot be used here: ");
    words_add(&w, why);
    words_log(&w, setup->port, APUS_LOG_ERROR);
    return APUS_E_UNAVAILABLE;
}

apus_status igpu_model_measure(const struct hal_model_setup *setup, struct hal_need *need) {
    struct device device;
    const char *why = device_instance(&device, setup->port);
    if (why) return refuse(setup, why);
    why = device_choose(&device, setup->device, setup->options);
    device_close(&device);
    if (why) return refuse(setup, why);
    *need = (struct hal_need){model_bytes(regions_count(setup->model, setup->layers)),
                              regions_bytes(setup->model, setup->layers) +
                                  rows_count(setup->model) * sizeof(float)};
    return APUS_OK;
}

apus_status igpu_fail(const struct igpu_model *m, const char *call, VkResult result) {
    struct words w;
    words_begin(&w, m->device.facts.name);
    words_add(&w, ": ");
    words_add(&w, call);
    words_add(&w, " gave ");
    words_add(&w, vk_result_text(result));
    words_log(&w, &m->device.port, APUS_LOG_ERROR);
    return APUS_E_ENGINE;
}

static VkResult open_rows(struct igpu_model *m, const struct hal_model *model) {
    uint64_t bytes = rows_count(model) * sizeof(float);
    VkResult r = heap_open(&m->rows, &m->device, HEAP_DEVICE, bytes);
    if (!r) memcpy(m->rows.map, model->rows, bytes);
    return r;
}

static apus_status open_parts(struct igpu_model *m, const struct hal_model_setup *setup) {
    const char *call, *wrong = NULL;
    const struct model_types types = model_types(setup->model, setup->program);
    VkResult r = device_open(&m->device, &call);
    if (!r)
        r = pipelines_open(m, &types, setup->pipeline_cache, setup->pipeline_cache_bytes, &call);
    if (!r) call = "vkAllocateMemory for row scales", r = open_rows(m, setup->model);
    if (!r) {
        call = "vkAllocateMemory for weights";
        r = regions_open(m->region, &m->device, setup->model, setup->layers, &m->imported);
        if (!r) m->regions = regions_count(setup->model, setup->layers);
    }
    if (!r) call = "the self-test", r = selftest_device(m, &wrong);
    if (r) return igpu_fail(m, call, r);
    if (!wrong) return APUS_OK;
    struct words w;
    words_begin(&w, m->device.facts.name);
    words_add(&w, " does not compute as the numeric contract needs: ");
    words_add(&w, wrong);
    words_log(&w, &m->device.port, APUS_LOG_ERROR);
    return APUS_E_CONTRACT;
}

apus_status igpu_model_open(void *memory, const struct hal_model_setup *setup) {
    struct igpu_model *m = memory;
    memset(m, 0, model_bytes(regions_count(setup->model, setup->layers)));
    const char *why = device_instance(&m->device, setup->port);
    if (why) return refuse(setup, why);
    why = device_choose(&m->device, setup->device, setup->options);
    if (why) {
        device_close(&m->device);
        return refuse(setup, why);
    }
    apus_status status = open_parts(m, setup);
    if (status) igpu_model_close(m);
    return status;
}

void igpu_model_close(void *memory) {
    struct igpu_model *m = memory;
    if (m->device.handle) {
        regions_close(m->region, m->regions, &m->device);
        heap_close(&m->rows, &m->device);
        pipelines_close(m);
    }
    device_close(&m->device);
}

const char *igpu_model_detail(const void *memory) {
    return ((const struct igpu_model *)memory)->device.facts.name;
}
