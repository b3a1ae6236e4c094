#include "weights/pack/vocab/vocab_added.h"

#include <stdlib.h>
#include <string.h>

#include "weights/pack/vocab/vocab_files.h"

enum { ADDED_MAX = 1 << 18 };

/* ---------------------------------------------------------------------------------- the list -- */

static bool grow(struct added_tokens *a) {
    size_t room = a->room * 2 + 64;
    struct added_token *list = realloc(a->list, room * sizeof *list);
    if (!list) return false;
    a->list = list;
    a->room = room;
    return true;
}

static struct added_token *find(const struct added_tokens *a, const char *text) {
    const json_t *at = json_object_get(a->index, text);
    return at ? &a->list[json_integer_value(at)] : NULL;
}

/* The state of adding tokens: the pieces, and the next free id. */
struct adding {
    struct added_tokens *to;
    json_t *vocab;
    uint32_t next;
    const struct vocab_request *request;
    bool beside;
    const char *file;
    struct diag *d;
};

static bool put(struct adding *adding, struct added_token token, int64_t said) {
    struct added_tokens *a = adding->to;
    struct added_token *old = find(a, token.text);
    if (token.length == 0) return true; /* empty tokens are left out, as the library does */
    if (old) {
        old->special |= token.special;
        old->lstrip = token.lstrip, old->rstrip = token.rstrip, old->normalized = token.normalized;
        old->single_word = token.single_word;
        return true;
    }
    if (a->count == ADDED_MAX)
        return diag_fail(adding->d, "%s: more than %d added tokens", adding->file, ADDED_MAX);
    if (a->count == a->room && !grow(a))
        return diag_fail(adding->d, "out of memory for added tokens");
    const json_t *piece = json_object_get(adding->vocab, token.text);
    json_int_t id = json_is_integer(piece) ? json_integer_value(piece) : (json_int_t)adding->next++;
    if (id < 0 || id >= VOCAB_ROWS_MAX)
        return diag_fail(adding->d, "%s: token \"%s\" has the id %lld", adding->file, token.text,
                         (long long)id);
    if (said >= 0 && said != id)
        vocab_note(adding->request, "token \"%s\" has the id %lld, not %lld as %s says", token.text,
                   (long long)id, (long long)said, adding->file);
    token.id = (uint32_t)id;
    token.said = said >= 0 && said < VOCAB_ROWS_MAX ? (uint32_t)said : VOCAB_NONE;
    token.piece = json_is_integer(piece);
    token.beside = adding->beside;
    char *copy = malloc(token.length + 1);
    if (!copy) return diag_fail(adding->d, "out of memory for added tokens");
    memcpy(copy, token.text, token.length + 1);
    token.text = copy;
    if (!a->index) a->index = json_object();
    if (json_object_set_new(a->index, copy, json_integer((json_int_t)a->count)) != 0) {
        free(copy);
        return diag_fail(adding->d, "out of memory for added tokens");
    }
    a->list[a->count++] = token;
    return true;
}

/* ---------------------------------------------------------------------------- tokens as JSON -- */

static bool flag(const json_t *token, const char *key) {
    return json_is_true(json_object_get(token, key));
}

/* Adds a token given as {"content": "<s>", "lstrip": false ...}, or as "<s>", which is special. */
static bool put_json(struct adding *adding, const json_t *token, bool special, int64_t said) {
    const json_t *content = json_is_object(token) ? json_object_get(token, "content") : token;
    if (!json_is_string(content))
        return diag_fail(adding->d, "%s: an added token has no content", adding->file);
    struct added_token t = {.text = (char *)(uintptr_t)json_string_value(content),
                            .length = json_string_length(content),
                            .special = special || flag(token, "special"),
                            .lstrip = flag(token, "lstrip"),
                            .rstrip = flag(token, "rstrip"),
                            .single_word = flag(token, "single_word")};
    t.normalized = json_object_get(token, "normalized") ? flag(token, "normalized") : !t.special;
    if (strlen(t.text) != t.length)
        return diag_fail(adding->d, "%s: added token \"%s\" has a zero byte in it", adding->file,
                         t.text);
    return put(adding, t, said);
}

static bool put_listed(struct adding *adding, json_t *root) {
    json_t *token;
    size_t i;
    json_array_foreach(json_object_get(root, "added_tokens"), i, token) {
        json_t *id = json_object_get(token, "id");
        if (!json_is_string(json_object_get(token, "content")))
            return put_json(adding, token, false, -1);
        if (!json_is_integer(id) || json_integer_value(id) < 0)
            return diag_fail(adding->d, "%s: the id of \"%s\" is no integer from 0 on",
                             adding->file, json_string_value(json_object_get(token, "content")));
        if (!put_json(adding, token, false, json_integer_value(id))) return false;
    }
    return true;
}

/* ------------------------------------------------------------------------------ files beside -- */

struct numbered {
    int64_t id;
    const char *key;
    json_t *value;
};

static int by_id(const void *a, const void *b) {
    const struct numbered *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* The members of {"603": {...}}, or with `swapped` of {"<x>": 603}, in the order of their ids. NULL
 * with a sentence on failure; NULL without a sentence for an empty object. */
static struct numbered *in_order(struct adding *adding, json_t *object, bool swapped) {
    size_t count = 0;
    const char *key;
    json_t *value;
    struct numbered *list =
        json_object_size(object) ? calloc(json_object_size(object), sizeof *list) : NULL;
    json_object_foreach(object, key, value) {
        if (!list) break;
        int64_t id =
            swapped ? json_is_integer(value) ? json_integer_value(value) : -1 : vocab_key_id(key);
        if (id < 0) {
            diag_fail(adding->d, "%s: added token \"%s\" has an id that is no number from 0 on",
                      adding->file, key);
            free(list);
            return NULL;
        }
        list[count++] = (struct numbered){id, key, value};
    }
    if (list) qsort(list, count, sizeof *list, by_id);
    return list;
}

static bool put_decoder(struct adding *adding, json_t *decoder) {
    struct numbered *list = in_order(adding, decoder, false);
    bool good = list || json_object_size(decoder) == 0;
    for (size_t i = 0; good && list && i < json_object_size(decoder); i++)
        good = put_json(adding, list[i].value, false, list[i].id);
    free(list);
    return good;
}

/* Keys whose values are special tokens, or lists of them. */
static const char *const NAMED[] = {"bos_token",
                                    "eos_token",
                                    "unk_token",
                                    "sep_token",
                                    "pad_token",
                                    "cls_token",
                                    "mask_token",
                                    "extra_special_tokens",
                                    "additional_special_tokens"};
enum { NAMED_COUNT = sizeof NAMED / sizeof *NAMED };

/* Token i of a value, and its text. NULL after the last token, and for a value that is no token. */
static json_t *named_at(json_t *value, size_t i, json_t **text) {
    json_t *one = json_is_array(value) ? json_array_get(value, i) : i == 0 ? value : NULL;
    *text = json_is_object(one) ? json_object_get(one, "content") : one;
    return one;
}

static bool is_special(json_t *config, json_t *map, const char *token) {
    json_t *text;
    for (size_t k = 0; k < NAMED_COUNT; k++)
        for (size_t i = 0; named_at(vocab_named(config, map, NAMED[k]), i, &text); i++)
            if (json_is_string(text) && strcmp(json_string_value(text), token) == 0) return true;
    return false;
}

/* Adds those special tokens that no other list has. If a token is named twice, the last flags
 * count. */
static bool put_named(struct adding *adding, json_t *config, json_t *map) {
    json_t *one, *text;
    size_t before = adding->to->count;
    for (size_t k = 0; k < NAMED_COUNT; k++) {
        if (!json_sound(config, "tokenizer_config.json", NAMED[k], adding->d) ||
            !json_sound(map, "special_tokens_map.json", NAMED[k], adding->d))
            return false;
        for (size_t i = 0; (one = named_at(vocab_named(config, map, NAMED[k]), i, &text)); i++) {
            struct added_token *old =
                json_is_string(text) ? find(adding->to, json_string_value(text)) : NULL;
            if (!json_is_string(text) || (old && (size_t)(old - adding->to->list) < before))
                continue;
            if (!put_json(adding, one, true, -1)) return false;
        }
    }
    return true;
}

/* Adds the tokens of added_tokens.json, {"<x>": 603}, which older exports have. The other files say
 * whether such a token is special. */
static bool put_map(struct adding *adding, json_t *map, json_t *config, json_t *specials) {
    struct numbered *list = in_order(adding, map, true);
    /* a bit for each id that tokenizer.json gives to some token */
    uint8_t *listed = calloc(1, VOCAB_ROWS_MAX / 8);
    bool good = list || json_object_size(map) == 0;
    if (!listed) good = diag_fail(adding->d, "out of memory for added tokens");
    for (size_t i = 0; good && listed && i < adding->to->count; i++)
        if (adding->to->list[i].said < VOCAB_ROWS_MAX)
            listed[adding->to->list[i].said / 8] |= (uint8_t)(1 << adding->to->list[i].said % 8);
    for (size_t i = 0; good && list && listed && i < json_object_size(map); i++) {
        struct added_token t = {.text = (char *)(uintptr_t)list[i].key,
                                .length = strlen(list[i].key)};
        t.special = is_special(config, specials, t.text);
        t.normalized = !t.special;
        bool taken = list[i].id < VOCAB_ROWS_MAX && listed[list[i].id / 8] >> (list[i].id % 8) & 1;
        good = taken || put(adding, t, list[i].id);
    }
    free(listed);
    free(list);
    return good;
}

static bool put_beside(struct adding *adding) {
    json_t *config, *map,
        *older = vocab_file_beside(adding->request, "added_tokens.json", adding->d);
    bool good = vocab_special_files(adding->request, &config, &map, adding->d) &&
                !(adding->d && adding->d->text[0]);
    json_t *decoder = json_object_get(config, "added_tokens_decoder");
    adding->beside = true;
    adding->file = "tokenizer_config.json";
    good = good && json_sound(config, adding->file, "added_tokens_decoder", adding->d);
    if (good && decoder) good = put_decoder(adding, decoder);
    adding->file = "added_tokens.json"; /* the file that added_tokens_decoder has replaced */
    good = good && (decoder || put_map(adding, older, config, map));
    adding->file = "tokenizer_config.json";
    good = good && put_named(adding, config, map);
    json_decref(config);
    json_decref(map);
    json_decref(older);
    return good;
}

bool added_tokens_read(struct added_tokens *added, json_t *root, json_t *vocab,
                       const struct vocab_request *r, struct diag *d) {
    struct adding adding = {.to = added,
                            .vocab = vocab,
                            .next = (uint32_t)json_object_size(vocab),
                            .request = r,
                            .file = "tokenizer.json",
                            .d = d};
    return put_listed(&adding, root) && put_beside(&adding);
}

void added_tokens_free(struct added_tokens *added) {
    for (size_t i = 0; i < added->count; i++) free(added->list[i].text);
    free(added->list);
    json_decref(added->index);
    memset(added, 0, sizeof *added);
}
