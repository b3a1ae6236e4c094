/* Operations as dispatches: the shader, grid, push constants and buffers of every step. */
#include <assert.h>
#include <string.h>

#include "igpu/program.h"

static struct range layer_cache(const struct igpu_program *p, uint32_t layer) {
    return heap_range(&p->kv[layer], 0, p->kv[layer].bytes);
}

/* Where the rows of a layer begin inside PART_FRESH, and their bytes. */
static uint64_t fresh_layer(const struct igpu_program *p, uint32_t layer, uint64_t *bytes) {
    uint64_t at = 0,
             each = (uint64_t)p->setup.columns_max * (p->setup.model->dims->head_dim / 2 + 2) * 4;
    for (uint32_t i = 0; i < layer; i++)
        at += place_up(each * program_kv_heads(&p->setup, i), PART_ALIGN);
    *bytes = each * p->setup.model->layers[layer].kv_heads;
    return at;
}

static uint32_t floats(const struct igpu_program *p, uint32_t slot) {
    return (uint32_t)(p->setup.program->stride[slot] / 4);
}

/* The part of the program's buffers that holds a slot. */
static struct range slot_range(const struct igpu_program *p, uint32_t slot) {
    static const uint8_t parts[HAL_SLOTS] = {[SLOT_X] = PART_X,
                                             [SLOT_A] = PART_ACT,
                                             [SLOT_Q] = PART_Q,
                                             [SLOT_K] = PART_K,
                                             [SLOT_V] = PART_V,
                                             [SLOT_QI] = PART_QI,
                                             [SLOT_G] = PART_G,
                                             [SLOT_U] = PART_U,
                                             [SLOT_LOGITS] = PART_LOGITS,
                                             [SLOT_ROUTER] = PART_ROUTER,
                                             [SLOT_CHOICES] = PART_CHOICES,
                                             [SLOT_PAIRS] = PART_PAIRS};
    return program_part(p, (enum part)parts[slot]);
}

static void set_push(struct step *s, const void *push, size_t bytes) {
    assert(bytes <= PUSH_BYTES && bytes % 4 == 0);
    memcpy(s->push, push, bytes);
    s->push_bytes = (uint32_t)bytes;
}

static int embed_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                      uint32_t part, struct step *s) {
    (void)cols;
    struct push_embed push = {op->width, p->at.row_words, p->at.rows_at, floats(p, op->out[0])};
    s->shader = SHADER_EMBED, s->rule = RULE_COLUMNS;
    s->out[0] = slot_range(p, op->out[0]);
    set_push(s, &push, sizeof push);
    return part < 1;
}

static int norm_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                     uint32_t part, struct step *s) {
    struct push_norm push = {op->width, padded_cols(op->width),  cols,   floats(p, op->in[0]),
                             s->tail,   1.0f / (float)op->width, op->eps};
    s->shader = SHADER_NORM, s->rule = RULE_COLUMNS;
    s->act = slot_range(p, op->out[0]), s->in[0] = slot_range(p, op->in[0]),
    s->out[0] = program_part(p, PART_LARGEST);
    set_push(s, &push, sizeof push);
    return part < 1;
}

static const struct blob_tensor *weight_of(const struct igpu_program *p, const struct hal_op *op,
                                           uint32_t i) {
    return &p->setup.model->tensors[hal_weight(p->setup.program, op, i)];
}

/* Where the columns' rows of the layer's table begin; UINT32_MAX without RoPE. */
static uint32_t rope_of(const struct igpu_program *p, enum blob_rotation rotation) {
    const uint32_t table = p->setup.columns_max * p->setup.model->dims->head_dim;
    if (rotation == ROTATION_NONE) return UINT32_MAX;
    return p->at.rope_at + (rotation == ROTATION_SECOND ? table : 0);
}

static int heads_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                      uint32_t part, struct step *s) {
    (void)cols;
    uint32_t hd = op->shape.head_dim;
    uint64_t bytes, at = fresh_layer(p, op->layer, &bytes);
    const struct kv_cache cache = program_cache(&p->setup, op->layer);
    struct push_heads push = {.head_dim = hd,
                              .heads = op->shape.heads,
                              .kv_heads = op->shape.kv_heads,
                              .slots = cache.slots,
                              .q_stride = floats(p, op->in[0]),
                              .kv_stride = floats(p, op->in[1]),
                              .qi_stride = p->at.qi_words,
                              .block_words = (uint32_t)(kv_head_bytes(&cache) / 4),
                              .cos_sin = rope_of(p, op->rotation),
                              .block = head_block(hd),
                              .columns_at = p->at.view[op->view].columns_at,
                              .gain = {op->gain[0], op->gain[1]},
                              .inv_dim = 1.0f / (float)hd,
                              .eps = op->eps,
                              .k_bits = kv_bits(cache.type, KV_K),
                              .v_bits = kv_bits(cache.type, KV_V)};
    s->shader = SHADER_HEADS, s->rule = RULE_X_COLUMNS;
    s->x = op->shape.heads + 2 * op->shape.kv_heads;
    s->act = program_part(p, PART_STATE);
    for (uint32_t i = 0; i < 3; i++) s->in[i] = slot_range(p, op->in[i]);
    s->out[0] = slot_range(p, op->out[0]), s->out[1] = layer_cache(p, op->layer);
    s->out[2] = heap_range(&p->host, p->at.offset[PART_FRESH] + at, bytes);
    set_push(s, &push, sizeof push);
    return part < 1;
}

static int attend_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                       uint32_t part, struct step *s) {
    (void)cols;
    const struct hal_heads *l = &op->shape;
    uint32_t hd = l->head_dim;
    s->x = l->heads;
    if (part == 2) {
        struct push_attend_out push = {hd, l->heads, floats(p, op->out[0]), op->sinks};
        s->shader = SHADER_ATTEND_OUT, s->rule = RULE_X_COLUMNS;
        s->act = program_part(p, PART_LARGEST), s->in[0] = program_part(p, PART_STATE),
        s->out[0] = slot_range(p, op->out[0]);
        set_push(s, &push, sizeof push);
        return 1;
    }
    const struct kv_cache cache = program_cache(&p->setup, op->layer);
    const struct view_layout *at = &p->at.view[op->view];
    struct push_query push = {hd,
                              l->heads,
                              l->heads / l->kv_heads,
                              cache.slots,
                              p->at.qi_words,
                              (uint32_t)(kv_head_bytes(&cache) / 4),
                              at->columns_at,
                              at->ranges_at,
                              at->splits_at,
                              op->sinks,
                              kv_bits(cache.type, KV_K),
                              kv_bits(cache.type, KV_V)};
    s->shader = part ? SHADER_ATTEND_SUM : SHADER_ATTEND_MAX, s->rule = RULE_SPLITS;
    s->view = op->view;
    s->in[0] = slot_range(p, op->in[0]), s->in[1] = layer_cache(p, op->layer),
    s->out[0] = program_part(p, PART_STATE);
    set_push(s, &push, sizeof push);
    return part < 3;
}

/* Floats from one vector of in[0] to the next. */
static uint32_t vector_floats(const struct igpu_program *p, const struct hal_op *op) {
    return op->flags & HAL_PAIRS ? padded_rows(op->width) : floats(p, op->in[0]);
}

static int quantize_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                         uint32_t part, struct step *s) {
    uint32_t kp = padded_cols(op->width);
    struct push_quantize push = {op->width, kp, op->flags & HAL_PAIRS ? TILE : cols,
                                 vector_floats(p, op), s->vectors};
    s->shader = SHADER_QUANTIZE, s->rule = RULE_X_COLUMNS, s->x = (kp / GROUP + 63) / 64;
    s->act = slot_range(p, op->out[0]), s->in[0] = slot_range(p, op->in[0]),
    s->out[0] = program_part(p, PART_LARGEST);
    set_push(s, &push, sizeof push);
    return part < 1;
}

/* The result replaces in[0], and the second step quantizes it from there. */
static int activation_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                           uint32_t part, struct step *s) {
    if (part) return quantize_step(p, op, cols, part - 1, s);
    struct push_activation push = {vector_floats(p, op), op->activation, s->vectors};
    s->shader = SHADER_ACTIVATION, s->rule = RULE_X_COLUMNS, s->x = op->width / 64;
    s->act = program_part(p, PART_LARGEST), s->in[0] = slot_range(p, op->in[op->ins - 1]),
    s->out[0] = slot_range(p, op->in[0]);
    set_push(s, &push, sizeof push);
    return 1;
}

static uint32_t pieces_of(const struct blob_tensor *t) {
    uint32_t panels = padded_rows(t->rows) / PANEL_ROWS, each = piece_panels(t);
    return (panels + each - 1) / each;
}

/* Adds piece `piece` of the operation's weight i as the step's weight n. */
static void gemv_weight(const struct igpu_program *p, const struct hal_op *op, uint32_t i,
                        uint32_t piece, uint32_t n, struct push_gemv *push, struct step *s) {
    const struct blob_tensor *t = weight_of(p, op, i);
    uint32_t panels, first = piece * piece_panels(t) * PANEL_ROWS;
    s->in[n] = region_piece(p->model->region, t, piece, &panels);
    s->out[n] = slot_range(p, op->out[i]);
    push->row_scales[n] = t->row_scales + first;
    push->bias[n] = t->bias == BLOB_ABSENT ? BLOB_ABSENT : t->bias + first;
    push->first_row[n] = first;
    push->stride[n] = floats(p, op->out[i]);
    push->w4 |= (uint32_t)(gemv_type(t->type) == GEMV_W4) << n;
    s->types |= gemv_type(t->type);
    s->x += panels;
    if (n == 0) push->end0 = s->x;
    if (n == 1) push->end1 = s->x;
}

/* Takes all weights in one dispatch. If one of them is in pieces, or if their types do not go
 * together, every piece of every weight gets a dispatch of its own. */
static int gemv_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                     uint32_t part, struct step *s) {
    (void)cols;
    struct push_gemv push = {.kp = padded_cols(op->width),
                             .tail = s->tail,
                             .add = op->flags & HAL_ADD ? 1 : 0,
                             .end0 = UINT32_MAX,
                             .end1 = UINT32_MAX};
    uint32_t whole = 1, types = 0, i = 0;
    for (uint32_t n = 0; n < op->weights.count; n++) {
        whole &= pieces_of(weight_of(p, op, n)) == 1;
        types |= gemv_type(weight_of(p, op, n)->type);
    }
    s->shader = SHADER_GEMV;
    s->act = slot_range(p, op->in[0]);
    if (whole && gemv_one_dispatch(types)) {
        if (part) return 0;
        for (; i < op->weights.count; i++) gemv_weight(p, op, i, 0, i, &push, s);
    } else {
        while (i < op->weights.count && part >= pieces_of(weight_of(p, op, i)))
            part -= pieces_of(weight_of(p, op, i++));
        if (i == op->weights.count) return 0;
        gemv_weight(p, op, i, part, 0, &push, s);
    }
    s->rule = gemv_by_matrices(s->types) ? RULE_RUNS_X : RULE_TILES_X;
    set_push(s, &push, sizeof push);
    return 1;
}

static int route_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                      uint32_t part, struct step *s) {
    (void)cols;
    const struct hal_mixture *m = &op->mixture;
    struct push_route push = {m->experts, m->active, m->mixing == MIXING_ALL, floats(p, op->in[0])};
    s->shader = SHADER_ROUTE, s->rule = RULE_COLUMNS;
    s->in[0] = slot_range(p, op->in[0]), s->out[0] = slot_range(p, op->out[0]);
    set_push(s, &push, sizeof push);
    return part < 1;
}

/* First the pairs get their places; then the columns are copied to them. */
static int spread_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                       uint32_t part, struct step *s) {
    const struct hal_mixture *m = &op->mixture;
    s->in[0] = slot_range(p, op->in[1]);
    if (part == 0) {
        struct push_pairs push = {m->experts, m->active, op->layer};
        s->shader = SHADER_PAIRS, s->rule = RULE_X, s->x = 1;
        s->out[0] = program_part(p, PART_RUNS), s->out[1] = program_part(p, PART_STATUS);
        set_push(s, &push, sizeof push);
        return 1;
    }
    struct push_spread push = {padded_cols(op->width), cols, m->active};
    s->shader = SHADER_SPREAD, s->rule = RULE_X_COLUMNS, s->x = m->active;
    s->act = slot_range(p, op->in[0]);
    s->out[0] = slot_range(p, op->out[0]), s->out[1] = program_part(p, PART_LARGEST);
    set_push(s, &push, sizeof push);
    return part < 2;
}

/* A step for every piece of every weight. */
static int experts_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                        uint32_t part, struct step *s) {
    (void)cols;
    uint32_t i = 0;
    while (i < op->weights.count && part >= pieces_of(weight_of(p, op, i)))
        part -= pieces_of(weight_of(p, op, i++));
    if (i == op->weights.count) return 0;
    const struct blob_tensor *t = weight_of(p, op, i);
    const uint32_t rows = hal_rows(op, t), panels = rows / PANEL_ROWS;
    struct push_experts push = {.kp = padded_cols(op->width),
                                .panels = panels,
                                .magic = (uint32_t)(((uint64_t)1 << 32) / panels),
                                .first_panel = part * piece_panels(t),
                                .row_scales = t->row_scales,
                                .bias = t->bias,
                                .stride = padded_rows(rows)};
    if (panels == 1) push.magic = UINT32_MAX;
    s->shader = SHADER_GEMV_EXPERTS, s->rule = RULE_X, s->types = gemv_type(t->type);
    s->act = slot_range(p, op->in[0]);
    s->in[0] = region_piece(p->model->region, t, part, &s->x),
    s->in[1] = program_part(p, PART_RUNS);
    s->out[0] = slot_range(p, op->out[i]);
    set_push(s, &push, sizeof push);
    return 1;
}

static int mix_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                    uint32_t part, struct step *s) {
    (void)cols;
    struct push_mix push = {op->width, op->mixture.active, floats(p, op->out[0]),
                            padded_rows(op->width)};
    s->shader = SHADER_MIX, s->rule = RULE_X_COLUMNS, s->x = (op->width + 63) / 64;
    s->in[0] = slot_range(p, op->in[0]), s->in[1] = slot_range(p, op->in[1]);
    s->out[0] = slot_range(p, op->out[0]);
    set_push(s, &push, sizeof push);
    return part < 1;
}

/* The function that makes step `part` of an operation, by kind, and returns whether there is such a
 * step. NULL: the engine does not take the kind. */
typedef int make_step(const struct igpu_program *p, const struct hal_op *op, uint32_t cols,
                      uint32_t part, struct step *s);

static make_step *const makers[HAL_OP_KINDS] = {
    [HAL_EMBED] = embed_step,     [HAL_NORM] = norm_step,     [HAL_GEMV] = gemv_step,
    [HAL_HEADS] = heads_step,     [HAL_ATTEND] = attend_step, [HAL_QUANT] = quantize_step,
    [HAL_ACT] = activation_step,  [HAL_ROUTE] = route_step,   [HAL_SPREAD] = spread_step,
    [HAL_EXPERTS] = experts_step, [HAL_MIX] = mix_step};

int step_is_known(enum hal_op_kind kind) { return makers[kind] != NULL; }

int step_make(const struct igpu_program *p, const struct hal_op *op, uint32_t cols, uint32_t part,
              struct step *s) {
    assert(step_is_known(op->kind));
    memset(s, 0, sizeof *s);
    s->tail = op->flags & HAL_TAIL ? 1 : 0;
    s->vectors = op->kind == HAL_ACT ? hal_vectors(op) : 1;
    return makers[op->kind](p, op, cols, part, s);
}
