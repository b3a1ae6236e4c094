/* Reader of safetensors: one file, or the shards of a directory. Types F64, F32, F16 and BF16, and
 * 4-bit floats in two tensors of bytes (mxfp4.h), which become one.
 *
 * Opening checks the whole header: its length, the JSON, that every tensor's shape, type and bytes
 * agree, and that the tensors cover the data without overlap or hole. Of shards it also checks that
 * the index and the headers name the same tensors. Values are read on request. */
#ifndef PACK_SAFETENSORS_H
#define PACK_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/checkpoint/gguf_types.h"
#include "weights/pack/checkpoint/source_file.h"

struct safetensors_tensor {
    char *name;
    enum gguf_type type; /* F64, F32, F16, BF16 or MXFP4 */
    uint32_t dims;       /* 1..4 */
    uint64_t shape[4];   /* the dimension that varies slowest comes first; 1 from dims on */
    const struct source_file *file;
    uint64_t offset; /* in the file */
    uint64_t bytes;
    const struct source_file *scales_file; /* MXFP4: where a byte for each block is; else NULL */
    uint64_t scales_offset;
};

struct safetensors;

/* Opens model.safetensors in the directory or, if there is none, the shards that
 * model.safetensors.index.json lists. NULL on failure. */
struct safetensors *safetensors_open(const char *directory, struct diag *d);
struct safetensors *safetensors_open_memory(const char *name, const void *data, size_t bytes,
                                            struct diag *d); /* one file; data must outlive it */
void safetensors_close(struct safetensors *st);              /* also NULL */

size_t safetensors_count(const struct safetensors *st);
/* sorted by name */
const struct safetensors_tensor *safetensors_at(const struct safetensors *st, size_t index);

/* The files that were opened, each once. */
const struct source_file *safetensors_files(const struct safetensors *st, size_t *count);

#endif
