/* From a file with a gap to the parts of a prompt that asks for what belongs there. */
#ifndef TEMPLATE_FIM_H
#define TEMPLATE_FIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/template/fim_forms.h"
#include "apps/template/part_list.h"

/* How one model is asked. Prompts point into it. */
struct fim {
    const struct fim_form *form;
    int32_t markers[APUS_MARKERS]; /* ids; -1 where the model has none */
};

enum fim_status {
    FIM_OK = 0,
    FIM_UNKNOWN, /* no family is called so */
    FIM_MISSING  /* the model has not all tokens of the family */
};

/* name: a family's (fim_form_named), or NULL: what the blob says, "none" where it says nothing.
 * *what, which may be NULL, gets the name that is unknown or the text of the token that is missing
 * (a constant, the blob's or the caller's); *fim is "none" then, so that one can go on. */
enum fim_status fim_open(struct fim *fim, const apus_blob *blob, const char *name,
                         const char **what);

/* Whether a suffix reaches the model. If not it completes from the prefix alone. */
bool fim_takes_suffix(const struct fim *fim);

/* Whether the prefix ends the prompt, so that a key typed there leaves the rest in place. */
bool fim_prefix_is_last(const struct fim *fim);

struct fim_text {
    const char *bytes;
    size_t count;
};

/* Another file, or a part of one. The name may be empty; then the text stands for itself. */
struct fim_file {
    struct fim_text name, text;
};

struct fim_request {
    struct fim_text prefix, suffix;
    struct fim_text name;         /* of the file itself; empty: not said */
    struct fim_text repository;   /* empty: not said */
    const struct fim_file *files; /* [files_count], what changes least first */
    size_t files_count;
};

/* Adds the prompt to the list, whose parts then point into *fim, into the request's texts and to
 * constants. A beginning-of-text token comes first where the model puts one. The file's own name is
 * written where there are other files or a repository's name. Texts are parts of kind TEXT, in
 * which no marker can be. Where the model asks for the middle it chooses the next id behind the
 * last part. False where no memory is left. */
bool fim_prompt(struct part_list *list, const struct fim *fim, const struct fim_request *request);

/* The ids that end a middle beside the model's end tokens: all markers that it has. Returns how
 * many. */
size_t fim_ends(const struct fim *fim, int32_t ids[APUS_MARKERS]);

#endif
