/* Work that was interrupted goes on from its last finished layer. After each layer the packer's state is saved beside the output, in
 * OUT.state, whole or not at all: what is left of the unfinished blob (OUT.part, writer.h) counts only as far as the state says.
 *
 * A state belongs to one source, one set of options and one build of the packer: its key. Another key's is not used and gets replaced. */
#ifndef PACK_RESUME_H
#define PACK_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/diag.h"

enum { RESUME_PIECES = 8 };

/* What a state is made of: pieces of memory, saved and loaded in this order, of the sizes that they have now. */
struct resume {
    char *path, *temporary;
    uint64_t key;
    struct resume_piece {
        void *at;
        size_t bytes;
    } piece[RESUME_PIECES];
    unsigned pieces;
};

/* The path is that of the output. False: memory. */
bool resume_begin(struct resume *resume, const char *output, struct diag *d);
void resume_add(struct resume *resume, void *at, size_t bytes);
bool resume_save(const struct resume *resume, struct diag *d);
/* True where a state of this key was there, complete and undamaged; the pieces hold it. Otherwise they are as they were. */
bool resume_load(const struct resume *resume);
void resume_remove(const struct resume *resume);
void resume_end(struct resume *resume); /* the file stays */

/* A source's files by name, size and time of change, and the program's own bytes. */
bool resume_key(const char *source, const char *words, uint64_t *key, struct diag *d);

#endif
