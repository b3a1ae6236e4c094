/* Work that was interrupted goes on from its last finished layer. After each layer the packer's
 * state is saved beside the output, in OUT.state, whole or not at all: what is left of the
 * unfinished blob (OUT.part, writer.h) counts only as far as the state says.
 * A state belongs to one source, one set of options and one build of the packer: its key. Another
 * key's is not used and gets replaced. A file of that name that is no state is never touched, and
 * neither is one behind a link or of another user.
 * Its hash finds damage, not intent: who loads a state checks what it says (docs/hostile.md). */
#ifndef PACK_RESUME_H
#define PACK_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"

enum { RESUME_PIECES = 8 };

/* What a state is made of: pieces of memory, saved and loaded in this order, of the sizes that they
 * have now. */
struct resume {
    char *path;
    uint64_t key;
    struct resume_piece {
        void *at;
        size_t bytes;
    } piece[RESUME_PIECES];
    unsigned pieces;
};

/* The path is that of the output. False: memory, or a file in the way. */
bool resume_begin(struct resume *resume, const char *output, struct diag *d);
void resume_add(struct resume *resume, void *at, size_t bytes);
bool resume_save(const struct resume *resume, struct diag *d);
/* True where a state of this key was there, complete and undamaged; the pieces hold it. The file is
 * read once: after false they may hold anything. */
bool resume_load(const struct resume *resume);
void resume_end(struct resume *resume); /* the file stays */

/* Removes the state beside this output, if it is one of this user's. */
void resume_forget(const char *output);

/* Of what the bytes depend on: words and, by its bytes, the program itself. More may be added to
 * the hash. */
struct hash64;
bool resume_key(struct hash64 *hash, const char *words, struct diag *d);

#endif
