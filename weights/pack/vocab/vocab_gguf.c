/* Reads the tokenizer in a GGUF file's metadata (tokenizer.ggml.*). */
#include <string.h>

#include "weights/pack/vocab/vocab_build.h"
#include "weights/pack/vocab/vocab_pre.h"

static bool text_is(struct gguf_text t, const char *s) {
    return t.bytes == strlen(s) && memcmp(t.data, s, t.bytes) == 0;
}

static bool read_rule(struct builder *b, const struct vocab_request *r, struct diag *d) {
    struct gguf_text pre = {"default", 7};
    enum gguf_found found =
        r->pre ? GGUF_FOUND : gguf_get_text(r->gguf, "tokenizer.ggml.pre", &pre, d);
    if (found == GGUF_BAD) return false;
    if (r->pre) pre = (struct gguf_text){r->pre, strlen(r->pre)};
    const struct vocab_pre_rule *rule = vocab_pre_find(pre.data, pre.bytes);
    if (!rule)
        return diag_fail(d,
                         "tokenizer.ggml.pre is \"%.*s\", which is not supported; if you know "
                         "which one it is like, --pre NAME says so "
                         "(" VOCAB_PRE_SOME ")",
                         pre.bytes < 64 ? (int)pre.bytes : 64, pre.data);
    if (rule->pre == VOCAB_PRE_DEFAULT && !r->pre)
        vocab_note(r, "the file names no pre-tokenizer: llama.cpp's default splits words, which is "
                      "wrong for most models (--pre NAME)");
    b->pre = rule->pre;
    b->flags |= rule->flags;
    b->all_whole = rule->all_whole;
    b->add_bos = rule->add_bos ? 2 : 0;
    return true;
}

/* Reads an optional id among `count` tokens. -1 if the key is absent or names no token, by which
 * files say "none". */
static bool read_id(const struct gguf *g, const char *key, uint64_t count, int64_t *id,
                    struct diag *d) {
    struct gguf_array ids;
    *id = -1;
    enum gguf_found found = gguf_get_ints(g, key, &ids, d);
    if (found != GGUF_FOUND) return found == GGUF_ABSENT;
    int64_t first = ids.count ? gguf_array_int(&ids, 0) : -1;
    if (first >= 0 && (uint64_t)first < count) *id = first;
    return true;
}

/* Makes the tokens that a key names, one or several, control tokens. ends: they also end a
 * generation. */
static bool read_controls(struct builder *b, const struct gguf *g, const char *key, bool ends,
                          struct diag *d) {
    struct gguf_array ids;
    enum gguf_found found = gguf_get_ints(g, key, &ids, d);
    for (uint64_t i = 0; found == GGUF_FOUND && i < ids.count; i++) {
        int64_t id = gguf_array_int(&ids, i);
        if (id < 0 || id >= b->rows || !b->pieces[id].type) continue;
        if (ends && !builder_end(b, id, d)) return false;
        builder_hide(b, (uint32_t)id);
    }
    return found != GGUF_BAD;
}

static bool read_array(const struct gguf *g, const char *key, enum gguf_kind element,
                       uint64_t count, struct gguf_array *out, struct diag *d) {
    enum gguf_found found = gguf_get_array(g, key, out, d);
    if (found == GGUF_BAD) return false;
    if (found == GGUF_ABSENT) return diag_fail(d, "%s is missing", key);
    bool fits = element == GGUF_I32 ? gguf_kind_is_int(out->element) : out->element == element;
    if (!fits)
        return diag_fail(d, "%s holds elements of another type than %s", key,
                         element == GGUF_I32   ? "integers"
                         : element == GGUF_F32 ? "float32"
                                               : "strings");
    if (count && out->count != count)
        return diag_fail(d, "%s has %llu elements, tokenizer.ggml.tokens has %llu", key,
                         (unsigned long long)out->count, (unsigned long long)count);
    return true;
}

static bool read_merges(struct builder *b, const struct gguf *g, struct diag *d) {
    struct gguf_array merges;
    uint8_t left[VOCAB_PIECE_MAX], right[VOCAB_PIECE_MAX];
    if (!read_array(g, "tokenizer.ggml.merges", GGUF_STRING, 0, &merges, d)) return false;
    for (uint64_t i = 0; i < merges.count; i++) {
        struct gguf_text t = gguf_array_text(&merges, i);
        const char *space = t.bytes > 2 ? memchr(t.data + 1, ' ', t.bytes - 1) : NULL;
        size_t n = space ? (size_t)(space - t.data) : 0, rest = space ? t.bytes - n - 1 : 0;
        if (!space || rest == 0 || memchr(space + 1, ' ', rest) || n > sizeof left ||
            rest > sizeof right)
            return diag_fail(d,
                             "tokenizer.ggml.merges: merge %llu is \"%.*s\" where two tokens with "
                             "a space between are expected",
                             (unsigned long long)i, t.bytes < 64 ? (int)t.bytes : 64, t.data);
        size_t l = builder_unprintable(t.data, n, left),
               r = builder_unprintable(space + 1, rest, right);
        if (l == SIZE_MAX || r == SIZE_MAX)
            return diag_fail(
                d, "tokenizer.ggml.merges: merge %llu has a character that stands for no byte",
                (unsigned long long)i);
        if (!builder_merge(b, left, l, right, r, d)) return false;
    }
    return true;
}

static bool read_pieces(struct builder *b, const struct gguf *g, const struct gguf_array *tokens,
                        struct diag *d) {
    struct gguf_array types, scores = {0};
    if (!read_array(g, "tokenizer.ggml.token_type", GGUF_I32, tokens->count, &types, d))
        return false;
    if (b->kind == VOCAB_SPM &&
        !read_array(g, "tokenizer.ggml.scores", GGUF_F32, tokens->count, &scores, d))
        return false;
    for (uint64_t i = 0; i < tokens->count; i++) {
        struct gguf_text t = gguf_array_text(tokens, i);
        int64_t type = gguf_array_int(&types, i);
        if (type < VOCAB_NORMAL || type > VOCAB_BYTE)
            return diag_fail(
                d, "tokenizer.ggml.token_type: token %llu has type %lld where 1 to 6 are expected",
                (unsigned long long)i, (long long)type);
        if (b->kind == VOCAB_SPM && type == VOCAB_USER && vocab_is_name(t.data, t.bytes))
            type = VOCAB_CONTROL;
        if (b->kind == VOCAB_BPE && type == VOCAB_BYTE)
            return diag_fail(
                d, "tokenizer.ggml.token_type: token %llu is a byte token in a gpt2 tokenizer",
                (unsigned long long)i);
        uint8_t added = type == VOCAB_CONTROL ? BUILDER_ADDED
                        : type == VOCAB_USER
                            ? BUILDER_ADDED | (b->kind == VOCAB_SPM ? VOCAB_ADDED_SECOND : 0)
                            : 0;
        bool good = b->kind == VOCAB_SPM
                        ? builder_spm_piece(b, i, t.data, t.bytes, (enum vocab_type)type,
                                            (float)gguf_array_float(&scores, i), added, d)
                        : builder_bpe_piece(b, i, t.data, t.bytes, (enum vocab_type)type, added, d);
        if (!good) return false;
        if (added && b->kind == VOCAB_BPE) builder_also_piece(b, (uint32_t)i);
    }
    return true;
}

static bool read_spm_rules(struct builder *b, const struct gguf *g, struct diag *d) {
    bool prefix = true, extra = false;
    if (gguf_get_bool(g, "tokenizer.ggml.add_space_prefix", &prefix, d) == GGUF_BAD) return false;
    if (gguf_get_bool(g, "tokenizer.ggml.remove_extra_whitespaces", &extra, d) == GGUF_BAD)
        return false;
    if (extra)
        return diag_fail(d,
                         "tokenizer.ggml.remove_extra_whitespaces is true, which is not supported");
    if (gguf_has(g, "tokenizer.ggml.precompiled_charsmap"))
        return diag_fail(d, "tokenizer.ggml.precompiled_charsmap is there: text normalization of "
                            "SentencePiece is not supported");
    if (prefix) b->flags |= VOCAB_PREFIX;
    b->order = BUILDER_SCORES;
    b->add_bos = 2;
    return true;
}

/* For a file without tokenizer. No id has a text, and the blob only takes ids. */
static bool read_no_tokenizer(struct builder *b, const struct vocab_request *r, struct diag *d) {
    if (!builder_init(b, r->rows, d)) return false;
    b->kind = VOCAB_BPE, b->pre = VOCAB_PRE_GPT2, b->order = BUILDER_MERGES;
    return builder_index(b, d);
}

bool vocab_read_gguf(struct builder *b, const struct vocab_request *r, struct diag *d) {
    const struct gguf *g = r->gguf;
    struct gguf_text model;
    struct gguf_array tokens;
    static const char *const ends[] = {
        "tokenizer.ggml.eos_token_id",     "tokenizer.ggml.eos_token_ids",
        "tokenizer.ggml.eot_token_id",     "tokenizer.ggml.eom_token_id",
        "tokenizer.ggml.fim_pad_token_id", "tokenizer.ggml.fim_rep_token_id",
        "tokenizer.ggml.fim_sep_token_id", NULL};
    static const char *const controls[] = {"tokenizer.ggml.fim_pre_token_id",
                                           "tokenizer.ggml.fim_suf_token_id",
                                           "tokenizer.ggml.fim_mid_token_id",
                                           "tokenizer.ggml.prefix_token_id",
                                           "tokenizer.ggml.suffix_token_id",
                                           "tokenizer.ggml.middle_token_id",
                                           NULL};
    enum gguf_found found = gguf_get_text(g, "tokenizer.ggml.model", &model, d);
    if (found == GGUF_BAD) return false;
    if (found == GGUF_ABSENT && !gguf_has(g, "tokenizer.ggml.tokens"))
        return read_no_tokenizer(b, r, d);
    if (found != GGUF_FOUND) return diag_fail(d, "tokenizer.ggml.model is missing");
    bool spm = text_is(model, "llama");
    if (!spm && !text_is(model, "gpt2"))
        return diag_fail(d, "tokenizer.ggml.model is \"%.*s\" where llama or gpt2 is expected",
                         model.bytes < 64 ? (int)model.bytes : 64, model.data);
    if (!read_array(g, "tokenizer.ggml.tokens", GGUF_STRING, 0, &tokens, d)) return false;
    if (tokens.count == 0 || tokens.count > VOCAB_ROWS_MAX || (r->rows && tokens.count > r->rows))
        return diag_fail(d, "tokenizer.ggml.tokens has %llu tokens, the model has %u rows",
                         (unsigned long long)tokens.count, r->rows);
    if (!builder_init(b, r->rows ? r->rows : (uint32_t)tokens.count, d)) return false;
    b->kind = spm ? VOCAB_SPM : VOCAB_BPE;
    b->order = BUILDER_MERGES;
    if (spm ? !read_spm_rules(b, g, d) : !read_rule(b, r, d)) return false;
    if (!read_pieces(b, g, &tokens, d) || !builder_index(b, d)) return false;
    if (!spm && !(read_merges(b, g, d) && builder_settle_pieces(b, r, d))) return false;
    if (!read_id(g, "tokenizer.ggml.bos_token_id", tokens.count, &b->bos, d)) return false;
    if (!read_id(g, "tokenizer.ggml.eos_token_id", tokens.count, &b->eos, d)) return false;
    if (!read_id(g, "tokenizer.ggml.unknown_token_id", tokens.count, &b->unk, d)) return false;
    for (size_t i = 0; ends[i]; i++)
        if (!read_controls(b, g, ends[i], true, d)) return false;
    for (size_t i = 0; controls[i]; i++)
        if (!read_controls(b, g, controls[i], false, d)) return false;
    bool add_bos;
    found = gguf_get_bool(g, "tokenizer.ggml.add_bos_token", &add_bos, d);
    if (found == GGUF_FOUND) b->add_bos = add_bos;
    return found != GGUF_BAD;
}
