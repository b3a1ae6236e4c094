/* What the user hands in: text, files, lists of ids. Everything is allocated with malloc and freed
 * by the caller. */
#ifndef APPS_INPUT_H
#define APPS_INPUT_H

#include "command.h"

struct text {
    char *bytes; /* not zero-terminated, may hold zero bytes */
    size_t count;
};

/* The whole of a file, or of standard input for "-". EXIT_OK, or a status after a sentence. */
int input_file(struct text *text, const char *path);

/* The text of -p (with -e: its escapes) or -f, or where neither is given what comes through a pipe.
 * `what` it is and `hint`, how to give it, are for the sentence where there is none. */
int input_text(struct text *text, const struct settings *settings, const char *what,
               const char *hint);

struct ids {
    int32_t *ids;
    size_t count;
    size_t dropped; /* bytes of text that no token has */
};

/* The list of --ids: at least one, each in 0 .. vocab - 1, with a comma or white space between. */
int input_ids(struct ids *ids, const char *list, uint32_t vocab);

/* Parts to ids of a blob. Says how many bytes of text no token has. */
int input_tokenize(struct ids *ids, const apus_blob *blob, const apus_part *parts,
                   size_t parts_count);

#endif
