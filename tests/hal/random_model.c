#include "tests/hal/random_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As many as any layer has. */
enum { HEADS = 16 };

static uint32_t state;
static uint32_t draw(void) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state;
}
static float unit(void) { return (float)(draw() >> 8) * 0x1p-24f; }

struct maker {
    struct blob_tensor *tensors;
    uint32_t count;
    float *rows;
    uint32_t row_floats;
    uint64_t bytes;
};

static uint32_t add_tensor(struct maker *m, const char *name, uint32_t type, uint32_t rows,
                           uint32_t cols, int bias) {
    struct blob_tensor *t = &m->tensors[m->count];
    memset(t, 0, sizeof *t);
    snprintf(t->name, sizeof t->name, "%s", name);
    t->type = type, t->rows = rows, t->cols = cols;
    t->row_scales = m->row_floats;
    /* Products of k terms of about 60 * 40 (W8), with group scales up to 100 in W4, come out near
     * 1. */
    float gain = !weight_traits(type)->scale_bits
                     ? 0.002f
                     : 0.0004f / (float)(1 << (weight_traits(type)->bits - 4));
    for (uint32_t i = 0; i < padded_rows(rows); i++)
        m->rows[m->row_floats++] = i < rows ? gain * (0.5f + unit()) / 8.0f : 0.0f;
    t->bias = BLOB_ABSENT;
    if (bias) {
        t->bias = m->row_floats;
        for (uint32_t i = 0; i < padded_rows(rows); i++)
            m->rows[m->row_floats++] = i < rows ? unit() - 0.5f : 0.0f;
    }
    t->offset = m->bytes;
    t->bytes = weight_bytes(type, rows, cols);
    m->bytes += (t->bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
    return m->count++;
}

static uint32_t add_gain(struct maker *m, uint32_t floats) {
    const uint32_t at = m->row_floats;
    for (uint32_t i = 0; i < floats; i++) m->rows[m->row_floats++] = 0.25f + unit();
    return at;
}

static void add_layer(struct maker *m, const struct random_shape *s, struct blob_layer *l,
                      struct blob_variant *variants, uint32_t hd) {
    /* Where types differ, GATE and UP are alike, and Q and K are not. */
    static const uint32_t types[5][LT_COUNT] = {
        {WEIGHT_W8, WEIGHT_W8, WEIGHT_W8, WEIGHT_W8, WEIGHT_W8, WEIGHT_W8, WEIGHT_W8},
        {WEIGHT_W4, WEIGHT_W4, WEIGHT_W8, WEIGHT_W4, WEIGHT_W4, WEIGHT_W4, WEIGHT_W4},
        {WEIGHT_W4T, WEIGHT_W6, WEIGHT_W8, WEIGHT_W6, WEIGHT_W5, WEIGHT_W5, WEIGHT_W6},
        {WEIGHT_W4S, WEIGHT_W4, WEIGHT_W8, WEIGHT_W8S, WEIGHT_W4S, WEIGHT_W4S, WEIGHT_W4S},
        {WEIGHT_W4T, WEIGHT_W4T, WEIGHT_W8, WEIGHT_W4T, WEIGHT_W4T, WEIGHT_W4T, WEIGHT_W4T}};
    const uint32_t *type = types[s->table ? 4 : s->sparse ? 3 : s->mixed ? 2 : s->w4 ? 1 : 0];
    const uint32_t experts = layer_variant(l, variants)->experts, times = experts ? experts : 1;
    if (experts)
        variants[l->variant - 1].router =
            add_tensor(m, "router", WEIGHT_W8, experts, s->dim, s->bias != 0);
    for (int i = 0; i < LT_COUNT; i++) l->tensor[i] = BLOB_ABSENT;
    if (l->heads) {
        l->tensor[LT_Q] = add_tensor(m, "q", type[LT_Q], l->heads * hd, s->dim, s->bias != 0);
        l->tensor[LT_K] = add_tensor(m, "k", type[LT_K], l->kv_heads * hd, s->dim, s->bias != 0);
        l->tensor[LT_V] = add_tensor(m, "v", type[LT_V], l->kv_heads * hd, s->dim, s->bias != 0);
        l->tensor[LT_O] = add_tensor(m, "o", type[LT_O], s->dim, l->heads * hd, s->bias != 0);
    }
    if (l->ffn) {
        const uint32_t variant = l->variant;
        if (!variant || activation_gated(s->variant[variant - 1].activation))
            l->tensor[LT_GATE] =
                add_tensor(m, "gate", type[LT_GATE], times * l->ffn, s->dim, s->bias != 0);
        l->tensor[LT_UP] = add_tensor(m, "up", type[LT_UP], times * l->ffn, s->dim, s->bias != 0);
        l->tensor[LT_DOWN] =
            add_tensor(m, "down", type[LT_DOWN], times * s->dim, l->ffn, s->bias != 0);
    }
}

/* Scores lie around 0. */
static uint32_t add_sinks(struct maker *m) {
    const uint32_t at = m->row_floats;
    for (uint32_t i = 0; i < HEADS; i++) m->rows[m->row_floats++] = 8.0f * unit() - 4.0f;
    return at;
}

struct hal_model random_model(const struct random_shape *s, uint32_t seed) {
    struct blob_model *model = calloc(1, sizeof *model);
    struct blob_layer *layers = calloc(s->layers, sizeof *layers);
    struct maker m = {calloc(2 + 8 * s->layers, sizeof(struct blob_tensor)), 0,
                      calloc(1 << 20, sizeof(float)), 0, 0};
    struct blob_variant *variants = malloc(sizeof s->variant);
    memcpy(variants, s->variant, sizeof s->variant);
    state = seed * 2654435761u + 1;
    *model = (struct blob_model){.layers = s->layers,
                                 .dim = s->dim,
                                 .vocab = s->vocab,
                                 .max_positions = s->positions,
                                 .head_dim = s->head_dim,
                                 .eps = 1e-5f,
                                 .rotated = s->rotated};
    model->embed = add_tensor(&m, "embed", WEIGHT_ROW8, s->vocab, s->dim, 0);
    for (uint32_t i = 0; i < 8; i++)
        if (s->gains >> i & 1)
            variants[i].q_gain = add_gain(&m, (variants[i].whole ? HEADS : 1) * s->head_dim),
            variants[i].k_gain = add_gain(&m, (variants[i].whole ? HEADS : 1) * s->head_dim);
    for (uint32_t i = 0; i < 8; i++)
        if (norms_behind(&variants[i]))
            variants[i].o_gain = add_gain(&m, padded_rows(s->dim)),
            variants[i].down_gain = add_gain(&m, padded_rows(s->dim));
    for (uint32_t i = 0; i < s->layers; i++) {
        layers[i] = s->layer[i];
        if (layers[i].variant && variants[layers[i].variant - 1].sinks != BLOB_ABSENT)
            variants[layers[i].variant - 1].sinks = add_sinks(&m);
        add_layer(&m, s, &layers[i], variants, s->head_dim);
    }
    model->head = add_tensor(&m, "head", WEIGHT_W8, s->vocab, s->dim, s->bias != 0);
    model->tensors = m.count;
    for (uint32_t i = 0; i < padded_rows(s->vocab); i++)
        m.rows[m.tensors[model->embed].row_scales + i] = i < s->vocab ? 0.01f : 0.0f;

    uint8_t *weights = aligned_alloc(BLOB_ALIGN, m.bytes);
    for (uint64_t i = 0; i < m.bytes; i++) weights[i] = (uint8_t)draw();
    uint32_t h = s->head_dim / 2;
    float *rope = malloc((size_t)BLOB_ROPE_TABLES_MAX * s->positions * s->head_dim * sizeof *rope);
    for (uint32_t p = 0; p < BLOB_ROPE_TABLES_MAX * s->positions; p++)
        for (uint32_t i = 0; i < h; i++) {
            float a = unit();
            rope[(size_t)p * 2 * h + i] = a;
            rope[(size_t)p * 2 * h + h + i] = 1.0f - a;
        }
    struct hal_model made = {.dims = model,
                             .layers = layers,
                             .tensors = m.tensors,
                             .rows = m.rows,
                             .rope = rope,
                             .rope_tables = BLOB_ROPE_TABLES_MAX,
                             .weights = weights,
                             .variants = variants};
    hal_set_windows(&made);
    return made;
}

void random_model_free(struct hal_model *m) {
    free((void *)(uintptr_t)m->dims);
    free((void *)(uintptr_t)m->layers);
    free((void *)(uintptr_t)m->variants);
    free((void *)(uintptr_t)m->tensors);
    free((void *)(uintptr_t)m->rows);
    free((void *)(uintptr_t)m->rope);
    free((void *)(uintptr_t)m->weights);
}
