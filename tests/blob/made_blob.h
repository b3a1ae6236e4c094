/* A small valid blob, made by hand from weights/format.h, for tests that then damage it. Two layers: one with everything and biases, one
 * without attention. */
#ifndef TESTS_MADE_BLOB_H
#define TESTS_MADE_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "weights/format.h"

enum {
    MADE_DIM = 48,
    MADE_HEADS = 4,
    MADE_KV_HEADS = 2,
    MADE_HEAD_DIM = 16,
    MADE_FFN = 64,
    MADE_POSITIONS = 8,
    MADE_LAYERS = 2,
    MADE_TENSORS = 2 + LT_COUNT + 3
};

/* Bytes of the blob; a multiple of BLOB_ALIGN. */
size_t made_blob_bytes(void);

/* Writes it to data, made_blob_bytes() bytes. */
void made_blob_write(uint8_t *data);

/* Where a section is, by the table in data. */
void *made_section(uint8_t *data, uint32_t kind);

/* Makes every hash right again after a change, as far as sections lie inside `size` bytes. */
void made_blob_rehash(uint8_t *data, size_t size);

#endif
