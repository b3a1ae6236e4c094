#include "weights/pack/quantize/pack_plan.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apus/apus.h"
#include "weights/pack/quantize/rope.h"

enum { POSITIONS_DEFAULT = 32768 };
static const uint64_t INT4_FROM = 1000000000;

/* Checks that the format can hold the model. The source has checked that the numbers agree with
 * each other and with the tensors. */
static bool check(const struct model_config *config, uint32_t *head_size, struct diag *d) {
    if (config->layers > BLOB_LAYERS_MAX)
        return diag_fail(d, "%u layers where at most %d are supported", config->layers,
                         BLOB_LAYERS_MAX);
    if (config->dim < 1 || config->dim > BLOB_DIM_MAX)
        return diag_fail(d, "width %u where 1 to %d is supported", config->dim, BLOB_DIM_MAX);
    if (config->vocab > BLOB_VOCAB_MAX)
        return diag_fail(d, "%u vocabulary rows where at most %d are supported", config->vocab,
                         BLOB_VOCAB_MAX);
    if (!(config->eps >= 0x1p-40 && config->eps <= 1))
        return diag_fail(d, "RMSNorm eps is %g where 2^-40 to 1 is supported", config->eps);
    *head_size = 0;
    for (uint32_t i = 0; i < config->layers; i++) {
        const struct layer_config *layer = &config->layer[i];
        if (layer->ffn > BLOB_DIM_MAX)
            return diag_fail(d, "layer %u: feed-forward width %u where at most %d is supported", i,
                             layer->ffn, BLOB_DIM_MAX);
        if (layer->experts > BLOB_EXPERTS_MAX ||
            (layer->experts && layer->active > BLOB_ACTIVE_MAX))
            return diag_fail(d, "layer %u: %u of %u experts where at most %d of %d are supported",
                             i, layer->active, layer->experts, BLOB_ACTIVE_MAX, BLOB_EXPERTS_MAX);
        if (layer->experts && config->dim % PANEL_ROWS)
            return diag_fail(d, "width %u with experts where multiples of %d are supported",
                             config->dim, PANEL_ROWS);
        if ((uint64_t)layer->experts * (layer->ffn > config->dim ? layer->ffn : config->dim) >
            BLOB_VOCAB_MAX)
            return diag_fail(d, "layer %u: %u experts have more than %d rows together", i,
                             layer->experts, BLOB_VOCAB_MAX);
        if (layer->heads == 0) continue;
        if (layer->head_dim > BLOB_HEAD_DIM_MAX)
            return diag_fail(d, "layer %u: head_dim is %u where at most %d is supported", i,
                             layer->head_dim, BLOB_HEAD_DIM_MAX);
        if (*head_size && *head_size != layer->head_dim)
            return diag_fail(
                d,
                "layer %u: head_dim is %u where an earlier layer has %u; one for all is supported",
                i, layer->head_dim, *head_size);
        *head_size = layer->head_dim;
        uint32_t wide = round_up(layer->head_dim, PANEL_ROWS);
        if ((uint64_t)layer->heads * wide > BLOB_DIM_MAX)
            return diag_fail(d, "layer %u: %u heads of %u where at most %d together are supported",
                             i, layer->heads, wide, BLOB_DIM_MAX);
    }
    if (config_has(config, WHEN_NORMED) && *head_size % PANEL_ROWS)
        return diag_fail(d, "heads of %u with norms, where multiples of %d are supported",
                         *head_size, PANEL_ROWS);
    return *head_size || diag_fail(d, "no layer has attention");
}

/* The number of parameters in the source's tensors. A tied head counts once. */
static uint64_t parameters(const struct source *source) {
    const struct model_config *config = source_config(source);
    uint64_t sum = 0;
    for (int role = 0; role < SOURCE_ROLES; role++) {
        uint32_t layers = source_roles[role].per == PER_MODEL ? 1 : config->layers;
        for (uint32_t i = 0; i < layers; i++) {
            const struct source_tensor *tensor =
                source_roles[role].cols == SIZE_FREQS
                    ? NULL
                    : source_tensor(source, (enum source_role)role, i);
            if (tensor && !(role == SOURCE_HEAD && config->tied))
                sum += tensor->rows * tensor->cols;
        }
    }
    for (uint32_t i = 0; i < config->layers; i++)
        for (uint32_t e = 0; e < config->layer[i].experts; e++)
            for (int role = 0; role < EXPERT_ROLES; role++) {
                const struct source_tensor *tensor =
                    source_expert(source, (enum expert_role)role, i, e);
                if (tensor) sum += tensor->rows * tensor->cols;
            }
    return sum;
}

static uint32_t add_text(struct plan *plan, const char *text) {
    uint32_t at = (uint32_t)plan->text_bytes;
    if (!text[0]) return 0;
    size_t bytes = strlen(text) + 1;
    memcpy(plan->text + at, text, bytes);
    plan->text_bytes += bytes;
    return at;
}

/* Spells out characters that a terminal or JSON cannot take, because names come from files. */
static struct diag cleaned(const char *text) {
    struct diag clean = {0};
    diag_fail(&clean, "%s", text);
    return clean;
}

static void note(struct plan *plan, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void note(struct plan *plan, const char *format, ...) {
    size_t used = strlen(plan->notes);
    if (used && used + 2 < sizeof plan->notes) memcpy(plan->notes + used, "; ", 3), used += 2;
    va_list args;
    va_start(args, format);
    vsnprintf(plan->notes + used, sizeof plan->notes - used, format, args);
    va_end(args);
}

/* Notes tensors of layers that have less than 6 bits a weight in the source and would be rounded a
 * second time to 4 bits. */
static void note_rounded_twice(struct plan *plan) {
    uint32_t coarse = 0, all = 0;
    const char *type = NULL;
    for (uint32_t i = 0; i < plan->model.tensors && plan->layer_bits == 4; i++) {
        if (i == plan->model.embed || i == plan->model.head) continue;
        const struct source_tensor *from = plan->tensors[i].from;
        all++, coarse += from->bits < 6;
        if (from->bits < 6 && !type) type = from->type;
    }
    if (coarse)
        note(plan,
             "%u of %u layer tensors are rounded already (%s) and are rounded again to 4 bits: "
             "--weights int8 adds next to nothing to their error, --bits 5.2 half as much as 4 "
             "bits, and the original weights, where there are others, give the better int4",
             coarse, all, type);
}

/* LongRoPE has one list of divisors up to the original positions and another beyond. A blob has
 * one. */
static void note_long(struct plan *plan, const struct rope_config *rope) {
    uint32_t positions = plan->model.max_positions, original = rope->original_positions;
    if (positions > original)
        note(plan,
             "RoPE is scaled for long texts, because there are more than %u positions: --ctx %u "
             "packs the scaling for short ones",
             original, original);
    else
        note(plan, "RoPE is scaled for texts of up to %u positions", original);
}

/* Says what became of sparse matrices, and what they make of the rest. */
static void note_sparse(struct plan *plan, const struct plan_choice *choice) {
    const struct sparsity *s = choice->sparsity;
    uint32_t sparse = 0;
    for (uint32_t i = 0; i < plan->model.tensors; i++)
        sparse += weight_traits(plan->tensors[i].record.type)->sparse;
    if (choice->prune)
        note(plan, "pruned to two of every four weights in %u of %u tensors of layers", sparse,
             s->matrices);
    else if (sparse)
        note(plan,
             "%u of %u tensors of layers have two zeros in every four weights: %u are packed so, "
             "and the model is not rotated, because that would fill the zeros",
             s->found, s->matrices, sparse);
    else if (s && s->found)
        note(plan,
             "%u of %u tensors of layers have two zeros in every four weights: they are less than "
             "half of the weights, and are packed as if they had not, so that all can be rotated",
             s->found, s->matrices);
}

static void write_notes(struct plan *plan, const struct model_config *config,
                        const struct plan_choice *choice) {
    uint32_t positions = plan->model.max_positions, asked = choice->positions;
    if (config->notes[0]) note(plan, "%s", cleaned(config->notes).text);
    if (positions < config->max_positions)
        note(plan, "positions capped at %u of %u%s", positions, config->max_positions,
             asked ? "" : ", which --ctx N changes");
    if (asked > positions)
        note(plan, "--ctx %u was not reached: the model has %u positions", asked, positions);
    if (config->rope.scaling == ROPE_DYNAMIC && positions > config->max_positions)
        note(plan, "RoPE is scaled as dynamic NTK does for a text of %u positions", positions);
    if (config->rope.scaling == ROPE_LONG) note_long(plan, &config->rope);
    if (plan->head_size != plan->model.head_dim)
        note(plan, "heads of %u are filled up to %u", plan->head_size, plan->model.head_dim);
    if (choice->head_rows)
        note(plan,
             "the head has rows for %u ids only: the model proposes these, and knows no others",
             choice->head_rows);
    if (plan->draft.mask != BLOB_ABSENT)
        note(plan, "proposes several ids in one pass, by the mask %u", plan->draft.mask);
    if (choice->dropped)
        note(plan, "%llu bytes of the calibration text are left out: no token has them",
             (unsigned long long)choice->dropped);
    note_sparse(plan, choice);
    note_rounded_twice(plan);
}

static bool write_text(struct plan *plan, const struct source *source,
                       const struct plan_choice *choice, struct diag *d) {
    const struct model_config *config = source_config(source);
    char provenance[4096], layers[32] = "8 bits";
    if (plan->layer_bits == 4) snprintf(layers, sizeof layers, "up to %g bits", plan->bits);
    struct diag origin = cleaned(choice->origin), architecture = cleaned(config->architecture);
    struct diag name = cleaned(choice->name      ? choice->name
                               : config->name[0] ? config->name
                                                 : choice->origin);
    snprintf(provenance, sizeof provenance,
             "apus-pack %d.%d.%d from the %s %s; layers %s, embedding and head 8 bits%s, %s%s%s",
             APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH,
             source_gguf(source) ? "GGUF file" : "Hugging Face directory", origin.text, layers,
             plan->model.rotated ? ", rotated" : ", not rotated",
             choice->calibration ? choice->calibration : "not calibrated",
             plan->notes[0] ? "; " : "", plan->notes);
    plan->text = calloc(1, strlen(name.text) + strlen(architecture.text) + strlen(provenance) + 4);
    if (!plan->text) return diag_fail(d, "out of memory");
    plan->text_bytes = 1;
    plan->model.name = add_text(plan, name.text);
    plan->model.architecture = add_text(plan, architecture.text);
    plan->model.provenance = add_text(plan, provenance);
    return true;
}

static void add_tensor(struct plan *plan, struct plan_tensor tensor, enum weight_type type,
                       uint32_t rows, uint32_t cols, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
static void add_tensor(struct plan *plan, struct plan_tensor tensor, enum weight_type type,
                       uint32_t rows, uint32_t cols, const char *format, ...) {
    va_list names;
    va_start(names, format);
    vsnprintf(tensor.record.name, sizeof tensor.record.name, format, names);
    va_end(names);
    tensor.record.type = type, tensor.record.rows = rows, tensor.record.cols = cols;
    tensor.record.row_scales = (uint32_t)plan->row_floats;
    plan->row_floats += padded_rows(rows);
    for (int run = 0; run < ROW_RUNS; run++) {
        tensor_set_run(&tensor.record, (enum row_run)run,
                       plan_has_run(&tensor, (enum row_run)run) ? (uint32_t)plan->row_floats
                                                                : BLOB_ABSENT);
        plan->row_floats += plan_has_run(&tensor, (enum row_run)run) ? padded_rows(rows) : 0;
    }
    plan->tensors[plan->model.tensors++] = tensor;
}

/* The place of gains, or of sinks, in ROWS; BLOB_ABSENT where the layer has none. */
static uint32_t add_gain(struct plan *plan, const struct source_tensor *from, double factor,
                         float rotated_factor) {
    if (!from) return BLOB_ABSENT;
    const uint32_t at = (uint32_t)plan->row_floats;
    plan->gains[plan->gain_count++] = (struct plan_gain){from, at, factor, rotated_factor};
    plan->row_floats += padded_rows((uint32_t)from->cols);
    return at;
}

static enum blob_activation activation_of(const struct source *source,
                                          const struct plan_choice *choice, uint32_t index) {
    const struct model_config *config = source_config(source);
    if (config_clamps(config)) return ACTIVATION_CLAMPED;
    if (config_has(config, WHEN_UNGATED) && config->layer[index].ffn) return ACTIVATION_GELU;
    return sparsity_has(choice->sparsity, index, LT_DOWN) ? ACTIVATION_PLAIN : ACTIVATION_SILU;
}

/* What the layer has beside its shape, as struct blob_layer names it: layers with the same share
 * one record. */
static uint32_t variant_of(struct plan *plan, const struct source *source,
                           const struct plan_choice *choice, uint32_t index) {
    const struct layer_config *layer = &source_config(source)->layer[index];
    struct blob_variant v = *plain_variant();
    const struct source_tensor *q_norm = source_tensor(source, SOURCE_Q_NORM, index),
                               *k_norm = source_tensor(source, SOURCE_K_NORM, index);
    v.q_gain =
        add_gain(plan, q_norm, packed_gain_factor(plan), packed_rotated(plan, source, index));
    v.k_gain = add_gain(plan, k_norm, 1, 1);
    v.whole = q_norm && config_has(source_config(source), WHEN_WHOLE);
    if (config_has(source_config(source), WHEN_BEHIND)) {
        const double factor = 1 / sqrt((double)stream_block(&plan->model));
        v.norms = config_has(source_config(source), WHEN_ONLY_BEHIND) ? NORMS_BEHIND : NORMS_AROUND;
        v.o_gain = add_gain(plan, source_tensor(source, SOURCE_O_NORM, index), factor, 1);
        v.down_gain = add_gain(plan, source_tensor(source, SOURCE_DOWN_NORM, index), factor, 1);
    }
    v.sinks = add_gain(plan, source_tensor(source, SOURCE_SINKS, index), PLAN_LOG2_E, 1);
    v.activation = activation_of(source, choice, index);
    if (layer->unrotated) v.rotation = ROTATION_NONE;
    if (layer->heads && config_turns_by_window(source_config(source), index))
        v.rotation = ROTATION_SECOND, plan->rope_tables = 2;
    if (layer->heads && layer->window < plan->model.max_positions) v.window = layer->window;
    v.experts = layer->experts, v.active = layer->experts ? layer->active : 0;
    v.mixing = layer->experts && layer->everyone ? MIXING_ALL : MIXING_CHOSEN;
    if (!memcmp(&v, plain_variant(), sizeof v)) return 0;
    uint32_t i = 0;
    if (layer->experts) i = plan->variant_count; /* the router is its own */
    while (i < plan->variant_count && memcmp(&v, &plan->variants[i], sizeof v)) i++;
    if (i == plan->variant_count) plan->variants[plan->variant_count++] = v;
    return 1 + i;
}

uint32_t plan_rotation(const struct plan *plan) {
    for (uint32_t i = 0; i < plan->variant_count; i++)
        if (norms_behind(&plan->variants[i])) return stream_block(&plan->model);
    return plan->model.dim;
}

bool plan_has_experts(const struct plan *plan) {
    for (uint32_t i = 0; i < plan->variant_count; i++)
        if (plan->variants[i].experts) return true;
    return false;
}

uint32_t plan_parts(const struct plan_tensor *tensor) { return tensor->parts ? tensor->parts : 1; }

struct plan_tensor plan_part(const struct source *source, const struct plan_tensor *tensor,
                             uint32_t part) {
    struct plan_tensor of = *tensor;
    if (!tensor->parts) return of;
    const uint32_t rows = tensor->record.rows / tensor->parts, first = part * rows;
    of.part = part;
    of.record.rows = rows;
    of.record.row_scales += first;
    of.from = source_expert(source, tensor->expert_role, tensor->layer, part);
    for (int run = 0; run < ROW_RUNS; run++) {
        if (!tensor->run[run]) continue;
        tensor_set_run(&of.record, (enum row_run)run,
                       tensor_run(&of.record, (enum row_run)run) + first);
        of.run[run] = source_expert(
            source, (enum expert_role)(EXPERT_GATE_BIAS + (int)tensor->expert_role - EXPERT_GATE),
            tensor->layer, part);
    }
    return of;
}

/* The router's matrix, which is small, always has 8 bits. */
static uint32_t add_router(struct plan *plan, const struct source *source, uint32_t i) {
    struct plan_tensor tensor = {.from = source_tensor(source, SOURCE_ROUTER, i),
                                 .gain = source_tensor(source, SOURCE_FFN_NORM, i),
                                 .run = {source_tensor(source, SOURCE_ROUTER_BIAS, i)},
                                 .rows = MIX_RESIDUAL,
                                 .factor = 1,
                                 .run_factor = 1,
                                 .rotated_factor = 1,
                                 .layer = i};
    add_tensor(plan, tensor, WEIGHT_W8, source_config(source)->layer[i].experts, plan->model.dim,
               "layer.%u.ffn_router", i);
    return plan->model.tensors - 1;
}

/* Engines transform the inputs of DOWN, but for one activation. */
static bool is_sparse(const struct plan_choice *choice, uint32_t layer,
                      const struct blob_variant *variant, enum layer_tensor which) {
    return sparsity_has(choice->sparsity, layer, which) &&
           (which != LT_DOWN || variant->activation == ACTIVATION_PLAIN);
}

static void add_layer(struct plan *plan, const struct source *source, uint32_t i,
                      const struct plan_choice *choice) {
    const struct layer_config *layer = &source_config(source)->layer[i];
    struct blob_layer *record = &plan->layers[i];
    *record = (struct blob_layer){.heads = layer->heads,
                                  .kv_heads = layer->heads ? layer->kv_heads : 0,
                                  .ffn = round_up(layer->ffn, GROUP),
                                  .variant = variant_of(plan, source, choice, i)};
    const struct blob_variant *variant = layer_variant(record, plan->variants);
    for (int which = 0; which < LT_COUNT; which++) {
        const struct layer_role *role = &layer_roles[which];
        const struct layer_shape is =
            layer_shape(&plan->model, record, variant, (enum layer_tensor)which);
        record->tensor[which] = BLOB_ABSENT;
        if (layer_lacks(&plan->model, record, variant, (enum layer_tensor)which)) continue;
        if (which == LT_GATE && layer->experts)
            plan->variants[record->variant - 1].router = add_router(plan, source, i);
        const bool sparse = is_sparse(choice, i, variant, (enum layer_tensor)which);
        enum weight_type type = plan->layer_bits == 4 ? plan_less(sparse) : plan_more(sparse);
        record->tensor[which] = plan->model.tensors;
        add_tensor(plan, packed_tensor(plan, source, i, (enum layer_tensor)which), type, is.rows,
                   is.cols, "layer.%u.%s", i, role->name);
    }
}

static void add_all(struct plan *plan, const struct source *source,
                    const struct plan_choice *choice) {
    const struct model_config *config = source_config(source);
    const struct source_tensor *embed = source_tensor(source, SOURCE_EMBED, 0),
                               *norm = source_tensor(source, SOURCE_FINAL_NORM, 0);
    struct blob_model *model = &plan->model;
    model->embed = model->tensors;
    const bool centered = config_has(config, WHEN_SHIFTED);
    add_tensor(plan,
               (struct plan_tensor){.from = embed,
                                    .rows = MIX_RESIDUAL,
                                    .center = centered ? CENTER_ROWS : CENTER_NONE,
                                    .factor = (float)plan->scale.embedding,
                                    .rotated_factor = 1},
               WEIGHT_ROW8, model->vocab, model->dim, "embed");
    for (uint32_t i = 0; i < model->layers; i++) add_layer(plan, source, i, choice);
    const struct source_tensor *head = config->tied ? embed : source_tensor(source, SOURCE_HEAD, 0);
    model->head = model->tensors;
    add_tensor(plan,
               (struct plan_tensor){.from = head,
                                    .gain = norm,
                                    .shift = source_tensor(source, SOURCE_FINAL_NORM_BIAS, 0),
                                    .picked = choice->head_ids,
                                    .rows = MIX_RESIDUAL,
                                    .factor = (float)plan->scale.logits,
                                    .run_factor = (float)plan->scale.logits,
                                    .rotated_factor = 1},
               WEIGHT_W8, choice->head_rows ? choice->head_rows : model->vocab, model->dim, "head");
}

/* In a small model V gains most from more bits (packed_roles.c). If 6 bits for all V, or 8 for
 * sparse ones, take more than PLAN_BITS, as in models whose query heads do not share keys and
 * values, the budget is that much. */
static double default_bits(const struct plan *plan) {
    double bits = 0, plain = 0, weights = 0;
    for (uint32_t i = 0; i < plan->model.layers; i++)
        for (int which = 0; which < LT_COUNT; which++) {
            uint32_t index = plan->layers[i].tensor[which];
            if (index == BLOB_ABSENT) continue;
            const struct blob_tensor *record = &plan->tensors[index].record;
            const bool sparse = weight_traits(record->type)->sparse;
            const enum weight_type type = which != LT_V ? plan_less(sparse)
                                          : sparse      ? WEIGHT_W8S
                                                        : WEIGHT_W6;
            const double own = (double)record->rows * record->cols;
            bits += (double)plan_counted_bits(type, record->rows, record->cols);
            plain += own * (sparse ? PLAN_SPARSE_BITS : PLAN_BITS);
            weights += own;
        }
    return (bits > plain ? bits : plain) / weights;
}

bool plan_make(struct plan *plan, const struct source *source, const struct plan_choice *choice,
               struct diag *d) {
    memset(plan, 0, sizeof *plan);
    const struct model_config *config = source_config(source);
    uint32_t head_size = 0, cap = choice->positions ? choice->positions : POSITIONS_DEFAULT;
    if (!check(config, &head_size, d)) return false;
    if (cap > BLOB_POSITIONS_MAX) cap = BLOB_POSITIONS_MAX;
    uint32_t there = config->max_positions;
    if (config->rope.scaling == ROPE_DYNAMIC && choice->positions > there)
        there = config->rope.reach; /* only for those who ask */
    plan->model = (struct blob_model){.layers = config->layers,
                                      .dim = config->dim,
                                      .vocab = config->vocab,
                                      .max_positions = there > cap ? cap : there,
                                      .head_dim = round_up(head_size, PANEL_ROWS),
                                      .eps = (float)config->eps,
                                      .rotated = choice->rotate &&
                                                 !(choice->sparsity && choice->sparsity->enough),
                                      .parameters = parameters(source),
                                      .draft = choice->head_rows || config->mask >= 0};
    plan->draft =
        (struct blob_draft){.head_rows = choice->head_rows,
                            .mask = config->mask >= 0 ? (uint32_t)config->mask : BLOB_ABSENT};
    plan->head_size = head_size;
    plan->scale = config->scale;
    plan->pairs = config->rope.rotary / 2;
    plan->attention[0] = (float)rope_attention(&config->rope);
    plan->attention[1] = (float)rope_attention(&config->window_rope);
    plan->rope_tables = 1;
    plan->layer_bits = choice->layer_bits                   ? choice->layer_bits
                       : plan->model.parameters < INT4_FROM ? 8
                                                            : 4;
    plan->layers = calloc(config->layers, sizeof *plan->layers + sizeof *plan->variants);
    plan->tensors = calloc(2 + (size_t)config->layers * (LT_COUNT + 1), sizeof *plan->tensors);
    plan->gains = calloc(5 * (size_t)config->layers, sizeof *plan->gains);
    if (!plan->layers || !plan->tensors || !plan->gains) {
        plan_free(plan);
        return diag_fail(d, "out of memory");
    }
    plan->variants = (struct blob_variant *)(void *)(plan->layers + config->layers);
    add_all(plan, source, choice);
    plan_place(plan);
    plan->bits = plan->layer_bits == 8 ? 0 : choice->bits > 0 ? choice->bits : default_bits(plan);
    write_notes(plan, config, choice);
    if (plan->row_floats >= UINT32_MAX || !write_text(plan, source, choice, d)) {
        plan_free(plan);
        return diag_fail(d, "the model has more rows than a blob holds");
    }
    return true;
}

void plan_free(struct plan *plan) {
    free(plan->layers);
    free(plan->tensors);
    free(plan->gains);
    free(plan->text);
    memset(plan, 0, sizeof *plan);
}

void plan_place(struct plan *plan) {
    plan->weight_bytes = 0;
    for (uint32_t i = 0; i < plan->model.tensors; i++) {
        struct blob_tensor *record = &plan->tensors[i].record;
        record->offset = (plan->weight_bytes + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN;
        record->bytes = weight_bytes(record->type, record->rows, record->cols);
        plan->weight_bytes = record->offset + record->bytes;
        plan->tensors[i].quantizer = quantizer_rounding((enum weight_type)record->type);
    }
}

uint64_t plan_counted_bits(enum weight_type type, uint32_t rows, uint32_t cols) {
    const struct weight_traits *t = weight_traits(type);
    uint64_t scales = t->scale_bits * (uint64_t)(padded_cols(cols) / GROUP),
             quads = ((uint64_t)cols + 3) / 4,
             weights = t->sparse ? quads * (2 * t->bits + 3u) : t->bits * (uint64_t)cols;
    return rows * (weights + scales);
}

double plan_layer_bits(const struct plan *plan) {
    double bits = 0, weights = 0;
    for (uint32_t i = 0; i < plan->model.tensors; i++) {
        const struct blob_tensor *record = &plan->tensors[i].record;
        if (i == plan->model.embed || i == plan->model.head) continue;
        bits +=
            (double)plan_counted_bits((enum weight_type)record->type, record->rows, record->cols);
        weights += (double)record->rows * record->cols;
    }
    return bits / weights;
}

double plan_bits_per_weight(const struct plan *plan) {
    double bits = 32.0 * (double)plan->row_floats, weights = 0;
    for (uint32_t i = 0; i < plan->model.tensors; i++) {
        const struct blob_tensor *record = &plan->tensors[i].record;
        bits += 8.0 * (double)record->bytes;
        weights += (double)record->rows * record->cols;
    }
    return bits / weights;
}
