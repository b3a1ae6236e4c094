/* Typed look-ups in JSON objects, built on jansson. A wrong type or a number out of range gives a
 * sentence with the file and the key. */
#ifndef PACK_JSON_FIELDS_H
#define PACK_JSON_FIELDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"

/* Reads a whole JSON text whose top is an object. Lone surrogates, zero characters in keys, nesting
 * deeper than jansson's limit of 2048 and bytes after the end are refused. NULL on failure;
 * otherwise a reference that the caller owns. */
enum json_rules {
    RULES_STRICT, /* duplicate keys, NaN, infinity and numbers beyond int64 or double are refused,
                     wherever they are */
    RULES_PYTHON  /* they are allowed in values that are not read (json_text.h); call json_sound for
                     each value that is read */
};
json_t *json_object_of_bytes(const char *name, const char *data, size_t bytes,
                             enum json_rules rules, struct diag *d);
/* The same from a regular file of at most max_bytes, by RULES_PYTHON. */
json_t *json_object_of_file(const char *path, size_t max_bytes, struct diag *d);

/* Checks the value of a key of `object`, at any depth: what only RULES_PYTHON allows is refused,
 * and the sentence names it. */
bool json_sound(const json_t *object, const char *file, const char *key, struct diag *d);

/* null counts as absent. */
enum field { FIELD_BAD = -1, FIELD_ABSENT = 0, FIELD_FOUND = 1 };

/* `file` is the name for sentences. *out changes only with FIELD_FOUND. */
/* 0..max */
enum field field_uint(const json_t *object, const char *file, const char *key, uint64_t max,
                      uint64_t *out, struct diag *d);
/* integers too */
enum field field_float(const json_t *object, const char *file, const char *key, double *out,
                       struct diag *d);
enum field field_bool(const json_t *object, const char *file, const char *key, bool *out,
                      struct diag *d);
enum field field_text(const json_t *object, const char *file, const char *key, const char **out,
                      struct diag *d); /* lives with the object */

#endif
