/* Checks that say what they found: "tensor 12 (layer.1.q): cols is 575, must be 576". They are for
 * readers of untrusted bytes: no allocation, no stdio, one sentence of bounded length. The first
 * check that fails writes the sentence, and the caller then stops. */
#ifndef WEIGHTS_CHECK_H
#define WEIGHTS_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct check {
    char *why;         /* gets the sentence, zero-terminated, cut at why_bytes */
    size_t why_bytes;  /* at least 1 */
    const char *where; /* what is being checked: "header", "tensor" */
    const char *name;  /* its name, or NULL */
    uint32_t index;    /* its number, or CHECK_NO_INDEX */
};
#define CHECK_NO_INDEX UINT32_MAX

/* Names what the next checks are about. where is not NULL. */
void check_at(struct check *c, const char *where, uint32_t index, const char *name);

/* Each returns whether the check holds. */
bool check_equal(struct check *c, const char *field, uint64_t found, uint64_t expected);
bool check_hash(struct check *c, const char *field, uint64_t found, uint64_t expected);
/* low <= high */
bool check_range(struct check *c, const char *field, uint64_t found, uint64_t low, uint64_t high);
/* of != 0 */
bool check_multiple(struct check *c, const char *field, uint64_t found, uint64_t of);

/* Writes the sentence and returns false. In text, each of these signs is replaced by the next of
 * numbers: # in decimal, ~ in decimal with a sign (the number is an int64_t), $ in hexadecimal, %
 * as a float (the number is the float's bits). @ is replaced by name. numbers and name may be NULL
 * where text does not use them. Call check_at first. */
bool check_fail(struct check *c, const char *text, const char *name, const uint64_t *numbers);
#define CHECK_NUMBERS(...) ((const uint64_t[]){__VA_ARGS__})

#endif
