/* Lets work that was interrupted go on after its last finished layer. After each layer the packer's
 * state is saved beside the output, in OUT.state, whole or not at all. The unfinished blob
 * (OUT.part, writer.h) counts only as far as the state says. A state belongs to one source, one set
 * of options and one build of the packer, which make its key. A state with another key is not used
 * and gets replaced. A file of that name that is no state is never touched, nor is one that is
 * behind a link or belongs to another user. The hash of a state finds damage, but not intent: the
 * code that loads a state has to check what it says (docs/hostile.md). */
#ifndef PACK_RESUME_H
#define PACK_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"

enum { RESUME_PIECES = 8 };

/* The pieces of memory that a state consists of. They are saved and loaded in this order, with
 * their present sizes. */
struct resume {
    char *path;
    uint64_t key;
    struct resume_piece {
        void *at;
        size_t bytes;
    } piece[RESUME_PIECES];
    unsigned pieces;
};

/* output: the path of the output. False, with a sentence, if memory is short or a file is in the
 * way. */
bool resume_begin(struct resume *resume, const char *output, struct diag *d);
void resume_add(struct resume *resume, void *at, size_t bytes);
bool resume_save(const struct resume *resume, struct diag *d);
/* True if a state of this key was there, complete and undamaged; it is now in the pieces. The file
 * is read only once, so after false the pieces may hold anything. */
bool resume_load(const struct resume *resume);
void resume_end(struct resume *resume); /* the file stays */

/* Removes the state beside this output, if it is a state and belongs to this user. */
void resume_forget(const char *output);

/* Begins the hash of what the blob's bytes depend on, with `words` and with the bytes of the
 * program itself. The caller may add more. */
struct hash64;
bool resume_key(struct hash64 *hash, const char *words, struct diag *d);

#endif
