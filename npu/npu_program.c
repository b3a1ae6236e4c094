/* A program on the NPU: the CPU engine runs the pass, and hands the operations that are worth a
 * dispatch to the NPU. */
#include <assert.h>
#include <string.h>

#include "npu/model.h"

/* Where the parts of a program's memory lie, and how many bytes its buffers have. */
struct parts {
    uint64_t takes, cpu, bytes;
    uint64_t x_bytes, sum_bytes;
};

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* Whether the array computes the operation: weights_plan has chosen all its weights. */
static int goes(const struct npu_model *m, const struct hal_program *program,
                const struct hal_op *op) {
    if (op->kind != HAL_GEMV || op->weights.count > HAL_OP_SLOTS) return 0;
    for (uint32_t i = 0; i < op->weights.count; i++)
        if (!m->tensor[hal_weight(program, op, i)].columns_max) return 0;
    return 1;
}

static void size_buffers(const struct npu_model *m, const struct hal_program *program,
                         struct parts *at) {
    for (uint32_t i = 0; i < program->count; i++) {
        const struct hal_op *op = &program->ops[i];
        uint64_t sums = 0;
        for (uint32_t k = 0; goes(m, program, op) && k < op->weights.count; k++) {
            const struct npu_tensor *n = &m->tensor[hal_weight(program, op, k)];
            at->x_bytes = larger(at->x_bytes, gemv_x_bytes(&n->shape, n->columns_max));
            sums += gemv_sum_bytes(&n->shape, n->columns_max);
        }
        at->sum_bytes = larger(at->sum_bytes, sums);
    }
}

static struct hal_setup cpu_setup(const struct npu_model *m, const struct hal_setup *setup) {
    struct hal_setup s = *setup;
    s.model_memory = m->cpu;
    return s;
}

static apus_status lay_out(const struct hal_setup *setup, struct parts *at) {
    const struct npu_model *m = setup->model_memory;
    struct hal_setup cpu = cpu_setup(m, setup);
    struct hal_need need;
    memset(at, 0, sizeof *at);
    apus_status s = hal_cpu_engine.prepare_measure(&cpu, &need);
    if (s) return s;
    struct place walk = {0};
    place_next(&walk, 1, sizeof(struct npu_program));
    at->takes = place_next(&walk, setup->program->count, sizeof(uint8_t));
    at->cpu = place_next(&walk, 1, need.bytes);
    at->bytes = walk.end;
    size_buffers(m, setup->program, at);
    return APUS_OK;
}

apus_status npu_prepare_measure(const struct hal_setup *setup, struct hal_need *need) {
    struct parts at;
    apus_status s = lay_out(setup, &at);
    if (!s) *need = (struct hal_need){at.bytes, at.x_bytes + at.sum_bytes};
    return s;
}

static apus_status open_buffers(struct npu_program *p, const struct parts *at) {
    struct npu_model *m = p->model;
    if (!at->x_bytes) return APUS_OK; /* no operation is worth a dispatch */
    int e = m->provider->buffer_create(m->device, &p->x, NPU_DATA, at->x_bytes);
    if (!e) e = m->provider->buffer_create(m->device, &p->sums, NPU_DATA, at->sum_bytes);
    if (!e)
        e = m->provider->context_open(p->context, m->device, &m->overlay, m->facts.columns,
                                      HAL_OP_SLOTS);
    if (!e) {
        p->context_open = 1;
        return APUS_OK;
    }
    struct words w;
    explain_context(&w, e);
    words_log(&w, &m->port, APUS_LOG_ERROR);
    return APUS_E_ENGINE;
}

static void close_buffers(struct npu_program *p) {
    struct npu_model *m = p->model;
    if (p->context_open) m->provider->context_close(p->context);
    m->provider->buffer_close(m->device, &p->sums);
    m->provider->buffer_close(m->device, &p->x);
}

apus_status npu_prepare(void *memory, const struct hal_setup *setup) {
    assert((uintptr_t)memory % PLACE_LINE == 0 && hal_setup_good(setup));
    struct npu_program *p = memory;
    struct parts at;
    apus_status s = lay_out(setup, &at);
    if (s) return s;
    memset(p, 0, sizeof *p);
    p->model = setup->model_memory;
    p->setup = *setup;
    p->takes = place_at(memory, at.takes);
    p->cpu = place_at(memory, at.cpu);
    for (uint32_t i = 0; i < setup->program->count; i++)
        p->takes[i] = (uint8_t)goes(p->model, setup->program, &setup->program->ops[i]);
    s = open_buffers(p, &at);
    if (!s) {
        struct hal_setup cpu = cpu_setup(p->model, setup);
        cpu.matrices = (struct hal_matrices){npu_multiply, p, p->takes};
        s = hal_cpu_engine.prepare(p->cpu, &cpu);
    }
    if (s) close_buffers(p);
    return s;
}

void npu_release(void *memory) {
    struct npu_program *p = memory;
    hal_cpu_engine.release(p->cpu);
    close_buffers(p);
}
