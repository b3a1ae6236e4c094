/* A small blob for the reader's tests: as it should be, and a copy to damage, each between pages
 * that cannot be touched. */
#ifndef TESTS_GUARDED_BLOB_H
#define TESTS_GUARDED_BLOB_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apus/apus.h"
#include "weights/blob.h"

/* Two layers: one with everything and biases, one without attention. Small, since most tests read
 * all of it. */
enum {
    DIM = 48,
    HEADS = 4,
    KV_HEADS = 2,
    HEAD_DIM = 16,
    FFN = 64,
    VOCAB = 258,
    POSITIONS = 8,
    LAYERS = 2,
    TENSORS = 2 + LT_COUNT + 3,
    EOS = 257
};

extern size_t size;   /* of both */
extern uint8_t *good; /* never changed */
extern uint8_t *data; /* a copy to damage */

uint8_t *between_guards(size_t bytes);
/* cmocka's setup of a group, and of each test: data as good. */
int make(void **state);
int restore(void **state);

/* Where a section is, by the table in `blob`. */
void *section(uint8_t *blob, uint32_t kind);

/* Opens `bytes` of data while nobody can write to it; a failure must say something and leave the
 * blob as it was. */
apus_status opens(size_t bytes, apus_blob *blob, char why[BLOB_WHY]);

#endif
