/* Typed look-ups in JSON objects, over jansson: a wrong type or a number out of range is a sentence with file and key. */
#ifndef PACK_JSON_H
#define PACK_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/diag.h"

/* A whole JSON text whose top is an object. Duplicate keys, numbers beyond int64 or double, lone surrogates, zero characters, nesting
 * beyond jansson's limit of 2048 and bytes behind the end are refused. NULL on failure; else the caller's reference. */
json_t *json_object_of_bytes(const char *name, const char *data, size_t bytes, struct diag *d);
/* The same from a regular file of at most max_bytes. */
json_t *json_object_of_file(const char *path, size_t max_bytes, struct diag *d);

/* null counts as absent. */
enum field { FIELD_BAD = -1, FIELD_ABSENT = 0, FIELD_FOUND = 1 };

/* `file` is for sentences. *out changes only with FIELD_FOUND. */
enum field field_uint(const json_t *object, const char *file, const char *key, uint64_t max, uint64_t *out, struct diag *d); /* 0..max */
enum field field_float(const json_t *object, const char *file, const char *key, double *out, struct diag *d); /* integers too */
enum field field_bool(const json_t *object, const char *file, const char *key, bool *out, struct diag *d);
enum field field_text(const json_t *object, const char *file, const char *key, const char **out,
                      struct diag *d); /* lives with the object */

#endif
