/* The blob reader checks a blob once and gives a view of it. docs/blob.md describes the blob;
 * weights/format.h is the byte layout.
 *
 * blob_open checks, in 64-bit arithmetic and without allocating:
 * - the header: section table (order, alignment, bounds, hashes of every section but WEIGHTS),
 *   model hash, zero padding;
 * - the model record, and the ids of a head that has rows for some ids only;
 * - every layer and variant: widths, head counts, tensor indices, and that each tensor has the
 *   type, rows and columns that the layer needs;
 * - every tensor: type, size, bounds in WEIGHTS, alignment, order without overlap, row floats
 *   inside ROWS, padding +0;
 * - every float of ROWS and ROPE (+0 or magnitude in [2^-50, 2^50]; |cos|, |sin| <= 1), and eps in
 *   [2^-40, 1];
 * - the tokenizer's tables, and that they have as many pieces as the vocabulary has rows.
 *
 * After that nothing needs to be checked again, as long as the bytes do not change.
 * blob_copy_records says what still holds when they do. The time is linear in the size of
 * everything but WEIGHTS, which is not read. */
#ifndef WEIGHTS_BLOB_H
#define WEIGHTS_BLOB_H

#include "apus/apus.h"
#include "weights/format.h"
#include "weights/vocab.h"

/* What apus_blob holds; all pointers lead into the caller's data. */
struct blob {
    uint64_t mark; /* blob_mark shows that blob_open has filled this view */
    const struct blob_header *header;
    const struct blob_model *model;
    const struct blob_layer *layers;   /* [model->layers], then the variants */
    const struct blob_tensor *tensors; /* [model->tensors] */
    const float *rows;
    const float *rope; /* [rope_tables][max_positions][2][head_dim / 2] */
    const char *text;
    const uint8_t *weights;
    struct vocab vocab;
    uint64_t size;                    /* size of the data */
    uint32_t text_bytes, model_bytes; /* sizes of TEXT and of MODEL */
    /* The counts as they were checked: if others change the mapped file, its own counts may differ
     * later. */
    uint16_t layer_count, variant_count, tensor_count;
    uint16_t rope_tables;                                 /* 1 .. BLOB_ROPE_TABLES_MAX */
    void (*log)(void *user, int level, const char *text); /* of the port given to blob_open */
    void *log_user;
};

/* apus_blob is storage for a struct blob. */
static inline const struct blob *blob_of(const apus_blob *b) {
    return (const struct blob *)(const void *)b;
}

static inline uint64_t blob_mark(const struct blob *b) {
    return (uint64_t)(uintptr_t)b->header ^ 0x9a55c0de4150b10bu;
}

/* Whether blob_open has filled the view. */
static inline int blob_is_open(const struct blob *b) { return b->mark == blob_mark(b); }

/* Returns NULL where blob is NULL or blob_open has not filled it. */
static inline const struct blob *blob_opened(const apus_blob *b) {
    return b && blob_is_open(blob_of(b)) ? blob_of(b) : NULL;
}

/* [variant_count] */
static inline const struct blob_variant *blob_variants(const struct blob *b) {
    return (const struct blob_variant *)(const void *)(b->layers + b->layer_count);
}

/* Fills *blob, or leaves it untouched on failure. The functions below accept only a view that this
 * has filled. data must be BLOB_ALIGN-aligned (else APUS_E_ARGUMENT), and size exactly the blob's.
 * On failure why gets one sentence: "tensor 12 (layer.1.q): cols is 575, must be 576".
 * APUS_E_FORMAT, APUS_E_VERSION. */
enum { BLOB_WHY = 256 };
apus_status blob_open(struct blob *blob, const void *data, size_t size, char why[BLOB_WHY]);

/* Copies the records that say where everything lies (header, MODEL, LAYERS, TENSORS, VOCAB's
 * header) to memory of blob_records_bytes, 8-aligned, and checks the copy again. *to, which may be
 * *from, becomes a view that finds everything through the copy alone, even if the file's own
 * records change later. Tables, norms and weights are not copied. APUS_E_FORMAT with a sentence
 * where the records have changed since blob_open. */
uint64_t blob_records_bytes(const struct blob *blob);
apus_status blob_copy_records(struct blob *to, const struct blob *from, void *memory,
                              char why[BLOB_WHY]);

/* Compares the hash of every section, WEIGHTS included. Returns the first kind that differs, or
 * BLOB_SECTIONS. */
uint32_t blob_verify(const struct blob *blob);
const char *blob_section_name(uint32_t kind);

/* Hash of one tensor: weights, scales and row floats, padding included. */
uint64_t blob_tensor_bytes(const struct blob_tensor *tensor);

/* What a pass of so many columns reads: the layers' tensors and the head, but not the embedding. Of
 * a layer's experts those are counted that one column chooses, or as many as several columns choose
 * that do so independently; with 0 columns, none. Weights are counted without padding. */
struct blob_read {
    uint64_t bytes, weights;
};
struct blob_read blob_pass_read(const struct blob *blob, uint32_t columns);

#endif
