#include "weights/pack/quantize/activations.h"

#include <stdlib.h>
#include <string.h>

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

bool activations_make(struct activations *s, const struct plan *plan, size_t tokens) {
    const struct blob_model *model = &plan->model;
    uint32_t first = 0, second = 0, third = 0, ffn = 0, widest = padded_cols(model->dim);
    bool behind = false;
    for (uint32_t i = 0; i < model->layers; i++) {
        const struct blob_layer *layer = &plan->layers[i];
        uint32_t q = layer_width(model, layer, WIDTH_Q), kv = layer_width(model, layer, WIDTH_KV);
        widest = larger(widest, padded_cols(q));
        const struct blob_variant *variant = layer_variant(layer, plan->variants);
        const uint32_t pairs = variant->experts ? variant->active : 1;
        first = larger(first, larger(q, pairs * layer->ffn));
        second = larger(second, larger(kv, pairs * layer->ffn));
        ffn = larger(ffn, layer->ffn);
        third = larger(third, kv);
        behind |= norms_behind(variant);
    }
    s->x = floats(tokens, model->dim), s->a = floats(tokens, widest);
    s->first = floats(tokens, first), s->second = floats(tokens, second);
    s->third = floats(tokens, third);
    if (behind) s->products = floats(tokens, model->dim);
    s->widest = larger(widest, ffn);
    return s->x && s->a && s->first && s->second && s->third && (s->products || !behind);
}

void activations_free(struct activations *s) {
    free(s->x);
    free(s->a);
    free(s->first);
    free(s->second);
    free(s->third);
    free(s->products);
    memset(s, 0, sizeof *s);
}

const float *activations_input(const struct activations *s, enum layer_tensor role) {
    return layer_roles[role].input == FROM_ACT ? s->first : s->a;
}

static const struct blob_variant *variant_of(const struct plan *plan, uint32_t layer) {
    return layer_variant(&plan->layers[layer], plan->variants);
}

float *activations_output(const struct activations *s, const struct plan *plan, uint32_t layer,
                          enum layer_tensor role) {
    switch (layer_roles[role].output) {
    case TO_Q:
    case TO_GATE:
        return s->first;
    case TO_K:
    case TO_UP:
        return s->second;
    case TO_V:
        return s->third;
    case TO_RESIDUAL:
        break;
    }
    return norms_behind(variant_of(plan, layer)) ? s->products : s->x;
}

bool activations_share_input(const struct plan *plan, uint32_t layer, enum layer_tensor role) {
    const struct layer_role *row = &layer_roles[role];
    return row != layer_roles && row->input == row[-1].input &&
           plan->layers[layer].tensor[role - 1] != BLOB_ABSENT;
}

void activations_before(const struct activations *s, const struct forward *f,
                        const struct plan *plan, uint32_t layer, enum layer_tensor role) {
    const struct layer_role *row = &layer_roles[role];
    bool norm = row->input == FROM_ATTN_NORM || row->input == FROM_FFN_NORM;
    if (norm && !activations_share_input(plan, layer, role))
        (norms_before(variant_of(plan, layer)) ? forward_norm : forward_input)(f, s->x, s->a);
    if (activations_output(s, plan, layer, role) == s->x) return;
    size_t tokens = (size_t)f->windows * f->length,
           rows = layer_width(&plan->model, &plan->layers[layer], row->rows);
    memset(activations_output(s, plan, layer, role), 0, tokens * rows * sizeof(float));
}

static void attend(const struct activations *s, const struct forward *f, const struct plan *plan,
                   const float *rows, const struct blob_layer *layer) {
    const struct blob_variant *variant = layer_variant(layer, plan->variants);
    const float *const gain[2] = {variant->q_gain == BLOB_ABSENT ? NULL : rows + variant->q_gain,
                                  variant->k_gain == BLOB_ABSENT ? NULL : rows + variant->k_gain};
    struct forward of_layer = *f;
    if (variant->rotation == ROTATION_NONE) of_layer.rope = NULL;
    if (variant->rotation == ROTATION_SECOND)
        of_layer.rope += (size_t)plan->model.max_positions * plan->model.head_dim;
    of_layer.window = variant->window;
    of_layer.whole = variant->whole;
    of_layer.sinks = variant->sinks == BLOB_ABSENT ? NULL : rows + variant->sinks;
    forward_attention(&of_layer, layer->heads, layer->kv_heads, s->first, s->second, s->third, gain,
                      s->a);
}

void activations_after(const struct activations *s, const struct forward *f,
                       const struct plan *plan, const float *rows, uint32_t layer,
                       enum layer_tensor role) {
    const struct blob_layer *of = &plan->layers[layer];
    const struct blob_variant *variant = variant_of(plan, layer);
    const struct blob_tensor *record = &plan->tensors[of->tensor[role]].record;
    if (record->bias != BLOB_ABSENT)
        forward_bias(f, record->rows, rows + record->bias,
                     activations_output(s, plan, layer, role));
    switch (layer_roles[role].output) {
    case TO_V: /* Q and K are there */
        attend(s, f, plan, rows, of);
        break;
    case TO_UP: /* GATE is there, if the layer has one */
        forward_act(f, (enum blob_activation)variant->activation, of->ffn, s->first, s->second);
        break;
    case TO_RESIDUAL:
        if (norms_behind(variant))
            forward_join(f, s->products,
                         rows + (role == LT_O ? variant->o_gain : variant->down_gain),
                         stream_block(&plan->model), s->x);
        break;
    case TO_Q:
    case TO_K:
    case TO_GATE:
        break;
    }
}
