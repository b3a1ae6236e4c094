#include "runtime/graph.h"

#include <string.h>

#include "hal/act.h"

/* The one walk over the layers; without ops it only counts. */
struct builder {
    const struct hal_model *model;
    struct hal_op *ops;
    struct hal_op counted; /* where operations go that are only counted */
    uint32_t count;
};

static struct hal_op *add(struct builder *b, uint8_t kind, uint32_t layer, uint32_t width) {
    struct hal_op *op = b->ops ? &b->ops[b->count] : &b->counted;
    b->count++;
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->layer = (uint16_t)layer;
    op->width = width;
    return op;
}

static void add_gemv(struct builder *b, uint32_t layer, uint32_t width, uint8_t flags,
                     const uint32_t *weights, const uint8_t *out, uint8_t count) {
    struct hal_op *op = add(b, HAL_GEMV, layer, width);
    op->count = count;
    op->flags = flags;
    for (uint8_t i = 0; i < count; i++) op->weight[i] = weights[i], op->out[i] = out[i];
}

static void add_attention(struct builder *b, uint32_t index) {
    const struct blob_model *m = b->model->model;
    const struct blob_layer *l = &b->model->layers[index];
    uint32_t width = l->heads * m->head_dim;
    add(b, HAL_NORM, index, m->dim);
    add_gemv(b, index, m->dim, 0,
             (const uint32_t[]){l->tensor[LT_Q], l->tensor[LT_K], l->tensor[LT_V]},
             (const uint8_t[]){SLOT_Q, SLOT_K, SLOT_V}, 3);
    add(b, HAL_HEADS, index, width);
    add(b, HAL_ATTEND, index, width);
    add(b, HAL_QUANT, index, width);
    add_gemv(b, index, width, HAL_ADD, &l->tensor[LT_O], (const uint8_t[]){SLOT_X}, 1);
}

static void add_feed_forward(struct builder *b, uint32_t index) {
    const struct blob_model *m = b->model->model;
    const struct blob_layer *l = &b->model->layers[index];
    add(b, HAL_NORM, index, m->dim);
    add_gemv(b, index, m->dim, 0, (const uint32_t[]){l->tensor[LT_GATE], l->tensor[LT_UP]},
             (const uint8_t[]){SLOT_G, SLOT_U}, 2);
    add(b, HAL_ACT, index, l->ffn);
    add_gemv(b, index, l->ffn, HAL_ADD, &l->tensor[LT_DOWN], (const uint8_t[]){SLOT_X}, 1);
}

static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t float_bytes(uint32_t n) { return (size_t)padded_rows(n) * sizeof(float); }
static size_t act_bytes(uint32_t width) { return act_stride(padded_cols(width)); }

static void size_slots(const struct hal_model *model, size_t stride[HAL_SLOTS]) {
    const struct blob_model *m = model->model;
    memset(stride, 0, HAL_SLOTS * sizeof *stride);
    stride[SLOT_X] = float_bytes(m->dim);
    stride[SLOT_A] = act_bytes(m->dim);
    stride[SLOT_LOGITS] = float_bytes(m->vocab);
    for (uint32_t i = 0; i < m->layers; i++) {
        const struct blob_layer *l = &model->layers[i];
        uint32_t q = l->heads * m->head_dim, kv = l->kv_heads * m->head_dim;
        stride[SLOT_A] = larger(stride[SLOT_A], larger(act_bytes(q), act_bytes(l->ffn)));
        stride[SLOT_Q] = larger(stride[SLOT_Q], float_bytes(q));
        stride[SLOT_K] = larger(stride[SLOT_K], float_bytes(kv));
        stride[SLOT_QI] = larger(
            stride[SLOT_QI],
            (size_t)place_up(l->heads * (hal_qi_stride(m->head_dim) + sizeof(float)), PLACE_LINE));
        stride[SLOT_G] = larger(stride[SLOT_G], float_bytes(l->ffn));
    }
    stride[SLOT_V] = stride[SLOT_K];
    stride[SLOT_U] = stride[SLOT_G];
}

void graph_build_part(const struct hal_model *model, struct hal_range layers, struct hal_op *ops,
                      struct hal_program *program) {
    struct builder b = {.model = model, .ops = ops};
    if (layers.first == 0) add(&b, HAL_EMBED, 0, model->model->dim);
    for (uint32_t i = layers.first; i < layers.end; i++) {
        if (model->layers[i].heads) add_attention(&b, i);
        if (model->layers[i].ffn) add_feed_forward(&b, i);
    }
    if (layers.end == model->model->layers) {
        add(&b, HAL_NORM, 0, model->model->dim)->flags = HAL_TAIL;
        add_gemv(&b, 0, model->model->dim, HAL_TAIL, &model->model->head,
                 (const uint8_t[]){SLOT_LOGITS}, 1);
    }
    program->ops = ops;
    program->count = b.count;
    size_slots(model, program->stride);
}

void graph_build(const struct hal_model *model, struct hal_op *ops, struct hal_program *program) {
    graph_build_part(model, (struct hal_range){0, model->model->layers}, ops, program);
}

void graph_measure(const struct hal_model *model, struct hal_program *program) {
    graph_build(model, NULL, program);
}
