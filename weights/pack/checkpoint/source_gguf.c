/* Reads the hyper-parameters from a GGUF file's keys. */
#include <stdio.h>
#include <string.h>

#include "weights/pack/checkpoint/source_inside.h"

struct reader {
    const struct gguf *gguf;
    const char *file; /* its name, for sentences */
    char arch[64];
    char key[128]; /* the last one made */
    struct diag *d;
};

static const char *name_of(enum source_role role) { return source_roles[role].name[NAMES_GGUF]; }

static const char *key_of(struct reader *r, const char *name) {
    snprintf(r->key, sizeof r->key, "%s.%s", r->arch, name);
    return r->key;
}

static bool need_uint(struct reader *r, const char *name, uint64_t *out) {
    enum gguf_found found = gguf_get_uint(r->gguf, key_of(r, name), UINT32_MAX, out, r->d);
    return found == GGUF_ABSENT ? diag_fail(r->d, "%s: key %s is missing", r->file, r->key)
                                : found == GGUF_FOUND;
}

/* Sets the member at offset `at` of every layer, from one integer for all or an array with one for
 * each. If the key is absent and `optional`, the members stay. */
static bool per_layer(struct reader *r, const char *name, struct model_config *c, size_t at,
                      bool optional) {
    const char *key = key_of(r, name);
    struct gguf_array array = {.count = 0};
    uint64_t all = 0;
    struct diag ignored = {{0}};
    if (!gguf_has(r->gguf, key))
        return optional ? true : diag_fail(r->d, "%s: key %s is missing", r->file, key);
    bool listed = gguf_get_array(r->gguf, key, &array, &ignored) == GGUF_FOUND;
    if (!listed && gguf_get_uint(r->gguf, key, INT32_MAX, &all, r->d) != GGUF_FOUND) return false;
    if (listed && !gguf_kind_is_int(array.element))
        return diag_fail(r->d, "%s: %s is not an array of integers", r->file, key);
    if (listed && array.count != c->layers)
        return diag_fail(r->d, "%s: %s has %llu entries for %u layers", r->file, key,
                         (unsigned long long)array.count, c->layers);
    for (uint32_t i = 0; i < c->layers; i++) {
        int64_t n = listed ? gguf_array_int(&array, i) : (int64_t)all;
        if (n < 0 || n > INT32_MAX)
            return diag_fail(r->d, "%s: %s is %lld at layer %u", r->file, key, (long long)n, i);
        *(uint32_t *)(void *)((char *)&c->layer[i] + at) = (uint32_t)n;
    }
    return true;
}

/* Reads the size of a head; if no key says it, it is the width divided by the number of heads. */
static bool read_head_dim(struct reader *r, const struct model_config *c, uint64_t *head_dim) {
    uint64_t most = 0, value_dim;
    for (uint32_t i = 0; i < c->layers; i++)
        if (c->layer[i].heads > most) most = c->layer[i].heads;
    *head_dim = 0;
    enum gguf_found found =
        gguf_get_uint(r->gguf, key_of(r, "attention.key_length"), UINT32_MAX, head_dim, r->d);
    if (found == GGUF_BAD) return false;
    if (found == GGUF_ABSENT && most) {
        if (c->dim % most)
            return diag_fail(r->d, "%s: %llu heads do not divide the width %u, and %s is missing",
                             r->file, (unsigned long long)most, c->dim, r->key);
        *head_dim = c->dim / most;
    }
    value_dim = *head_dim;
    if (gguf_get_uint(r->gguf, key_of(r, "attention.value_length"), UINT32_MAX, &value_dim, r->d) ==
        GGUF_BAD)
        return false;
    if (value_dim != *head_dim)
        return diag_fail(r->d, "%s: %s is %llu, not the keys' %llu", r->file, r->key,
                         (unsigned long long)value_dim, (unsigned long long)*head_dim);
    return true;
}

/* Reads how many experts all layers have, and how a token uses them. */
static bool read_experts(struct reader *r, struct model_config *c) {
    enum { SOFTMAX = 1, SOFTMAX_CHOSEN = 3 };
    uint64_t experts = 0, active = 0, width = 0, gating = SOFTMAX;
    bool norm = true;
    if (!(c->family->traits & FAMILY_EXPERTS)) return true;
    if (gguf_get_uint(r->gguf, key_of(r, "expert_count"), INT32_MAX, &experts, r->d) == GGUF_BAD)
        return false;
    if (!experts) return true;
    if (!need_uint(r, "expert_used_count", &active) ||
        gguf_get_uint(r->gguf, key_of(r, "expert_feed_forward_length"), INT32_MAX, &width, r->d) ==
            GGUF_BAD ||
        gguf_get_uint(r->gguf, key_of(r, "expert_gating_func"), INT32_MAX, &gating, r->d) ==
            GGUF_BAD)
        return false;
    if (gguf_get_bool(r->gguf, key_of(r, "expert_weights_norm"), &norm, r->d) == GGUF_BAD)
        return false;
    if (gating != SOFTMAX && gating != SOFTMAX_CHOSEN)
        return diag_fail(r->d, "%s: %s is %llu where only 1 and 3, a softmax, are supported",
                         r->file, r->key, (unsigned long long)gating);
    for (uint32_t i = 0; i < c->layers; i++) {
        c->layer[i].experts = (uint32_t)experts, c->layer[i].active = (uint32_t)active;
        c->layer[i].everyone = !norm;
        if (width) c->layer[i].ffn = (uint32_t)width;
    }
    return true;
}

static bool read_layers(struct reader *r, struct model_config *c) {
    if (!per_layer(r, "attention.head_count", c, offsetof(struct layer_config, heads), false))
        return false;
    for (uint32_t i = 0; i < c->layers; i++) c->layer[i].kv_heads = c->layer[i].heads;
    uint64_t head_dim;
    if (!per_layer(r, "attention.head_count_kv", c, offsetof(struct layer_config, kv_heads),
                   true) ||
        !per_layer(r, "feed_forward_length", c, offsetof(struct layer_config, ffn), false) ||
        !read_experts(r, c) || !read_head_dim(r, c, &head_dim))
        return false;
    for (uint32_t i = 0; i < c->layers; i++) {
        struct layer_config *layer = &c->layer[i];
        if (layer->heads && !layer->kv_heads)
            return diag_fail(r->d, "%s: layer %u has linear attention, which is not supported",
                             r->file, i);
        layer->head_dim = layer->heads ? (uint32_t)head_dim : 0;
    }
    return true;
}

static bool text_is(struct gguf_text text, const char *word) {
    return text.bytes == strlen(word) && memcmp(text.data, word, text.bytes) == 0;
}

static bool read_scales(struct reader *r, struct model_config *c) {
    struct scale_config *scale = &c->scale;
    double divisor = 1;
    if (!(c->family->traits & FAMILY_SCALED)) return true;
    if (gguf_get_float(r->gguf, key_of(r, "embedding_scale"), &scale->embedding, r->d) ==
            GGUF_BAD ||
        gguf_get_float(r->gguf, key_of(r, "attention.scale"), &scale->scores, r->d) == GGUF_BAD ||
        gguf_get_float(r->gguf, key_of(r, "residual_scale"), &scale->residual, r->d) == GGUF_BAD ||
        gguf_get_float(r->gguf, key_of(r, "logit_scale"), &divisor, r->d) == GGUF_BAD)
        return false;
    /* writers mean "none" by 0 */
    if (scale->embedding == 0) scale->embedding = 1;
    if (scale->residual == 0) scale->residual = 1;
    scale->logits = divisor == 0 ? 1 : 1 / divisor;
    return true;
}

/* Which layers are without RoPE. No key says it of SmolLM3: it is every fourth, as in its own
 * configuration. Granite says by `finetuned` whether all have it. */
static bool read_unrotated(struct reader *r, struct model_config *c) {
    bool rope = true, fourth = c->family->traits & FAMILY_FOURTH_UNROTATED;
    if (c->family->traits & FAMILY_ROPE_OPTIONAL &&
        gguf_get_bool(r->gguf, key_of(r, "rope.scaling.finetuned"), &rope, r->d) == GGUF_BAD)
        return false;
    for (uint32_t i = 0; i < c->layers; i++)
        c->layer[i].unrotated = !rope || (fourth && (i + 1) % 4 == 0);
    return true;
}

/* Which layers see a window alone. gpt-oss's files do not say it; others have a list of them, or
 * say that every n-th layer sees all. */
static bool read_windows(struct reader *r, struct model_config *c, uint32_t window) {
    const char *key = key_of(r, "attention.sliding_window_pattern");
    struct gguf_array list = {.count = 0};
    struct diag ignored = {{0}};
    uint64_t every = c->family->traits & FAMILY_GPT_OSS       ? 2
                     : c->family->traits & FAMILY_WINDOW_ROPE ? 4
                                                              : 0;
    const bool listed = gguf_get_array(r->gguf, key, &list, &ignored) == GGUF_FOUND;
    if (listed && (list.element != GGUF_BOOL || list.count != c->layers))
        return diag_fail(r->d, "%s: %s is not an array of %u true or false", r->file, key,
                         c->layers);
    if (!listed && gguf_get_uint(r->gguf, key, INT32_MAX, &every, r->d) == GGUF_BAD) return false;
    for (uint32_t i = 0; i < c->layers; i++) {
        const bool sees_all = listed ? !gguf_array_int(&list, i) : every && i % every == every - 1;
        c->layer[i].window = sees_all ? 0 : window;
    }
    return true;
}

static bool read_tokens(struct reader *r, struct model_config *c) {
    static const char *const keys[] = {"bos_token_id", "eos_token_id", "eos_token_ids",
                                       "eot_token_id", "eom_token_id"};
    c->bos = -1;
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        struct gguf_array ids = {.count = 0};
        snprintf(r->key, sizeof r->key, "tokenizer.ggml.%s", keys[k]);
        if (gguf_get_ints(r->gguf, r->key, &ids, r->d) == GGUF_BAD) return false;
        if (k == 0 && ids.count > 1)
            return diag_fail(r->d, "%s: %s is an array, not a token id", r->file, r->key);
        for (uint64_t i = 0; i < ids.count; i++) {
            int64_t id = gguf_array_int(&ids, i);
            if (!config_is_token(c, keys[k], (double)id)) continue;
            if (k == 0)
                c->bos = id;
            else if (!config_add_end_token(c, (uint64_t)id, r->file, r->d))
                return false;
        }
    }
    return true;
}

/* The vocabulary has as many tokens as the embedding has rows. A key or a list of tokens that says
 * another number is refused. */
static bool read_vocabulary(struct reader *r, struct model_config *c) {
    const char *name = name_of(SOURCE_EMBED);
    const struct gguf_tensor *embed = gguf_find_tensor(r->gguf, name);
    if (!embed) return diag_fail(r->d, "%s: tensor %s is missing", r->file, name);
    if (embed->shape[1] > UINT32_MAX)
        return diag_fail(r->d, "%s: tensor %s has too many rows", r->file, name);
    uint64_t vocab = embed->shape[1];
    c->vocab = (uint32_t)vocab;
    if (gguf_get_uint(r->gguf, key_of(r, "vocab_size"), UINT32_MAX, &vocab, r->d) == GGUF_BAD)
        return false;
    if (vocab != c->vocab)
        return diag_fail(r->d, "%s: %s is %llu, but %s has %u rows", r->file, r->key,
                         (unsigned long long)vocab, name, c->vocab);
    struct gguf_array tokens = {.count = vocab};
    if (gguf_get_array(r->gguf, "tokenizer.ggml.tokens", &tokens, r->d) == GGUF_BAD) return false;
    if (!gguf_has(r->gguf, "tokenizer.ggml.tokens") && !gguf_has(r->gguf, "tokenizer.ggml.model"))
        config_note(c, "the file has no tokenizer, so the blob takes and gives ids alone");
    if (tokens.count != vocab)
        return diag_fail(r->d, "%s: %llu tokens, but %s has %u rows", r->file,
                         (unsigned long long)tokens.count, name, c->vocab);
    return true;
}

/* Refuses a part of a file that was split. The parts after the first have only keys such as
 * split.count. */
static bool is_whole(struct reader *r) {
    uint64_t parts = 1;
    if (gguf_get_uint(r->gguf, "split.count", UINT32_MAX, &parts, r->d) == GGUF_BAD) return false;
    if (parts <= 1) return true;
    return diag_fail(
        r->d,
        "%s is one of %llu parts: join them first (llama-gguf-split --merge FIRST-PART "
        "OUT.gguf)",
        r->file, (unsigned long long)parts);
}

static bool read_general(struct reader *r, struct model_config *c) {
    struct gguf_text text;
    if (!is_whole(r)) return false;
    enum gguf_found found = gguf_get_text(r->gguf, "general.architecture", &text, r->d);
    if (found != GGUF_FOUND)
        return diag_fail(r->d, "%s: key general.architecture is missing", r->file);
    snprintf(r->arch, sizeof r->arch, "%.*s", (int)(text.bytes < 60 ? text.bytes : 60), text.data);
    c->family = source_family(NAMES_GGUF, r->arch, r->file, r->d);
    if (!c->family) return false;
    snprintf(c->architecture, sizeof c->architecture, "%s", r->arch);
    found = gguf_get_text(r->gguf, "general.type", &text, r->d);
    if (found == GGUF_BAD) return false;
    if (found == GGUF_FOUND && !text_is(text, "model"))
        return diag_fail(r->d, "%s: general.type is %.*s, not model", r->file,
                         (int)(text.bytes < 60 ? text.bytes : 60), text.data);
    found = gguf_get_text(r->gguf, "general.name", &text, r->d);
    if (found == GGUF_BAD) return false;
    if (found == GGUF_FOUND)
        snprintf(c->name, sizeof c->name, "%.*s",
                 (int)(text.bytes < sizeof c->name ? text.bytes : sizeof c->name - 1), text.data);
    uint64_t version = 2;
    if (gguf_get_uint(r->gguf, "general.quantization_version", UINT32_MAX, &version, r->d) ==
        GGUF_BAD)
        return false;
    return version == 2
               ? true
               : diag_fail(r->d, "%s: general.quantization_version %llu is not supported, only 2",
                           r->file, (unsigned long long)version);
}

/* Whether some tensor's name ends with "." and this name of a layer's tensor. */
static bool some_layer_has(const struct gguf *gguf, const char *of_layer) {
    size_t n = strlen(of_layer);
    for (size_t i = 0; i < gguf_tensor_count(gguf); i++) {
        const char *name = gguf_tensor(gguf, i)->name;
        size_t length = strlen(name);
        if (length > n && name[length - n - 1] == '.' && strcmp(name + length - n, of_layer) == 0)
            return true;
    }
    return false;
}

/* The features that the model has: those of its architecture, and biases, which the first tensor of
 * each feature shows. */
static uint32_t features_of(const struct gguf *gguf, const struct source_family *family) {
    const uint32_t biases = SOURCE_FEATURE(WHEN_BIASED);
    uint32_t found = family->features & ~biases, seen = found;
    seen |= ~(biases | (family->traits & FAMILY_LAYER_NORM
                            ? SOURCE_FEATURE(WHEN_O_BIASED) | SOURCE_FEATURE(WHEN_FFN_BIASED)
                            : 0));
    for (int role = SOURCE_LAYER_ROLES; role < SOURCE_ROLES; role++) {
        const struct source_role_row *row = &source_roles[role];
        if ((int)row->when < (int)WHEN_FEATURES || seen & SOURCE_FEATURE(row->when)) continue;
        seen |= SOURCE_FEATURE(row->when);
        if (some_layer_has(gguf, row->name[NAMES_GGUF])) found |= SOURCE_FEATURE(row->when);
    }
    return found;
}

bool config_of_gguf(const struct gguf *gguf, struct model_config *c, struct diag *d) {
    struct reader r = {.gguf = gguf, .file = gguf_file(gguf)->name, .d = d};
    uint64_t layers, dim, positions, window = 0;
    struct gguf_text layout;
    config_begin(c);
    if (!read_general(&r, c) || !config_check_gguf_keys(gguf, c, d) ||
        !need_uint(&r, "block_count", &layers) || !config_allocate_layers(c, layers, r.file, d) ||
        !need_uint(&r, "embedding_length", &dim) || !need_uint(&r, "context_length", &positions))
        return false;
    if (dim < 1 || dim > SOURCE_MAX_DIM)
        return diag_fail(d, "%s: model width of %llu is not 1 to %d", r.file,
                         (unsigned long long)dim, SOURCE_MAX_DIM);
    c->dim = (uint32_t)dim;
    c->max_positions = (uint32_t)positions;
    enum gguf_found found = gguf_get_text(gguf, key_of(&r, "tensor_data_layout"), &layout, d);
    if (found == GGUF_BAD) return false;
    if (found == GGUF_FOUND && !text_is(layout, "Meta AI original pth"))
        return diag_fail(d, "%s: %s is %.*s where only Meta AI original pth is supported", r.file,
                         r.key, (int)(layout.bytes < 40 ? layout.bytes : 40), layout.data);
    const bool layer_norm = c->family->traits & FAMILY_LAYER_NORM;
    found = gguf_get_float(gguf,
                           key_of(&r, layer_norm ? "attention.layer_norm_epsilon"
                                                 : "attention.layer_norm_rms_epsilon"),
                           &c->eps, d);
    if (found != GGUF_FOUND) return diag_fail(d, "%s: key %s is missing", r.file, r.key);
    if (!read_vocabulary(&r, c) || !read_layers(&r, c) || !config_rope_of_gguf(gguf, c, d) ||
        !read_unrotated(&r, c) || !read_scales(&r, c) || !read_tokens(&r, c))
        return false;
    if (gguf_get_uint(gguf, key_of(&r, "attention.sliding_window"), UINT32_MAX, &window, d) ==
        GGUF_BAD)
        return false;
    if (layer_norm && window == 0) {
        window = 4096; /* of all models of StarCoder2; their GGUF files do not name it */
        config_note(c, "the file names no attention window; StarCoder2's is 4096");
    }
    if (!read_windows(&r, c, (uint32_t)window)) return false;
    c->tied = !gguf_find_tensor(gguf, name_of(SOURCE_HEAD));
    c->features = features_of(gguf, c->family);
    return source_config_check(c, r.file, d);
}
