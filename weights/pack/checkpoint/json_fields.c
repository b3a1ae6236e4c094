#include "weights/pack/checkpoint/json_fields.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/checkpoint/json_text.h"
#include "weights/pack/checkpoint/source_file.h"

json_t *json_object_of_bytes(const char *name, const char *data, size_t bytes,
                             enum json_rules rules, struct diag *d) {
    json_error_t error;
    size_t strict_bytes = bytes;
    char *strict = rules == RULES_PYTHON ? json_text_strict(data, bytes, &strict_bytes) : NULL;
    if (rules == RULES_PYTHON && !strict) {
        diag_fail(d, "out of memory");
        return NULL;
    }
    json_t *root = json_loadb(strict ? strict : data, strict_bytes,
                              strict ? JSON_ALLOW_NUL : JSON_REJECT_DUPLICATES, &error);
    free(strict);
    if (!root) {
        diag_fail(d, "%s: line %d: %s", name, error.line, error.text);
        return NULL;
    }
    if (json_is_object(root)) return root;
    json_decref(root);
    diag_fail(d, "%s: is not a JSON object", name);
    return NULL;
}

json_t *json_object_of_file(const char *path, size_t max_bytes, struct diag *d) {
    struct source_file file;
    if (!source_file_open(&file, path, d)) return NULL;
    json_t *root = NULL;
    char *text = NULL;
    if (file.bytes > max_bytes)
        diag_fail(d, "%s: is longer than %zu bytes", path, max_bytes);
    else if (!(text = malloc((size_t)file.bytes + 1)))
        diag_fail(d, "out of memory");
    else if (source_file_read(&file, 0, text, (size_t)file.bytes, d))
        root = json_object_of_bytes(path, text, (size_t)file.bytes, RULES_PYTHON, d);
    free(text);
    source_file_close(&file);
    return root;
}

/* The sentence that json_text.h put in a value's place, or NULL. */
static const char *mark_of(const json_t *value) {
    const char *text =
        json_array_size(value) == 1 ? json_string_value(json_array_get(value, 0)) : NULL;
    return text && strncmp(text, JSON_MARK, sizeof JSON_MARK - 1) == 0 ? text + sizeof JSON_MARK - 1
                                                                       : NULL;
}

/* Finds the first mark in a value, and sets *key to the innermost key before it. jansson bounds the
 * depth of the recursion. */
static const char *find_mark(const json_t *value, const char **key) {
    const char *name, *found = mark_of(value);
    json_t *inner;
    size_t i;
    json_object_foreach((json_t *)(uintptr_t)value, name, inner) {
        const char *before = *key;
        if (found) break;
        *key = name;
        found = find_mark(inner, key);
        if (!found) *key = before;
    }
    json_array_foreach(value, i, inner) {
        if (found) break;
        found = find_mark(inner, key);
    }
    return found;
}

bool json_sound(const json_t *object, const char *file, const char *key, struct diag *d) {
    const char *inner = key, *mark = find_mark(json_object_get(object, key), &inner);
    if (!mark) return true;
    return inner == key ? diag_fail(d, "%s: %s %s", file, key, mark)
                        : diag_fail(d, "%s: %s: %s %s", file, key, inner, mark);
}

/* The key's value, or NULL if it is null or there is none. */
static const json_t *value_of(const json_t *object, const char *key) {
    const json_t *value = json_object_get(object, key);
    return value && !json_is_null(value) ? value : NULL;
}

static enum field wrong_type(const char *file, const char *key, const char *wanted,
                             struct diag *d) {
    diag_fail(d, "%s: %s is not %s", file, key, wanted);
    return FIELD_BAD;
}

enum field field_uint(const json_t *object, const char *file, const char *key, uint64_t max,
                      uint64_t *out, struct diag *d) {
    const json_t *value = value_of(object, key);
    if (!value) return FIELD_ABSENT;
    if (json_is_real(value) && json_real_value(value) == floor(json_real_value(value)) &&
        fabs(json_real_value(value)) >= 0x1p63) {
        diag_fail(d, "%s: %s is %g, outside 0 to %llu", file, key, json_real_value(value),
                  (unsigned long long)max);
        return FIELD_BAD;
    }
    if (!json_is_integer(value)) return wrong_type(file, key, "an integer", d);
    json_int_t n = json_integer_value(value);
    if (n < 0 || (uint64_t)n > max) {
        diag_fail(d, "%s: %s is %lld, outside 0 to %llu", file, key, (long long)n,
                  (unsigned long long)max);
        return FIELD_BAD;
    }
    *out = (uint64_t)n;
    return FIELD_FOUND;
}

enum field field_float(const json_t *object, const char *file, const char *key, double *out,
                       struct diag *d) {
    const json_t *value = value_of(object, key);
    if (!value) return FIELD_ABSENT;
    if (!json_is_number(value)) return wrong_type(file, key, "a number", d);
    *out = json_number_value(value);
    return FIELD_FOUND;
}

enum field field_bool(const json_t *object, const char *file, const char *key, bool *out,
                      struct diag *d) {
    const json_t *value = value_of(object, key);
    if (!value) return FIELD_ABSENT;
    if (!json_is_boolean(value)) return wrong_type(file, key, "true or false", d);
    *out = json_is_true(value);
    return FIELD_FOUND;
}

enum field field_text(const json_t *object, const char *file, const char *key, const char **out,
                      struct diag *d) {
    const json_t *value = value_of(object, key);
    if (!value) return FIELD_ABSENT;
    if (!json_is_string(value)) return wrong_type(file, key, "a string", d);
    *out = json_string_value(value);
    return FIELD_FOUND;
}
