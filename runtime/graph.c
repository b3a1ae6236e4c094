#include "runtime/graph.h"

#include <assert.h>
#include <string.h>

#include "hal/act.h"

static struct hal_op *add(struct graph_layer *l, enum hal_op_kind kind, uint32_t layer,
                          uint32_t width) {
    assert(l->ops < GRAPH_LAYER_OPS);
    struct hal_op *op = &l->op[l->ops++];
    memset(op, 0, sizeof *op);
    op->kind = kind;
    op->layer = (uint16_t)layer;
    op->width = width;
    return op;
}

static void reads(struct hal_op *op, enum hal_slot slot) {
    assert(op->ins < HAL_OP_SLOTS);
    op->in[op->ins++] = (uint8_t)slot;
}

static void writes(struct hal_op *op, enum hal_slot slot) {
    assert(op->outs < HAL_OP_SLOTS);
    op->out[op->outs++] = (uint8_t)slot;
}

/* Adds the next weight of the operation. */
static void uses(struct graph_layer *l, struct hal_op *op, uint32_t tensor) {
    assert(l->weights < GRAPH_LAYER_WEIGHTS);
    if (!op->weights.count) op->weights.first = l->weights;
    op->weights.count++;
    l->weight[l->weights++] = tensor;
}

static struct hal_op *add_norm(struct graph_layer *l, const struct blob_model *m, uint32_t layer) {
    struct hal_op *op = add(l, HAL_NORM, layer, m->dim);
    reads(op, SLOT_X);
    writes(op, SLOT_A);
    op->eps = m->eps;
    return op;
}

/* What attention or the feed-forward part reads: the stream, normalised or as it is. */
static void add_input(struct graph_layer *l, const struct hal_model *model, uint32_t layer) {
    if (norms_before(layer_variant(&model->layers[layer], model->variants))) {
        add_norm(l, model->dims, layer);
        return;
    }
    struct hal_op *op = add(l, HAL_QUANT, layer, model->dims->dim);
    reads(op, SLOT_X);
    writes(op, SLOT_A);
}

static enum hal_slot slot_of(enum role_output output) {
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

/* The products of role `first` and of the roles after it that share its input. */
static struct hal_op *add_products(struct graph_layer *l, const struct hal_model *model,
                                   uint32_t layer, enum layer_tensor first) {
    const struct blob_layer *of = &model->layers[layer];
    const struct layer_role *role = &layer_roles[first];
    struct hal_op *op = add(l, HAL_GEMV, layer, layer_width(model->dims, of, role->cols));
    op->flags = role->output == TO_RESIDUAL ? HAL_ADD : 0;
    reads(op, SLOT_A);
    for (uint32_t i = first; i < LT_COUNT && layer_roles[i].input == role->input; i++) {
        uses(l, op, of->tensor[i]);
        writes(op, slot_of(layer_roles[i].output));
    }
    return op;
}

/* What O or DOWN adds to the stream. Where a norm follows, it is normalised on the way. */
static void add_result(struct graph_layer *l, const struct hal_model *model, uint32_t layer,
                       enum layer_tensor which) {
    const struct blob_variant *v = layer_variant(&model->layers[layer], model->variants);
    struct hal_op *op = add_products(l, model, layer, which);
    if (!norms_behind(v)) return;
    op->flags = 0;
    op->out[0] = SLOT_G;
    op = add(l, HAL_JOIN, layer, model->dims->dim);
    op->flags = HAL_ADD;
    reads(op, SLOT_G);
    writes(op, SLOT_X);
    op->gain[0] = which == LT_O ? v->o_gain : v->down_gain;
    op->block = stream_block(model->dims);
    op->eps = model->dims->eps;
}

static void add_attention(struct graph_layer *l, const struct hal_model *model, uint32_t layer) {
    const struct blob_model *m = model->dims;
    const struct blob_layer *of = &model->layers[layer];
    const struct hal_heads shape = {of->heads, of->kv_heads, m->head_dim};
    const struct blob_variant *variant = layer_variant(of, model->variants);
    const uint32_t width = layer_width(m, of, WIDTH_Q), view = hal_view_of(model, layer);
    add_input(l, model, layer);
    const struct hal_op *qkv = add_products(l, model, layer, LT_Q);
    struct hal_op *op = add(l, HAL_HEADS, layer, width);
    for (uint32_t i = 0; i < qkv->outs; i++) reads(op, (enum hal_slot)qkv->out[i]);
    writes(op, SLOT_QI);
    op->view = view;
    op->gain[0] = variant->q_gain, op->gain[1] = variant->k_gain;
    op->eps = m->eps;
    op->rotation = (enum blob_rotation)variant->rotation;
    if (variant->whole) op->flags = HAL_WHOLE;
    op->shape = shape;
    op = add(l, HAL_ATTEND, layer, width);
    reads(op, SLOT_QI);
    writes(op, SLOT_Q);
    op->view = view;
    op->sinks = layer_variant(of, model->variants)->sinks;
    op->shape = shape;
    op = add(l, HAL_QUANT, layer, width);
    reads(op, SLOT_Q);
    writes(op, SLOT_A);
    add_result(l, model, layer, LT_O);
}

/* Adds an operation of a layer's experts. */
static struct hal_op *add_mixture_op(struct graph_layer *l, const struct hal_model *model,
                                     uint32_t layer, enum hal_op_kind kind, uint32_t width) {
    const struct blob_variant *v = layer_variant(&model->layers[layer], model->variants);
    struct hal_op *op = add(l, kind, layer, width);
    op->mixture = (struct hal_mixture){v->experts, v->active, (enum blob_mixing)v->mixing};
    return op;
}

/* The products of pairs with the experts' rows of role `first` and of the roles after it that share
 * its input. */
static void add_expert_products(struct graph_layer *l, const struct hal_model *model,
                                uint32_t layer, enum layer_tensor first) {
    const struct blob_layer *of = &model->layers[layer];
    const struct layer_role *role = &layer_roles[first];
    struct hal_op *op =
        add_mixture_op(l, model, layer, HAL_EXPERTS, layer_width(model->dims, of, role->cols));
    op->flags = HAL_PAIRS;
    reads(op, SLOT_PAIRS);
    for (uint32_t k = first; k < LT_COUNT && layer_roles[k].input == role->input; k++) {
        uses(l, op, of->tensor[k]);
        writes(op, layer_roles[k].output == TO_UP ? SLOT_U : SLOT_G);
    }
}

/* The feed-forward part of a layer with experts. */
static void add_experts(struct graph_layer *l, const struct hal_model *model, uint32_t layer) {
    const struct blob_layer *of = &model->layers[layer];
    const struct blob_variant *v = layer_variant(of, model->variants);
    const uint32_t dim = model->dims->dim;
    add_norm(l, model->dims, layer);
    struct hal_op *op = add(l, HAL_GEMV, layer, dim);
    reads(op, SLOT_A);
    uses(l, op, v->router);
    writes(op, SLOT_ROUTER);
    op = add_mixture_op(l, model, layer, HAL_ROUTE, v->experts);
    reads(op, SLOT_ROUTER);
    writes(op, SLOT_CHOICES);
    op = add_mixture_op(l, model, layer, HAL_SPREAD, dim);
    op->flags = HAL_PAIRS;
    reads(op, SLOT_A);
    reads(op, SLOT_CHOICES);
    writes(op, SLOT_PAIRS);
    add_expert_products(l, model, layer, LT_GATE);
    op = add_mixture_op(l, model, layer, HAL_ACT, of->ffn);
    op->activation = (enum blob_activation)v->activation;
    op->flags = HAL_PAIRS;
    reads(op, SLOT_G);
    reads(op, SLOT_U);
    writes(op, SLOT_PAIRS);
    add_expert_products(l, model, layer, LT_DOWN);
    op = add_mixture_op(l, model, layer, HAL_MIX, dim);
    op->flags = HAL_ADD;
    reads(op, SLOT_G);
    reads(op, SLOT_CHOICES);
    writes(op, SLOT_X);
}

static void add_feed_forward(struct graph_layer *l, const struct hal_model *model, uint32_t layer) {
    if (layer_variant(&model->layers[layer], model->variants)->experts) {
        add_experts(l, model, layer);
        return;
    }
    const struct blob_layer *of = &model->layers[layer];
    const uint32_t activation = layer_variant(of, model->variants)->activation;
    add_input(l, model, layer);
    add_products(l, model, layer, activation_gated(activation) ? LT_GATE : LT_UP);
    struct hal_op *op = add(l, HAL_ACT, layer, of->ffn);
    op->activation = (enum blob_activation)activation;
    if (activation_gated(activation)) reads(op, SLOT_G);
    reads(op, SLOT_U);
    writes(op, SLOT_A);
    add_result(l, model, layer, LT_DOWN);
}

static void add_embedding(struct graph_layer *l, const struct blob_model *m) {
    struct hal_op *op = add(l, HAL_EMBED, 0, m->dim);
    uses(l, op, m->embed);
    writes(op, SLOT_X);
}

static void add_head(struct graph_layer *l, const struct blob_model *m, uint32_t layer) {
    add_norm(l, m, layer)->flags = HAL_TAIL;
    struct hal_op *op = add(l, HAL_GEMV, layer, m->dim);
    op->flags = HAL_TAIL;
    reads(op, SLOT_A);
    uses(l, op, m->head);
    writes(op, SLOT_LOGITS);
}

void graph_layer(const struct hal_model *model, uint32_t layer, struct graph_layer *of) {
    const struct blob_model *m = model->dims;
    of->ops = of->weights = 0;
    if (layer == 0) add_embedding(of, m);
    if (model->layers[layer].heads) add_attention(of, model, layer);
    if (model->layers[layer].ffn) add_feed_forward(of, model, layer);
    if (layer + 1 == m->layers) add_head(of, m, layer);
}

/* ------------------------------------------------------------------------------------- sizes -- */

static size_t float_bytes(uint32_t n) { return (size_t)padded_rows(n) * sizeof(float); }
static size_t act_bytes(uint32_t width) { return act_stride(padded_cols(width)); }
static size_t queries_bytes(const struct hal_heads *s) {
    return (size_t)place_up(s->heads * (hal_qi_stride(s->head_dim) + sizeof(float)), PLACE_LINE);
}

/* The size of a column that the operation writes to out[i]. */
static size_t column_bytes(const struct hal_model *model, const struct graph_layer *l,
                           const struct hal_op *op, uint32_t i) {
    switch (hal_op_traits(op->kind)->form) {
    case FORM_FLOATS:
        return float_bytes(op->width);
    case FORM_ROWS:
        return float_bytes(hal_rows(op, &model->tensors[l->weight[op->weights.first + i]])) *
               hal_vectors(op);
    case FORM_QUANTIZED:
        return act_bytes(op->width) * hal_vectors(op);
    case FORM_CHOICES:
        return (size_t)place_up(op->mixture.active * sizeof(struct hal_choice), PLACE_LINE);
    case FORM_QUERIES:
        return queries_bytes(&op->shape);
    }
    assert(!"a form");
    return 0;
}

static void widen(const struct hal_model *model, const struct graph_layer *l,
                  size_t stride[HAL_SLOTS]) {
    for (uint32_t i = 0; i < l->ops; i++)
        for (uint32_t n = 0; n < l->op[i].outs; n++) {
            size_t bytes = l->op[i].out[n] == SLOT_LOGITS
                               ? float_bytes(model->dims->vocab) /* runtime/sequence.c spreads the
                                                                    rows of a smaller head */
                               : column_bytes(model, l, &l->op[i], n);
            if (bytes > stride[l->op[i].out[n]]) stride[l->op[i].out[n]] = bytes;
        }
}

/* ------------------------------------------------------------------------------------- whole -- */

void graph_build(const struct hal_model *model, struct hal_op *ops, uint32_t *weight,
                 struct hal_program *program) {
    struct graph_layer l;
    memset(program, 0, sizeof *program);
    program->ops = ops;
    program->weight = weight;
    for (uint32_t i = 0; i < model->dims->layers; i++) {
        graph_layer(model, i, &l);
        widen(model, &l, program->stride);
        for (uint32_t n = 0; ops && n < l.ops; n++) {
            l.op[n].weights.first += program->weights;
            ops[program->count + n] = l.op[n];
        }
        if (weight) memcpy(weight + program->weights, l.weight, l.weights * sizeof *weight);
        program->count += l.ops;
        program->weights += l.weights;
    }
}

void graph_measure(const struct hal_model *model, struct hal_program *program) {
    graph_build(model, NULL, NULL, program);
}

struct hal_program graph_part(const struct hal_model *model, const struct hal_program *program,
                              struct hal_range layers) {
    struct hal_program part = *program;
    struct graph_layer l;
    uint32_t before = 0;
    assert(layers.first <= layers.end && layers.end <= model->dims->layers);
    part.count = 0;
    for (uint32_t i = 0; i < layers.end; i++) {
        graph_layer(model, i, &l);
        *(i < layers.first ? &before : &part.count) += l.ops;
    }
    if (part.ops) part.ops += before;
    return part;
}

void graph_lives(const struct hal_model *model, struct lives *lives) {
    struct graph_layer l;
    lives_begin(lives);
    for (uint32_t i = 0; i < model->dims->layers; i++) {
        graph_layer(model, i, &l);
        for (uint32_t n = 0; n < l.ops; n++) lives_add(lives, &l.op[n]);
    }
    lives_end(lives, 1u << SLOT_X | 1u << SLOT_LOGITS);
}
