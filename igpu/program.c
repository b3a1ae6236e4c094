#include "igpu/program.h"

#include <assert.h>
#include <string.h>

apus_status igpu_prepare_measure(const struct hal_setup *setup, struct hal_need *need) {
    struct program_layout l = program_layout(setup);
    const struct igpu_model *model = setup->model_memory;
    const char *why = program_fits(model, &l);
    if (why) {
        if (model->device.port.log)
            model->device.port.log(model->device.port.user, APUS_LOG_ERROR, why);
        return APUS_E_UNSUPPORTED;
    }
    *need = (struct hal_need){l.memory, l.work_bytes + l.host_bytes + l.kv_bytes};
    return APUS_OK;
}

static void place_memory(struct igpu_program *p, void *memory) {
    p->kv = place_at(memory, p->at.kv);
    p->sets = place_at(memory, p->at.sets);
    p->grids = place_at(memory, p->at.grids);
    p->segment_end = place_at(memory, p->at.segment_end);
    p->commands = place_at(memory, p->at.commands);
    p->slots = place_at(memory, p->at.slots);
}

static VkResult open_heaps(struct igpu_program *p) {
    const struct hal_model *m = p->setup.model;
    struct device *d = &p->model->device;
    VkResult r = heap_open(&p->work, d, HEAP_DEVICE, p->at.work_bytes);
    if (!r) r = heap_open(&p->host, d, HEAP_HOST, p->at.host_bytes);
    for (uint32_t i = 0; !r && i < m->dims->layers; i++) {
        struct kv_cache cache = program_cache(&p->setup, i);
        if (cache.kv_heads) r = heap_open(&p->kv[i], d, HEAP_DEVICE, kv_bytes(&cache));
    }
    return r;
}

/* Takes column TILE - 1 of the last pass: its residual stream and, if the program has them, its
 * logits. With `keep` they are copied into the caller's slots, and the result is 0. Else the result
 * says whether they differ from what was kept there. */
static int column_differs(const struct igpu_program *p, int keep) {
    const size_t *stride = p->setup.program->stride;
    const uint8_t *x =
        (const uint8_t *)p->work.map + p->at.offset[PART_X] + (TILE - 1) * stride[SLOT_X];
    const uint8_t *logits = (const uint8_t *)p->host.map + p->at.offset[PART_LOGITS];
    size_t logits_bytes = program_gives_x(&p->setup) ? 0 : stride[SLOT_LOGITS];
    if (keep) {
        memcpy(p->setup.slot[SLOT_X], x, stride[SLOT_X]);
        memcpy(p->setup.slot[SLOT_LOGITS], logits, logits_bytes);
        return 0;
    }
    return memcmp(p->setup.slot[SLOT_X], x, stride[SLOT_X]) ||
           memcmp(p->setup.slot[SLOT_LOGITS], logits, logits_bytes);
}

/* Runs one pass of every bucket while the program is prepared, because drivers allocate memory on
 * the first submission of a kind, and passes must not. Its rows go to slots that no column sees
 * before a real pass has written them, and none of its results reaches the caller. It is also a
 * test: cooperative matrices, which only prompts use, must give column TILE - 1 the same bits as
 * the pass of TILE columns did without them. */
static apus_status warm_up(struct igpu_program *p) {
    struct hal_column column[TILE + 1];
    struct kv_range range[TILE + 1];
    for (uint32_t i = 0; i <= TILE; i++) {
        hal_line(column, range, i, 0, i);
        column[i].position = 0;
    }
    const struct hal_column *columns_of[HAL_VIEWS] = {NULL};
    for (uint32_t v = 0; v < HAL_VIEWS && p->setup.kv_slots[v]; v++) columns_of[v] = column;
    for (uint32_t b = 0; b < BUCKETS && (!b || bucket_cols(b - 1) < p->setup.columns_max); b++) {
        uint32_t columns = b == PROMPT ? TILE + 1 : bucket_cols(b);
        if (columns > p->setup.columns_max) columns = p->setup.columns_max;
        struct hal_pass pass = {.columns = columns,
                                .logits_from = columns > TILE ? TILE - 1 : columns - 1,
                                .range = range,
                                .ranges = columns};
        memcpy(pass.column, columns_of, sizeof pass.column);
        apus_status s = program_run(p, &pass);
        if (s && s != APUS_E_NUMERIC) return s;
        if (columns < TILE || !column_differs(p, columns == TILE)) continue;
        struct words w;
        words_begin(&w, p->model->device.facts.name);
        words_add(&w, " does not compute cooperative matrices as the numeric contract needs; the "
                      "option -matrix switches them off");
        words_log(&w, &p->model->device.port, APUS_LOG_ERROR);
        return APUS_E_CONTRACT;
    }
    return APUS_OK;
}

apus_status igpu_prepare(void *memory, const struct hal_setup *setup) {
    assert((uintptr_t)memory % PLACE_LINE == 0 && hal_setup_good(setup));
    struct igpu_program *p = memory;
    struct program_layout l = program_layout(setup);
    memset(memory, 0, (size_t)l.memory);
    p->model = setup->model_memory;
    p->setup = *setup;
    p->at = l;
    p->embed = program_embed(setup);
    place_memory(p, memory);
    const char *call = "vkAllocateMemory for a program";
    VkResult r = open_heaps(p);
    if (!r) call = "vkCreateSemaphore", r = device_timeline(&p->model->device, &p->timeline);
    if (!r) r = program_record(p, &call);
    apus_status status = r ? igpu_fail(p->model, call, r) : warm_up(p);
    if (status) igpu_release(p);
    return status;
}

void igpu_release(void *memory) {
    struct igpu_program *p = memory;
    struct device *d = &p->model->device;
    device_lock(d);
    d->vk.DeviceWaitIdle(d->handle);
    device_unlock(d);
    d->vk.DestroyCommandPool(d->handle, p->commands_pool, NULL);
    d->vk.DestroyDescriptorPool(d->handle, p->sets_pool, NULL);
    d->vk.DestroySemaphore(d->handle, p->timeline, NULL);
    for (uint32_t i = 0; i < p->setup.model->dims->layers; i++) heap_close(&p->kv[i], d);
    heap_close(&p->host, d);
    heap_close(&p->work, d);
}
