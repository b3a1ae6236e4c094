#include "weights/pack/checkpoint/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "weights/pack/checkpoint/json_fields.h"
#include "weights/pack/checkpoint/mxfp4.h"
#include "weights/pack/checkpoint/wanted.h"

/* MAX_HEADER_BYTES is the format's own bound, the others are ours. Real models have tens of shards
 * and a few thousand tensors. */
enum {
    MAX_HEADER_BYTES = 100000000,
    MAX_INDEX_BYTES = 100000000,
    MAX_SHARDS = 512,
    MAX_TENSORS = 1 << 20
};

struct safetensors {
    struct source_file *files; /* [files_count]; they never move, because tensors point at them */
    size_t files_count;
    struct safetensors_tensor *tensors; /* sorted by name once open */
    size_t tensors_count, tensors_room;
};

/* ------------------------------------------------------------------------- one file's header -- */

/* Bytes are parts of MXFP4 where their names say so, and are nothing known otherwise. */
static bool parse_type(const char *text, const char *name, enum gguf_type *type, uint64_t *size) {
    static const struct {
        const char *name;
        enum gguf_type type;
    } types[] = {{"F64", GGUF_TYPE_F64},
                 {"F32", GGUF_TYPE_F32},
                 {"F16", GGUF_TYPE_F16},
                 {"BF16", GGUF_TYPE_BF16}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(text, types[i].name) == 0) {
            *type = types[i].type;
            *size = gguf_type_info(*type)->bytes;
            return true;
        }
    *type = GGUF_TYPE_MXFP4;
    *size = 1;
    return strcmp(text, "U8") == 0 && mxfp4_is_part(name);
}

/* What to give instead of weights that were quantized for other engines, with scales in tensors of
 * their own. */
static const char *instead_of(const char *dtype) {
    if (strncmp(dtype, "F8", 2) == 0 || strncmp(dtype, "F6", 2) == 0 ||
        strncmp(dtype, "F4", 2) == 0)
        return ": take the model's checkpoint in BF16 or F16";
    if (dtype[0] == 'I' || dtype[0] == 'U')
        return ": integers are what GPTQ, AWQ and others pack weights into; take the model's "
               "checkpoint in BF16 or F16, or a GGUF file";
    return "";
}

static bool parse_shape(const json_t *shape, struct safetensors_tensor *tensor, uint64_t *elements,
                        struct diag *d) {
    const char *file = tensor->file->name;
    size_t dims = json_array_size(shape);
    if (!json_is_array(shape) || dims < 1 || dims > 4)
        return diag_fail(d, "%s: tensor %s has a shape of other than 1 to 4 dimensions", file,
                         tensor->name);
    tensor->dims = (uint32_t)dims;
    *elements = 1;
    for (size_t i = 0; i < 4; i++) {
        tensor->shape[i] = 1;
        if (i >= dims) continue;
        const json_t *value = json_array_get(shape, i);
        if (!json_is_integer(value) || json_integer_value(value) < 1)
            return diag_fail(d, "%s: tensor %s has a dimension that is not a positive integer",
                             file, tensor->name);
        tensor->shape[i] = (uint64_t)json_integer_value(value);
        if (*elements > (uint64_t)INT64_MAX / 8 / tensor->shape[i])
            return diag_fail(d, "%s: tensor %s has too many elements", file, tensor->name);
        *elements *= tensor->shape[i];
    }
    return true;
}

/* Reads one entry of the header. `base` is where the data begins in the file. */
static bool parse_tensor(const json_t *entry, struct safetensors_tensor *tensor, uint64_t base,
                         struct diag *d) {
    const char *file = tensor->file->name, *dtype = NULL, *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)entry, key, value) {
        bool known = strcmp(key, "dtype") == 0 || strcmp(key, "shape") == 0 ||
                     strcmp(key, "data_offsets") == 0;
        if (!known)
            return diag_fail(d, "%s: tensor %s has an unknown field %s", file, tensor->name, key);
    }
    if (!json_is_object(entry))
        return diag_fail(d, "%s: tensor %s is not described by an object", file, tensor->name);
    if (field_text(entry, file, "dtype", &dtype, d) != FIELD_FOUND)
        return diag_fail(d, "%s: tensor %s has no dtype", file, tensor->name);
    uint64_t size;
    if (!parse_type(dtype, tensor->name, &tensor->type, &size))
        return diag_fail(d, "%s: tensor %s has type %s, which is not supported%s", file,
                         tensor->name, dtype, instead_of(dtype));
    uint64_t elements = 0;
    if (!parse_shape(json_object_get(entry, "shape"), tensor, &elements, d)) return false;

    const json_t *offsets = json_object_get(entry, "data_offsets");
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to) ||
        json_integer_value(from) < 0 || json_integer_value(to) < json_integer_value(from))
        return diag_fail(d, "%s: tensor %s has data_offsets that are not two ascending integers",
                         file, tensor->name);
    uint64_t begin = (uint64_t)json_integer_value(from), end = (uint64_t)json_integer_value(to);
    if (end > tensor->file->bytes - base)
        return diag_fail(d, "%s: tensor %s ends past the end of the file", file, tensor->name);
    if (end - begin != elements * size)
        return diag_fail(d, "%s: tensor %s has %llu bytes where its shape and type take %llu", file,
                         tensor->name, (unsigned long long)(end - begin),
                         (unsigned long long)(elements * size));
    if (begin % size)
        return diag_fail(d,
                         "%s: tensor %s begins at %llu, which is not a multiple of its type's size",
                         file, tensor->name, (unsigned long long)begin);
    tensor->offset = base + begin;
    tensor->bytes = end - begin;
    return true;
}

static struct safetensors_tensor *add_tensor(struct safetensors *st, const struct source_file *file,
                                             const char *name, struct diag *d) {
    if (st->tensors_count == st->tensors_room) {
        size_t room = st->tensors_room ? st->tensors_room * 2 : 256;
        struct safetensors_tensor *more =
            room > MAX_TENSORS ? NULL : realloc(st->tensors, room * sizeof *more);
        if (!more) {
            diag_fail(d, "%s: has too many tensors", file->name);
            return NULL;
        }
        st->tensors = more;
        st->tensors_room = room;
    }
    struct safetensors_tensor *tensor = &st->tensors[st->tensors_count];
    *tensor = (struct safetensors_tensor){.name = strdup(name), .file = file};
    if (!tensor->name) {
        diag_fail(d, "out of memory");
        return NULL;
    }
    st->tensors_count++;
    return tensor;
}

static int by_offset(const void *a, const void *b) {
    const struct safetensors_tensor *x = a, *y = b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Sorted by offset, the first tensor must begin where the data begins, each other one where the one
 * before ends, and the last must end where the file ends. */
static bool check_cover(struct safetensors_tensor *tensors, size_t count,
                        const struct source_file *file, uint64_t base, struct diag *d) {
    qsort(tensors, count, sizeof *tensors, by_offset);
    uint64_t at = base;
    for (size_t i = 0; i < count; i++) {
        if (tensors[i].offset < at)
            return diag_fail(d, "%s: tensor %s overlaps another", file->name, tensors[i].name);
        if (tensors[i].offset > at)
            return diag_fail(d, "%s: bytes before tensor %s belong to none", file->name,
                             tensors[i].name);
        at += tensors[i].bytes;
    }
    return at == file->bytes ? true
                             : diag_fail(d, "%s: has %llu bytes that belong to no tensor",
                                         file->name, (unsigned long long)(file->bytes - at));
}

static bool parse_entries(struct safetensors *st, const struct source_file *file, json_t *root,
                          uint64_t base, struct diag *d) {
    const char *name;
    json_t *entry;
    size_t first = st->tensors_count;
    json_object_foreach(root, name, entry) {
        if (strcmp(name, "__metadata__") == 0) {
            if (!json_is_object(entry))
                return diag_fail(d, "%s: __metadata__ is not an object", file->name);
            continue;
        }
        if (name[0] == 0) return diag_fail(d, "%s: has a tensor without a name", file->name);
        struct safetensors_tensor *tensor = add_tensor(st, file, name, d);
        if (!tensor || !parse_tensor(entry, tensor, base, d)) return false;
    }
    if (st->tensors_count == first) return diag_fail(d, "%s: has no tensors", file->name);
    return check_cover(st->tensors + first, st->tensors_count - first, file, base, d);
}

static bool parse_file(struct safetensors *st, const struct source_file *file, struct diag *d) {
    uint8_t raw[8];
    if (file->bytes < 8) return diag_fail(d, "%s: too short for a safetensors file", file->name);
    if (!source_file_read(file, 0, raw, 8, d)) return false;
    uint64_t bytes = 0;
    for (int i = 7; i >= 0; i--) bytes = bytes << 8 | raw[i];
    if (bytes > file->bytes - 8)
        return diag_fail(d, "%s: header of %llu bytes is longer than the file", file->name,
                         (unsigned long long)bytes);
    if (bytes > MAX_HEADER_BYTES)
        return diag_fail(d, "%s: header of %llu bytes is longer than %d", file->name,
                         (unsigned long long)bytes, MAX_HEADER_BYTES);
    char *text = malloc((size_t)bytes + 1);
    if (!text) return diag_fail(d, "out of memory");
    json_t *root = NULL;
    if (source_file_read(file, 8, text, (size_t)bytes, d))
        root = json_object_of_bytes(file->name, text, (size_t)bytes, RULES_STRICT, d);
    free(text);
    bool ok = root && parse_entries(st, file, root, 8 + bytes, d);
    json_decref(root);
    return ok;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct safetensors_tensor *)a)->name,
                  ((const struct safetensors_tensor *)b)->name);
}

/* Names are unique within a file, because the JSON reader refuses duplicates. A name that is in two
 * shards is found here. */
static bool sort_names(struct safetensors *st, struct diag *d) {
    if (st->tensors_count == 0) return true; /* qsort may not be given NULL */
    qsort(st->tensors, st->tensors_count, sizeof *st->tensors, by_name);
    for (size_t i = 1; i < st->tensors_count; i++)
        if (strcmp(st->tensors[i - 1].name, st->tensors[i].name) == 0)
            return diag_fail(d, "%s: tensor %s is in %s too", st->tensors[i].file->name,
                             st->tensors[i].name, st->tensors[i - 1].file->name);
    return true;
}

/* ------------------------------------------------------------------------------------ shards -- */

static char *join(const char *directory, const char *name, struct diag *d) {
    size_t bytes = strlen(directory) + strlen(name) + 2;
    char *path = malloc(bytes);
    if (path)
        snprintf(path, bytes, "%s/%s", directory, name);
    else
        diag_fail(d, "out of memory");
    return path;
}

/* Opens the shard. Its name must not lead out of the directory. */
static bool open_shard(struct safetensors *st, const char *directory, const char *index,
                       const char *name, struct diag *d) {
    size_t length = strlen(name);
    const char suffix[] = ".safetensors";
    if (strchr(name, '/') || length < sizeof suffix ||
        strcmp(name + length - (sizeof suffix - 1), suffix) != 0)
        return diag_fail(d, "%s: %s is not the name of a shard", index, name);
    if (st->files_count == MAX_SHARDS)
        return diag_fail(d, "%s: has more than %d shards", index, MAX_SHARDS);
    char *path = join(directory, name, d);
    struct source_file *file = &st->files[st->files_count];
    bool ok = path && wanted_shard(path, d) && source_file_open(file, path, d);
    free(path);
    if (!ok) return false;
    st->files_count++;
    return parse_file(st, file, d);
}

/* Opens every shard that the map names, each once. */
static bool open_shards(struct safetensors *st, const char *directory, const char *index,
                        json_t *map, struct diag *d) {
    const char *name;
    json_t *value;
    json_t *opened = json_object(); /* the names of the shards opened; up to a million tensors name
                                       them */
    bool good = opened || diag_fail(d, "out of memory");
    json_object_foreach(map, name, value) {
        if (good && !json_is_string(value))
            good = diag_fail(d, "%s: the shard of %s is not a string", index, name);
        if (!good || json_object_get(opened, json_string_value(value))) continue;
        good = open_shard(st, directory, index, json_string_value(value), d) &&
               (json_object_set_new(opened, json_string_value(value), json_true()) == 0 ||
                diag_fail(d, "out of memory"));
    }
    json_decref(opened);
    return good;
}

/* Checks that the map and the shards' headers name the same tensors in the same shards. */
static bool check_map(const struct safetensors *st, const char *directory, const char *index,
                      json_t *map, struct diag *d) {
    const char *name;
    json_t *value;
    json_object_foreach(map, name, value) {
        struct safetensors_tensor key = {.name = (char *)(uintptr_t)name};
        const struct safetensors_tensor *found =
            st->tensors_count ? bsearch(&key, st->tensors, st->tensors_count, sizeof key, by_name)
                              : NULL;
        if (!found ||
            strcmp(found->file->name + strlen(directory) + 1, json_string_value(value)) != 0)
            return diag_fail(d, "%s: tensor %s is not in %s", index, name,
                             json_string_value(value));
    }
    for (size_t i = 0; i < st->tensors_count; i++)
        if (!json_object_get(map, st->tensors[i].name))
            return diag_fail(d, "%s: does not list tensor %s of %s", index, st->tensors[i].name,
                             st->tensors[i].file->name);
    return true;
}

static bool open_index(struct safetensors *st, const char *directory, const char *index,
                       struct diag *d) {
    json_t *root = json_object_of_file(index, MAX_INDEX_BYTES, d);
    if (!root) return false;
    json_t *map = json_object_get(root, "weight_map");
    bool ok = json_sound(root, index, "weight_map", d) &&
              (json_object_size(map) > 0 || diag_fail(d, "%s: has no weight_map", index));
    ok = ok && open_shards(st, directory, index, map, d) && sort_names(st, d) &&
         check_map(st, directory, index, map, d);
    json_decref(root);
    return ok;
}

/* ----------------------------------------------------------------------------------- opening -- */

static bool pair(struct safetensors *st, struct diag *d) {
    return mxfp4_pair(st->tensors, &st->tensors_count, d);
}

static struct safetensors *create(size_t files, struct diag *d) {
    struct safetensors *st = calloc(1, sizeof *st);
    if (st && (st->files = calloc(files, sizeof *st->files))) return st;
    free(st);
    diag_fail(d, "out of memory");
    return NULL;
}

struct safetensors *safetensors_open(const char *directory, struct diag *d) {
    struct safetensors *st = create(MAX_SHARDS, d);
    char *single = join(directory, "model.safetensors", d),
         *index = join(directory, "model.safetensors.index.json", d);
    bool ok = false;
    struct stat status;
    if (st && single && index) {
        if (stat(single, &status) == 0) {
            ok = wanted_shard(single, d) && source_file_open(&st->files[0], single, d);
            if (ok) st->files_count = 1;
            ok = ok && parse_file(st, &st->files[0], d) && sort_names(st, d) && pair(st, d);
        } else if (stat(index, &status) == 0) {
            ok = open_index(st, directory, index, d) && pair(st, d);
        } else {
            wanted_weights(directory, d);
        }
    }
    free(single);
    free(index);
    if (ok) return st;
    safetensors_close(st);
    return NULL;
}

struct safetensors *safetensors_open_memory(const char *name, const void *data, size_t bytes,
                                            struct diag *d) {
    struct safetensors *st = create(1, d);
    if (st && source_file_memory(&st->files[0], name, data, bytes, d)) {
        st->files_count = 1;
        if (parse_file(st, &st->files[0], d) && sort_names(st, d) && pair(st, d)) return st;
    }
    safetensors_close(st);
    return NULL;
}

void safetensors_close(struct safetensors *st) {
    if (!st) return;
    for (size_t i = 0; i < st->tensors_count; i++) free(st->tensors[i].name);
    for (size_t i = 0; i < st->files_count; i++) source_file_close(&st->files[i]);
    free(st->tensors);
    free(st->files);
    free(st);
}

size_t safetensors_count(const struct safetensors *st) { return st->tensors_count; }
const struct safetensors_tensor *safetensors_at(const struct safetensors *st, size_t index) {
    return &st->tensors[index];
}

const struct source_file *safetensors_files(const struct safetensors *st, size_t *count) {
    *count = st->files_count;
    return st->files;
}
