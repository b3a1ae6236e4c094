/* The files that programs write. A file appears whole or not at all: its bytes go to a file with a
 * temporary name beside it, which gets the real name at the end. Signals that end the program (INT,
 * TERM, HUP) remove the temporary file first. What a killed program left is removed by the next one
 * that writes the same file. Other users may put hostile files into a shared folder. So no link is
 * followed, and nothing is replaced, continued or removed that is not a regular file of the kind
 * that is written here. */
#ifndef KIT_OUTFILE_H
#define KIT_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OUTFILE_WHY = 512, OUTFILE_MARK = 8 };

struct outfile_kind {
    const char *what; /* such as "blob", for sentences: "OUT exists and is no blob" */
    /* Whether an existing file, which is read from its first byte, is of this kind. NULL: any file
     * may be replaced. */
    bool (*is_one)(int fd);
};

/* A zeroed struct is a closed file. */
struct outfile {
    bool open, kept;
    int fd;
    char *path, *temporary;
    const struct outfile_kind *kind;
    /* After a call that returned false: the sentence, on one line and without a period. */
    char why[OUTFILE_WHY];
};

/* Whether path may be written: if nothing is there, an empty file, or a file of the kind; never a
 * link, a folder, a FIFO or a device. If not, `why` gets a sentence. */
bool outfile_check(const char *path, const struct outfile_kind *kind, char why[OUTFILE_WHY]);

/* Checks the path and creates the temporary file PATH.tmp-PID-XXXXXX, which only its owner can
 * read. Like the functions below it returns false after a failure, with a sentence in out->why. */
bool outfile_open(struct outfile *out, const char *path, const struct outfile_kind *kind);

/* The same with the temporary name PATH.part, so that work that was kept can be continued. A new
 * file gets the mark at its beginning. An old one must begin with it, must be a regular file of
 * this user with no other name, and no other program may be writing it. */
bool outfile_resume(struct outfile *out, const char *path, const struct outfile_kind *kind,
                    const char mark[OUTFILE_MARK]);
/* From here on neither a signal nor outfile_abandon removes the temporary file. */
bool outfile_keep(struct outfile *out);

bool outfile_put(struct outfile *out, uint64_t offset, const void *data, size_t bytes);

/* Makes the file durable and gives it its name, after checking the path again, because hours may
 * have passed. It gets the mode of the file that it replaces; a new file gets the mode that the
 * umask allows. If it returns false, the file is still open and must be given to
 * outfile_abandon. */
bool outfile_commit(struct outfile *out);
void outfile_abandon(struct outfile *out); /* may also be called if nothing is open */

/* Opens a file that an earlier run of this user left, without following a link. It must be a
 * regular file with no other name that belongs to this user. Returns a file descriptor, or -1 with
 * a sentence in `why`, which is empty if nothing is there. */
int outfile_own(const char *path, int flags, char why[OUTFILE_WHY]);

/* Whether both paths name the same file, even if it does not exist. */
bool outfile_same(const char *a, const char *b);

#endif
