/* A checkpoint's file, which is read in pieces. It is never mapped, so that a file that shrinks
 * while it is read gives a sentence and not a signal, and so that the piece bounds the memory. */
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

/* Opens a regular file; others are refused. */
bool source_file_open(struct source_file *file, const char *path, struct diag *d);
/* Opens bytes in memory as a file of this name. They must outlive it. */
bool source_file_memory(struct source_file *file, const char *name, const void *data, size_t bytes,
                        struct diag *d);
/* Reads exactly `bytes` bytes from `offset` on. Fails if the file does not have them (any more). */
bool source_file_read(const struct source_file *file, uint64_t offset, void *out, size_t bytes,
                      struct diag *d);
/* May be called on a file that failed to open, and on one of zeros. */
void source_file_close(struct source_file *file);

#endif
