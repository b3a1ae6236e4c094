/* Reads the tokenizer.json of the `tokenizers` library: BPE models whose normalizer and
 * pre-tokenizer are among those known here. These are compared with what is published, and never
 * interpreted. There are two families: byte-level models (GPT-2 and its descendants) and
 * SentencePiece models as they were converted for Llama. */
#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"
#include "weights/pack/vocab/vocab_added.h"
#include "weights/pack/vocab/vocab_files.h"
#include "weights/pack/vocab/vocab_pre.h"
#include "weights/pack/vocab/vocab_tekken.h"

static bool is(json_t *value, const char *text) {
    return json_is_string(value) && strcmp(json_string_value(value), text) == 0;
}
static const char *type_of(json_t *value) {
    const char *type = json_string_value(json_object_get(value, "type"));
    return type ? type : "(none)";
}
static bool type_is(json_t *value, const char *text) {
    return is(json_object_get(value, "type"), text);
}
static bool absent(json_t *value) { return !value || json_is_null(value); }

/* ----------------------------------------------------------------- normalizer, pre-tokenizer -- */

enum { STEPS_MAX = 8 };
struct steps {
    json_t *step[STEPS_MAX];
    size_t count;
};

/* Lists the steps of a component: itself, or the members of a Sequence. A Sequence is one level
 * deep, as all published ones are. */
static bool flatten(json_t *component, const char *list, const char *what, struct steps *s,
                    struct diag *d) {
    s->count = 0;
    if (absent(component)) return true;
    if (!json_is_object(component))
        return diag_fail(d, "tokenizer.json: the %s is not an object", what);
    json_t *parts = type_is(component, "Sequence") ? json_object_get(component, list) : NULL;
    if (!parts) {
        s->step[s->count++] = component;
        return true;
    }
    if (json_array_size(parts) > STEPS_MAX)
        return diag_fail(d, "tokenizer.json: the %s has %zu steps, which is not supported", what,
                         json_array_size(parts));
    for (size_t i = 0; i < json_array_size(parts); i++)
        s->step[s->count++] = json_array_get(parts, i);
    return true;
}

/* The two steps of converted SentencePiece models: each space becomes U+2581, and in some models a
 * space is put in front. */
static bool replaces_spaces(json_t *step) {
    return type_is(step, "Replace") &&
           is(json_object_get(json_object_get(step, "pattern"), "String"), " ") &&
           is(json_object_get(step, "content"), "\xE2\x96\x81");
}
static bool prepends_space(json_t *step) {
    return type_is(step, "Prepend") && is(json_object_get(step, "prepend"), "\xE2\x96\x81");
}

static bool read_normalizer(struct builder *b, json_t *root, bool *llama, struct diag *d) {
    struct steps s;
    *llama = false;
    if (!flatten(json_object_get(root, "normalizer"), "normalizers", "normalizer", &s, d))
        return false;
    if (s.count == 0) return true;
    if (s.count == 1 && type_is(s.step[0], "NFC")) {
        b->flags |= VOCAB_NFC;
        return true;
    }
    /* Prepend alone is no pair: there is no second step to look at. */
    bool prepends =
        s.count == 2 && (type_is(s.step[0], "Prepend") || type_is(s.step[1], "Prepend"));
    size_t at = prepends && type_is(s.step[0], "Prepend");
    if (s.count != (prepends ? 2 : 1) || !type_is(s.step[at], "Replace"))
        return diag_fail(d,
                         "tokenizer.json: the normalizer %s is not supported (none, NFC and "
                         "Llama's Prepend and Replace are)",
                         type_of(s.step[0]));
    if (!replaces_spaces(s.step[at]) || (prepends && !prepends_space(s.step[1 - at])))
        return diag_fail(
            d, "tokenizer.json: the normalizer prepends or replaces something else than U+2581");
    *llama = true;
    if (prepends) b->flags |= VOCAB_PREFIX;
    return true;
}

/* The name of a step of the pre-tokenizer, for vocab_pre_of_steps. */
static const char *step_name(json_t *step) {
    if (type_is(step, "ByteLevel")) {
        json_t *use = json_object_get(step, "use_regex");
        if (json_is_true(json_object_get(step, "add_prefix_space")))
            return "ByteLevel with add_prefix_space";
        return json_is_false(use) ? "bytes" : "gpt2";
    }
    if (type_is(step, "Digits"))
        return json_is_true(json_object_get(step, "individual_digits"))
                   ? "digits"
                   : "Digits without individual_digits";
    if (type_is(step, "Split")) {
        json_t *regex = json_object_get(json_object_get(step, "pattern"), "Regex"),
               *behavior = json_object_get(step, "behavior");
        bool invert = json_is_true(json_object_get(step, "invert")), covers = false;
        const char *name =
            json_is_string(regex) ? vocab_pre_pattern(json_string_value(regex), &covers) : NULL;
        if (!name) return json_is_string(regex) ? json_string_value(regex) : "Split";
        /* If a pattern covers every text, keeping the matches is the same as isolating them. */
        bool kept = covers && is(behavior, "Removed") && invert;
        return kept || (is(behavior, "Isolated") && !invert) ? name : "Split that is not isolated";
    }
    return type_of(step);
}

/* Reads a Metaspace step. If a key is absent, the library's defaults hold: split, and always
 * prepend. */
static bool read_metaspace(struct builder *b, json_t *step, struct diag *d) {
    json_t *scheme = json_object_get(step, "prepend_scheme");
    if (!is(json_object_get(step, "replacement"), "\xE2\x96\x81"))
        return diag_fail(d, "tokenizer.json: Metaspace replaces by something else than U+2581");
    b->split = !json_is_false(json_object_get(step, "split"));
    if (is(scheme, "never") ||
        (absent(scheme) && json_is_false(json_object_get(step, "add_prefix_space"))))
        return true;
    if (!absent(scheme) && !is(scheme, "always") && !is(scheme, "first"))
        return diag_fail(d, "tokenizer.json: Metaspace has no known prepend_scheme");
    b->flags |=
        VOCAB_PREFIX | VOCAB_PREFIX_UNLESS_SPACE | (is(scheme, "first") ? VOCAB_PREFIX_FIRST : 0);
    return true;
}

/* Gemma's pre-tokenizer splits at spaces. It has no effect, because the normalizer has replaced all
 * spaces. */
static bool splits_at_spaces(json_t *step) {
    return type_is(step, "Split") &&
           is(json_object_get(json_object_get(step, "pattern"), "String"), " ");
}

/* Whether Mistral's own file is there too. Converters wrote Llama 3's pattern into tokenizer.json,
 * with which these models were not trained. */
static bool has_tekken(const struct vocab_request *r) {
    char path[4096];
    return r->directory && vocab_file_path(r->directory, "tekken.json", path, sizeof path);
}

static bool read_pre_tokenizer(struct builder *b, json_t *root, const struct vocab_request *r,
                               bool *llama, struct diag *d) {
    struct steps s;
    char all[1024] = "";
    if (!flatten(json_object_get(root, "pre_tokenizer"), "pretokenizers", "pre-tokenizer", &s, d))
        return false;
    if (*llama && (s.count == 0 || (s.count == 1 && splits_at_spaces(s.step[0])))) return true;
    if (s.count == 1 && type_is(s.step[0], "Metaspace") &&
        !(b->flags & (VOCAB_NFC | VOCAB_PREFIX))) {
        *llama = true;
        return read_metaspace(b, s.step[0], d);
    }
    for (size_t i = 0; i < s.count; i++) {
        const char *name = step_name(s.step[i]);
        if (i) strncat(all, " ", sizeof all - strlen(all) - 1);
        strncat(all, name, sizeof all - strlen(all) - 1);
    }
    b->pre = *llama   ? 0
             : r->pre ? vocab_pre_find(r->pre, strlen(r->pre))->pre
                      : vocab_pre_of_steps(all);
    if (b->pre == VOCAB_PRE_LLAMA3 && !r->pre && has_tekken(r)) {
        vocab_note(r, "tokenizer.json has Llama 3's pattern beside tekken.json: words are cut as "
                      "Tekken does");
        b->pre = VOCAB_PRE_TEKKEN;
    }
    return b->pre || diag_fail(d,
                               "tokenizer.json: this pre-tokenizer is not supported; if you know "
                               "which one it is like, --pre NAME says so (" VOCAB_PRE_SOME "): %s",
                               all);
}

/* ------------------------------------------------------------------------------------ pieces -- */

static bool id_of(json_t *value, const char *text, uint64_t *id, struct diag *d) {
    *id = 0;
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return diag_fail(d, "tokenizer.json: the id of \"%s\" is no integer from 0 on", text);
    *id = (uint64_t)json_integer_value(value);
    return true;
}

static bool is_byte_name(const char *t, size_t n) {
    return n == 6 && memcmp(t, "<0x", 3) == 0 && t[5] == '>';
}

static bool add_plain(struct builder *b, uint64_t id, const char *text, size_t n, struct diag *d) {
    if (b->kind == VOCAB_BPE) return builder_bpe_piece(b, id, text, n, VOCAB_NORMAL, 0, d);
    return builder_spm_piece(b, id, text, n, is_byte_name(text, n) ? VOCAB_BYTE : VOCAB_NORMAL, 0,
                             0, d);
}

/* Whether normalizing leaves the text as it is. A normalized added token is looked for in its
 * normalized form, but shown as it is spelled, and a piece has one spelling. */
static bool is_normal(const char *text, size_t length) {
    uint64_t work[2 * VOCAB_ADDED_BYTES_MAX + 4];
    uint8_t out[3 * VOCAB_ADDED_BYTES_MAX];
    if (length > VOCAB_ADDED_BYTES_MAX) return true; /* which is refused elsewhere */
    size_t n = nfc((const uint8_t *)text, length, out, work);
    return n == length && memcmp(out, text, n) == 0;
}

/* Adds an added token. If the model does not have the token's row, the token cannot be used: it is
 * left out if only a file beside tokenizer.json names it. */
static bool add_added(struct builder *b, const struct added_token *token,
                      const struct vocab_request *r, struct diag *d) {
    const char *text = token->text;
    if (token->beside && token->id >= b->rows) {
        vocab_note(r, "added token \"%s\" is left out: the model has no row %u", text, token->id);
        return true;
    }
    uint8_t flags = BUILDER_ADDED;
    if (token->lstrip) flags |= VOCAB_ADDED_LSTRIP;
    if (token->rstrip) flags |= VOCAB_ADDED_RSTRIP;
    if (token->single_word) flags |= VOCAB_ADDED_SINGLE_WORD;
    if (token->normalized && b->kind == VOCAB_BPE) flags |= VOCAB_ADDED_SECOND;
    if (token->normalized && b->flags & VOCAB_NFC && !is_normal(text, token->length))
        return diag_fail(d,
                         "tokenizer.json: added token \"%s\" is normalized and not spelled in "
                         "NFC, which is not supported",
                         text);
    if (token->normalized && !token->special && b->kind == VOCAB_SPM &&
        !(b->flags & VOCAB_PREFIX_UNLESS_SPACE))
        return diag_fail(d,
                         "tokenizer.json: added token \"%s\" is normalized behind Llama's "
                         "normalizer, which is not supported",
                         text);
    if (!builder_piece(b, token->id, text, token->length,
                       token->special ? VOCAB_CONTROL : VOCAB_USER, 0, flags, d))
        return false;
    if (token->piece) builder_also_piece(b, token->id);
    return true;
}

/* A token that is both in the model's vocabulary and among the added ones counts as added. */
static bool read_pieces(struct builder *b, const struct added_tokens *added, json_t *vocab,
                        const struct vocab_request *r, struct diag *d) {
    json_t *value;
    const char *text;
    for (size_t i = 0; i < added->count; i++)
        if (!add_added(b, &added->list[i], r, d)) return false;
    json_object_foreach(vocab, text, value) {
        uint64_t id;
        size_t n = strlen(text);
        if (!id_of(value, text, &id, d)) return false;
        if (id < b->rows && b->pieces[id].added) {
            const struct builder_piece *p = &b->pieces[id];
            if (p->length == n && memcmp(b->pool + p->offset, text, n) == 0) continue;
        }
        if (!add_plain(b, id, text, n, d)) return false;
    }
    return builder_index(b, d);
}

/* "a b" or ["a", "b"] */
static bool merge_halves(json_t *merge, const char *half[2], size_t n[2]) {
    if (json_is_array(merge) && json_array_size(merge) == 2) {
        for (size_t i = 0; i < 2; i++) {
            json_t *part = json_array_get(merge, i);
            if (!json_is_string(part)) return false;
            half[i] = json_string_value(part);
            n[i] = json_string_length(part);
        }
        return n[0] && n[1];
    }
    if (!json_is_string(merge)) return false;
    const char *all = json_string_value(merge), *space = strchr(all, ' ');
    if (!space || space == all || !space[1] || strchr(space + 1, ' ')) return false;
    half[0] = all;
    n[0] = (size_t)(space - all);
    half[1] = space + 1;
    n[1] = strlen(space + 1);
    return true;
}

static size_t piece_bytes(const struct builder *b, const char *text, size_t n, uint8_t *out) {
    if (n > 2 * VOCAB_PIECE_MAX) return SIZE_MAX;
    if (b->kind == VOCAB_BPE) return builder_unprintable(text, n, out);
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        if (n - i >= 3 && memcmp(text + i, "\xE2\x96\x81", 3) == 0) {
            out[count++] = ' ';
            i += 3;
        } else
            out[count++] = (uint8_t)text[i++];
    }
    return count;
}

static bool read_merges(struct builder *b, json_t *merges, struct diag *d) {
    uint8_t bytes[2][2 * VOCAB_PIECE_MAX];
    json_t *merge;
    size_t i;
    if (!json_is_array(merges))
        return diag_fail(d, "tokenizer.json: the model has no list of merges");
    json_array_foreach(merges, i, merge) {
        const char *half[2];
        size_t n[2];
        if (!merge_halves(merge, half, n))
            return diag_fail(d, "tokenizer.json: merge %zu is not two tokens", i);
        for (int k = 0; k < 2; k++) {
            n[k] = piece_bytes(b, half[k], n[k], bytes[k]);
            if (n[k] == SIZE_MAX)
                return diag_fail(
                    d, "tokenizer.json: merge %zu has a character that stands for no byte", i);
        }
        bool beyond =
            b->split && (memchr(bytes[0] + 1, ' ', n[0] - 1) || memchr(bytes[1], ' ', n[1]));
        if (!beyond && !builder_merge(b, bytes[0], n[0], bytes[1], n[1], d)) return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------------- model -- */

static bool check_model(json_t *model, bool llama, struct diag *d) {
    json_t *type = json_object_get(model, "type"), *dropout = json_object_get(model, "dropout");
    if (!json_is_object(model)) return diag_fail(d, "tokenizer.json has no model");
    if (type && !is(type, "BPE"))
        return diag_fail(d, "tokenizer.json: the model is of type %s where BPE is expected",
                         type_of(model));
    if (!absent(dropout) && json_number_value(dropout) != 0)
        return diag_fail(d, "tokenizer.json: the model has dropout, which is not supported");
    static const char *const affixes[] = {"continuing_subword_prefix", "end_of_word_suffix"};
    for (size_t i = 0; i < 2; i++) {
        json_t *affix = json_object_get(model, affixes[i]);
        if (!absent(affix) && json_string_length(affix))
            return diag_fail(d, "tokenizer.json: the model has a %s, which is not supported",
                             affixes[i]);
    }
    if (json_is_true(json_object_get(model, "byte_fallback")) != llama)
        return diag_fail(
            d, llama ? "tokenizer.json: a model like Llama's without byte_fallback is not supported"
                     : "tokenizer.json: byte_fallback is supported only with Llama's normalizer");
    return json_is_object(json_object_get(model, "vocab"))
               ? true
               : diag_fail(d, "tokenizer.json: the model has no vocabulary");
}

/* The highest id that must have a row. */
static uint64_t highest_id(const struct added_tokens *added, json_t *vocab) {
    json_t *value;
    const char *text;
    json_int_t most = 0;
    json_object_foreach(vocab, text, value) if (json_integer_value(value) > most) most =
        json_integer_value(value);
    for (size_t i = 0; i < added->count; i++)
        if (!added->list[i].beside && added->list[i].id > most) most = added->list[i].id;
    return (uint64_t)most;
}

/* How many rows there are if the model does not say it: enough for everything that has an id. */
static uint32_t all_rows(const struct added_tokens *added, uint64_t most) {
    for (size_t i = 0; i < added->count; i++)
        if (added->list[i].id > most) most = added->list[i].id;
    return (uint32_t)most + 1;
}

/* Reads the unknown token. A byte-level vocabulary only needs one if bytes are missing, and no such
 * model is known, so that is refused. */
static bool read_unk(struct builder *b, json_t *model, struct diag *d) {
    json_t *unk = json_object_get(model, "unk_token");
    if (absent(unk)) return true;
    if (!json_is_string(unk)) return diag_fail(d, "tokenizer.json: unk_token is not a string");
    b->unk = builder_named(b, json_string_value(unk), json_string_length(unk));
    if (b->unk < 0)
        return diag_fail(d, "tokenizer.json: unk_token \"%s\" is no token", json_string_value(unk));
    for (uint32_t i = 0; b->kind == VOCAB_BPE && i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        if (builder_find(b, &byte, 1) == VOCAB_NONE)
            return diag_fail(d,
                             "tokenizer.json: byte 0x%02X has no token but the unknown one, which "
                             "is not supported",
                             i);
    }
    return true;
}

/* Reads whether a TemplateProcessing puts a special token in front: whether its "single" begins
 * with one. */
static bool read_template(struct builder *b, json_t *root, struct diag *d) {
    struct steps s;
    if (!flatten(json_object_get(root, "post_processor"), "processors", "post-processor", &s, d))
        return false;
    b->add_bos = 0;
    for (size_t i = 0; i < s.count; i++) {
        if (!type_is(s.step[i], "TemplateProcessing")) continue;
        json_t *first = json_object_get(json_array_get(json_object_get(s.step[i], "single"), 0),
                                        "SpecialToken");
        json_t *name = json_object_get(first, "id");
        if (!json_is_string(name)) continue;
        b->bos = builder_named(b, json_string_value(name), json_string_length(name));
        if (b->bos < 0)
            return diag_fail(d,
                             "tokenizer.json: the template begins with \"%s\", which is no token",
                             json_string_value(name));
        b->add_bos = 1;
    }
    return true;
}

static bool read_tokenizer(struct builder *b, json_t *root, const struct vocab_request *r,
                           struct added_tokens *added, struct diag *d) {
    static const char *const read[] = {"normalizer", "pre_tokenizer", "post_processor",
                                       "added_tokens", "model"};
    json_t *model = json_object_get(root, "model"), *vocab = json_object_get(model, "vocab");
    struct builder rules = {0};
    bool llama;
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (!json_sound(root, "tokenizer.json", read[i], d)) return false;
    if (!read_normalizer(&rules, root, &llama, d) ||
        !read_pre_tokenizer(&rules, root, r, &llama, d) || !check_model(model, llama, d) ||
        !added_tokens_read(added, root, vocab, r, d))
        return false;
    uint64_t most = highest_id(added, vocab);
    if (most >= VOCAB_ROWS_MAX || (r->rows && most >= r->rows))
        return diag_fail(d, "tokenizer.json has the token id %llu, the model has %u rows",
                         (unsigned long long)most, r->rows);
    if (!builder_init(b, r->rows ? r->rows : all_rows(added, most), d)) return false;
    b->kind = llama ? VOCAB_SPM : VOCAB_BPE;
    b->pre = rules.pre;
    b->flags = rules.flags;
    b->split = rules.split;
    b->order = BUILDER_MERGES;
    b->all_whole = !llama && json_is_true(json_object_get(model, "ignore_merges"));
    return read_pieces(b, added, vocab, r, d) &&
           read_merges(b, json_object_get(model, "merges"), d) && builder_settle_pieces(b, r, d) &&
           read_unk(b, model, d) && read_template(b, root, d) && vocab_files_config(b, r, d);
}

bool vocab_read_json(struct builder *b, const char *name, const void *data, size_t size,
                     const struct vocab_request *r, struct diag *d) {
    json_t *root = json_object_of_bytes(name, data, size, RULES_PYTHON, d);
    struct added_tokens added = {0};
    bool tekken = json_is_object(json_object_get(root, "config")) &&
                  json_is_array(json_object_get(root, "vocab"));
    bool good =
        root && (tekken ? vocab_read_tekken(b, root, r, d) : read_tokenizer(b, root, r, &added, d));
    added_tokens_free(&added);
    json_decref(root);
    return good;
}
