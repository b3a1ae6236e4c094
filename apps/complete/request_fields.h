/* Fields of a JSON object, each read as the type that it must have. The first one that has another
 * leaves a sentence that names it; from then on all give their default. Fields that nobody asks for
 * are ignored; null is as if the field were not there. */
#ifndef COMPLETE_REQUEST_FIELDS_H
#define COMPLETE_REQUEST_FIELDS_H

#include <jansson.h>
#include <stdint.h>

enum { FIELDS_WHY = 256 };

struct fields {
    const json_t *object;
    char why[FIELDS_WHY]; /* "" while nothing was wrong */
};

/* NULL: not there, or null. */
const json_t *fields_get(const struct fields *fields, const char *name);

/* A whole number in low .. high; one that JSON writes with a point must be whole. */
int64_t fields_integer(struct fields *fields, const char *name, int64_t low, int64_t high,
                       int64_t usual);
double fields_number(struct fields *fields, const char *name, double low, double high,
                     double usual);
int fields_flag(struct fields *fields, const char *name, int usual);
/* Bytes that end in zero and belong to the object, which may hold zeros inside; *bytes, which may
 * be NULL, gets their count. */
const char *fields_text(struct fields *fields, const char *name, const char *usual, size_t *bytes);
const json_t *fields_list(struct fields *fields, const char *name); /* NULL: not there */

/* The sentence for a field, if there is none yet: "'name' expects EXPECTED, found an array". */
void fields_wrong(struct fields *fields, const char *name, const char *expected,
                  const json_t *found);
/* Any sentence. */
void fields_say(struct fields *fields, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
