#include "weights/pack/checkpoint/source_experts.h"

#include <stdlib.h>
#include <string.h>

/* What a name holds: of one expert, of all of a layer, of all with GATE and UP together. */
enum holds { ONE, ALL, BOTH };

/* Names after the layer's number; "*" is the expert's. */
static const struct expert_name {
    enum source_naming names;
    const char *name;
    enum expert_role role; /* BOTH: GATE's */
    enum holds holds;
} expert_names[] = {
    {NAMES_HUGGING_FACE, "mlp.experts.*.gate_proj.weight", EXPERT_GATE, ONE},
    {NAMES_HUGGING_FACE, "mlp.experts.*.up_proj.weight", EXPERT_UP, ONE},
    {NAMES_HUGGING_FACE, "mlp.experts.*.down_proj.weight", EXPERT_DOWN, ONE},
    {NAMES_HUGGING_FACE, "block_sparse_moe.experts.*.w1.weight", EXPERT_GATE, ONE},
    {NAMES_HUGGING_FACE, "block_sparse_moe.experts.*.w3.weight", EXPERT_UP, ONE},
    {NAMES_HUGGING_FACE, "block_sparse_moe.experts.*.w2.weight", EXPERT_DOWN, ONE},
    {NAMES_HUGGING_FACE, "mlp.experts.gate_up_proj", EXPERT_GATE, BOTH},
    {NAMES_HUGGING_FACE, "mlp.experts.gate_up_proj_bias", EXPERT_GATE_BIAS, BOTH},
    {NAMES_HUGGING_FACE, "mlp.experts.down_proj", EXPERT_DOWN, ALL},
    {NAMES_HUGGING_FACE, "mlp.experts.down_proj_bias", EXPERT_DOWN_BIAS, ALL},
    {NAMES_GGUF, "ffn_gate_exps.weight", EXPERT_GATE, ALL},
    {NAMES_GGUF, "ffn_up_exps.weight", EXPERT_UP, ALL},
    {NAMES_GGUF, "ffn_down_exps.weight", EXPERT_DOWN, ALL},
    {NAMES_GGUF, "ffn_gate_up_exps.weight", EXPERT_GATE, BOTH},
    {NAMES_GGUF, "ffn_gate_exps.bias", EXPERT_GATE_BIAS, ALL},
    {NAMES_GGUF, "ffn_up_exps.bias", EXPERT_UP_BIAS, ALL},
    {NAMES_GGUF, "ffn_down_exps.bias", EXPERT_DOWN_BIAS, ALL},
};

static const char *const role_names[EXPERT_ROLES] = {"gate",      "up",      "down",
                                                     "gate bias", "up bias", "down bias"};

static bool is_bias(enum expert_role role) { return role >= EXPERT_GATE_BIAS; }

static struct source_tensor *slot(const struct source *source, enum expert_role role,
                                  uint32_t layer, uint32_t expert) {
    return &source->experts[((size_t)layer * source->experts_most + expert) * EXPERT_ROLES + role];
}

bool experts_open(struct source *source, struct diag *d) {
    const struct model_config *c = &source->config;
    for (uint32_t i = 0; i < c->layers; i++)
        if (c->layer[i].experts > source->experts_most) source->experts_most = c->layer[i].experts;
    if (!source->experts_most) return true;
    source->experts =
        calloc((size_t)c->layers * source->experts_most * EXPERT_ROLES, sizeof *source->experts);
    return source->experts || diag_fail(d, "out of memory");
}

void experts_close(struct source *source) { free(source->experts); }

const struct source_tensor *source_expert(const struct source *source, enum expert_role role,
                                          uint32_t layer, uint32_t expert) {
    if (layer >= source->config.layers || expert >= source->config.layer[layer].experts)
        return NULL;
    const struct source_tensor *tensor = slot(source, role, layer, expert);
    return tensor->name ? tensor : NULL;
}

/* ------------------------------------------------------------------------------------- names -- */

/* Whether the name is the pattern with a number instead of the star, which *number gets. */
static bool is_like(const char *name, const char *pattern, uint32_t *number) {
    for (; *pattern; pattern++) {
        if (*pattern != '*') {
            if (*name++ != *pattern) return false;
            continue;
        }
        const char *begin = name;
        for (*number = 0; *name >= '0' && *name <= '9' && *number < 1u << 20; name++)
            *number = *number * 10 + (uint32_t)(*name - '0');
        if (name == begin || (*begin == '0' && name != begin + 1)) return false;
    }
    return *name == 0;
}

static uint64_t rows_of(const struct model_config *c, const struct layer_config *l,
                        enum expert_role role) {
    return role == EXPERT_DOWN || role == EXPERT_DOWN_BIAS ? c->dim : l->ffn;
}
static uint64_t cols_of(const struct model_config *c, const struct layer_config *l,
                        enum expert_role role) {
    return role == EXPERT_DOWN ? l->ffn : c->dim;
}

/* Whether a tensor of all experts has inputs as rows, which blocks of MXFP4 never have. */
static bool is_across(const struct source *source, enum source_naming names,
                      const struct expert_name *row, const struct stored_tensor *stored) {
    return names == NAMES_HUGGING_FACE && row->holds != ONE && !is_bias(row->role) &&
           stored->type != GGUF_TYPE_MXFP4 && source->config.family->traits & FAMILY_EXPERTS_ACROSS;
}

/* Where the stored tensor has the part of one expert. second: UP, in a tensor with GATE. */
static struct expert_view view_of(const struct source *source, enum source_naming names,
                                  const struct expert_name *row, const struct layer_config *l,
                                  const struct stored_tensor *stored, uint32_t expert,
                                  bool second) {
    const bool across = is_across(source, names, row, stored), both = row->holds == BOTH,
               by_turns = both && names == NAMES_HUGGING_FACE &&
                          source->config.family->traits & FAMILY_EXPERTS_ACROSS;
    const uint64_t rows = rows_of(&source->config, l, row->role),
                   tall = is_bias(row->role) ? 1
                          : across           ? cols_of(&source->config, l, row->role)
                          : both             ? 2 * rows
                                             : rows;
    return (struct expert_view){.first = row->holds == ONE ? 0 : expert * tall,
                                .begin = !second    ? 0
                                         : by_turns ? 1
                                                    : rows,
                                .step = by_turns ? 2 : 1,
                                .how = is_bias(row->role) ? EXPERT_VECTOR
                                       : across           ? EXPERT_ACROSS
                                                          : EXPERT_ALONG};
}

/* Checks the shape of a stored tensor against what it should hold. */
static bool shape_holds(const struct source *source, enum source_naming names,
                        const struct expert_name *row, const struct layer_config *l,
                        const struct stored_tensor *stored, struct diag *d) {
    const uint64_t count = row->holds == ONE ? 1 : l->experts,
                   rows = rows_of(&source->config, l, row->role) * (row->holds == BOTH ? 2 : 1),
                   cols = cols_of(&source->config, l, row->role);
    const bool across = is_across(source, names, row, stored), bias = is_bias(row->role);
    const uint64_t tall = bias ? count : count * (across ? cols : rows),
                   wide = bias || across ? rows : cols;
    const uint32_t dims = 2 + (row->holds != ONE && !bias);
    if (stored->rows == tall && stored->cols == wide && stored->dims == dims) return true;
    return diag_fail(d,
                     "%s: tensor %s is %llu x %llu in %u dimensions where the configuration asks "
                     "for %llu x %llu in %u",
                     stored->file->name, stored->name, (unsigned long long)stored->rows,
                     (unsigned long long)stored->cols, stored->dims, (unsigned long long)tall,
                     (unsigned long long)wide, dims);
}

static bool put(struct source *source, const struct stored_tensor *stored, enum expert_role role,
                uint32_t layer, uint32_t expert, struct expert_view view, struct diag *d) {
    const struct layer_config *l = &source->config.layer[layer];
    const struct gguf_type_info *type = gguf_type_info(stored->type);
    struct source_tensor *tensor = slot(source, role, layer, expert);
    if (tensor->name)
        return diag_fail(d, "%s: tensors %s and %s are the same", stored->file->name, tensor->name,
                         stored->name);
    const uint64_t rows = rows_of(&source->config, l, role);
    *tensor =
        (struct source_tensor){.name = stored->name,
                               .type = type->name,
                               .bits = 8.0 * type->bytes / type->block,
                               .rows = is_bias(role) ? 1 : rows,
                               .cols = is_bias(role) ? rows : cols_of(&source->config, l, role),
                               .stored = stored,
                               .of_expert = true,
                               .expert = view};
    return true;
}

bool experts_assign(struct source *source, enum source_naming names, const char *name,
                    uint32_t layer, const struct stored_tensor *stored, bool *found,
                    struct diag *d) {
    const struct layer_config *l = &source->config.layer[layer];
    const struct expert_name *row = NULL;
    uint32_t number = 0;
    for (size_t i = 0; !row && i < sizeof expert_names / sizeof expert_names[0]; i++)
        if (expert_names[i].names == names && is_like(name, expert_names[i].name, &number))
            row = &expert_names[i];
    *found = row && l->experts;
    if (!*found) return true;
    if (number >= l->experts)
        return diag_fail(d, "%s: tensor %s is of an expert after the last of %u",
                         stored->file->name, stored->name, l->experts);
    if (!shape_holds(source, names, row, l, stored, d)) return false;
    const uint32_t end = row->holds == ONE ? number + 1 : l->experts;
    for (uint32_t e = row->holds == ONE ? number : 0; e < end; e++)
        for (int second = 0; second < (row->holds == BOTH ? 2 : 1); second++)
            if (!put(source, stored, (enum expert_role)((int)row->role + second), layer, e,
                     view_of(source, names, row, l, stored, e, second), d))
                return false;
    return true;
}

bool experts_check(const struct source *source, const char *file, struct diag *d) {
    const struct model_config *c = &source->config;
    const bool biased = c->features & SOURCE_FEATURE(WHEN_EXPERTS_BIASED);
    for (uint32_t layer = 0; layer < c->layers; layer++)
        for (uint32_t e = 0; e < c->layer[layer].experts; e++)
            for (int role = 0; role < EXPERT_ROLES; role++) {
                const bool wanted = biased || !is_bias((enum expert_role)role);
                const struct source_tensor *tensor = slot(source, (enum expert_role)role, layer, e);
                if (wanted && !tensor->name)
                    return diag_fail(d, "%s: layer %u: expert %u has no %s tensor", file, layer, e,
                                     role_names[role]);
                if (!wanted && tensor->name)
                    return diag_fail(
                        d, "%s: tensor %s is there, but the configuration has no place for it",
                        file, tensor->name);
            }
    return true;
}

/* ----------------------------------------------------------------------------------- reading -- */

/* Rows of a matrix whose columns are stored as rows: each of those is read whole. */
static bool read_across(struct source *source, const struct source_tensor *tensor, uint64_t first,
                        uint64_t rows, float *out, experts_read_stored *read, struct diag *d) {
    const struct stored_tensor *stored = tensor->stored;
    const struct expert_view *v = &tensor->expert;
    float *row = malloc((size_t)stored->cols * sizeof *row);
    bool good = true;
    if (!row) return diag_fail(d, "out of memory");
    for (uint64_t c = 0; good && c < tensor->cols; c++) {
        good = read(source, stored, v->first + c, 1, row, d);
        for (uint64_t r = 0; good && r < rows; r++)
            out[r * tensor->cols + c] = row[v->begin + (first + r) * v->step];
    }
    free(row);
    return good;
}

/* A bias, of which there is one row. */
static bool read_vector(struct source *source, const struct source_tensor *tensor, float *out,
                        experts_read_stored *read, struct diag *d) {
    const struct stored_tensor *stored = tensor->stored;
    const struct expert_view *v = &tensor->expert;
    float *row = malloc((size_t)stored->cols * sizeof *row);
    if (!row) return diag_fail(d, "out of memory");
    const bool good = read(source, stored, v->first, 1, row, d);
    for (uint64_t i = 0; good && i < tensor->cols; i++) out[i] = row[v->begin + i * v->step];
    free(row);
    return good;
}

bool experts_read(struct source *source, const struct source_tensor *tensor, uint64_t first,
                  uint64_t rows, float *out, experts_read_stored *read, struct diag *d) {
    const struct expert_view *v = &tensor->expert;
    switch (v->how) {
    case EXPERT_ALONG:
        break;
    case EXPERT_ACROSS:
        return read_across(source, tensor, first, rows, out, read, d);
    case EXPERT_VECTOR:
        return rows == 0 || read_vector(source, tensor, out, read, d);
    }
    if (v->step == 1)
        return read(source, tensor->stored, v->first + v->begin + first, rows, out, d);
    for (uint64_t r = 0; r < rows; r++)
        if (!read(source, tensor->stored, v->first + v->begin + (first + r) * v->step, 1,
                  out + r * tensor->cols, d))
            return false;
    return true;
}
