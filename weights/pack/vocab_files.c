#include "weights/pack/vocab_files.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weights/pack/source_file.h"

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

/* A JSON object beside the tokenizer. An absent file is NULL without a sentence. */
static json_t *beside(const struct vocab_request *r, const char *name, struct diag *d) {
    char path[4096];
    if (!r->directory || !vocab_file_path(r->directory, name, path, sizeof path)) return NULL;
    size_t bytes;
    json_error_t error;
    uint8_t *data = vocab_read_file(path, &bytes, d);
    if (!data) return NULL;
    json_t *root = json_loadb((const char *)data, bytes, JSON_REJECT_DUPLICATES, &error);
    free(data);
    if (!root)
        diag_fail(d, "%s, line %d: %s", name, error.line, error.text);
    else if (!json_is_object(root)) {
        diag_fail(d, "%s is not a JSON object", name);
        json_decref(root);
        root = NULL;
    }
    return root;
}

static bool failed(const struct diag *d) { return d && d->text[0]; }

/* "12" as a key; -1 if it is no number. */
static int64_t key_id(const char *key) {
    int64_t id = 0;
    for (size_t i = 0; key[i]; i++) {
        if (key[i] < '0' || key[i] > '9' || i > 8) return -1;
        id = id * 10 + (key[i] - '0');
    }
    return key[0] ? id : -1;
}

uint32_t vocab_files_added(const struct vocab_request *r) {
    struct diag ignored = {{0}};
    json_t *config = beside(r, "tokenizer_config.json", &ignored), *list = beside(r, "added_tokens.json", &ignored);
    size_t n = json_object_size(json_object_get(config, "added_tokens_decoder")) + json_object_size(list);
    json_decref(config);
    json_decref(list);
    return n < VOCAB_ROWS_MAX / 2 ? (uint32_t)n : VOCAB_ROWS_MAX / 2;
}

static bool is_named(const struct builder *b, int64_t id) { return id >= 0 && id < b->rows && b->pieces[id].type; }

static bool add(struct builder *b, int64_t id, const char *text, size_t length, bool special, uint8_t flags, struct diag *d) {
    if (id < 0) return diag_fail(d, "an added token has an id that is no number");
    if (is_named(b, id)) return true;
    enum vocab_type type = special ? VOCAB_CONTROL : VOCAB_USER;
    return builder_spm_piece(b, (uint64_t)id, text, length, type, 0, (uint8_t)(BUILDER_ADDED | flags), d);
}

bool vocab_files_added_tokens(struct builder *b, const struct vocab_request *r, struct diag *d) {
    json_t *config = beside(r, "tokenizer_config.json", d), *list = beside(r, "added_tokens.json", d);
    json_t *decoder = json_object_get(config, "added_tokens_decoder"), *value;
    const char *key;
    bool good = !failed(d);
    json_object_foreach(decoder, key, value) {
        json_t *content = json_object_get(value, "content");
        uint8_t flags = (uint8_t)((json_is_true(json_object_get(value, "lstrip")) ? VOCAB_ADDED_LSTRIP : 0) |
                                  (json_is_true(json_object_get(value, "rstrip")) ? VOCAB_ADDED_RSTRIP : 0));
        if (good && !json_is_string(content)) good = diag_fail(d, "tokenizer_config.json: added token %s has no content", key);
        if (good)
            good = add(b, key_id(key), json_string_value(content), json_string_length(content),
                       json_is_true(json_object_get(value, "special")), flags, d);
    }
    json_object_foreach(list, key, value) {
        if (good && !json_is_integer(value)) good = diag_fail(d, "added_tokens.json: the id of \"%s\" is no integer", key);
        if (good) good = add(b, json_integer_value(value), key, strlen(key), false, 0, d);
    }
    json_decref(config);
    json_decref(list);
    return good;
}

/* "<s>" or {"content": "<s>", ...} */
static bool named(const struct builder *b, json_t *config, const char *key, int64_t *id, struct diag *d) {
    json_t *value = json_object_get(config, key);
    if (json_is_object(value)) value = json_object_get(value, "content");
    if (!json_is_string(value)) return true;
    *id = builder_named(b, json_string_value(value), json_string_length(value));
    return *id >= 0 ? true : diag_fail(d, "tokenizer_config.json: %s is \"%s\", which is no token", key, json_string_value(value));
}

static bool generation_ends(struct builder *b, json_t *generation, struct diag *d) {
    json_t *eos = json_object_get(generation, "eos_token_id"), *one;
    size_t i;
    if (json_is_integer(eos)) return builder_end(b, json_integer_value(eos), d);
    json_array_foreach(eos, i, one) {
        if (!json_is_integer(one)) return diag_fail(d, "generation_config.json: eos_token_id holds something that is no integer");
        if (!builder_end(b, json_integer_value(one), d)) return false;
    }
    return true;
}

bool vocab_files_config(struct builder *b, const struct vocab_request *r, struct diag *d) {
    json_t *config = beside(r, "tokenizer_config.json", d), *generation = beside(r, "generation_config.json", d);
    json_t *add_bos = json_object_get(config, "add_bos_token");
    bool good = !failed(d) && named(b, config, "bos_token", &b->bos, d) && named(b, config, "eos_token", &b->eos, d);
    if (json_is_boolean(add_bos)) b->add_bos = json_is_true(add_bos);
    good = good && builder_end(b, b->eos, d) && generation_ends(b, generation, d);
    json_decref(config);
    json_decref(generation);
    return good;
}
