/* Finds the role of every tensor of a checkpoint by its name, and checks that the tensors are what
 * the configuration asks for. */
#include <stdlib.h>
#include <string.h>

#include "weights/pack/checkpoint/source_experts.h"

enum { ROLES_PER_LAYER = SOURCE_ROLES - SOURCE_LAYER_ROLES };

static const char *const NO_NAMES[] = {NULL};

/* inverse frequencies of old files */
static const char *const GGUF_LAYER_SKIPPED[] = {"attn_rot_embd", "attn_rot_embd.weight", NULL};
static const char *const GGUF_ZEROS[] = {"output.bias", "output_norm.bias", NULL};
static const char *const GGUF_LAYER_ZEROS[] = {"attn_output.bias",
                                               "attn_norm.bias",
                                               "ffn_norm.bias",
                                               "ffn_gate.bias",
                                               "ffn_up.bias",
                                               "ffn_down.bias",
                                               NULL};
const struct naming source_gguf_naming = {
    .names = NAMES_GGUF,
    .layer_prefix = "blk.",
    .skipped = NO_NAMES,
    .layer_skipped = GGUF_LAYER_SKIPPED,
    .zeros = GGUF_ZEROS,
    .layer_zeros = GGUF_LAYER_ZEROS,
};

static const char *const JSON_SKIPPED[] = {"model.rotary_emb.inv_freq", NULL};
static const char *const JSON_LAYER_SKIPPED[] = {"self_attn.rotary_emb.inv_freq",
                                                 "self_attn.rotary_emb.cos_cached",
                                                 "self_attn.rotary_emb.sin_cached", NULL};
static const char *const JSON_ZEROS[] = {"lm_head.bias", "model.norm.bias", NULL};
static const char *const JSON_LAYER_ZEROS[] = {"self_attn.o_proj.bias",
                                               "input_layernorm.bias",
                                               "post_attention_layernorm.bias",
                                               "mlp.gate_proj.bias",
                                               "mlp.up_proj.bias",
                                               "mlp.down_proj.bias",
                                               NULL};
const struct naming source_json_naming = {
    .names = NAMES_HUGGING_FACE,
    .layer_prefix = "model.layers.",
    .skipped = JSON_SKIPPED,
    .layer_skipped = JSON_LAYER_SKIPPED,
    .zeros = JSON_ZEROS,
    .layer_zeros = JSON_LAYER_ZEROS,
};

static bool all_zero(const float *values, const float *others, size_t count, struct diag *d) {
    (void)others;
    for (size_t i = 0; i < count; i++)
        if (values[i] != 0) return diag_fail(d, "%g", (double)values[i]);
    return true;
}

static bool all_equal(const float *values, const float *others, size_t count, struct diag *d) {
    (void)d;
    for (size_t i = 0; i < count; i++)
        if (values[i] != others[i]) return false;
    return true;
}

/* ---------------------------------------------------------------------------- names to roles -- */

struct source_tensor *source_slot(const struct source *source, int role, uint32_t layer) {
    size_t before = source_roles[role].per == PER_MODEL ? 0 : (size_t)layer * ROLES_PER_LAYER;
    return &source->tensors[before + (size_t)role];
}

/* Splits "<prefix>12.<rest>" and returns the rest. The number has no leading zeros and is below
 * SOURCE_MAX_LAYERS. NULL if the name is not of this form. */
static const char *split_layer(const char *name, const char *prefix, uint32_t *layer) {
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0) return NULL;
    const char *p = name + n;
    if (p[0] == '0' && p[1] != '.') return NULL;
    uint32_t value = 0;
    const char *begin = p;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint32_t)(*p - '0');
        if (value >= SOURCE_MAX_LAYERS) return NULL;
    }
    if (p == begin || *p != '.') return NULL;
    *layer = value;
    return p + 1;
}

/* A bias that the model's function has no place for may be there if it is zero; writers of
 * attention_bias and mlp_bias leave such tensors. */
static bool check_zeros(struct source *source, const struct stored_tensor *stored, struct diag *d) {
    struct diag value = {{0}};
    if (source_visit_rows(source, stored, NULL, all_zero, &value)) {
        if (!strstr(source->config.notes, "biases of zeros"))
            config_note(&source->config, "biases of zeros are left out");
        return true;
    }
    return diag_fail(d, "%s: tensor %s is %s where only zeros are supported", stored->file->name,
                     stored->name, value.text);
}

/* ------------------------------------------------------------------------------------ shapes -- */

static bool is_wanted(const struct model_config *c, const struct layer_config *l,
                      const struct source_role_row *row) {
    uint32_t holds = c->features | 1u << WHEN_ALWAYS;
    if (!c->tied) holds |= 1u << WHEN_UNTIED;
    if (!config_has(c, WHEN_UNGATED)) holds |= 1u << WHEN_GATED;
    if (!config_has(c, WHEN_ONLY_BEHIND)) holds |= 1u << WHEN_BEFORE;
    if (c->rope.scaling == ROPE_DIVISORS) holds |= 1u << WHEN_DIVISORS;
    if (c->rope.scaling == ROPE_LONG && !c->rope.long_divisor) holds |= 1u << WHEN_LONG;
    if (row->per == PER_ATTENTION && l->heads == 0) return false;
    if (row->per == PER_FFN && l->ffn == 0) return false;
    if (row->per == PER_DENSE && (l->ffn == 0 || l->experts)) return false;
    if (row->per == PER_EXPERTS && !l->experts) return false;
    return holds >> row->when & 1;
}

static uint64_t size_of(const struct model_config *c, const struct layer_config *l,
                        enum source_size size) {
    switch (size) {
#define SIZE(size, of)                                                                             \
    case SIZE_##size:                                                                              \
        return of;
        SOURCE_SIZES(SIZE)
#undef SIZE
    }
    return 0;
}

static const struct source_alias aliases[] = {
#define ALIAS(traits, gguf, hugging_face, ...) {traits, {gguf, hugging_face}, {__VA_ARGS__}},
    SOURCE_ALIAS_ROWS(ALIAS)
#undef ALIAS
};

static bool no_such_layer(const struct source *source, const struct stored_tensor *stored,
                          uint32_t layer, struct diag *d) {
    return layer < source->config.layers
               ? false
               : !diag_fail(d, "%s: tensor %s is of a layer after the last of %u layers",
                            stored->file->name, stored->name, source->config.layers);
}

static bool put(struct source *source, const struct stored_tensor *stored, int role, uint32_t layer,
                uint64_t first, uint64_t rows, struct diag *d) {
    const struct gguf_type_info *type = gguf_type_info(stored->type);
    struct source_tensor *tensor = source_slot(source, role, layer);
    if (tensor->name)
        return diag_fail(d, "%s: tensors %s and %s are the same", stored->file->name, tensor->name,
                         stored->name);
    *tensor = (struct source_tensor){.name = stored->name,
                                     .type = type->name,
                                     .bits = 8.0 * type->bytes / type->block,
                                     .rows = rows,
                                     .cols = stored->cols,
                                     .stored = stored,
                                     .first = first};
    return true;
}

/* Files what an alias names: a tensor that holds the rows of several roles. */
static bool put_fused(struct source *source, const struct stored_tensor *stored,
                      const struct source_alias *alias, uint32_t layer, struct diag *d) {
    const struct model_config *c = &source->config;
    uint64_t first = 0, rows[SOURCE_FUSED_MAX] = {0};
    if (alias->role[1] == SOURCE_NONE) /* another name, and nothing more */
        return put(source, stored, (int)alias->role[0], layer, 0, stored->rows, d);
    for (int i = 0; i < SOURCE_FUSED_MAX && alias->role[i] != SOURCE_NONE; i++)
        first += rows[i] = size_of(c, &c->layer[layer], source_roles[alias->role[i]].rows);
    if (stored->dims != 2 || stored->rows != first)
        return diag_fail(d,
                         "%s: tensor %s has %llu rows in %u dimensions where the configuration "
                         "asks for %llu",
                         stored->file->name, stored->name, (unsigned long long)stored->rows,
                         stored->dims, (unsigned long long)first);
    first = 0;
    for (int i = 0; i < SOURCE_FUSED_MAX && alias->role[i] != SOURCE_NONE; i++) {
        if (!put(source, stored, (int)alias->role[i], layer, first, rows[i], d)) return false;
        first += rows[i];
    }
    return true;
}

static const struct source_alias *find_alias(const struct source *source, enum source_naming names,
                                             const char *name) {
    for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
        if (source->config.family->traits & aliases[i].traits && aliases[i].name[names] &&
            strcmp(aliases[i].name[names], name) == 0)
            return &aliases[i];
    return NULL;
}

static int find_role(enum source_naming names, const char *name, bool of_layer) {
    for (int role = 0; role < SOURCE_ROLES; role++)
        if ((source_roles[role].per != PER_MODEL) == of_layer && source_roles[role].name[names] &&
            strcmp(source_roles[role].name[names], name) == 0)
            return role;
    return SOURCE_NONE;
}

/* Whether a tensor of a model with a part for pictures belongs to that part. Moves *name past the
 * beginning that the others have. */
static bool is_around(const char **name) {
    static const char *const around[] = {"vision_tower.", "multi_modal_projector."};
    static const char own[] = "language_model.";
    for (size_t i = 0; i < sizeof around / sizeof around[0]; i++)
        if (strncmp(*name, around[i], strlen(around[i])) == 0) return true;
    if (strncmp(*name, own, sizeof own - 1) == 0) *name += sizeof own - 1;
    return false;
}

/* Mellum 2's layer that guesses a second id. transformers leaves it out, too. */
static bool is_head_of_several(const struct source *source, const char *name) {
    return source->config.family->traits & FAMILY_WINDOW_ROPE && strncmp(name, "mtp.", 4) == 0;
}

/* Files a stored tensor under its role. A name that has no role is refused, unless it is known not
 * to matter. */
static bool assign(struct source *source, const struct naming *naming,
                   const struct stored_tensor *stored, struct diag *d) {
    uint32_t layer = 0;
    const char *whole = stored->name;
    if (source->config.inside && is_around(&whole)) return true;
    const char *rest = split_layer(whole, naming->layer_prefix, &layer),
               *name = rest ? rest : whole;
    if (is_head_of_several(source, whole)) return true;
    if (name_is_listed(rest ? naming->layer_skipped : naming->skipped, name)) return true;
    bool of_expert = false;
    if (rest && layer < source->config.layers &&
        !experts_assign(source, naming->names, rest, layer, stored, &of_expert, d))
        return false;
    if (of_expert) return true;
    const struct source_alias *alias = rest ? find_alias(source, naming->names, rest) : NULL;
    int role = alias ? (int)alias->role[0] : find_role(naming->names, name, rest != NULL);
    bool zeros = name_is_listed(rest ? naming->layer_zeros : naming->zeros, name);
    if (role == SOURCE_NONE && !zeros)
        return diag_fail(d, "%s: tensor %s is not understood", stored->file->name, stored->name);
    if (no_such_layer(source, stored, layer, d)) return false;
    if (zeros && (role == SOURCE_NONE ||
                  !is_wanted(&source->config, &source->config.layer[layer], &source_roles[role])))
        return check_zeros(source, stored, d);
    return alias ? put_fused(source, stored, alias, layer, d)
                 : put(source, stored, role, layer, 0, stored->rows, d);
}

static bool check_tensor(const struct source *source, const struct naming *naming, const char *file,
                         int role, uint32_t layer, struct diag *d) {
    const struct source_tensor *tensor = source_slot(source, role, layer);
    const struct source_role_row *row = &source_roles[role];
    const struct layer_config *l = &source->config.layer[layer];
    const char *name = row->name[naming->names];
    if (!is_wanted(&source->config, l, row))
        return !tensor->name ||
               diag_fail(d, "%s: tensor %s is there, but the configuration has no place for it",
                         file, tensor->name);
    if (!tensor->name && row->per == PER_MODEL)
        return diag_fail(d, "%s: tensor %s is missing", file, name);
    if (!tensor->name)
        return diag_fail(d, "%s: tensor %s%u.%s is missing", file, naming->layer_prefix, layer,
                         name);
    uint64_t rows = size_of(&source->config, l, row->rows),
             cols = size_of(&source->config, l, row->cols);
    const struct stored_tensor *stored = tensor->stored;
    if (stored->dims != (row->rows == SIZE_ONE ? 1 : 2) || tensor->rows != rows ||
        tensor->cols != cols)
        return diag_fail(d,
                         "%s: tensor %s is %llu x %llu in %u dimensions where the configuration "
                         "asks for %llu x %llu",
                         file, tensor->name, (unsigned long long)tensor->rows,
                         (unsigned long long)tensor->cols, stored->dims, (unsigned long long)rows,
                         (unsigned long long)cols);
    return true;
}

/* For a configuration that ties the head to the embedding and a file that has a head. If the two
 * tensors are equal, they are tied; if not, the model computes with the head, as in transformers. A
 * file may also hold the head alone. */
static bool untie(struct source *source, const struct naming *naming, const char *file,
                  struct diag *d) {
    struct model_config *c = &source->config;
    struct source_tensor *embed = source_slot(source, SOURCE_EMBED, 0),
                         *head = source_slot(source, SOURCE_HEAD, 0);
    if (!c->tied || !head->name) return true;
    if (!embed->name) *embed = *head;
    c->tied = false;
    if (!check_tensor(source, naming, file, SOURCE_EMBED, 0, d) ||
        !check_tensor(source, naming, file, SOURCE_HEAD, 0, d))
        return false;
    struct diag failure = {{0}};
    c->tied = embed->stored == head->stored ||
              source_visit_rows(source, embed->stored, head->stored, all_equal, &failure);
    if (failure.text[0]) return diag_fail(d, "%s", failure.text);
    if (c->tied)
        *head = (struct source_tensor){0};
    else
        config_note(c,
                    "%s differs from the embedding and is kept, though tie_word_embeddings is true",
                    head->name);
    return true;
}

/* Says of each tensor of rows that are rotated how the file has them. */
static void mark_rotary(struct source *source, bool interleaved) {
    const struct model_config *c = &source->config;
    for (uint32_t layer = 0; layer < c->layers; layer++)
        for (int role = SOURCE_LAYER_ROLES; role < SOURCE_ROLES; role++) {
            struct source_tensor *tensor = source_slot(source, role, layer);
            uint32_t head = c->layer[layer].head_dim,
                     rotary = c->rope.rotary < head ? c->rope.rotary : head;
            if (source_roles[role].order != ORDER_ROTARY || (!interleaved && rotary == head))
                continue;
            tensor->head_dim = head, tensor->rotary = rotary, tensor->interleaved = interleaved;
        }
}

/* Assigns every stored tensor and checks that they are what the configuration asks for. */
bool source_assign(struct source *source, const struct naming *naming, const char *file,
                   struct diag *d) {
    const struct model_config *c = &source->config;
    source->tensors =
        calloc(SOURCE_LAYER_ROLES + (size_t)c->layers * ROLES_PER_LAYER, sizeof *source->tensors);
    if (!source->tensors) return diag_fail(d, "out of memory");
    if (!experts_open(source, d)) return false;
    for (size_t i = 0; i < source->stored_count; i++)
        if (!assign(source, naming, &source->stored[i], d)) return false;
    if (!untie(source, naming, file, d)) return false;
    for (int role = 0; role < SOURCE_LAYER_ROLES; role++)
        if (!check_tensor(source, naming, file, role, 0, d)) return false;
    for (uint32_t layer = 0; layer < c->layers; layer++)
        for (int role = SOURCE_LAYER_ROLES; role < SOURCE_ROLES; role++)
            if (!check_tensor(source, naming, file, role, layer, d)) return false;
    if (!experts_check(source, file, d)) return false;
    mark_rotary(source, naming->names == NAMES_GGUF && c->family->traits & FAMILY_INTERLEAVED);
    return true;
}
