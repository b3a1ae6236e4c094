/* Turns a file with a gap into the parts of a prompt that asks for the text in the gap. */
#ifndef TEMPLATE_FIM_H
#define TEMPLATE_FIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "apps/template/fim_forms.h"
#include "apps/template/part_list.h"

/* The form and the ids that one model's prompts are made with. Prompts point into it. */
struct fim {
    const struct fim_form *form;
    int32_t markers[APUS_MARKERS]; /* ids; -1: the model has none */
};

enum fim_status {
    FIM_OK = 0,
    FIM_UNKNOWN, /* no family has this name */
    FIM_MISSING  /* the model lacks a token of the family */
};

/* name: the name of a family (fim_form_named); NULL: the one that the blob names, or "none" if it
 * names none. If the result is not FIM_OK, *fim is "none", which can be used, and *what gets the
 * unknown name or the text of the missing token; it is a constant or belongs to the blob or the
 * caller. `what` may be NULL. */
enum fim_status fim_open(struct fim *fim, const apus_blob *blob, const char *name,
                         const char **what);

/* Whether the model gets the suffix. If not, it completes from the prefix alone. */
bool fim_takes_suffix(const struct fim *fim);

/* Whether the prefix is last in the prompt, so that typing at its end leaves all that is before it
 * unchanged. */
bool fim_prefix_is_last(const struct fim *fim);

struct fim_text {
    const char *bytes;
    size_t count;
};

/* Another file, or a part of one. If the name is empty, only the text is added. */
struct fim_file {
    struct fim_text name, text;
};

struct fim_request {
    struct fim_text prefix, suffix;
    struct fim_text name;         /* the name of the file itself; empty: unknown */
    struct fim_text repository;   /* empty: unknown */
    const struct fim_file *files; /* [files_count]; those that change least come first */
    size_t files_count;
};

/* Adds the prompt to the list, whose parts then point into *fim, into the request's texts and to
 * constants. A beginning-of-text token comes first if the model uses one. The file's own name is
 * added if there are other files or a repository's name. Texts become parts of kind TEXT, in which
 * no marker is recognised. The middle is what the model generates after the last part. False:
 * memory is short. */
bool fim_prompt(struct part_list *list, const struct fim *fim, const struct fim_request *request);

/* The ids that end a middle besides the model's end tokens: all markers that the model has. Returns
 * how many there are. */
size_t fim_ends(const struct fim *fim, int32_t ids[APUS_MARKERS]);

#endif
