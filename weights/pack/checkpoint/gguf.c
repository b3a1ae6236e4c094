#include "weights/pack/checkpoint/gguf.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/checkpoint/gguf_bytes.h"
#include "weights/pack/checkpoint/source_file.h"

/* Bounds on what a file may ask for. Real files stay far below: tens of keys, a few thousand
 * tensors, some 10 MB of vocabulary. */
enum {
    MAX_KEYS = 65536,
    MAX_TENSORS = 1 << 20,
    MAX_KEY_BYTES = 65535,
    MAX_NAME_BYTES = 63,
    MAX_ALIGNMENT = 1 << 20
};
#define MAX_STRING_BYTES   ((uint64_t)1 << 20) /* of a string by itself; chat templates */
#define MAX_ELEMENT_BYTES  ((uint64_t)65535)   /* of a string in an array, such as a vocabulary's */
#define MAX_METADATA_BYTES ((uint64_t)512 << 20)

struct pair {
    char *key;
    enum gguf_kind kind;
    const uint8_t *data;     /* the value; of an array its elements, of a string its length */
    struct gguf_array array; /* GGUF_ARRAY */
    uint32_t *positions;     /* array.positions, owned */
};

struct gguf {
    struct source_file file;
    uint8_t *metadata;
    struct pair *pairs;
    size_t pairs_count, pairs_room;
    struct gguf_tensor *tensors;
    size_t tensors_count, tensors_room;
    const struct pair **by_key;         /* sorted */
    const struct gguf_tensor **by_name; /* sorted */
};

static const uint8_t KIND_BYTES[13] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
static const char *const KIND_NAMES[13] = {"uint8",  "int8",    "uint16",  "int16",  "uint32",
                                           "int32",  "float32", "boolean", "string", "array",
                                           "uint64", "int64",   "float64"};

/* -------------------------------------------------------------------------------- the cursor -- */

/* Walks the metadata. `have` bytes of the file's `total` are in memory. If the walk needs bytes
 * after those, the file is not at fault: `more` is set, and the walk starts again with more bytes
 * in memory. */
struct cursor {
    const uint8_t *data;
    uint64_t at, have, total;
    bool more;
    const char *file;
    struct diag *d;
};

static const uint8_t *take(struct cursor *c, uint64_t bytes, const char *what) {
    if (bytes > c->total - c->at) {
        diag_fail(c->d, "%s: ends inside %s", c->file, what);
        return NULL;
    }
    if (bytes > c->have - c->at) {
        c->more = true;
        return NULL;
    }
    const uint8_t *p = c->data + c->at;
    c->at += bytes;
    return p;
}

static bool take_u32(struct cursor *c, uint32_t *out, const char *what) {
    const uint8_t *p = take(c, 4, what);
    if (p) *out = u32_at(p);
    return p != NULL;
}

static bool take_u64(struct cursor *c, uint64_t *out, const char *what) {
    const uint8_t *p = take(c, 8, what);
    if (p) *out = u64_at(p);
    return p != NULL;
}

/* Takes a length and that many bytes. None may be zero, because a reader of C strings and a reader
 * that counts must see the same text. */
static bool take_text(struct cursor *c, struct gguf_text *out, uint64_t max, const char *what) {
    uint64_t bytes;
    if (!take_u64(c, &bytes, what)) return false;
    if (bytes > max)
        return diag_fail(c->d, "%s: %s of %llu bytes is longer than %llu", c->file, what,
                         (unsigned long long)bytes, (unsigned long long)max);
    const uint8_t *p = take(c, bytes, what);
    if (!p) return false;
    if (bytes && memchr(p, 0, bytes))
        return diag_fail(c->d, "%s: zero byte inside %s", c->file, what);
    *out = (struct gguf_text){(const char *)p, (size_t)bytes};
    return true;
}

/* Returns the list with room for one more element of `size` bytes; new elements are zeroed. NULL if
 * there is no memory; the list then stays as it was. */
static void *grow(void *list, size_t count, size_t *room, size_t size, struct diag *d) {
    if (count < *room) return list;
    size_t more = *room ? *room * 2 : 64;
    char *longer = realloc(list, more * size);
    if (!longer) {
        diag_fail(d, "out of memory");
        return NULL;
    }
    memset(longer + *room * size, 0, (more - *room) * size);
    *room = more;
    return longer;
}

/* -------------------------------------------------------------------------------- key values -- */

static bool check_bools(struct cursor *c, const char *key, const uint8_t *data, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        if (data[i] > 1)
            return diag_fail(c->d, "%s: %s is a boolean of value %u", c->file, key, data[i]);
    return true;
}

static bool parse_array(struct cursor *c, struct pair *pair) {
    uint32_t kind;
    uint64_t count;
    if (!take_u32(c, &kind, pair->key) || !take_u64(c, &count, pair->key)) return false;
    if (kind == GGUF_ARRAY)
        return diag_fail(c->d, "%s: %s is an array of arrays", c->file, pair->key);
    if (kind > GGUF_F64)
        return diag_fail(c->d, "%s: %s is an array of unknown type %u", c->file, pair->key, kind);
    uint64_t least = kind == GGUF_STRING ? 8 : KIND_BYTES[kind]; /* bytes of an element */
    if (count > (c->total - c->at) / least)
        return diag_fail(c->d, "%s: %s has %llu elements, more than the file holds", c->file,
                         pair->key, (unsigned long long)count);
    pair->array = (struct gguf_array){
        .element = (enum gguf_kind)kind, .count = count, .data = c->data + c->at};
    if (kind != GGUF_STRING) {
        const uint8_t *p = take(c, count * least, pair->key);
        return p && (kind != GGUF_BOOL || check_bools(c, pair->key, p, count));
    }
    if (count > (c->have - c->at) / least) {
        c->more = true;
        return false;
    }
    pair->positions = malloc((size_t)count * sizeof *pair->positions + 1);
    if (!pair->positions) return diag_fail(c->d, "out of memory");
    pair->array.positions = pair->positions;
    uint64_t base = c->at;
    for (uint64_t i = 0; i < count; i++) {
        struct gguf_text text;
        pair->positions[i] = (uint32_t)(c->at - base); /* below MAX_METADATA_BYTES */
        if (!take_text(c, &text, MAX_ELEMENT_BYTES, pair->key)) return false;
    }
    return true;
}

static bool parse_pair(struct cursor *c, struct pair *pair) {
    struct gguf_text key, text;
    if (!take_text(c, &key, MAX_KEY_BYTES, "a key")) return false;
    if (key.bytes == 0) return diag_fail(c->d, "%s: has an empty key", c->file);
    pair->key = malloc(key.bytes + 1);
    if (!pair->key) return diag_fail(c->d, "out of memory");
    memcpy(pair->key, key.data, key.bytes);
    pair->key[key.bytes] = 0;

    uint32_t kind;
    if (!take_u32(c, &kind, pair->key)) return false;
    if (kind > GGUF_F64)
        return diag_fail(c->d, "%s: %s has unknown value type %u", c->file, pair->key, kind);
    pair->kind = (enum gguf_kind)kind;
    pair->data = c->data + c->at;
    if (kind == GGUF_ARRAY) return parse_array(c, pair);
    if (kind == GGUF_STRING) return take_text(c, &text, MAX_STRING_BYTES, pair->key);
    const uint8_t *p = take(c, KIND_BYTES[kind], pair->key);
    return p && (kind != GGUF_BOOL || check_bools(c, pair->key, p, 1));
}

/* ----------------------------------------------------------------------------------- tensors -- */

/* Reads one entry of the table. tensor->offset is still relative to the data. */
static bool parse_tensor(struct cursor *c, struct gguf_tensor *tensor) {
    struct gguf_text name;
    uint32_t type;
    if (!take_text(c, &name, MAX_NAME_BYTES, "a tensor's name")) return false;
    if (name.bytes == 0) return diag_fail(c->d, "%s: has a tensor without a name", c->file);
    char *copy = malloc(name.bytes + 1);
    if (!copy) return diag_fail(c->d, "out of memory");
    memcpy(copy, name.data, name.bytes);
    copy[name.bytes] = 0;
    tensor->name = copy;

    if (!take_u32(c, &tensor->dims, copy)) return false;
    if (tensor->dims < 1 || tensor->dims > 4)
        return diag_fail(c->d, "%s: tensor %s has %u dimensions, not 1 to 4", c->file, copy,
                         tensor->dims);
    uint64_t elements = 1;
    for (uint32_t i = 0; i < 4; i++) {
        tensor->shape[i] = 1;
        if (i < tensor->dims && !take_u64(c, &tensor->shape[i], copy)) return false;
        if (tensor->shape[i] == 0)
            return diag_fail(c->d, "%s: tensor %s has a dimension of 0", c->file, copy);
        if (elements > (uint64_t)INT64_MAX / tensor->shape[i])
            return diag_fail(c->d, "%s: tensor %s has too many elements", c->file, copy);
        elements *= tensor->shape[i];
    }
    if (!take_u32(c, &type, copy) || !take_u64(c, &tensor->offset, copy)) return false;
    const struct gguf_type_info *info = gguf_type_info(type);
    if (!info)
        return diag_fail(c->d, "%s: tensor %s has type %u (%s), which is not supported", c->file,
                         copy, type, gguf_type_name(type));
    tensor->type = (enum gguf_type)type;
    if (tensor->shape[0] % info->block)
        return diag_fail(
            c->d, "%s: tensor %s has rows of %llu values, not a multiple of %s's block of %u",
            c->file, copy, (unsigned long long)tensor->shape[0], info->name, info->block);
    if (elements / info->block > c->total / info->bytes)
        return diag_fail(c->d, "%s: tensor %s is larger than the file", c->file, copy);
    tensor->bytes = elements / info->block * info->bytes;
    return true;
}

/* Checks that the tensors lie in the table's order, each at the next multiple of the alignment, and
 * that the last one ends where the file does. So no two can overlap, none can wrap, and there is no
 * hole. ggml's own reader asks for the same. Makes the offsets absolute. */
static bool place_tensors(struct gguf *gguf, struct cursor *c) {
    uint64_t alignment = 32;
    if (gguf_get_uint(gguf, "general.alignment", UINT32_MAX, &alignment, c->d) == GGUF_BAD)
        return false;
    if (alignment < 8 || alignment > MAX_ALIGNMENT || (alignment & (alignment - 1)))
        return diag_fail(c->d, "%s: general.alignment is %llu, not a power of two from 8 to %d",
                         c->file, (unsigned long long)alignment, MAX_ALIGNMENT);
    if (gguf->tensors_count == 0)
        return c->total - c->at < alignment
                   ? true
                   : diag_fail(c->d, "%s: has no tensors, but data", c->file);

    /* next and end are relative to base */
    uint64_t base = (c->at + alignment - 1) & ~(alignment - 1), next = 0, end = 0;
    if (base > c->total) return diag_fail(c->d, "%s: ends before the tensors' data", c->file);
    for (size_t i = 0; i < gguf->tensors_count; i++) {
        struct gguf_tensor *tensor = &gguf->tensors[i];
        if (tensor->offset != next)
            return diag_fail(
                c->d, "%s: tensor %s has offset %llu where %llu follows from those before it",
                c->file, tensor->name, (unsigned long long)tensor->offset,
                (unsigned long long)next);
        if (next > c->total - base || tensor->bytes > c->total - base - next)
            return diag_fail(c->d, "%s: tensor %s ends past the end of the file", c->file,
                             tensor->name);
        end = next + tensor->bytes;
        next = (end + alignment - 1) & ~(alignment - 1);
        tensor->offset += base;
    }
    if (c->total - base - end >= alignment)
        return diag_fail(c->d, "%s: has %llu bytes after the last tensor", c->file,
                         (unsigned long long)(c->total - base - end));
    return true;
}

/* ---------------------------------------------------------------------------------- indexing -- */

static int by_key(const void *a, const void *b) {
    return strcmp((*(const struct pair *const *)a)->key, (*(const struct pair *const *)b)->key);
}
static int by_name(const void *a, const void *b) {
    return strcmp((*(const struct gguf_tensor *const *)a)->name,
                  (*(const struct gguf_tensor *const *)b)->name);
}

/* These two make sorted lists for look-up. Neighbours that are equal are duplicates. */
static bool index_keys(struct gguf *gguf, struct diag *d) {
    size_t n = gguf->pairs_count;
    gguf->by_key = calloc(n + 1, sizeof *gguf->by_key);
    if (!gguf->by_key) return diag_fail(d, "out of memory");
    for (size_t i = 0; i < n; i++) gguf->by_key[i] = &gguf->pairs[i];
    qsort(gguf->by_key, n, sizeof *gguf->by_key, by_key);
    for (size_t i = 1; i < n; i++)
        if (strcmp(gguf->by_key[i - 1]->key, gguf->by_key[i]->key) == 0)
            return diag_fail(d, "%s: key %s occurs twice", gguf->file.name, gguf->by_key[i]->key);
    return true;
}

static bool index_tensors(struct gguf *gguf, struct diag *d) {
    size_t n = gguf->tensors_count;
    gguf->by_name = calloc(n + 1, sizeof *gguf->by_name);
    if (!gguf->by_name) return diag_fail(d, "out of memory");
    for (size_t i = 0; i < n; i++) gguf->by_name[i] = &gguf->tensors[i];
    qsort(gguf->by_name, n, sizeof *gguf->by_name, by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(gguf->by_name[i - 1]->name, gguf->by_name[i]->name) == 0)
            return diag_fail(d, "%s: tensor %s occurs twice", gguf->file.name,
                             gguf->by_name[i]->name);
    return true;
}

/* ----------------------------------------------------------------------------------- opening -- */

static bool parse_header(struct cursor *c, uint64_t *tensors, uint64_t *pairs) {
    const uint8_t *magic = take(c, 4, "the header");
    uint32_t version = 0;
    if (!magic) return false;
    if (memcmp(magic, "FUGG", 4) == 0)
        return diag_fail(c->d, "%s: a byte-swapped GGUF file is not supported", c->file);
    if (memcmp(magic, "APUS", 4) == 0)
        return diag_fail(c->d, "%s: not a GGUF file but a blob: it is packed already", c->file);
    if (memcmp(magic, "GGUF", 4) != 0)
        return diag_fail(
            c->d, "%s: not a GGUF file: begins with the bytes %02x %02x %02x %02x, not with GGUF",
            c->file, magic[0], magic[1], magic[2], magic[3]);
    if (!take_u32(c, &version, "the header")) return false;
    if (version != 0 && (version & 0xffff) == 0)
        return diag_fail(c->d, "%s: a big-endian GGUF file is not supported", c->file);
    if (version != 2 && version != 3)
        return diag_fail(c->d, "%s: GGUF version %u is not supported, only 2 and 3", c->file,
                         version);
    if (!take_u64(c, tensors, "the header") || !take_u64(c, pairs, "the header")) return false;
    if (*tensors > MAX_TENSORS)
        return diag_fail(c->d, "%s: claims %llu tensors where at most %d are expected", c->file,
                         (unsigned long long)*tensors, MAX_TENSORS);
    if (*pairs > MAX_KEYS)
        return diag_fail(c->d, "%s: claims %llu keys where at most %d are expected", c->file,
                         (unsigned long long)*pairs, MAX_KEYS);
    return true;
}

static bool parse(struct gguf *gguf, struct cursor *c) {
    uint64_t tensors = 0, pairs = 0;
    if (!parse_header(c, &tensors, &pairs)) return false;
    while (gguf->pairs_count < pairs) {
        struct pair *list =
            grow(gguf->pairs, gguf->pairs_count, &gguf->pairs_room, sizeof *list, c->d);
        if (!list) return false;
        gguf->pairs = list;
        if (!parse_pair(c, &gguf->pairs[gguf->pairs_count++])) return false;
    }
    while (gguf->tensors_count < tensors) {
        struct gguf_tensor *list =
            grow(gguf->tensors, gguf->tensors_count, &gguf->tensors_room, sizeof *list, c->d);
        if (!list) return false;
        gguf->tensors = list;
        if (!parse_tensor(c, &gguf->tensors[gguf->tensors_count++])) return false;
    }
    return index_keys(gguf, c->d) && index_tensors(gguf, c->d) && place_tensors(gguf, c);
}

static void forget(struct gguf *gguf) {
    for (size_t i = 0; i < gguf->pairs_count; i++) {
        free(gguf->pairs[i].key);
        free(gguf->pairs[i].positions);
    }
    for (size_t i = 0; i < gguf->tensors_count; i++) free((void *)(uintptr_t)gguf->tensors[i].name);
    free(gguf->pairs);
    free(gguf->tensors);
    free(gguf->by_key);
    free(gguf->by_name);
    free(gguf->metadata);
    *gguf = (struct gguf){.file = gguf->file};
}

/* The end of the metadata is only known after walking it. So this begins with 1 MiB and takes four
 * times as much until the metadata fits. */
static bool load(struct gguf *gguf, struct diag *d) {
    uint64_t total = gguf->file.bytes;
    for (uint64_t have = 1 << 20;; have *= 4) {
        if (have > MAX_METADATA_BYTES) have = MAX_METADATA_BYTES;
        if (have > total) have = total;
        gguf->metadata = malloc((size_t)have + 1);
        if (!gguf->metadata) return diag_fail(d, "out of memory");
        if (!source_file_read(&gguf->file, 0, gguf->metadata, (size_t)have, d)) return false;
        struct cursor c = {
            .data = gguf->metadata, .have = have, .total = total, .file = gguf->file.name, .d = d};
        if (parse(gguf, &c)) return true;
        if (!c.more) return false;
        if (have == MAX_METADATA_BYTES)
            return diag_fail(d, "%s: has more than 512 MiB of metadata", gguf->file.name);
        forget(gguf);
    }
}

static struct gguf *finish(struct gguf *gguf, struct diag *d) {
    if (load(gguf, d)) return gguf;
    gguf_close(gguf);
    return NULL;
}

struct gguf *gguf_open(const char *path, struct diag *d) {
    struct gguf *gguf = calloc(1, sizeof *gguf);
    if (!gguf) diag_fail(d, "out of memory");
    if (gguf && source_file_open(&gguf->file, path, d)) return finish(gguf, d);
    free(gguf);
    return NULL;
}

struct gguf *gguf_open_memory(const char *name, const void *data, size_t bytes, struct diag *d) {
    struct gguf *gguf = calloc(1, sizeof *gguf);
    if (!gguf) diag_fail(d, "out of memory");
    if (gguf && source_file_memory(&gguf->file, name, data, bytes, d)) return finish(gguf, d);
    free(gguf);
    return NULL;
}

void gguf_close(struct gguf *gguf) {
    if (!gguf) return;
    forget(gguf);
    source_file_close(&gguf->file);
    free(gguf);
}

/* ----------------------------------------------------------------------------------- look-up -- */

static const struct pair *find(const struct gguf *gguf, const char *key) {
    size_t low = 0, high = gguf->pairs_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(key, gguf->by_key[mid]->key);
        if (order == 0) return gguf->by_key[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

static enum gguf_found wrong_kind(const struct gguf *gguf, const struct pair *pair,
                                  const char *wanted, struct diag *d) {
    diag_fail(d, "%s: %s is of type %s, not %s", gguf->file.name, pair->key, KIND_NAMES[pair->kind],
              wanted);
    return GGUF_BAD;
}

bool gguf_kind_is_int(enum gguf_kind kind) {
    return kind <= GGUF_I32 || kind == GGUF_U64 || kind == GGUF_I64;
}

static int64_t int_at(enum gguf_kind kind, const uint8_t *p) {
    switch (kind) {
    case GGUF_U8:
    case GGUF_BOOL:
        return p[0];
    case GGUF_I8:
        return (int8_t)p[0];
    case GGUF_U16:
        return p[0] | p[1] << 8;
    case GGUF_I16:
        return (int16_t)(p[0] | p[1] << 8);
    case GGUF_U32:
        return u32_at(p);
    case GGUF_I32:
        return (int32_t)u32_at(p);
    case GGUF_U64:
        return u64_at(p) > INT64_MAX ? INT64_MAX : (int64_t)u64_at(p);
    case GGUF_I64:
        return (int64_t)u64_at(p);
    default:
        assert(!"an integer type");
        return 0;
    }
}

static double float_at(enum gguf_kind kind, const uint8_t *p) {
    if (kind == GGUF_F32) {
        uint32_t bits = u32_at(p);
        float f;
        memcpy(&f, &bits, sizeof f);
        return f;
    }
    assert(kind == GGUF_F64);
    uint64_t bits = u64_at(p);
    double f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static struct gguf_text text_at(const uint8_t *p) {
    return (struct gguf_text){(const char *)p + 8, (size_t)u64_at(p)};
}

enum gguf_found gguf_get_uint(const struct gguf *gguf, const char *key, uint64_t max, uint64_t *out,
                              struct diag *d) {
    const struct pair *pair = find(gguf, key);
    if (!pair) return GGUF_ABSENT;
    if (!gguf_kind_is_int(pair->kind)) return wrong_kind(gguf, pair, "an integer", d);
    int64_t value = int_at(pair->kind, pair->data);
    if (value < 0 || (uint64_t)value > max) {
        diag_fail(d, "%s: %s is %lld, outside 0 to %llu", gguf->file.name, key, (long long)value,
                  (unsigned long long)max);
        return GGUF_BAD;
    }
    *out = (uint64_t)value;
    return GGUF_FOUND;
}

enum gguf_found gguf_get_float(const struct gguf *gguf, const char *key, double *out,
                               struct diag *d) {
    const struct pair *pair = find(gguf, key);
    if (!pair) return GGUF_ABSENT;
    if (pair->kind != GGUF_F32 && pair->kind != GGUF_F64)
        return wrong_kind(gguf, pair, "a float", d);
    double value = float_at(pair->kind, pair->data);
    if (!(value - value == 0)) { /* infinity or NaN */
        diag_fail(d, "%s: %s is not finite", gguf->file.name, key);
        return GGUF_BAD;
    }
    *out = value;
    return GGUF_FOUND;
}

enum gguf_found gguf_get_bool(const struct gguf *gguf, const char *key, bool *out, struct diag *d) {
    const struct pair *pair = find(gguf, key);
    if (!pair) return GGUF_ABSENT;
    if (pair->kind != GGUF_BOOL) return wrong_kind(gguf, pair, "a boolean", d);
    *out = pair->data[0] != 0;
    return GGUF_FOUND;
}

enum gguf_found gguf_get_text(const struct gguf *gguf, const char *key, struct gguf_text *out,
                              struct diag *d) {
    const struct pair *pair = find(gguf, key);
    if (!pair) return GGUF_ABSENT;
    if (pair->kind != GGUF_STRING) return wrong_kind(gguf, pair, "a string", d);
    *out = text_at(pair->data);
    return GGUF_FOUND;
}

enum gguf_found gguf_get_array(const struct gguf *gguf, const char *key, struct gguf_array *out,
                               struct diag *d) {
    const struct pair *pair = find(gguf, key);
    if (!pair) return GGUF_ABSENT;
    if (pair->kind != GGUF_ARRAY) return wrong_kind(gguf, pair, "an array", d);
    *out = pair->array;
    return GGUF_FOUND;
}

enum gguf_found gguf_get_ints(const struct gguf *gguf, const char *key, struct gguf_array *out,
                              struct diag *d) {
    const struct pair *pair = find(gguf, key);
    if (!pair) return GGUF_ABSENT;
    if (gguf_kind_is_int(pair->kind))
        *out = (struct gguf_array){.element = pair->kind, .count = 1, .data = pair->data};
    else if (pair->kind == GGUF_ARRAY && gguf_kind_is_int(pair->array.element))
        *out = pair->array;
    else
        return wrong_kind(gguf, pair, "an integer or an array of them", d);
    return GGUF_FOUND;
}

bool gguf_has(const struct gguf *gguf, const char *key) { return find(gguf, key) != NULL; }

const struct source_file *gguf_file(const struct gguf *gguf) { return &gguf->file; }

size_t gguf_key_count(const struct gguf *gguf) { return gguf->pairs_count; }
const char *gguf_key(const struct gguf *gguf, size_t index) { return gguf->pairs[index].key; }
enum gguf_kind gguf_key_kind(const struct gguf *gguf, size_t index) {
    return gguf->pairs[index].kind;
}

int64_t gguf_array_int(const struct gguf_array *array, uint64_t index) {
    assert(index < array->count);
    return int_at(array->element, array->data + index * KIND_BYTES[array->element]);
}

double gguf_array_float(const struct gguf_array *array, uint64_t index) {
    assert(index < array->count);
    return float_at(array->element, array->data + index * KIND_BYTES[array->element]);
}

struct gguf_text gguf_array_text(const struct gguf_array *array, uint64_t index) {
    assert(index < array->count && array->element == GGUF_STRING);
    return text_at(array->data + array->positions[index]);
}

size_t gguf_tensor_count(const struct gguf *gguf) { return gguf->tensors_count; }
const struct gguf_tensor *gguf_tensor(const struct gguf *gguf, size_t index) {
    return &gguf->tensors[index];
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *gguf, const char *name) {
    size_t low = 0, high = gguf->tensors_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = strcmp(name, gguf->by_name[mid]->name);
        if (order == 0) return gguf->by_name[mid];
        if (order < 0)
            high = mid;
        else
            low = mid + 1;
    }
    return NULL;
}

bool gguf_read(const struct gguf *gguf, const struct gguf_tensor *tensor, uint64_t offset,
               void *out, size_t bytes, struct diag *d) {
    assert(offset <= tensor->bytes && bytes <= tensor->bytes - offset);
    return source_file_read(&gguf->file, tensor->offset + offset, out, bytes, d);
}
