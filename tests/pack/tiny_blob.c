#include "tests/pack/tiny_blob.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pack/random.h"
#include "weights/hash.h"
#include "weights/pack/quantize/panels.h"
#include "weights/pack/quantize/rope.h"
#include "weights/pack/sections.h"
#include "weights/vocab.h"

enum { BOS = 256, EOS = 257 };

struct gain_run {
    uint32_t at, floats;
};

struct building {
    struct tiny_spec spec;
    struct blob_model model;
    struct blob_layer layers[TINY_LAYERS_MAX];
    struct blob_variant variants[TINY_LAYERS_MAX];
    uint32_t variants_count;
    struct gain_run gains[4 * TINY_LAYERS_MAX];
    uint32_t gain_count;
    struct blob_tensor tensors[2 + TINY_LAYERS_MAX * (LT_COUNT + 1)];
    uint64_t row_floats, weight_bytes;
    size_t vocab_bytes;
};

static const char TEXT[] = "\0tiny\0random\0random integers";

static uint32_t or_default(uint32_t value, uint32_t instead) { return value ? value : instead; }

static struct tiny_spec completed(struct tiny_spec spec) {
    spec.layers = or_default(spec.layers, 2);
    if (spec.layers > TINY_LAYERS_MAX) spec.layers = TINY_LAYERS_MAX;
    spec.dim = or_default(spec.dim, 64);
    spec.heads = or_default(spec.heads, 4);
    spec.kv_heads = or_default(spec.kv_heads, 2);
    spec.head_dim = or_default(spec.head_dim, 16);
    spec.ffn = or_default(spec.ffn, 128);
    spec.vocab = or_default(spec.vocab, 272);
    if (spec.vocab <= EOS) spec.vocab = EOS + 1;
    spec.pieces = or_default(spec.pieces, spec.vocab);
    spec.positions = or_default(spec.positions, 256);
    if (!spec.weights) spec.weights = WEIGHT_W8;
    return spec;
}

/* -------------------------------------------------------------------------------- vocabulary -- */

/* Bytes of the pieces: one for each byte, "<bos>", "<eos>", "<n>" for the others. */
static uint32_t piece(uint32_t id, char out[16]) {
    if (id >= 256)
        return (uint32_t)snprintf(out, 16, id == BOS ? "<bos>" : id == EOS ? "<eos>" : "<%u>", id);
    out[0] = (char)id;
    return 1;
}

static uint32_t aligned(uint32_t at) { return (at + 3) & ~3u; }

/* The section's size; with out not NULL the section, too. */
static size_t write_vocab(const struct tiny_spec *spec, uint8_t *out) {
    uint32_t rows = spec->vocab, used = 0;
    char text[16];
    for (uint32_t id = 0; id < rows; id++) used += piece(id, text);
    struct vocab_header h = {.magic = VOCAB_MAGIC,
                             .kind = VOCAB_BPE,
                             .pre = VOCAB_PRE_GPT2,
                             .flags = spec->add_bos ? VOCAB_ADD_BOS : 0,
                             .rows = rows,
                             .symbols = rows,
                             .bos = BOS,
                             .eos = EOS,
                             .unk = -1,
                             .piece_max = spec->words ? 16 : 1,
                             .bytes_count = used,
                             .added_count = 2,
                             .ends_count = 1,
                             .offsets = sizeof h};
    h.bytes = h.offsets + (rows + 1) * 4;
    h.types = aligned(h.bytes + used);
    h.initial = aligned(h.types + rows);
    h.pair_index = h.initial + 256 * 4;
    h.added = h.pair_index + (rows + 1) * 4;
    h.ends = h.added + 2 * (uint32_t)sizeof(struct vocab_added);
    h.fallback = h.chars = h.virtuals = h.pairs = h.slots = h.ends; /* empty */
    size_t size = h.ends + 4;
    if (!out) return size;
    memset(out, 0, size);
    memcpy(out, &h, sizeof h);
    uint32_t *offsets = (uint32_t *)(void *)(out + h.offsets),
             *initial = (uint32_t *)(void *)(out + h.initial);
    for (uint32_t id = 0; id < rows; id++) {
        uint32_t length = piece(id, text);
        memcpy(out + h.bytes + offsets[id], text, length);
        offsets[id + 1] = offsets[id] + length;
        out[h.types + id] = id < 256                           ? VOCAB_NORMAL
                            : id <= EOS                        ? VOCAB_CONTROL
                            : spec->words && id < spec->pieces ? VOCAB_NORMAL
                                                               : VOCAB_UNUSED;
        if (id < 256) initial[id] = id;
    }
    const struct vocab_added added[2] = {{.id = BOS}, {.id = EOS}};
    memcpy(out + h.added, added, sizeof added);
    const uint32_t end = EOS;
    memcpy(out + h.ends, &end, 4);
    return size;
}

/* MODEL's size; with out not NULL the section, too. */
static size_t write_model(const struct building *b, uint8_t *out) {
    const struct blob_draft draft = {.head_rows = b->spec.head_rows,
                                     .mask = b->spec.mask ? b->spec.mask : BLOB_ABSENT};
    size_t size = sizeof b->model + (b->model.draft ? sizeof draft + 4u * draft.head_rows : 0);
    if (out) memcpy(out, &b->model, sizeof b->model);
    if (!out || !b->model.draft) return size;
    memcpy(out + sizeof b->model, &draft, sizeof draft);
    for (uint32_t i = 0; i < draft.head_rows; i++) {
        uint32_t id = (uint32_t)((uint64_t)i * b->spec.vocab / draft.head_rows);
        memcpy(out + sizeof b->model + sizeof draft + 4u * i, &id, 4);
    }
    return size;
}

/* ----------------------------------------------------------------------------------- weights -- */

static uint32_t add_tensor(struct building *b, const char *name, enum weight_type type,
                           uint32_t rows, uint32_t cols, int bias) {
    struct blob_tensor *t = &b->tensors[b->model.tensors];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->type = type, t->rows = rows, t->cols = cols;
    t->row_scales = (uint32_t)b->row_floats;
    b->row_floats += padded_rows(rows);
    t->bias = bias ? (uint32_t)b->row_floats : BLOB_ABSENT;
    b->row_floats += bias ? padded_rows(rows) : 0;
    t->offset = (b->weight_bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
    t->bytes = weight_bytes(type, rows, cols);
    b->weight_bytes = t->offset + t->bytes;
    return b->model.tensors++;
}

/* The place of so many gains, which fill_gains finds again. */
static uint32_t add_gains(struct building *b, uint32_t floats) {
    const uint32_t at = (uint32_t)b->row_floats;
    b->gains[b->gain_count++] = (struct gain_run){at, floats};
    b->row_floats += padded_rows(floats);
    return at;
}

static void add_layer(struct building *b, uint32_t i) {
    const struct tiny_spec *s = &b->spec;
    struct blob_layer *layer = &b->layers[i];
    uint32_t heads = s->without_attention >> i & 1 ? 0 : s->heads,
             ffn = s->without_ffn >> i & 1 ? 0 : s->ffn;
    uint32_t kv_heads = heads ? or_default(s->layer_kv_heads[i], s->kv_heads) : 0;
    layer->heads = heads, layer->kv_heads = kv_heads, layer->ffn = ffn;
    struct blob_variant variant = *plain_variant();
    if (s->unrotated >> i & 1) variant.rotation = ROTATION_NONE;
    if (s->second_rope >> i & 1) variant.rotation = ROTATION_SECOND;
    variant.window = s->window[i];
    if (s->ungated >> i & 1) variant.activation = ACTIVATION_GELU;
    if (s->clamped >> i & 1) variant.activation = ACTIVATION_CLAMPED;
    if (s->plain >> i & 1) variant.activation = ACTIVATION_PLAIN;
    if (s->behind >> i & 1) variant.norms = NORMS_BEHIND;
    if (s->around >> i & 1) variant.norms = NORMS_AROUND;
    if (s->normed >> i & 1) {
        variant.whole = s->whole >> i & 1;
        variant.q_gain = add_gains(b, variant.whole ? heads * s->head_dim : s->head_dim);
        variant.k_gain = add_gains(b, variant.whole ? kv_heads * s->head_dim : s->head_dim);
    }
    if (norms_behind(&variant)) {
        variant.o_gain = add_gains(b, s->dim);
        variant.down_gain = add_gains(b, s->dim);
    }
    if (heads && s->sinks >> i & 1) {
        variant.sinks = (uint32_t)b->row_floats;
        b->row_floats += padded_rows(heads);
    }
    if (s->with_experts >> i & 1) {
        char name[48];
        snprintf(name, sizeof name, "layer.%u.ffn_router", i);
        variant.experts = s->experts, variant.active = s->active, variant.mixing = s->mixing;
        variant.router = add_tensor(b, name, WEIGHT_W8, s->experts, s->dim, s->bias);
    }
    if (memcmp(&variant, plain_variant(), sizeof variant) != 0) {
        b->variants[b->variants_count++] = variant;
        layer->variant = b->variants_count;
    }
    const struct blob_model shape = {.dim = s->dim, .head_dim = s->head_dim};
    for (int k = 0; k < LT_COUNT; k++) {
        const struct layer_role *role = &layer_roles[k];
        const struct layer_shape is = layer_shape(&shape, layer, &variant, (enum layer_tensor)k);
        const uint32_t rows = is.rows, cols = is.cols;
        char name[48];
        snprintf(name, sizeof name, "layer.%u.%s", i, role->name);
        layer->tensor[k] = layer_lacks(&shape, layer, &variant, (enum layer_tensor)k)
                               ? BLOB_ABSENT
                               : add_tensor(b, name, k == LT_V ? WEIGHT_W8 : s->weights, rows, cols,
                                            s->bias && role->runs & HAS_BIAS);
    }
}

static void describe(struct building *b) {
    const struct tiny_spec *s = &b->spec;
    b->model.embed = add_tensor(b, "embed", WEIGHT_ROW8, s->vocab, s->dim, 0);
    for (uint32_t i = 0; i < s->layers; i++) add_layer(b, i);
    b->model.head =
        add_tensor(b, "head", WEIGHT_W8, or_default(s->head_rows, s->vocab), s->dim, s->bias);
    b->model.draft = s->head_rows || s->mask;
    b->model.layers = s->layers, b->model.dim = s->dim, b->model.vocab = s->vocab,
    b->model.max_positions = s->positions;
    b->model.head_dim = s->head_dim, b->model.eps = 1e-5f, b->model.rotated = !s->unrotated_stream;
    b->model.name = 1, b->model.architecture = 6, b->model.provenance = 13;
    for (uint32_t i = 0; i < b->model.tensors; i++)
        b->model.parameters += (uint64_t)b->tensors[i].rows * b->tensors[i].cols;
    b->vocab_bytes = write_vocab(s, NULL);
}

/* Every byte is as good as any other in panels. */
static void fill_noise(const struct blob_tensor *t, float size, float *rows, uint8_t *weights,
                       uint64_t *seed) {
    const struct levels to = levels_of((enum weight_type)t->type);
    const double spread = (to.high - to.low + 1) * 0.2875 *
                          (weight_traits(t->type)->scale_bits != 0 ? 74 : 1); /* of random bytes */
    for (uint64_t at = 0; at + 8 <= t->bytes; at += 8) {
        const uint64_t bits = random_bits(seed);
        memcpy(weights + t->offset + at, &bits, 8);
    }
    for (uint32_t r = 0; r < t->rows; r++) {
        rows[t->row_scales + r] = (float)(size / (spread * sqrt((double)t->cols)));
        if (t->bias != BLOB_ABSENT) rows[t->bias + r] = 0.1f * random_normal(seed);
    }
}

/* Integers of full range and a row scale that makes outputs of the order of `size` from inputs of
 * one. */
static void fill_tensor(const struct building *b, const struct blob_tensor *t, float size,
                        float *rows, uint8_t *weights, uint64_t *seed) {
    uint32_t kp = padded_cols(t->cols);
    int8_t *q = calloc(PANEL_ROWS, kp), *scale = calloc(PANEL_ROWS, kp / GROUP);
    uint8_t *panel = malloc((size_t)PANEL_ROWS * kp);
    const struct levels to = levels_of((enum weight_type)t->type);
    const uint32_t count_of_levels = (uint32_t)(to.high - to.low) + 1;
    const bool grouped = weight_traits(t->type)->scale_bits != 0;
    double spread = count_of_levels * 0.2875 * (grouped ? 64 : 1); /* deviation of scale * weight */
    (void)b;
    for (uint32_t first = 0; q && scale && panel && first < t->rows; first += PANEL_ROWS) {
        uint32_t count = t->rows - first < PANEL_ROWS ? t->rows - first : PANEL_ROWS;
        struct quantized_row row[PANEL_ROWS];
        for (uint32_t r = 0; r < count; r++) {
            row[r] = (struct quantized_row){.q = q + (size_t)r * kp,
                                            .scale = scale + (size_t)r * (kp / GROUP)};
            for (uint32_t c = 0; c < t->cols; c++)
                row[r].q[c] =
                    (int8_t)nearest_level((float)random_below(seed, count_of_levels) + to.low, to);
            if (weight_traits(t->type)->sparse) drop_half(row[r].q, t->cols, seed);
            for (uint32_t g = 0; g < kp / GROUP; g++)
                row[r].scale[g] =
                    (int8_t)((1 + (int)random_below(seed, 127)) * (random_below(seed, 2) ? 1 : -1));
            float jitter = 0.75f + (float)random_below(seed, 1024) / 2048;
            rows[t->row_scales + first + r] =
                jitter * (float)(size / (spread * sqrt((double)t->cols)));
            if (t->bias != BLOB_ABSENT) rows[t->bias + first + r] = 0.1f * random_normal(seed);
        }
        size_t stride =
            t->type == WEIGHT_ROW8 ? (size_t)kp * PANEL_ROWS : panel_bytes(t->type, t->cols);
        layout_panel((enum weight_type)t->type, t->cols, row, count, panel);
        memcpy(weights + t->offset + first / PANEL_ROWS * stride, panel,
               t->type == WEIGHT_ROW8 ? (size_t)kp * count : stride);
    }
    free(q), free(scale), free(panel);
}

static void fill_weights(const struct building *b, float *rows, uint8_t *weights) {
    uint64_t seed = b->spec.seed;
    for (uint32_t i = 0; i < b->model.tensors; i++) {
        const struct blob_tensor *t = &b->tensors[i];
        float size = i == b->model.head           ? 3
                     : i == b->model.embed        ? sqrtf((float)t->cols)
                     : strstr(t->name, ".attn_q") ? 1.5f
                                                  : 1;
        if (b->spec.noise && t->type != WEIGHT_ROW8)
            fill_noise(t, size, rows, weights, &seed);
        else
            fill_tensor(b, t, size, rows, weights, &seed);
    }
    for (uint32_t i = 0; i < b->gain_count; i++)
        for (uint32_t c = 0; c < b->gains[i].floats; c++)
            rows[b->gains[i].at + c] = 0.75f + (float)random_below(&seed, 1024) / 2048;
}

/* Around 0, where the scores lie. */
static void fill_sinks(const struct building *b, float *rows) {
    uint64_t seed = b->spec.seed + 1;
    for (uint32_t i = 0; i < b->spec.layers; i++) {
        const uint32_t at = layer_variant(&b->layers[i], b->variants)->sinks;
        for (uint32_t h = 0; at != BLOB_ABSENT && h < b->layers[i].heads; h++)
            rows[at + h] = 2.0f * random_normal(&seed);
    }
}

/* Bytes of a table of RoPE. */
static size_t rope_bytes(const struct building *b) {
    return (size_t)b->model.max_positions * b->model.head_dim * sizeof(float);
}

static void fill_rope(const struct building *b, double theta, float *rope) {
    struct rope_config config = {
        .theta = theta, .rotary = b->model.head_dim, .scaling = ROPE_NONE, .factor = 1};
    struct rope_table table;
    if (!rope_table_make(&config, b->model.max_positions, NULL, &table, NULL)) return;
    for (uint32_t p = 0; p < b->model.max_positions; p++)
        rope_position(&table, b->model.head_dim, p, rope + (size_t)p * b->model.head_dim);
}

/* -------------------------------------------------------------------------------------- blob -- */

void tiny_reseal(void *blob, size_t bytes) {
    struct blob_header *header = blob;
    for (int kind = 0; kind < BLOB_SECTIONS; kind++) {
        struct blob_section *s = &header->section[kind];
        if (s->offset <= bytes && s->bytes <= bytes - s->offset)
            s->hash = hash64((uint8_t *)blob + s->offset, (size_t)s->bytes);
    }
    sections_seal(header);
}

void *tiny_blob(const struct tiny_spec *spec, size_t *bytes) {
    struct building *b = calloc(1, sizeof *b);
    if (!b) return NULL;
    b->spec = completed(*spec);
    describe(b);
    const size_t layers = b->model.layers * sizeof b->layers[0];
    const uint64_t sizes[BLOB_SECTIONS] = {
        [BLOB_MODEL] = write_model(b, NULL),
        [BLOB_LAYERS] = layers + b->variants_count * sizeof b->variants[0],
        [BLOB_TENSORS] = b->model.tensors * sizeof b->tensors[0],
        [BLOB_ROWS] = b->row_floats * sizeof(float),
        [BLOB_ROPE] = (b->spec.second_rope ? 2 : 1) * rope_bytes(b),
        [BLOB_VOCAB] = b->vocab_bytes,
        [BLOB_TEXT] = sizeof TEXT,
        [BLOB_WEIGHTS] = b->weight_bytes};
    struct blob_header header = {0};
    for (int kind = 0; kind < BLOB_SECTIONS; kind++) header.section[kind].bytes = sizes[kind];
    sections_place(&header);
    uint8_t *blob = aligned_alloc(BLOB_ALIGN, (size_t)header.file_bytes);
    if (blob) {
        *bytes = (size_t)header.file_bytes;
        memset(blob, 0, *bytes);
        memcpy(blob, &header, sizeof header);
        uint8_t *at[BLOB_SECTIONS];
        for (int kind = 0; kind < BLOB_SECTIONS; kind++)
            at[kind] = blob + header.section[kind].offset;
        write_model(b, at[BLOB_MODEL]);
        memcpy(at[BLOB_LAYERS], b->layers, layers);
        memcpy(at[BLOB_LAYERS] + layers, b->variants, (size_t)sizes[BLOB_LAYERS] - layers);
        memcpy(at[BLOB_TENSORS], b->tensors, (size_t)sizes[BLOB_TENSORS]);
        memcpy(at[BLOB_TEXT], TEXT, sizeof TEXT);
        write_vocab(&b->spec, at[BLOB_VOCAB]);
        fill_rope(b, 10000, (float *)(void *)at[BLOB_ROPE]);
        if (b->spec.second_rope)
            fill_rope(b, 100, (float *)(void *)(at[BLOB_ROPE] + rope_bytes(b)));
        fill_weights(b, (float *)(void *)at[BLOB_ROWS], at[BLOB_WEIGHTS]);
        fill_sinks(b, (float *)(void *)at[BLOB_ROWS]);
        tiny_reseal(blob, *bytes);
    }
    free(b);
    return blob;
}
