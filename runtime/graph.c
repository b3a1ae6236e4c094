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

static struct hal_op *add(struct builder *b, enum hal_op_kind kind, uint32_t layer,
                          uint32_t width) {
    struct hal_op *op = b->ops ? &b->ops[b->count] : &b->counted;
    b->count++;
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->layer = (uint16_t)layer;
    op->width = width;
    return op;
}

static uint8_t slot_of(enum role_output output) {
    switch (output) {
    case TO_Q:
        return SLOT_Q;
    case TO_K:
        return SLOT_K;
    case TO_V:
        return SLOT_V;
    case TO_GATE:
        return SLOT_G;
    case TO_UP:
        return SLOT_U;
    case TO_RESIDUAL:
        break;
    }
    return SLOT_X;
}

/* The products of role `first` and of those behind it that share its input. */
static void add_products(struct builder *b, uint32_t index, enum layer_tensor first) {
    const struct blob_layer *l = &b->model->layers[index];
    const struct layer_role *role = &layer_roles[first];
    struct hal_op *op = add(b, HAL_GEMV, index, layer_width(b->model->model, l, role->cols));
    op->flags = role->output == TO_RESIDUAL ? HAL_ADD : 0;
    for (uint32_t i = first; i < LT_COUNT && layer_roles[i].input == role->input; i++) {
        op->weight[op->count] = l->tensor[i];
        op->out[op->count++] = slot_of(layer_roles[i].output);
    }
}

static void add_attention(struct builder *b, uint32_t index) {
    const struct blob_model *m = b->model->model;
    uint32_t width = layer_width(m, &b->model->layers[index], WIDTH_Q);
    add(b, HAL_NORM, index, m->dim);
    add_products(b, index, LT_Q);
    add(b, HAL_HEADS, index, width);
    add(b, HAL_ATTEND, index, width);
    add(b, HAL_QUANT, index, width);
    add_products(b, index, LT_O);
}

static void add_feed_forward(struct builder *b, uint32_t index) {
    const struct blob_model *m = b->model->model;
    add(b, HAL_NORM, index, m->dim);
    add_products(b, index, LT_GATE);
    add(b, HAL_ACT, index, b->model->layers[index].ffn);
    add_products(b, index, LT_DOWN);
}

static void add_head(struct builder *b) {
    const struct blob_model *m = b->model->model;
    add(b, HAL_NORM, 0, m->dim)->flags = HAL_TAIL;
    struct hal_op *op = add(b, HAL_GEMV, 0, m->dim);
    op->flags = HAL_TAIL, op->count = 1;
    op->weight[0] = m->head, op->out[0] = SLOT_LOGITS;
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
    if (layers.end == model->model->layers) add_head(&b);
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
