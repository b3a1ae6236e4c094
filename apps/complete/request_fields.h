/* Reads fields of a JSON object, each as the type that it must have. The first one of another type
 * leaves a sentence that names it; from then on all functions give their default. Fields that are
 * not asked for are ignored. null counts as absent. */
#ifndef COMPLETE_REQUEST_FIELDS_H
#define COMPLETE_REQUEST_FIELDS_H

#include <jansson.h>
#include <stdint.h>

enum { FIELDS_WHY = 256 };

struct fields {
    const json_t *object;
    char why[FIELDS_WHY]; /* "" as long as nothing is wrong */
};

/* NULL: the field is absent or null. */
const json_t *fields_get(const struct fields *fields, const char *name);

/* A whole number in low .. high. A number that is written with a point must be whole. usual: the
 * default. */
int64_t fields_integer(struct fields *fields, const char *name, int64_t low, int64_t high,
                       int64_t usual);
double fields_number(struct fields *fields, const char *name, double low, double high,
                     double usual);
int fields_flag(struct fields *fields, const char *name, int usual);
/* Zero-terminated bytes that belong to the object and may contain zeros. *bytes becomes their
 * number; bytes may be NULL. */
const char *fields_text(struct fields *fields, const char *name, const char *usual, size_t *bytes);
const json_t *fields_list(struct fields *fields, const char *name); /* NULL: not there */

/* Sets the sentence for a field, if there is none yet: "'name' expects EXPECTED, found an
 * array". */
void fields_wrong(struct fields *fields, const char *name, const char *expected,
                  const json_t *found);
/* Sets a sentence for a field that is not supported, if it is there with any content: text, or an
 * array or object with something in it. */
void fields_refuse(struct fields *fields, const char *name);
/* Sets any sentence, if there is none yet. */
void fields_say(struct fields *fields, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
