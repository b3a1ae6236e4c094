/* The blob reader: checks a blob once and gives a view of it. docs/blob.md; weights/format.h is the byte layout.
 *
 * blob_open checks, in 64-bit arithmetic and without allocating: header, section table (order, alignment, bounds, hashes of every
 * section but WEIGHTS, the model hash), model record, every layer (widths, head counts, tensor indices and that each tensor's rows and
 * columns are what the layer needs), every tensor (type, bounds in WEIGHTS, alignment, no overlap, row floats inside ROWS, padding +0),
 * every float of ROWS and ROPE (+0 or magnitude in [2^-50, 2^50]; |cos|, |sin| <= 1), eps in [2^-40, 1], the tokenizer's tables, and that
 * its ids lie below the vocabulary's rows. After that nothing needs to be checked again. */
#ifndef WEIGHTS_BLOB_H
#define WEIGHTS_BLOB_H

#include "apus/apus.h"
#include "weights/format.h"
#include "weights/vocab.h"

/* What apus_blob holds; all pointers lead into the caller's data. */
struct blob {
    const struct blob_header *header;
    const struct blob_model *model;
    const struct blob_layer *layers;   /* [model->layers] */
    const struct blob_tensor *tensors; /* [model->tensors] */
    const float *rows;
    const float *rope; /* [max_positions][2][head_dim / 2] */
    const char *text;
    const uint8_t *weights;
    struct vocab vocab;
};

/* apus_blob is storage for a struct blob. */
static inline const struct blob *blob_of(const apus_blob *b) { return (const struct blob *)(const void *)b; }

/* Fills *blob or leaves it untouched. why: at least BLOB_WHY bytes, gets one sentence on failure ("tensor 12 (layer.1.q): 575 columns
 * where the model has 576"). */
enum { BLOB_WHY = 256 };
apus_status blob_open(struct blob *blob, const void *data, size_t size, char why[BLOB_WHY]);

/* Hash of every section, WEIGHTS included. Returns the first kind that differs, or BLOB_SECTIONS. */
uint32_t blob_verify(const struct blob *blob);
const char *blob_section_name(uint32_t kind);

/* Bytes one pass over the model reads: all tensors but the embedding, panels and row scales. */
uint64_t blob_pass_bytes(const struct blob *blob);

#endif
