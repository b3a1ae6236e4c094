/* The forms of fill-in-the-middle prompts, one for each family of models: which tokens mark what,
 * and in which order. The packer recognises a family by its tokens, and fim.h makes prompts from
 * the forms here. */
#ifndef TEMPLATE_FIM_FORMS_H
#define TEMPLATE_FIM_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"

/* How the name of a file is written before its text if the model has no marker for it. */
enum fim_heading {
    FIM_HEADING_HASH, /* "# name" and a line end (DeepSeek-Coder's, without the space) */
    FIM_HEADING_PLUS  /* "+++++ name" and a line end, and an empty line after the file
                         (Codestral) */
};

struct fim_form {
    const char *name; /* at most 23 of a-z, 0-9, '-' and '.' */
    /* The prompt, with a letter for each piece. P, S, M: the markers of prefix, suffix and middle;
     * p, s: the prefix and the suffix; R: the repository's name and all other files; f, n: the
     * marker and the name of the file itself. */
    const char *sequence;
    const char *marker[APUS_MARKERS]; /* the tokens' texts by enum apus_marker; NULL: none */
    uint32_t needed;                  /* bit m: a model without marker m does not belong to this
                                         family */
    enum fim_heading heading;
    bool repository_line; /* a line end comes after the repository's name */
};

/* All forms; NULL comes after the last. The first is "none", which is the prefix alone, and the
 * others begin with the most likely one. */
const struct fim_form *const *fim_forms(void);

/* NULL: no family has this name. */
const struct fim_form *fim_form_named(const char *name);

/* Finds the ids of a family's markers; -1: the vocabulary has none. id_of: see fim_recognise.
 * False: a marker that is needed is missing, or only a blob can have the family ("custom"). */
bool fim_form_ids(const struct fim_form *form, int32_t (*id_of)(void *user, const char *text),
                  void *user, int32_t ids[APUS_MARKERS]);

/* The family of a vocabulary; NULL: it is none of them. id_of(user, text) returns the id of the
 * control token with this spelling, or -1. hint: words from the model's name, for families that
 * share their tokens; may be NULL. ids[APUS_MARKERS] gets the ids that were found, -1 for the
 * others. */
const struct fim_form *fim_recognise(int32_t (*id_of)(void *user, const char *text), void *user,
                                     const char *hint, int32_t ids[APUS_MARKERS]);

#endif
