#include "weights/pack/vocab/vocab_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weights/pack/checkpoint/source_file.h"

#define FILE_MAX ((size_t)256 << 20)

uint8_t *vocab_read_file(const char *path, size_t *bytes, struct diag *d) {
    struct source_file file;
    uint8_t *data = NULL;
    *bytes = 0;
    if (!source_file_open(&file, path, d)) return NULL;
    if (file.bytes > FILE_MAX)
        diag_fail(d, "%s is larger than %zu MiB", path, FILE_MAX >> 20);
    else if (!(data = malloc((size_t)file.bytes + 1)))
        diag_fail(d, "out of memory");
    else if (source_file_read(&file, 0, data, (size_t)file.bytes, d))
        *bytes = (size_t)file.bytes;
    else
        free(data), data = NULL;
    source_file_close(&file);
    return data;
}

bool vocab_file_path(const char *directory, const char *name, char *path, size_t room) {
    int n = snprintf(path, room, "%s/%s", directory, name);
    return n >= 0 && (size_t)n < room && access(path, F_OK) == 0;
}

json_t *vocab_file_beside(const struct vocab_request *r, const char *name, struct diag *d) {
    char path[4096];
    size_t bytes;
    if (!r->directory || !vocab_file_path(r->directory, name, path, sizeof path)) return NULL;
    uint8_t *data = vocab_read_file(path, &bytes, d);
    json_t *root =
        data ? json_object_of_bytes(name, (const char *)data, bytes, RULES_PYTHON, d) : NULL;
    free(data);
    return root;
}

static bool failed(const struct diag *d) { return d && d->text[0]; }

bool vocab_special_files(const struct vocab_request *r, json_t **config, json_t **map,
                         struct diag *d) {
    *config = vocab_file_beside(r, "tokenizer_config.json", d);
    *map = json_object_get(*config, "added_tokens_decoder")
               ? NULL
               : vocab_file_beside(r, "special_tokens_map.json", d);
    return !failed(d);
}

json_t *vocab_named(json_t *config, json_t *map, const char *key) {
    json_t *value = json_object_get(map, key);
    return value ? value : json_object_get(config, key);
}

int64_t vocab_key_id(const char *key) {
    int64_t id = 0;
    for (size_t i = 0; key[i]; i++) {
        if (key[i] < '0' || key[i] > '9' || i > 8) return -1;
        id = id * 10 + (key[i] - '0');
    }
    return key[0] ? id : -1;
}

uint32_t vocab_files_added(const struct vocab_request *r) {
    struct diag ignored = {{0}};
    json_t *config = vocab_file_beside(r, "tokenizer_config.json", &ignored),
           *list = vocab_file_beside(r, "added_tokens.json", &ignored);
    size_t n =
        json_object_size(json_object_get(config, "added_tokens_decoder")) + json_object_size(list);
    json_decref(config);
    json_decref(list);
    return n < VOCAB_ROWS_MAX / 2 ? (uint32_t)n : VOCAB_ROWS_MAX / 2;
}

/* An added token whose id is a piece already. Makes a NORMAL piece a token that is found in text;
 * other pieces keep their type. False if the piece is spelled in another way. */
static bool retag(struct builder *b, struct builder_piece *p, const char *text, size_t length,
                  bool special, uint8_t flags) {
    if (p->type == VOCAB_BYTE || p->type == VOCAB_UNKNOWN) return true;
    bool same = builder_is_spelled(b, p, text, length);
    if (same && p->type == VOCAB_NORMAL && length > 0)
        p->type = special ? VOCAB_CONTROL : VOCAB_USER;
    if (same && p->type != VOCAB_UNUSED) p->added = (uint8_t)(BUILDER_ADDED | flags);
    return same;
}

static bool add(struct builder *b, const struct vocab_request *r, int64_t id, const char *text,
                size_t length, bool special, uint8_t flags, struct diag *d) {
    if (id < 0) return diag_fail(d, "an added token has an id that is no number");
    struct builder_piece *p = id < b->rows ? &b->pieces[id] : NULL;
    if (p && p->type) {
        if (retag(b, p, text, length, special, flags)) return true;
        vocab_note(r, "token %lld is \"%s\" as tokenizer_config.json says", (long long)id, text);
        p->type = 0;
    }
    return builder_spm_piece(b, (uint64_t)id, text, length, special ? VOCAB_CONTROL : VOCAB_USER, 0,
                             (uint8_t)(BUILDER_ADDED | flags), d);
}

bool vocab_files_added_tokens(struct builder *b, const struct vocab_request *r, struct diag *d) {
    json_t *config = vocab_file_beside(r, "tokenizer_config.json", d),
           *list = vocab_file_beside(r, "added_tokens.json", d);
    json_t *decoder = json_object_get(config, "added_tokens_decoder"), *value;
    const char *key;
    bool good =
        !failed(d) && json_sound(config, "tokenizer_config.json", "added_tokens_decoder", d);
    json_object_foreach(decoder, key, value) {
        json_t *content = json_object_get(value, "content");
        static const struct {
            const char *key;
            uint8_t flag;
        } known[] = {{"lstrip", VOCAB_ADDED_LSTRIP},
                     {"rstrip", VOCAB_ADDED_RSTRIP},
                     {"single_word", VOCAB_ADDED_SINGLE_WORD}};
        uint8_t flags = 0;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (json_is_true(json_object_get(value, known[i].key))) flags |= known[i].flag;
        if (good && !json_is_string(content))
            good = diag_fail(d, "tokenizer_config.json: added token %s has no content", key);
        if (good)
            good = add(b, r, vocab_key_id(key), json_string_value(content),
                       json_string_length(content), json_is_true(json_object_get(value, "special")),
                       flags, d);
    }
    json_object_foreach(list, key, value) {
        if (!good || decoder) break;
        if (!json_is_integer(value))
            good = diag_fail(d, "added_tokens.json: the id of \"%s\" is no integer", key);
        if (good) good = add(b, r, json_integer_value(value), key, strlen(key), false, 0, d);
    }
    json_decref(config);
    json_decref(list);
    return good;
}

/* Reads "<s>" or {"content": "<s>", ...}. A text that no token has, has no row in the model and
 * counts as none. */
static bool named(const struct builder *b, const struct vocab_request *r, json_t *config,
                  json_t *map, const char *key, int64_t *id, struct diag *d) {
    json_t *value = vocab_named(config, map, key);
    if (!json_sound(config, "tokenizer_config.json", key, d) ||
        !json_sound(map, "special_tokens_map.json", key, d))
        return false;
    if (json_is_object(value)) value = json_object_get(value, "content");
    if (!json_is_string(value)) return true;
    *id = builder_named(b, json_string_value(value), json_string_length(value));
    if (*id < 0)
        vocab_note(r, "%s \"%s\" is no token and counts as none", key, json_string_value(value));
    return true;
}

bool vocab_files_config(struct builder *b, const struct vocab_request *r, struct diag *d) {
    json_t *config, *map;
    bool good = vocab_special_files(r, &config, &map, d), add_bos;
    good = good && named(b, r, config, map, "bos_token", &b->bos, d) &&
           named(b, r, config, map, "eos_token", &b->eos, d);
    good = good && json_sound(config, "tokenizer_config.json", "add_bos_token", d);
    enum field found =
        good ? field_bool(config, "tokenizer_config.json", "add_bos_token", &add_bos, d)
             : FIELD_BAD;
    if (found == FIELD_FOUND) b->add_bos = add_bos;
    json_decref(config);
    json_decref(map);
    return found != FIELD_BAD && builder_end(b, b->eos, d);
}
