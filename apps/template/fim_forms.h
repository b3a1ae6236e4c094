/* Fill-in-the-middle prompts, model family by model family: which tokens mark what, and in which
 * order. The packer recognises a family by its tokens, programs make its prompts (fim.h). */
#ifndef TEMPLATE_FIM_FORMS_H
#define TEMPLATE_FIM_FORMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"

/* How the name of a file stands before its text where no marker of the model says it. */
enum fim_heading {
    FIM_HEADING_HASH, /* "# name" and a line end (DeepSeek-Coder's, without the space) */
    FIM_HEADING_PLUS  /* "+++++ name" and a line end, an empty line behind the file (Codestral) */
};

struct fim_form {
    const char *name; /* at most 23 of a-z, 0-9, '-' and '.' */
    /* The prompt, a letter a piece: P, S, M the markers of prefix, suffix and middle; p and s the
     * prefix and the suffix; R the repository's name and all other files; f the marker of a file
     * and n its name, for the file itself. */
    const char *sequence;
    const char *marker[APUS_MARKERS]; /* the tokens' texts by enum apus_marker; NULL: none */
    uint32_t needed;                  /* bit m: without marker m a model is not of this family */
    enum fim_heading heading;
    bool repository_line; /* a line end stands behind the repository's name */
};

/* All, the likeliest first; NULL behind the last. The first is "none": the prefix alone. */
const struct fim_form *const *fim_forms(void);

/* NULL where no family has this name. */
const struct fim_form *fim_form_named(const char *name);

/* The ids of a family's markers, -1 where the vocabulary has none; id_of as below. False where one
 * that is needed is missing, or the family is known by nothing but a blob ("custom"). */
bool fim_form_ids(const struct fim_form *form, int32_t (*id_of)(void *user, const char *text),
                  void *user, int32_t ids[APUS_MARKERS]);

/* The family of a vocabulary. id_of(user, text) gives the id of the control token that is spelled
 * like this, or -1. hint: words of the model's name, for families that share their tokens; may be
 * NULL. ids[APUS_MARKERS] gets what was found, -1 else. NULL where it is none. */
const struct fim_form *fim_recognise(int32_t (*id_of)(void *user, const char *text), void *user,
                                     const char *hint, int32_t ids[APUS_MARKERS]);

#endif
