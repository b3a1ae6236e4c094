/* Reader of GGUF files, versions 2 and 3, little-endian.
 *
 * Opening checks the whole structure: counts, lengths, types, duplicates, alignment, and that the
 * tensors lie in the order of their table, each at the next aligned offset, exactly to the end of
 * the file. Keys, tensor names and strings contain no zero byte. The metadata is held in memory (at
 * most 512 MiB); tensor bytes are read on request. Everything returned belongs to the reader. */
#ifndef PACK_GGUF_H
#define PACK_GGUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/checkpoint/gguf_types.h"

enum gguf_kind {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12
};

/* Text with its length. It is not zero-terminated and holds no zero byte. Any other byte may occur:
 * who uses the text has to check whether it is UTF-8. */
struct gguf_text {
    const char *data;
    size_t bytes;
};

struct gguf_array {
    enum gguf_kind element; /* any but GGUF_ARRAY */
    uint64_t count;
    const uint8_t *data;       /* the elements */
    const uint32_t *positions; /* GGUF_STRING: where each element's length field is, counted from
                                  data */
};

struct gguf_tensor {
    const char *name; /* zero-terminated, 1..63 bytes */
    enum gguf_type type;
    uint32_t dims;     /* 1..4 */
    uint64_t shape[4]; /* the dimension that varies fastest comes first, as in GGUF; 1 from dims
                          on */
    uint64_t offset;   /* of the tensor's first byte in the file */
    uint64_t bytes;
};

struct gguf;
struct source_file;

/* NULL on failure */
struct gguf *gguf_open(const char *path, struct diag *d);
/* data must outlive the reader */
struct gguf *gguf_open_memory(const char *name, const void *data, size_t bytes, struct diag *d);
/* also NULL */
void gguf_close(struct gguf *gguf);

/* The result of a look-up. GGUF_BAD: the key is there, but has another type or is out of range; the
 * sentence is set. *out changes only with GGUF_FOUND. */
enum gguf_found { GGUF_BAD = -1, GGUF_ABSENT = 0, GGUF_FOUND = 1 };

/* any integer type, 0..max */
enum gguf_found gguf_get_uint(const struct gguf *gguf, const char *key, uint64_t max, uint64_t *out,
                              struct diag *d);
/* F32 or F64, finite */
enum gguf_found gguf_get_float(const struct gguf *gguf, const char *key, double *out,
                               struct diag *d);
enum gguf_found gguf_get_bool(const struct gguf *gguf, const char *key, bool *out, struct diag *d);
enum gguf_found gguf_get_text(const struct gguf *gguf, const char *key, struct gguf_text *out,
                              struct diag *d);
enum gguf_found gguf_get_array(const struct gguf *gguf, const char *key, struct gguf_array *out,
                               struct diag *d);
/* An integer of any type, or an array of integers. A single number counts as an array of one. */
enum gguf_found gguf_get_ints(const struct gguf *gguf, const char *key, struct gguf_array *out,
                              struct diag *d);
bool gguf_has(const struct gguf *gguf, const char *key);

/* The file itself, for its name and for reading tensors. */
const struct source_file *gguf_file(const struct gguf *gguf);

/* All keys in the file's order: index 0 .. gguf_key_count - 1. */
size_t gguf_key_count(const struct gguf *gguf);
const char *gguf_key(const struct gguf *gguf, size_t index);
enum gguf_kind gguf_key_kind(const struct gguf *gguf, size_t index);

/* Element `index` < count, in constant time. It is asserted that the elements' kind fits the call
 * (any integer or bool; F32 or F64; a string). */
/* U64 above INT64_MAX gives INT64_MAX */
int64_t gguf_array_int(const struct gguf_array *array, uint64_t index);
/* may be infinite or NaN */
double gguf_array_float(const struct gguf_array *array, uint64_t index);
struct gguf_text gguf_array_text(const struct gguf_array *array, uint64_t index);
bool gguf_kind_is_int(enum gguf_kind kind); /* bool not included */

size_t gguf_tensor_count(const struct gguf *gguf);
const struct gguf_tensor *gguf_tensor(const struct gguf *gguf, size_t index);
/* NULL where there is none */
const struct gguf_tensor *gguf_find_tensor(const struct gguf *gguf, const char *name);

/* Reads bytes of a tensor as they are stored. [offset, offset + bytes) must be inside the
 * tensor. */
bool gguf_read(const struct gguf *gguf, const struct gguf_tensor *tensor, uint64_t offset,
               void *out, size_t bytes, struct diag *d);

#endif
