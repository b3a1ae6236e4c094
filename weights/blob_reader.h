/* The reader's state while a blob is checked. weights/blob.c checks sections, records and tensors,
 * weights/blob_layers.c layers and variants. What begins a sentence of refusal is in
 * weights/check.h. */
#ifndef WEIGHTS_BLOB_READER_H
#define WEIGHTS_BLOB_READER_H

#include <stdbool.h>

#include "weights/blob.h"
#include "weights/check.h"

/* The blob being checked. Pointers into the sections are made once their bounds are known. */
struct reader {
    struct check c;
    const uint8_t *data;
    uint64_t size;
    struct blob blob;
};

static inline const void *section_at(const struct reader *r, uint32_t kind) {
    return r->data + (size_t)r->blob.header->section[kind].offset;
}

static inline uint64_t section_bytes(const struct reader *r, uint32_t kind) {
    return r->blob.header->section[kind].bytes;
}

/* A tensor's run of row floats at index `first` lies inside ROWS and is +0 past the tensor's
 * rows. */
bool blob_run_holds(struct reader *r, const char *field, uint32_t first, uint32_t rows);

/* Every layer and variant is sound, and the embedding and the head are what they must be. Tensors
 * have been checked. */
bool blob_layers_hold(struct reader *r);

#endif
