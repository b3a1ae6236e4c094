#include <string.h>

#include "npu/model.h"

/* Decides about the matrices of one operation together. Returns 1 if they go to the NPU. */
static int plan_matrices(struct npu_model *m, const struct hal_model *model, const uint32_t *tensor,
                         uint32_t count) {
    uint64_t bytes = 0;
    if (count > HAL_OP_SLOTS) return 0;
    for (uint32_t i = 0; i < count; i++) {
        bytes += model->tensors[tensor[i]].bytes;
        if (!(weight_traits(model->tensors[tensor[i]].type)->engines & WEIGHT_ON_NPU)) return 0;
    }
    if (bytes < WORTH_BYTES && !m->options.all) return 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct blob_tensor *t = &model->tensors[tensor[i]];
        struct npu_tensor *n = &m->tensor[tensor[i]];
        n->copied = !gemv_shape_direct(&n->shape, t->type, t->rows, t->cols);
        if (n->copied) gemv_shape_copied(&n->shape, t->type, t->rows, t->cols);
        n->columns_max = gemv_fits(&n->shape, 16) ? 16 : gemv_fits(&n->shape, 8) ? 8 : 0;
    }
    return 1;
}

/* The head goes to the NPU only if matrices of layers do. Alone it would save the CPU no time,
 * since both read the same memory, and would need a context. */
void weights_plan(struct npu_model *m, const struct hal_model *model,
                  const struct hal_program *program) {
    int layers = 0;
    for (uint32_t tail = 0; tail <= HAL_TAIL; tail += HAL_TAIL)
        for (uint32_t i = 0; i < program->count; i++) {
            const struct hal_op *op = &program->ops[i];
            if (op->kind != HAL_GEMV || (op->flags & HAL_TAIL) != tail) continue;
            if (!tail || layers)
                layers |=
                    plan_matrices(m, model, program->weight + op->weights.first, op->weights.count);
        }
}

static uint64_t pages(uint64_t bytes) { return (bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN; }

/* Bytes of the section of weights from its beginning to the end of the last page of the last tensor
 * that the NPU computes. */
static uint64_t section_bytes(const struct npu_model *m, const struct hal_model *model) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < m->tensors; i++)
        if (m->tensor[i].columns_max && model->tensors[i].offset + model->tensors[i].bytes > end)
            end = model->tensors[i].offset + model->tensors[i].bytes;
    return pages(end);
}

static int import(struct npu_model *m, const struct hal_model *model) {
    uint64_t bytes = section_bytes(m, model);
    if (!bytes || (uintptr_t)model->weights % BLOB_ALIGN) return bytes != 0;
    int e = m->provider->buffer_import(m->device, &m->weights, model->weights, bytes);
    if (!e) e = m->provider->buffer_sync(m->device, &m->weights, 0, bytes, NPU_TO_DEVICE);
    if (!e) return 0;
    m->provider->buffer_close(m->device, &m->weights);
    struct words w;
    explain_import(&w, e, &m->port, bytes);
    words_log(&w, &m->port, APUS_LOG_WARN);
    return 1;
}

static void write_copy(struct npu_model *m, const struct hal_model *model, uint32_t i) {
    const struct blob_tensor *t = &model->tensors[i];
    gemv_copy(&m->tensor[i].shape, t->rows, t->cols, model->weights + t->offset,
              m->copies.host + m->tensor[i].offset);
}

/* If the driver refuses to import the section, all tensors are copied. Tensors that cannot be read
 * as they lie are always copied. */
int weights_open(struct npu_model *m, const struct hal_model *model, const char **call) {
    int copy_all = import(m, model);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->tensors; i++) {
        struct npu_tensor *n = &m->tensor[i];
        if (!n->columns_max) continue;
        n->copied |= (uint32_t)copy_all;
        n->offset = n->copied ? bytes : model->tensors[i].offset;
        if (n->copied) bytes += pages(gemv_weight_bytes(&n->shape));
    }
    if (!bytes) return 0;
    *call = "a buffer for weights";
    int e = m->provider->buffer_create(m->device, &m->copies, NPU_DATA, bytes);
    if (e) return e;
    for (uint32_t i = 0; i < m->tensors; i++)
        if (m->tensor[i].columns_max && m->tensor[i].copied) write_copy(m, model, i);
    return m->provider->buffer_sync(m->device, &m->copies, 0, bytes, NPU_TO_DEVICE);
}

/* Places the code of all tensors; those of one shape share it. Called with `to` NULL it only counts
 * the bytes. */
static uint64_t place_code(struct npu_model *m, uint8_t *to, uint64_t room) {
    struct place walk = {0};
    for (uint32_t i = 0; i < m->tensors; i++) {
        struct npu_tensor *n = &m->tensor[i];
        uint32_t same = 0, operations;
        if (!n->columns_max) continue;
        while (same < i && !(m->tensor[same].columns_max &&
                             !memcmp(&m->tensor[same].shape, &n->shape, sizeof n->shape)))
            same++;
        for (uint32_t b = 0; b < GEMV_BUCKETS; b++) {
            if (same < i) n->code[b] = m->tensor[same].code[b];
            if (same < i || gemv_bucket_columns(b) > n->columns_max) continue;
            uint32_t *words = to ? (uint32_t *)(void *)(to + walk.end) : NULL;
            n->code[b].offset = walk.end;
            n->code[b].words =
                (uint32_t)gemv_code(&n->shape, m->facts.generation, gemv_bucket_columns(b), words,
                                    (size_t)(room - walk.end) / 4, &operations);
            place_next(&walk, n->code[b].words, sizeof(uint32_t));
        }
    }
    return walk.end;
}

int code_open(struct npu_model *m, const char **call) {
    uint64_t bytes = place_code(m, NULL, 0);
    if (!bytes) return 0;
    *call = "a buffer for control code";
    int e = m->provider->buffer_create(m->device, &m->code, NPU_CODE, bytes);
    if (e) return e;
    place_code(m, m->code.host, bytes);
    return m->provider->buffer_sync(m->device, &m->code, 0, m->code.bytes, NPU_TO_DEVICE);
}
