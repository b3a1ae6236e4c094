/* What the user gives to a command: text, files, lists of ids. All memory in it is allocated with
 * malloc, and the caller frees it. */
#ifndef APPS_INPUT_H
#define APPS_INPUT_H

#include <stdbool.h>

#include "command.h"

struct text {
    char *bytes; /* not zero-terminated; may contain zero bytes */
    size_t count;
};

/* Reads a whole file, or all of standard input for "-". Returns EXIT_OK, or another exit status
 * after a sentence, as do the functions below. */
int input_file(struct text *text, const char *path);

/* Reads the text of -p (with -e its escapes become characters) or of the file of -f, or, if neither
 * is given, what comes through a pipe. If there is no text, the sentence says `what` is missing,
 * and `hint` how to give it. */
int input_text(struct text *text, const struct settings *settings, const char *what,
               const char *hint);

struct ids {
    int32_t *ids;
    size_t count;
    size_t dropped; /* bytes of text that no token can spell */
};

/* Reads the list of --ids: at least one id, each in 0 .. vocab - 1, with commas or white space
 * between them. */
int input_ids(struct ids *ids, const char *list, uint32_t vocab);

/* Converts parts to ids of a blob. Prints a note if no token can spell some bytes of the text. */
int input_tokenize(struct ids *ids, const apus_blob *blob, const apus_part *parts,
                   size_t parts_count);

/* The ids of the text that input_text gives. bos: begins with the model's beginning-of-text token,
 * if it uses one. flags: as in apus_part. */
int input_text_ids(struct ids *ids, const apus_blob *blob, const struct settings *settings,
                   bool bos, uint32_t flags, const char *hint);

#endif
