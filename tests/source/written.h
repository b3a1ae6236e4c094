/* Checkpoints written from descriptions that a test can bend: whatever is described is written,
 * right or wrong. */
#ifndef TESTS_SOURCE_WRITTEN_H
#define TESTS_SOURCE_WRITTEN_H

#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/source_inside.h"

struct bytes {
    uint8_t *data; /* malloc'ed to its exact size by the write_ functions, so that sanitizers see a
                      read past the end */
    size_t size, room;
};

void put(struct bytes *b, const void *data, size_t size);
void put_uint(struct bytes *b, uint64_t value, int width); /* little-endian */
void bytes_trim(struct bytes *b);
void bytes_free(struct bytes *b);

/* A key of a GGUF file. Integers are written from `number`, F32 and F64 from `real`, strings from
 * text; arrays hold `count` elements of `element`, all equal. */
struct gguf_key {
    const char *key;
    uint64_t key_bytes; /* 0: strlen */
    uint32_t kind;
    int64_t number;
    double real;
    const char *text;
    uint64_t text_bytes; /* 0: strlen */
    uint32_t element;
    uint64_t count, claimed; /* claimed: the count written, 0: count */
};

struct gguf_entry {
    const char *name;
    uint64_t name_bytes; /* 0: strlen */
    uint32_t dims, type;
    uint64_t shape[5];
    uint64_t size; /* bytes of data written */
    int64_t shift; /* added to the right offset */
    float first;   /* of F32 data; the rest is small and regular */
};

struct gguf_description {
    char magic[5];
    uint32_t version;
    uint64_t tensors_claimed, keys_claimed; /* UINT64_MAX: as many as there are */
    uint32_t alignment;                     /* used for placing */
    struct gguf_key keys[48];
    size_t keys_count;
    struct gguf_entry tensors[64];
    size_t tensors_count;
    size_t extra; /* bytes behind the last tensor */
};

/* A llama of 2 layers: width 8, 2 heads over 1 key/value head of 4, feed-forward 12, vocabulary 10,
 * all F32. */
void describe_gguf(struct gguf_description *g);
/* The same as a Mellum 2 without experts: with gains of heads and a window of 24, and the keys
 * under its own name. */
void describe_mellum(struct gguf_description *g);
struct gguf_key *find_key(struct gguf_description *g, const char *key); /* asserted to be there */
struct gguf_entry *find_entry(struct gguf_description *g, const char *tensor);
struct gguf_key *add_key(struct gguf_description *g, struct gguf_key key);
struct gguf_entry *add_entry(struct gguf_description *g, struct gguf_entry entry);
void drop_key(struct gguf_description *g, const char *key);
void drop_entry(struct gguf_description *g, const char *tensor);
struct bytes write_gguf(const struct gguf_description *g);

/* The same model as config.json and safetensors. *text is the header's JSON, malloc'ed; data is
 * `*data` bytes of floats. */
extern const char *const CONFIG_JSON;
char *safetensors_header(size_t *data);
/* claimed: length written, 0: the right one */
struct bytes write_safetensors(const char *header, uint64_t claimed, size_t data);

/* A malloc'ed copy of text with the first `find` (asserted to be there) replaced. */
char *replaced(const char *text, const char *find, const char *with);

/* A source of CONFIG_JSON with one piece replaced (find NULL: as it is), over the weights of the
 * whole header, with one piece replaced as well. NULL, with the sentence in *d, if it is refused;
 * *file is to be freed either way. */
struct source *open_json(const char *find, const char *with, const char *header_find,
                         const char *header_with, struct bytes *file, struct diag *d);

#endif
