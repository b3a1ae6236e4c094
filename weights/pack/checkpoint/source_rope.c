/* Reads how positions are turned into angles, from both kinds of configurations: the function of
 * transformers' modeling_rope_utils.py, and of the keys that llama.cpp's converter writes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/checkpoint/source_inside.h"

static uint32_t widest_head(const struct model_config *c) {
    uint32_t widest = 0;
    for (uint32_t i = 0; i < c->layers; i++)
        if (c->layer[i].head_dim > widest) widest = c->layer[i].head_dim;
    return widest;
}

static bool check_rotary(const struct model_config *c, struct rope_config *rope, double rotary,
                         const char *file, const char *where, struct diag *d) {
    uint32_t head = widest_head(c);
    if (head && !(rotary >= 2 && rotary <= head && fmod(rotary, 2) == 0))
        return diag_fail(d, "%s: %s has RoPE on %g of %u elements of a head, not on an even number",
                         file, where, rotary, head);
    rope->rotary = (uint32_t)rotary;
    return true;
}

/* Ministral 3 multiplies queries by 1 + beta ln(1 + floor(position / original positions)): by 1 for
 * as many positions, where they end. */
static void end_where_queries_grow(struct model_config *c, double beta) {
    if (beta != 0)
        config_cap_positions(c, c->rope.original_positions,
                             "where queries begin to grow with the position,");
}

/* ------------------------------------------------------------------------------- config.json -- */

struct reader {
    const json_t *root, *scaling;
    const char *file, *where; /* "rope_scaling" */
    struct model_config *c;
    struct rope_config *rope; /* what is being read: the model's, or that of layers with a window */
    struct diag *d;
};

static bool number(const struct reader *r, const char *key, double *out) {
    return field_float(r->scaling, r->file, key, out, r->d) != FIELD_BAD;
}

/* The positions that the model was trained with before they were stretched. */
static bool read_original(const struct reader *r, uint64_t otherwise) {
    static const char key[] = "original_max_position_embeddings";
    uint64_t original = otherwise;
    enum field found = field_uint(r->root, r->file, key, INT32_MAX, &original, r->d);
    if (found == FIELD_ABSENT)
        found = field_uint(r->scaling, r->file, key, INT32_MAX, &original, r->d);
    r->rope->original_positions = (uint32_t)original;
    return found != FIELD_BAD;
}

/* The factor; if it is missing and may be, the ratio of the positions. */
static bool read_factor(const struct reader *r, bool optional) {
    struct rope_config *rope = r->rope;
    enum field found = field_float(r->scaling, r->file, "factor", &rope->factor, r->d);
    if (found == FIELD_BAD) return false;
    if (found == FIELD_ABSENT && !optional)
        return diag_fail(r->d, "%s: %s: factor is missing", r->file, r->where);
    if (found == FIELD_ABSENT && rope->original_positions)
        rope->factor = (double)r->c->max_positions / rope->original_positions;
    if (found == FIELD_ABSENT && rope->factor < 1) rope->factor = 1;
    return (rope->factor >= 1 && rope->factor <= 1e6) ||
           diag_fail(r->d, "%s: %s: factor %g is not 1 to 1e6", r->file, r->where, rope->factor);
}

static bool read_linear(const struct reader *r) {
    if (!read_factor(r, false)) return false;
    r->rope->scaling = r->rope->factor != 1 ? ROPE_LINEAR : ROPE_NONE;
    return true;
}

static bool read_llama3(const struct reader *r) {
    struct rope_config *rope = r->rope;
    rope->scaling = ROPE_LLAMA3;
    if (!read_factor(r, false)) return false;
    if (field_float(r->scaling, r->file, "low_freq_factor", &rope->low_freq_factor, r->d) !=
            FIELD_FOUND ||
        field_float(r->scaling, r->file, "high_freq_factor", &rope->high_freq_factor, r->d) !=
            FIELD_FOUND ||
        !read_original(r, 0) || rope->original_positions == 0)
        return diag_fail(r->d,
                         "%s: the llama3 RoPE scaling lacks low_freq_factor, high_freq_factor or "
                         "original_max_position_embeddings",
                         r->file);
    return true;
}

static bool read_yarn(const struct reader *r) {
    struct rope_config *rope = r->rope;
    double tempering = 0;
    bool rounded = true;
    rope->scaling = ROPE_YARN;
    if (!read_original(r, r->c->max_positions) || !read_factor(r, true) ||
        !number(r, "attention_factor", &rope->attention_factor) ||
        !number(r, "mscale", &rope->mscale) || !number(r, "mscale_all_dim", &rope->mscale_all) ||
        !number(r, "beta_fast", &rope->beta_fast) || !number(r, "beta_slow", &rope->beta_slow) ||
        !number(r, "llama_4_scaling_beta", &tempering) ||
        field_bool(r->scaling, r->file, "truncate", &rounded, r->d) == FIELD_BAD)
        return false;
    if (rope->beta_fast == 0) rope->beta_fast = 32;
    if (rope->beta_slow == 0) rope->beta_slow = 1;
    rope->exact_range = !rounded;
    if (tempering != 0 && !(r->c->family->traits & FAMILY_TEMPERED))
        return diag_fail(r->d, "%s: %s: llama_4_scaling_beta is not understood for %s", r->file,
                         r->where, r->c->architecture);
    end_where_queries_grow(r->c, tempering);
    return true;
}

/* Keys in the cache must not depend on the final length. Up to the original positions dynamic NTK
 * changes nothing; more have to be asked for, which fixes theta for that many (pack_plan.c). */
static bool read_dynamic(const struct reader *r) {
    struct rope_config *rope = r->rope;
    if (!read_factor(r, false) || !read_original(r, r->c->max_positions)) return false;
    double reach = rope->factor * r->c->max_positions;
    rope->reach = reach < SOURCE_MAX_POSITIONS ? (uint32_t)reach : SOURCE_MAX_POSITIONS;
    rope->scaling = ROPE_DYNAMIC;
    if (rope->original_positions && rope->original_positions < r->c->max_positions) {
        /* a number that transformers does not read, below which all agree */
        rope->reach = r->c->max_positions = rope->original_positions;
    }
    rope->original_positions = r->c->max_positions;
    config_note(r->c,
                "dynamic NTK scaling would begin after position %u, where positions end; --ctx up "
                "to %u packs one scaling for that many",
                rope->original_positions, rope->reach);
    return true;
}

static bool read_divisors(const struct reader *r, const char *key, float **out) {
    const json_t *list = json_object_get(r->scaling, key);
    uint32_t count = r->rope->rotary / 2;
    if (!json_is_array(list) || json_array_size(list) != count)
        return diag_fail(r->d, "%s: %s: %s is not an array of %u numbers", r->file, r->where, key,
                         count);
    *out = malloc((count + 1) * sizeof **out);
    if (!*out) return diag_fail(r->d, "out of memory");
    for (uint32_t i = 0; i < count; i++) {
        const json_t *entry = json_array_get(list, i);
        double x = json_number_value(entry);
        if (!json_is_number(entry) || !(x > 0x1p-20 && x < 0x1p40))
            return diag_fail(r->d, "%s: %s: %s: entry %u is not a number above 0", r->file,
                             r->where, key, i);
        (*out)[i] = (float)x;
    }
    return true;
}

static bool read_long(const struct reader *r) {
    struct rope_config *rope = r->rope;
    rope->scaling = ROPE_LONG;
    /* Phi-3's own default */
    uint64_t otherwise = r->c->family->traits & FAMILY_PARTIAL ? 4096 : r->c->max_positions;
    return read_original(r, otherwise) && read_factor(r, true) &&
           number(r, "attention_factor", &rope->attention_factor) &&
           read_divisors(r, "short_factor", &rope->short_divisor) &&
           read_divisors(r, "long_factor", &rope->long_divisor);
}

static bool read_default(const struct reader *r) {
    r->rope->scaling = ROPE_NONE;
    return true;
}

/* The kinds of scaling, and their keys beside rope_theta, rope_type, partial_rotary_factor and the
 * positions. */
static const struct {
    const char *name;
    bool (*read)(const struct reader *r);
    const char *keys[9];
} KINDS[] = {
    {"default", read_default, {NULL}},
    {"linear", read_linear, {"factor", NULL}},
    {"dynamic", read_dynamic, {"factor", NULL}},
    {"llama3", read_llama3, {"factor", "low_freq_factor", "high_freq_factor", NULL}},
    {"yarn",
     read_yarn,
     {"factor", "attention_factor", "mscale", "mscale_all_dim", "beta_fast", "beta_slow",
      "truncate", "llama_4_scaling_beta", NULL}},
    {"longrope", read_long, {"factor", "attention_factor", "short_factor", "long_factor", NULL}},
};

static bool read_kind(const struct reader *r, const char *type) {
    static const char *const common[] = {"type",
                                         "rope_type",
                                         "rope_theta",
                                         "partial_rotary_factor",
                                         "original_max_position_embeddings",
                                         "max_position_embeddings", /* repeats the model's */
                                         NULL};
    for (size_t k = 0; k < sizeof KINDS / sizeof KINDS[0]; k++) {
        if (strcmp(type, KINDS[k].name) != 0) continue;
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)r->scaling, key, value) {
            if (!json_is_null(value) && !name_is_listed(common, key) &&
                !name_is_listed(KINDS[k].keys, key))
                return diag_fail(r->d, "%s: %s: %s is not understood", r->file, r->where, key);
        }
        return KINDS[k].read(r);
    }
    return diag_fail(r->d, "%s: RoPE scaling of type %s is not supported", r->file, type);
}

static bool read_scaling(const struct reader *r) {
    const char *type = "default", *old = NULL;
    if (field_text(r->scaling, r->file, "type", &old, r->d) == FIELD_BAD) return false;
    if (old) type = old;
    if (field_text(r->scaling, r->file, "rope_type", &type, r->d) == FIELD_BAD) return false;
    if (old && strcmp(old, type) != 0)
        return diag_fail(r->d, "%s: %s: type is %s and rope_type is %s", r->file, r->where, old,
                         type);
    /* Names that the first Phi-3 had. */
    bool phi = r->c->family->traits & FAMILY_PARTIAL;
    if (phi && (strcmp(type, "su") == 0 || strcmp(type, "yarn") == 0)) type = "longrope";
    return read_kind(r, type);
}

static bool read_theta(const struct reader *r) {
    double *theta = &r->rope->theta, inner = 0;
    if (r->c->family->traits & FAMILY_FOURTH_UNROTATED) *theta = 2e6; /* its own default */
    enum field found = field_float(r->root, r->file, "rope_theta", theta, r->d);
    if (found == FIELD_BAD || !r->scaling) return found != FIELD_BAD;
    enum field inside = field_float(r->scaling, r->file, "rope_theta", &inner, r->d);
    if (inside == FIELD_BAD) return false;
    if (inside == FIELD_FOUND && found == FIELD_FOUND && inner != *theta && r->rope == &r->c->rope)
        return diag_fail(r->d, "%s: rope_theta is %g, but %g in %s", r->file, *theta, inner,
                         r->where);
    if (inside == FIELD_FOUND) *theta = inner;
    return true;
}

static bool read_rotary(const struct reader *r) {
    double part = 1, inner = 1;
    if (field_float(r->root, r->file, "partial_rotary_factor", &part, r->d) == FIELD_BAD)
        return false;
    enum field inside = FIELD_ABSENT;
    if (r->scaling)
        inside = field_float(r->scaling, r->file, "partial_rotary_factor", &inner, r->d);
    if (inside == FIELD_BAD) return false;
    if (inside == FIELD_FOUND) part = inner;
    if (part != 1 && !(r->c->family->traits & FAMILY_PARTIAL))
        return diag_fail(r->d, "%s: partial_rotary_factor is %g where only 1 is supported for %s",
                         r->file, part, r->c->architecture);
    return check_rotary(r->c, r->rope, floor(widest_head(r->c) * part), r->file,
                        "partial_rotary_factor", r->d);
}

static bool read_rope(const struct reader *r) {
    return read_theta(r) && read_rotary(r) && (!r->scaling || read_scaling(r));
}

/* Layers with a window are turned without scaling, by this theta. */
static void turn_plainly(struct model_config *c, double theta) {
    c->window_rope = (struct rope_config){.theta = theta, .rotary = c->rope.rotary, .factor = 1};
    c->window_rope_differs = c->rope.scaling != ROPE_NONE || theta != c->rope.theta;
}

/* A second table is made without lists of divisors and without changing where positions end. */
static bool read_windowed(struct reader *r, const json_t *sliding) {
    struct model_config *c = r->c;
    c->window_rope_differs = true;
    c->window_rope = (struct rope_config){.theta = 10000, .factor = 1};
    r->rope = &c->window_rope, r->scaling = sliding;
    if (!read_rope(r)) return false;
    if (r->rope->scaling == ROPE_DYNAMIC || r->rope->scaling == ROPE_LONG)
        return diag_fail(
            r->d,
            "%s: %s: sliding_attention has RoPE scaling of type %s, which is supported "
            "only where all layers have it",
            r->file, r->where, r->rope->scaling == ROPE_LONG ? "longrope" : "dynamic");
    return r->rope->rotary == c->rope.rotary ||
           diag_fail(r->d,
                     "%s: %s has RoPE on %u elements of a head in some layers and on %u in others, "
                     "which is not supported",
                     r->file, r->where, c->rope.rotary, r->rope->rotary);
}

bool config_rope_of_json(const json_t *root, const char *file, struct model_config *c,
                         struct diag *d) {
    const json_t *scaling = json_object_get(root, "rope_scaling"),
                 *parameters = json_object_get(root, "rope_parameters");
    if (json_is_null(scaling)) scaling = NULL;
    if (json_is_null(parameters)) parameters = NULL;
    if (scaling && parameters && !json_equal(scaling, parameters))
        return diag_fail(d, "%s: has both rope_scaling and rope_parameters", file);
    struct reader r = {.root = root,
                       .scaling = parameters ? parameters : scaling,
                       .file = file,
                       .where = parameters ? "rope_parameters" : "rope_scaling",
                       .c = c,
                       .rope = &c->rope,
                       .d = d};
    /* rope_parameters of models with windows has one object for each kind of layer. */
    const json_t *full = json_object_get(r.scaling, "full_attention"),
                 *sliding = json_object_get(r.scaling, "sliding_attention");
    if (json_is_null(full)) full = NULL;
    if (json_is_null(sliding)) sliding = NULL;
    if (full || sliding) r.scaling = full ? full : sliding;
    if (r.scaling && !json_is_object(r.scaling))
        return diag_fail(d, "%s: %s is not an object", file, r.where);
    if (!r.scaling && c->family->traits & FAMILY_WINDOW_ROPE)
        return diag_fail(d, "%s: rope_parameters is missing", file);
    if (!read_rope(&r)) return false;
    if (full && sliding) return json_equal(full, sliding) || read_windowed(&r, sliding);
    if (c->family->traits & FAMILY_WINDOW_PLAIN) turn_plainly(c, c->rope.theta);
    return true;
}

/* --------------------------------------------------------------------------------- GGUF keys -- */

struct gguf_reader {
    const struct gguf *gguf;
    struct model_config *c;
    struct diag *d;
    char key[128];
};

static const char *key_of(struct gguf_reader *r, const char *name) {
    snprintf(r->key, sizeof r->key, "%s.%s", r->c->architecture, name);
    return r->key;
}

static bool real_of(struct gguf_reader *r, const char *name, double *out) {
    return gguf_get_float(r->gguf, key_of(r, name), out, r->d) != GGUF_BAD;
}

static bool has_tensor(const struct gguf_reader *r, enum source_role role) {
    return gguf_find_tensor(r->gguf, source_roles[role].name[NAMES_GGUF]) != NULL;
}

static bool is_word(struct gguf_text text, const char *word) {
    return text.bytes == strlen(word) && memcmp(text.data, word, text.bytes) == 0;
}

/* The factor of linear scaling and of YaRN. Writers mean "no scaling" by 0, and old ones had
 * another key. */
static bool gguf_factor(struct gguf_reader *r, struct gguf_text kind, bool named) {
    double factor = 1, old = 1;
    if (!real_of(r, "rope.scaling.factor", &factor) || !real_of(r, "rope.scale_linear", &old))
        return false;
    if (is_word(kind, "none") && named) factor = 1;
    if (!gguf_has(r->gguf, key_of(r, "rope.scaling.factor"))) factor = old;
    r->c->rope.factor = factor == 0 ? 1 : factor;
    return true;
}

static bool gguf_yarn(struct gguf_reader *r) {
    struct rope_config *rope = &r->c->rope;
    rope->scaling = ROPE_YARN;
    rope->beta_fast = 32, rope->beta_slow = 1, rope->mscale = 1;
    rope->exact_range = r->c->family->traits & FAMILY_GPT_OSS; /* as in its own configuration */
    return real_of(r, "rope.scaling.yarn_beta_fast", &rope->beta_fast) &&
           real_of(r, "rope.scaling.yarn_beta_slow", &rope->beta_slow) &&
           real_of(r, "rope.scaling.yarn_log_multiplier", &rope->mscale_all) &&
           real_of(r, "rope.scaling.yarn_attn_factor", &rope->attention_factor);
}

static bool gguf_windowed(struct gguf_reader *r) {
    double theta = r->c->rope.theta;
    if (!(r->c->family->traits & FAMILY_WINDOW_ROPE)) return true;
    if (!real_of(r, "rope.freq_base_swa", &theta)) return false;
    turn_plainly(r->c, theta);
    return true;
}

static bool gguf_rope(const struct gguf *gguf, struct model_config *c, struct diag *d) {
    struct gguf_reader r = {.gguf = gguf, .c = c, .d = d};
    struct rope_config *rope = &c->rope;
    struct gguf_text kind = {"none", 4};
    const char *file = gguf_file(gguf)->name;
    uint64_t rotary = widest_head(c), original = c->max_positions;
    double tempering = 0, attention = 1;
    bool named = gguf_has(gguf, key_of(&r, "rope.scaling.type"));
    if (!real_of(&r, "rope.freq_base", &rope->theta) ||
        gguf_get_text(gguf, key_of(&r, "rope.scaling.type"), &kind, d) == GGUF_BAD ||
        !real_of(&r, "rope.scaling.attn_factor", &attention) ||
        !real_of(&r, "attention.temperature_scale", &tempering) ||
        gguf_get_uint(gguf, key_of(&r, "rope.scaling.original_context_length"), INT32_MAX,
                      &original, d) == GGUF_BAD ||
        gguf_get_uint(gguf, key_of(&r, "rope.dimension_count"), UINT32_MAX, &rotary, d) ==
            GGUF_BAD ||
        !check_rotary(c, rope, (double)rotary, file, key_of(&r, "rope.dimension_count"), d))
        return false;
    rope->original_positions = original ? (uint32_t)original : c->max_positions;
    end_where_queries_grow(c, tempering);
    bool yarn = is_word(kind, "yarn"), longrope = is_word(kind, "longrope");
    if (!yarn && !longrope && !is_word(kind, "none") && !is_word(kind, "linear"))
        return diag_fail(d, "%s: RoPE scaling of type %.*s is not supported", file,
                         (int)(kind.bytes < 40 ? kind.bytes : 40), kind.data);
    if (has_tensor(&r, SOURCE_ROPE_LONG)) {
        rope->scaling = ROPE_LONG, rope->attention_factor = attention;
        return true;
    }
    if (attention != 1)
        return diag_fail(d, "%s: key %s is %g where only 1 is supported without %s", file,
                         key_of(&r, "rope.scaling.attn_factor"), attention,
                         source_roles[SOURCE_ROPE_LONG].name[NAMES_GGUF]);
    if (!gguf_factor(&r, kind, named)) return false;
    if (has_tensor(&r, SOURCE_ROPE_FREQS)) {
        rope->scaling = ROPE_DIVISORS;
        return !yarn || diag_fail(d, "%s: has YaRN and %s, which is not supported", file,
                                  source_roles[SOURCE_ROPE_FREQS].name[NAMES_GGUF]);
    }
    if (yarn) return gguf_yarn(&r);
    rope->scaling = rope->factor != 1 ? ROPE_LINEAR : ROPE_NONE;
    return true;
}

bool config_rope_of_gguf(const struct gguf *gguf, struct model_config *c, struct diag *d) {
    struct gguf_reader r = {.gguf = gguf, .c = c, .d = d};
    return gguf_rope(gguf, c, d) && gguf_windowed(&r);
}
