/* A checkpoint's file, read in pieces: never mapped, so that a file that shrinks while it is read
 * is a sentence and not a signal, and so that memory stays bounded by the piece. */
#ifndef PACK_SOURCE_FILE_H
#define PACK_SOURCE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"

struct source_file {
    int fd;                /* -1 where the bytes are in memory */
    const uint8_t *memory; /* the caller's */
    uint64_t bytes;        /* at open */
    char *name;            /* for sentences; owned */
};

/* Only regular files. */
bool source_file_open(struct source_file *file, const char *path, struct diag *d);
/* Bytes in memory under a name; they must outlive the file. */
bool source_file_memory(struct source_file *file, const char *name, const void *data, size_t bytes,
                        struct diag *d);
/* Exactly `bytes` bytes from `offset` on; fails where the file does not have them (any more). */
bool source_file_read(const struct source_file *file, uint64_t offset, void *out, size_t bytes,
                      struct diag *d);
/* Also on one that failed to open, or zeroed. */
void source_file_close(struct source_file *file);

#endif
