/* The blob that is being written: a file that appears whole or not at all (apps/kit/outfile.h), and
 * its size on the disk. A writer that resumes uses the temporary name PATH.part and finds there
 * what an earlier one left. After writer_keep, neither signals nor writer_abandon remove that file.
 * Two writers never work on one file. */
#ifndef PACK_WRITER_H
#define PACK_WRITER_H

#include "apps/kit/outfile.h"
#include "weights/pack/checkpoint/diag.h"

struct writer {
    struct outfile out;
};

/* Whether path may be written. An existing file is replaced only if it is empty or begins with a
 * blob's magic, so that a mistyped name does not destroy a checkpoint. Call this before any work is
 * done. */
bool writer_check(const char *path, struct diag *d);
/* bytes: how many are reserved on the disk, if the file system can do that, so that a full disk is
 * known at once. */
bool writer_open(struct writer *writer, const char *path, bool resumes, uint64_t bytes,
                 struct diag *d);
/* Makes what is written so far durable. It stays if the work ends early. */
bool writer_keep(struct writer *writer, struct diag *d);
/* also false if the file is shorter */
bool writer_get(struct writer *writer, uint64_t offset, void *data, size_t bytes);
/* removes all that is there, and reserves bytes again */
bool writer_clear(struct writer *writer, uint64_t bytes, struct diag *d);
bool writer_put(struct writer *writer, uint64_t offset, const void *data, size_t bytes,
                struct diag *d);
/* makes the file exactly this long, with zeros after what was put */
bool writer_extend(struct writer *writer, uint64_t bytes, struct diag *d);
/* Makes the file durable and gives it its name. After false, writer_abandon still has to be
 * called. */
bool writer_commit(struct writer *writer, struct diag *d);
void writer_abandon(struct writer *writer); /* may be called after commit or a failed open; then it
                                               does nothing */

/* Removes the unfinished blob that an interrupted writer of this path left, if it belongs to this
 * user. False if another process is working on it. */
bool writer_forget(const char *path);

#endif
