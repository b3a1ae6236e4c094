/* Reads the hyper-parameters from a Hugging Face config.json. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/checkpoint/source_inside.h"

struct reader {
    const json_t *root;
    const char *file;
    struct diag *d;
};

static bool need_uint(const struct reader *r, const char *key, uint64_t max, uint64_t *out) {
    enum field found = field_uint(r->root, r->file, key, max, out, r->d);
    return found == FIELD_ABSENT ? diag_fail(r->d, "%s: %s is missing", r->file, key)
                                 : found == FIELD_FOUND;
}

static bool read_family(const struct reader *r, struct model_config *c) {
    const json_t *list = json_object_get(r->root, "architectures");
    const char *name =
        json_array_size(list) == 1 ? json_string_value(json_array_get(list, 0)) : NULL;
    if (!name) return diag_fail(r->d, "%s: architectures does not name one architecture", r->file);
    snprintf(c->architecture, sizeof c->architecture, "%s", name);
    c->family = source_family(NAMES_HUGGING_FACE, name, r->file, r->d);
    return c->family != NULL && config_check_keys(r->root, r->file, c, r->d);
}

/* Goes on with text_config, if the model is inside one that sees pictures, too. */
static bool enter_text(struct reader *r, struct model_config *c) {
    static const struct {
        const char *type, *architecture;
    } inner[] = {{"ministral3", "Ministral3ForCausalLM"}, {"mistral", "MistralForCausalLM"}};
    if (!(c->family->traits & FAMILY_INSIDE)) return true;
    const json_t *text = json_object_get(r->root, "text_config");
    const char *type = json_string_value(json_object_get(text, "model_type"));
    c->family = NULL;
    for (size_t i = 0; type && i < sizeof inner / sizeof inner[0]; i++)
        if (strcmp(type, inner[i].type) == 0)
            c->family = source_family(NAMES_HUGGING_FACE, inner[i].architecture, r->file, r->d);
    if (!c->family)
        return diag_fail(r->d, "%s: text_config is of model_type %.40s, which is not supported",
                         r->file, type ? type : "none");
    c->inside = true;
    r->root = text;
    config_note(c, "the part that reads text is packed, without the one for pictures");
    return config_check_keys(text, r->file, c, r->d);
}

/* ------------------------------------------------------------------------------------ layers -- */

/* Reads DeciLM's list, with a number of key/value heads for each layer. If num_key_value_heads is
 * there too, it does not count. */
static bool read_kv_list(const struct reader *r, struct model_config *c, const json_t *list) {
    if (!json_is_array(list) || json_array_size(list) != c->layers)
        return diag_fail(r->d, "%s: num_key_value_heads_per_layer is not an array of %u numbers",
                         r->file, c->layers);
    for (uint32_t i = 0; i < c->layers; i++) {
        const json_t *value = json_array_get(list, i);
        json_int_t n = json_integer_value(value);
        if (!json_is_integer(value) || n < 1 || n > INT32_MAX)
            return diag_fail(
                r->d, "%s: num_key_value_heads_per_layer: entry %u is not a positive integer",
                r->file, i);
        c->layer[i].kv_heads = (uint32_t)n;
    }
    return true;
}

/* A part of a block_configs entry may be switched off. A part that is replaced by a linear layer is
 * another function and is refused. */
static bool read_switches(const struct reader *r, const json_t *part, const char *what,
                          uint32_t layer, bool *off) {
    bool linear = false;
    *off = false;
    if (!json_is_object(part))
        return diag_fail(r->d, "%s: block_configs: layer %u has no %s object", r->file, layer,
                         what);
    if (field_bool(part, r->file, "no_op", off, r->d) == FIELD_BAD ||
        field_bool(part, r->file, "replace_with_linear", &linear, r->d) == FIELD_BAD)
        return false;
    return linear
               ? diag_fail(
                     r->d,
                     "%s: block_configs: layer %u has a linear layer as %s, which is not supported",
                     r->file, layer, what)
               : true;
}

static bool known_keys(const struct reader *r, const json_t *object, const char *const *known,
                       const char *where) {
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        if (!json_is_null(value) && !name_is_listed(known, key))
            return diag_fail(r->d, "%s: %s: %s is not understood", r->file, where, key);
    }
    return true;
}

/* Reads a layer of a pruned descendant of DeciLM: attention {n_heads_in_group, no_op, ...} and ffn
 * {ffn_mult, no_op, ...}. The feed-forward width is 2/3 * ffn_mult * dim, rounded up to a multiple
 * of 256. */
static bool read_block(const struct reader *r, struct model_config *c, const json_t *block,
                       uint32_t index) {
    static const char *const parts[] = {"attention", "ffn", NULL}, *const switches[] = {
                                                                       "no_op",
                                                                       "replace_with_linear",
                                                                       "sparsify",
                                                                       "n_heads_in_group",
                                                                       "ffn_mult",
                                                                       NULL};
    const json_t *attention = json_object_get(block, "attention"),
                 *ffn = json_object_get(block, "ffn");
    struct layer_config *layer = &c->layer[index];
    bool no_attention, no_ffn;
    if (!known_keys(r, block, parts, "block_configs") ||
        !known_keys(r, attention, switches, "block_configs") ||
        !known_keys(r, ffn, switches, "block_configs") ||
        !read_switches(r, attention, "attention", index, &no_attention) ||
        !read_switches(r, ffn, "ffn", index, &no_ffn))
        return false;
    uint64_t group = 0;
    double mult = 0;
    if (field_uint(attention, r->file, "n_heads_in_group", INT32_MAX, &group, r->d) == FIELD_BAD ||
        field_float(ffn, r->file, "ffn_mult", &mult, r->d) == FIELD_BAD)
        return false;
    if (no_attention) {
        layer->heads = layer->kv_heads = 0;
    } else {
        if (group == 0 || layer->heads % group)
            return diag_fail(r->d,
                             "%s: block_configs: layer %u: groups of %llu do not divide %u heads",
                             r->file, index, (unsigned long long)group, layer->heads);
        layer->kv_heads = layer->heads / (uint32_t)group;
    }
    layer->ffn = 0;
    if (no_ffn) return true;
    if (!(mult > 0 && mult < 1024))
        return diag_fail(r->d, "%s: block_configs: layer %u: ffn_mult %g is not between 0 and 1024",
                         r->file, index, mult);
    layer->ffn = ((uint32_t)(2 * mult * c->dim / 3) + 255) / 256 * 256;
    return true;
}

/* Reads how many experts all layers have, and how a token uses them. Their width is
 * moe_intermediate_size where there is one. */
static bool read_experts(const struct reader *r, struct model_config *c) {
    uint64_t experts = 0, active = 0, width = 0;
    bool norm = !(c->family->traits & FAMILY_CHOOSES_NORM);
    if (!(c->family->traits & FAMILY_EXPERTS)) return true;
    if (field_uint(r->root, r->file, "num_local_experts", INT32_MAX, &experts, r->d) == FIELD_BAD)
        return false;
    if (!experts &&
        field_uint(r->root, r->file, "num_experts", INT32_MAX, &experts, r->d) == FIELD_BAD)
        return false;
    if (!experts) return true;
    if (!need_uint(r, "num_experts_per_tok", INT32_MAX, &active) ||
        field_uint(r->root, r->file, "moe_intermediate_size", SOURCE_MAX_FFN, &width, r->d) ==
            FIELD_BAD ||
        field_bool(r->root, r->file, "norm_topk_prob", &norm, r->d) == FIELD_BAD)
        return false;
    for (uint32_t i = 0; i < c->layers; i++) {
        c->layer[i].experts = (uint32_t)experts, c->layer[i].active = (uint32_t)active;
        c->layer[i].everyone = !norm;
        if (width) c->layer[i].ffn = (uint32_t)width;
    }
    return true;
}

static bool read_layers(const struct reader *r, struct model_config *c) {
    uint64_t heads = 0, kv_heads, head_dim = 0, ffn = 0;
    const json_t *list = json_object_get(r->root, "num_key_value_heads_per_layer"),
                 *blocks = json_object_get(r->root, "block_configs");
    bool has_list = list && !json_is_null(list), has_blocks = blocks && !json_is_null(blocks);
    if (!need_uint(r, "num_attention_heads", SOURCE_MAX_HEADS, &heads)) return false;
    if (heads == 0) return diag_fail(r->d, "%s: num_attention_heads is 0", r->file);
    const char *width =
        c->family->traits & FAMILY_SHARED_MLP ? "shared_intermediate_size" : "intermediate_size";
    if (!has_blocks && !need_uint(r, width, SOURCE_MAX_FFN, &ffn)) return false;
    if ((has_list || has_blocks) && !(c->family->traits & FAMILY_VARIED))
        return diag_fail(r->d, "%s: %s is not understood for %s", r->file,
                         has_list ? "num_key_value_heads_per_layer" : "block_configs",
                         c->architecture);
    if (has_list && has_blocks)
        return diag_fail(r->d, "%s: has both num_key_value_heads_per_layer and block_configs",
                         r->file);

    kv_heads = heads; /* Llama takes this if the key is absent; the other architectures' defaults
                         cannot be relied on */
    enum field found =
        field_uint(r->root, r->file, "num_key_value_heads", INT32_MAX, &kv_heads, r->d);
    if (found == FIELD_BAD) return false;
    if (found == FIELD_ABSENT && !(c->family->traits & FAMILY_KV_OPTIONAL) && !has_list &&
        !has_blocks)
        return diag_fail(r->d, "%s: num_key_value_heads is missing", r->file);
    found = field_uint(r->root, r->file, "head_dim", INT32_MAX, &head_dim, r->d);
    if (found == FIELD_BAD) return false;
    if (found == FIELD_ABSENT) {
        if (c->dim % heads)
            return diag_fail(r->d,
                             "%s: %llu heads do not divide the width %u, and head_dim is missing",
                             r->file, (unsigned long long)heads, c->dim);
        head_dim = c->dim / heads;
    }
    for (uint32_t i = 0; i < c->layers; i++)
        c->layer[i] = (struct layer_config){.heads = (uint32_t)heads,
                                            .kv_heads = (uint32_t)kv_heads,
                                            .head_dim = (uint32_t)head_dim,
                                            .ffn = (uint32_t)ffn};
    if (has_list && !read_kv_list(r, c, list)) return false;
    if (!read_experts(r, c)) return false;
    if (!has_blocks) return true;
    if (!json_is_array(blocks) || json_array_size(blocks) != c->layers)
        return diag_fail(r->d, "%s: block_configs is not an array of %u entries", r->file,
                         c->layers);
    for (uint32_t i = 0; i < c->layers; i++)
        if (!read_block(r, c, json_array_get(blocks, i), i)) return false;
    return true;
}

/* --------------------------------------------------------------- windows, and what is scaled -- */

static const json_t *list_of(const struct reader *r, const char *key) {
    const json_t *list = json_object_get(r->root, key);
    return json_is_null(list) ? NULL : list;
}

/* Which layers are without RoPE: a list of 1 (with) and 0 (without), or every n-th layer. */
static bool read_unrotated(const struct reader *r, struct model_config *c) {
    const json_t *list = list_of(r, "no_rope_layers"), *kind;
    uint64_t every = 4;
    if (c->family->traits & FAMILY_ROPE_OPTIONAL) {
        kind = list_of(r, "position_embedding_type");
        const char *name = json_string_value(kind);
        bool rope = name && strcmp(name, "rope") == 0;
        if (name && !rope && strcmp(name, "nope") != 0)
            return diag_fail(r->d, "%s: position_embedding_type is %.40s, not rope or nope",
                             r->file, name);
        for (uint32_t i = 0; i < c->layers; i++) c->layer[i].unrotated = !rope;
    }
    if (!(c->family->traits & FAMILY_FOURTH_UNROTATED)) return true;
    if (field_uint(r->root, r->file, "no_rope_layer_interval", INT32_MAX, &every, r->d) ==
        FIELD_BAD)
        return false;
    if (list && (!json_is_array(list) || json_array_size(list) < c->layers))
        return diag_fail(r->d, "%s: no_rope_layers is not an array of %u numbers", r->file,
                         c->layers);
    for (uint32_t i = 0; i < c->layers; i++) {
        const json_t *entry = json_array_get(list, i);
        if (list && !json_is_integer(entry))
            return diag_fail(r->d, "%s: no_rope_layers: entry %u is not 0 or 1", r->file, i);
        c->layer[i].unrotated =
            list ? json_integer_value(entry) == 0 : every != 0 && (i + 1) % every == 0;
    }
    return true;
}

/* Reads layer_types, which say of each layer whether it sees a window alone. */
static bool read_types(const struct reader *r, struct model_config *c, uint32_t window) {
    const json_t *types = list_of(r, "layer_types");
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        bool sliding = type && strcmp(type, "sliding_attention") == 0;
        if (!sliding &&
            !(type && (strcmp(type, "full_attention") == 0 || strcmp(type, "attention") == 0)))
            return diag_fail(r->d, "%s: layer_types: entry %zu is %.40s, which is not supported",
                             r->file, i, type ? type : "no string");
        if (sliding && window == 0)
            return diag_fail(r->d,
                             "%s: layer_types: entry %zu is sliding, but sliding_window is missing",
                             r->file, i);
        if (i < c->layers) c->layer[i].window = sliding ? window : 0;
    }
    return true;
}

/* Qwen2's configuration has a window that it does not use, or that its first layers do not have.
 * SmolLM3's is of the layers without RoPE, gpt-oss's of every other layer. */
static bool read_window(const struct reader *r, struct model_config *c) {
    uint64_t window = 0;
    bool used = c->family->traits & FAMILY_WINDOWED;
    if (field_uint(r->root, r->file, "sliding_window", INT32_MAX, &window, r->d) == FIELD_BAD)
        return false;
    if (field_bool(r->root, r->file, "use_sliding_window", &used, r->d) == FIELD_BAD) return false;
    uint64_t from = 0;
    if (field_uint(r->root, r->file, "max_window_layers", INT32_MAX, &from, r->d) == FIELD_BAD)
        return false;
    for (uint32_t i = 0; i < c->layers; i++) {
        bool sliding = used && i >= from;
        if (c->family->traits & FAMILY_FOURTH_UNROTATED) sliding = used && c->layer[i].unrotated;
        if (c->family->traits & FAMILY_GPT_OSS) sliding = used && i % 2 == 0;
        if (c->family->traits & FAMILY_WINDOW_PLAIN) sliding = used && (i + 1) % 4 != 0;
        c->layer[i].window = sliding ? (uint32_t)window : 0;
    }
    return read_types(r, c, (uint32_t)window);
}

static bool read_scales(const struct reader *r, struct model_config *c) {
    struct scale_config *scale = &c->scale;
    double divisor = 1;
    if (!(c->family->traits & FAMILY_SCALED)) return true;
    scale->scores = 1; /* Granite's own default */
    if (field_float(r->root, r->file, "embedding_multiplier", &scale->embedding, r->d) ==
            FIELD_BAD ||
        field_float(r->root, r->file, "attention_multiplier", &scale->scores, r->d) == FIELD_BAD ||
        field_float(r->root, r->file, "residual_multiplier", &scale->residual, r->d) == FIELD_BAD ||
        field_float(r->root, r->file, "logits_scaling", &divisor, r->d) == FIELD_BAD)
        return false;
    scale->logits = 1 / divisor;
    return scale->scores > 0 ||
           diag_fail(r->d, "%s: attention_multiplier is %g", r->file, scale->scores);
}

/* ---------------------------------------------------------------------------------- the rest -- */

static bool read_biases(const struct reader *r, struct model_config *c) {
    bool attention = false, qkv = false,
         mlp =
             false; /* behind the other projections they must be zeros, which their tensors show */
    if (field_bool(r->root, r->file, "attention_bias", &attention, r->d) == FIELD_BAD ||
        field_bool(r->root, r->file, "qkv_bias", &qkv, r->d) == FIELD_BAD ||
        field_bool(r->root, r->file, "mlp_bias", &mlp, r->d) == FIELD_BAD)
        return false;
    c->features |= c->family->features;
    if (attention || qkv) c->features |= SOURCE_FEATURE(WHEN_BIASED);
    return true;
}

/* Whether a word, if there is one, is in a list, of which the first is the one to name. */
static bool word_is(const struct reader *r, const char *key, const char *const *words) {
    const json_t *value = json_object_get(r->root, key);
    const char *word = json_string_value(value);
    if (!value || json_is_null(value) || (word && name_is_listed(words, word))) return true;
    return diag_fail(r->d, "%s: %s is %.40s where only %s is supported", r->file, key,
                     word ? word : "no string", words[0]);
}

/* gpt-oss's activation, whose two numbers are in the contract (docs/numerics.md 5). */
static bool read_clamps(const struct reader *r, const struct model_config *c) {
    static const double limit_known = 7, alpha_known = 1.702;
    double limit = limit_known, alpha = alpha_known;
    if (!(c->family->traits & FAMILY_GPT_OSS)) return true;
    if (field_float(r->root, r->file, "swiglu_limit", &limit, r->d) == FIELD_BAD ||
        field_float(r->root, r->file, "swiglu_alpha", &alpha, r->d) == FIELD_BAD)
        return false;
    return (limit == limit_known && alpha == alpha_known) ||
           diag_fail(
               r->d,
               "%s: swiglu_limit is %g and swiglu_alpha %g where only %g and %g are supported",
               r->file, limit, alpha, limit_known, alpha_known);
}

/* The epsilon of the norms, and what StarCoder2's configuration says of norms, activation and
 * biases. */
static bool read_norms(const struct reader *r, struct model_config *c) {
    static const char *const gelu[] = {"gelu_pytorch_tanh", "gelu_new", "gelu_fast", NULL},
                             *const norm[] = {"layer_norm", NULL};
    const bool layer_norm = c->family->traits & FAMILY_LAYER_NORM;
    const char *key = layer_norm ? "norm_epsilon" : "rms_norm_eps";
    bool biased = layer_norm;
    c->eps = 1e-5; /* StarCoder2's own default */
    enum field found = field_float(r->root, r->file, key, &c->eps, r->d);
    if (found == FIELD_BAD) return false;
    if (found == FIELD_ABSENT && !layer_norm)
        return diag_fail(r->d, "%s: %s is missing", r->file, key);
    if (!layer_norm) return true;
    if (!word_is(r, "hidden_act", gelu) || !word_is(r, "norm_type", norm) ||
        field_bool(r->root, r->file, "use_bias", &biased, r->d) == FIELD_BAD)
        return false;
    if (biased)
        c->features |= SOURCE_FEATURE(WHEN_BIASED) | SOURCE_FEATURE(WHEN_O_BIASED) |
                       SOURCE_FEATURE(WHEN_FFN_BIASED);
    return true;
}

/* A token id, or -1. */
static bool read_id(const json_t *value, const char *file, const char *key, struct model_config *c,
                    int64_t *id, struct diag *d) {
    double real = json_number_value(value);
    *id = -1;
    if (!json_is_integer(value) && !(json_is_real(value) && fabs(real) >= 0x1p63))
        return diag_fail(d, "%s: %s is not a token id or a list of them", file, key);
    if (config_is_token(c, key, real)) *id = json_integer_value(value);
    return true;
}

/* The key has one id, a list of ids, or nothing. */
static bool read_end_tokens(const json_t *root, const char *file, struct model_config *c,
                            struct diag *d) {
    static const char *const keys[] = {"eos_token_id", "eos_token_ids"};
    for (size_t k = 0; k < sizeof keys / sizeof *keys; k++) {
        const json_t *eos = json_object_get(root, keys[k]);
        size_t count = json_is_array(eos)          ? json_array_size(eos)
                       : eos && !json_is_null(eos) ? 1
                                                   : 0;
        if (!json_sound(root, file, keys[k], d)) return false;
        for (size_t i = 0; i < count; i++) {
            int64_t id;
            if (!read_id(json_is_array(eos) ? json_array_get(eos, i) : eos, file, keys[k], c, &id,
                         d))
                return false;
            if (id >= 0 && !config_add_end_token(c, (uint64_t)id, file, d)) return false;
        }
    }
    return true;
}

static bool read_tokens(const struct reader *r, struct model_config *c) {
    const json_t *bos = json_object_get(r->root, "bos_token_id");
    c->bos = -1;
    if (bos && !json_is_null(bos) && !read_id(bos, r->file, "bos_token_id", c, &c->bos, r->d))
        return false;
    return read_end_tokens(r->root, r->file, c, r->d);
}

/* PARD's models name the id of their mask; -1 is no mask. */
static bool read_mask(const struct reader *r, struct model_config *c) {
    const json_t *mask = json_object_get(r->root, "pard_token");
    c->mask = -1;
    if (!mask || json_is_null(mask) || (json_is_integer(mask) && json_integer_value(mask) == -1))
        return true;
    return read_id(mask, r->file, "pard_token", c, &c->mask, r->d);
}

bool config_add_generation(const json_t *root, const char *file, struct model_config *c,
                           struct diag *d) {
    return read_end_tokens(root, file, c, d);
}

bool config_of_json(const json_t *root, const char *file, struct model_config *c, struct diag *d) {
    struct reader r = {root, file, d};
    uint64_t layers, dim, vocab, positions;
    config_begin(c);
    if (!read_family(&r, c) || !enter_text(&r, c) ||
        !need_uint(&r, "num_hidden_layers", SOURCE_MAX_LAYERS, &layers) ||
        !need_uint(&r, "hidden_size", SOURCE_MAX_DIM, &dim) ||
        !need_uint(&r, "vocab_size", SOURCE_MAX_VOCAB, &vocab) ||
        !need_uint(&r, "max_position_embeddings", SOURCE_MAX_POSITIONS, &positions) ||
        !config_allocate_layers(c, layers, file, d))
        return false;
    c->dim = (uint32_t)dim;
    c->vocab = (uint32_t)vocab;
    c->max_positions = (uint32_t)positions;
    c->tied = c->family->traits & FAMILY_LAYER_NORM; /* StarCoder2's own default */
    if (!read_norms(&r, c) || !read_clamps(&r, c)) return false;
    /* that of a model around this one counts */
    if (field_bool(r.root, file, "tie_word_embeddings", &c->tied, d) == FIELD_BAD ||
        field_bool(root, file, "tie_word_embeddings", &c->tied, d) == FIELD_BAD)
        return false;
    if (!read_layers(&r, c) || !config_rope_of_json(r.root, file, c, d) || !read_unrotated(&r, c) ||
        !read_window(&r, c) || !read_scales(&r, c) || !read_biases(&r, c) || !read_tokens(&r, c) ||
        !read_mask(&r, c))
        return false;
    return source_config_check(c, file, d);
}
