/* The files that programs write. One appears whole or not at all: its bytes go to a file of a
 * temporary name beside it, which takes the real name at the end. Signals that end the program
 * (INT, TERM, HUP) remove the temporary file first; what a killed program left is removed by the
 * next one that writes the same file.
 * Folders may be shared with people who plant things: no link is followed, and nothing is replaced,
 * continued or removed that is not a regular file of the kind that is written here. */
#ifndef KIT_OUTFILE_H
#define KIT_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUTFILE_WHY = 512, OUTFILE_MARK = 8 };

struct outfile_kind {
    const char *what; /* "blob", for sentences: "OUT exists and is no blob" */
    /* Whether a file that is there is of this kind; at its first byte. NULL: any may be
     * replaced. */
    bool (*is_one)(int fd);
};

/* Zeroed, it is closed. */
struct outfile {
    bool open, kept;
    int fd;
    char *path, *temporary;
    const struct outfile_kind *kind;
    char why
        [OUTFILE_WHY]; /* after a call that gave false: the sentence, one line without a period */
};

/* Whether path may be written: nothing is there, or an empty file, or one of the kind. Never a
 * link, a folder, a FIFO, a device. Otherwise false with a sentence in why. */
bool outfile_check(const char *path, const struct outfile_kind *kind, char why[OUTFILE_WHY]);

/* Checks the path and makes the temporary file, PATH.tmp-PID-XXXXXX, readable by its owner
 * alone. */
bool outfile_open(struct outfile *out, const char *path, const struct outfile_kind *kind);

/* The same with the temporary name PATH.part, where work that was kept goes on. A new one begins
 * with the mark, an old one must: and it must be this user's own regular file of one name, and
 * nobody at it. */
bool outfile_resume(struct outfile *out, const char *path, const struct outfile_kind *kind,
                    const char mark[OUTFILE_MARK]);
/* From here on neither a signal nor outfile_abandon removes the temporary file. */
bool outfile_keep(struct outfile *out);

bool outfile_put(struct outfile *out, uint64_t offset, const void *data, size_t bytes);

/* Makes the file durable and gives it its name, after checking the path again: hours may have
 * passed. It keeps the mode of the file that it replaces; a new one's is the umask's. After false
 * it is still there for outfile_abandon. */
bool outfile_commit(struct outfile *out);
void outfile_abandon(struct outfile *out); /* also where nothing is open */

/* A file that an earlier run of this user left, opened without following a link: a regular file of
 * one name that belongs to the user. -1 with a sentence, which is empty where nothing is there. */
int outfile_own(const char *path, int flags, char why[OUTFILE_WHY]);

/* Both paths name one file, whether it is there or not. */
bool outfile_same(const char *a, const char *b);

#endif
