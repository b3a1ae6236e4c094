/* The blob being written: a file that appears whole or not at all (apps/kit/outfile.h), and its
 * size on the disk.
 * A writer that resumes has the temporary name PATH.part and finds there what an earlier one left;
 * from writer_keep on, neither signals nor writer_abandon remove it. No two work on one file. */
#ifndef PACK_WRITER_H
#define PACK_WRITER_H

#include "apps/kit/outfile.h"
#include "weights/pack/checkpoint/diag.h"

struct writer {
    struct outfile out;
};

/* An existing file is replaced only if it is empty or begins with a blob's magic, so that no slip
 * of the hand costs a checkpoint: this says so before any work is done. */
bool writer_check(const char *path, struct diag *d);
/* bytes: reserved on the disk where the file system can, so that a full disk is known at once. */
bool writer_open(struct writer *writer, const char *path, bool resumes, uint64_t bytes,
                 struct diag *d);
/* What is there so far is durable and stays if the work ends early. */
bool writer_keep(struct writer *writer, struct diag *d);
/* false also where the file is shorter */
bool writer_get(struct writer *writer, uint64_t offset, void *data, size_t bytes);
/* nothing is there any more; bytes are reserved again */
bool writer_clear(struct writer *writer, uint64_t bytes, struct diag *d);
bool writer_put(struct writer *writer, uint64_t offset, const void *data, size_t bytes,
                struct diag *d);
/* the file is exactly this long, zeros behind what was put */
bool writer_extend(struct writer *writer, uint64_t bytes, struct diag *d);
/* Makes the file durable and gives it its name. After false it is still there for
 * writer_abandon. */
bool writer_commit(struct writer *writer, struct diag *d);
void writer_abandon(struct writer *writer); /* also after commit or a failed open: nothing
                                               happens */

/* Removes the unfinished blob that an interrupted writer left of this path, if it is one of this
 * user's. False where somebody is at it. */
bool writer_forget(const char *path);

#endif
