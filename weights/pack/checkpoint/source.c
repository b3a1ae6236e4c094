#include "weights/pack/checkpoint/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "weights/hash.h"
#include "weights/pack/checkpoint/mxfp4.h"
#include "weights/pack/checkpoint/source_experts.h"
#include "weights/pack/checkpoint/wanted.h"

enum { READ_BYTES = 1 << 20 };
enum { CONFIG_BYTES = 16 << 20 };

/* -------------------------------------------------------------------------- reading a tensor -- */

static bool check_finite(const struct stored_tensor *stored, uint64_t first, uint64_t rows,
                         const float *values, struct diag *d) {
    for (uint64_t r = 0; r < rows; r++) {
        uint32_t bad = 0;
        for (uint64_t i = 0; i < stored->cols; i++) {
            uint32_t bits;
            memcpy(&bits, &values[r * stored->cols + i], sizeof bits);
            bad |= (bits & 0x7f800000) == 0x7f800000;
        }
        if (bad)
            return diag_fail(d, "%s: tensor %s holds a value that is not finite in row %llu",
                             stored->file->name, stored->name, (unsigned long long)first + r);
    }
    return true;
}

/* Read blocks of values through the buffer at raw, which holds as many of the type's blocks: in one
 * piece, and codes and scales from two places. */
static bool read_blocks(const struct stored_tensor *stored, uint64_t first, size_t blocks,
                        uint8_t *raw, float *out, struct diag *d) {
    const uint64_t bytes = gguf_type_info(stored->type)->bytes;
    if (!source_file_read(stored->file, stored->offset + first * bytes, raw,
                          (size_t)(blocks * bytes), d))
        return false;
    gguf_dequantize(stored->type, raw, blocks, out);
    return true;
}

static bool read_codes(const struct stored_tensor *stored, uint64_t first, size_t blocks,
                       uint8_t *raw, float *out, struct diag *d) {
    const uint64_t bytes = gguf_type_info(stored->type)->bytes - 1;
    uint8_t *scales = raw + blocks * bytes;
    if (!source_file_read(stored->file, stored->offset + first * bytes, raw,
                          (size_t)(blocks * bytes), d) ||
        !source_file_read(stored->scales_file, stored->scales_offset + first, scales, blocks, d))
        return false;
    mxfp4_values(raw, scales, blocks, out);
    return true;
}

/* Reads consecutive rows in the file's order, through the buffer. */
static bool read_stored(struct source *source, const struct stored_tensor *stored, uint64_t first,
                        uint64_t rows, float *out, struct diag *d) {
    const struct gguf_type_info *type = gguf_type_info(stored->type);
    uint64_t blocks = stored->cols / type->block, row_bytes = blocks * type->bytes;
    if (row_bytes > source->raw_bytes) {
        uint8_t *more = realloc(source->raw, (size_t)row_bytes);
        if (!more) return diag_fail(d, "out of memory");
        source->raw = more;
        source->raw_bytes = (size_t)row_bytes;
    }
    uint64_t at_once = source->raw_bytes / row_bytes;
    for (uint64_t done = 0; done < rows; done += at_once) {
        uint64_t now = rows - done < at_once ? rows - done : at_once;
        if (!(stored->scales_file ? read_codes : read_blocks)(stored, (first + done) * blocks,
                                                              (size_t)(now * blocks), source->raw,
                                                              out + done * stored->cols, d))
            return false;
    }
    return check_finite(stored, first, rows, out, d);
}

bool source_visit_rows(struct source *source, const struct stored_tensor *a,
                       const struct stored_tensor *b, source_visit *good, struct diag *d) {
    uint64_t rows = READ_BYTES / sizeof(float) / a->cols + 1;
    if (rows > a->rows) rows = a->rows;
    float *values = malloc(2 * (size_t)(rows * a->cols) * sizeof *values),
          *others = values ? values + rows * a->cols : NULL;
    bool ok = values || diag_fail(d, "out of memory");
    for (uint64_t first = 0; ok && first < a->rows; first += rows) {
        uint64_t now = a->rows - first < rows ? a->rows - first : rows;
        ok = read_stored(source, a, first, now, values, d) &&
             (!b || read_stored(source, b, first, now, others, d)) &&
             good(values, others, (size_t)(now * a->cols), d);
    }
    free(values);
    return ok;
}

/* ----------------------------------------------------------------------------------- opening -- */

static bool store_gguf(struct source *source, struct diag *d) {
    size_t count = gguf_tensor_count(source->gguf);
    source->stored = calloc(count + 1, sizeof *source->stored);
    if (!source->stored) return diag_fail(d, "out of memory");
    source->stored_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct gguf_tensor *t = gguf_tensor(source->gguf, i);
        source->stored[i] = (struct stored_tensor){.name = t->name,
                                                   .type = t->type,
                                                   .dims = t->dims,
                                                   .rows = t->shape[1] * t->shape[2] * t->shape[3],
                                                   .cols = t->shape[0],
                                                   .file = gguf_file(source->gguf),
                                                   .offset = t->offset};
    }
    return true;
}

static bool store_safetensors(struct source *source, struct diag *d) {
    size_t count = safetensors_count(source->safetensors);
    source->stored = calloc(count + 1, sizeof *source->stored);
    if (!source->stored) return diag_fail(d, "out of memory");
    source->stored_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct safetensors_tensor *t = safetensors_at(source->safetensors, i);
        uint64_t rows = 1;
        for (uint32_t k = 0; k + 1 < t->dims; k++) rows *= t->shape[k];
        source->stored[i] = (struct stored_tensor){.name = t->name,
                                                   .type = t->type,
                                                   .dims = t->dims,
                                                   .rows = rows,
                                                   .cols = t->shape[t->dims - 1],
                                                   .file = t->file,
                                                   .offset = t->offset,
                                                   .scales_file = t->scales_file,
                                                   .scales_offset = t->scales_offset};
    }
    return true;
}

static bool open_gguf(struct source *source, struct diag *d) {
    if (!source->gguf || !config_of_gguf(source->gguf, &source->config, d) ||
        !store_gguf(source, d))
        return false;
    return source_assign(source, &source_gguf_naming, gguf_file(source->gguf)->name, d);
}

/* The directory's own name, also for ".", and with links followed. */
static void name_of_path(const char *path, char *out, size_t size) {
    char *real = realpath(path, NULL);
    const char *slash = real ? strrchr(real, '/') : NULL;
    snprintf(out, size, "%.*s", (int)size - 1, slash ? slash + 1 : path);
    free(real);
}

static bool open_directory(struct source *source, const char *path, struct diag *d) {
    char file[4096 + 32];
    struct stat status;
    if (strlen(path) > 4096) return diag_fail(d, "the path is too long");
    snprintf(file, sizeof file, "%s/config.json", path);
    if (stat(file, &status) != 0) return wanted_config(path, d);
    json_t *root = json_object_of_file(file, CONFIG_BYTES, d);
    bool ok = root && config_of_json(root, file, &source->config, d);
    json_decref(root);
    if (!ok) return false;
    snprintf(file, sizeof file, "%s/generation_config.json", path);
    if (stat(file, &status) == 0) {
        root = json_object_of_file(file, CONFIG_BYTES, d);
        ok = root && config_add_generation(root, file, &source->config, d);
        json_decref(root);
        if (!ok) return false;
    }
    name_of_path(path, source->config.name, sizeof source->config.name);
    source->directory = strdup(path);
    source->safetensors = source->directory ? safetensors_open(path, d) : NULL;
    return source->safetensors && store_safetensors(source, d) &&
           source_assign(source, &source_json_naming, path, d);
}

static struct source *create(struct diag *d) {
    struct source *source = calloc(1, sizeof *source);
    if (source) source->raw = malloc(source->raw_bytes = READ_BYTES);
    if (source && source->raw) return source;
    free(source);
    diag_fail(d, "out of memory");
    return NULL;
}

static struct source *keep_if(struct source *source, bool ok) {
    if (ok) return source;
    source_close(source);
    return NULL;
}

struct source *source_open(const char *path, struct diag *d) {
    struct stat status;
    if (stat(path, &status) != 0) {
        diag_fail(d, "%s: there is no such file or directory", path);
        return NULL;
    }
    struct source *source = create(d);
    if (!source) return NULL;
    if (S_ISDIR(status.st_mode)) return keep_if(source, open_directory(source, path, d));
    source->gguf = wanted_file(path, d) ? gguf_open(path, d) : NULL;
    return keep_if(source, open_gguf(source, d));
}

struct source *source_open_gguf_memory(const void *data, size_t bytes, struct diag *d) {
    struct source *source = create(d);
    if (!source) return NULL;
    source->gguf = gguf_open_memory("memory", data, bytes, d);
    return keep_if(source, open_gguf(source, d));
}

struct source *source_open_json_memory(const char *config, size_t config_bytes, const void *weights,
                                       size_t weights_bytes, struct diag *d) {
    struct source *source = create(d);
    if (!source) return NULL;
    json_t *root = json_object_of_bytes("config.json", config, config_bytes, RULES_PYTHON, d);
    bool ok = root && config_of_json(root, "config.json", &source->config, d) &&
              (source->directory = strdup("memory"));
    json_decref(root);
    if (ok)
        source->safetensors =
            safetensors_open_memory("model.safetensors", weights, weights_bytes, d);
    return keep_if(source, ok && source->safetensors && store_safetensors(source, d) &&
                               source_assign(source, &source_json_naming, "memory", d));
}

void source_close(struct source *source) {
    if (!source) return;
    gguf_close(source->gguf);
    safetensors_close(source->safetensors);
    free(source->config.layer);
    free(source->config.rope.short_divisor);
    free(source->config.rope.long_divisor);
    free(source->directory);
    free(source->stored);
    free(source->tensors);
    experts_close(source);
    free(source->raw);
    free(source);
}

/* ----------------------------------------------------------------------------------- reading -- */

const struct model_config *source_config(const struct source *source) { return &source->config; }
void source_note(struct source *source, const char *sentences) {
    config_note(&source->config, "%s", sentences);
}
const struct gguf *source_gguf(const struct source *source) { return source->gguf; }
const char *source_directory(const struct source *source) { return source->directory; }

const struct source_tensor *source_tensor(const struct source *source, enum source_role role,
                                          uint32_t layer) {
    if (role == SOURCE_NONE || (role >= SOURCE_LAYER_ROLES && layer >= source->config.layers))
        return NULL;
    const struct source_tensor *tensor = source_slot(source, (int)role, layer);
    return tensor->name ? tensor : NULL;
}

/* The file's row that holds row r of a tensor whose heads have to be put in order. */
static uint64_t stored_row(const struct source_tensor *tensor, uint64_t r) {
    uint64_t head = r / tensor->head_dim, at = r % tensor->head_dim, half = tensor->head_dim / 2,
             pairs = tensor->rotary / 2, side = at >= half, i = at - side * half, there;
    if (i >= pairs)
        there = 2 * pairs + side * (half - pairs) + (i - pairs);
    else
        there = tensor->interleaved ? 2 * i + side : i + side * pairs;
    return head * tensor->head_dim + there;
}

/* A bias is one row. This puts its columns in order. */
static bool read_ordered_bias(struct source *source, const struct source_tensor *tensor, float *out,
                              struct diag *d) {
    size_t bytes = (size_t)tensor->cols * sizeof(float);
    float *copy = malloc(bytes);
    if (!copy) return diag_fail(d, "out of memory");
    bool ok = read_stored(source, tensor->stored, 0, 1, copy, d);
    for (uint64_t i = 0; ok && i < tensor->cols; i++) out[i] = copy[stored_row(tensor, i)];
    free(copy);
    return ok;
}

bool source_read_rows(struct source *source, const struct source_tensor *tensor, uint64_t first,
                      uint64_t rows, float *out, struct diag *d) {
    if (first > tensor->rows || rows > tensor->rows - first)
        return diag_fail(d, "%llu rows from row %llu on are not inside tensor %s",
                         (unsigned long long)rows, (unsigned long long)first, tensor->name);
    const struct stored_tensor *stored = tensor->stored;
    if (tensor->of_expert) return experts_read(source, tensor, first, rows, out, read_stored, d);
    if (!tensor->head_dim) return read_stored(source, stored, tensor->first + first, rows, out, d);
    if (stored->dims == 1) return rows == 0 || read_ordered_bias(source, tensor, out, d);
    for (uint64_t r = 0; r < rows; r++)
        if (!read_stored(source, stored, tensor->first + stored_row(tensor, first + r), 1,
                         out + r * tensor->cols, d))
            return false;
    return true;
}

bool source_rope_divisors(struct source *source, uint32_t positions, float *out, struct diag *d) {
    const struct rope_config *rope = &source->config.rope;
    bool is_long = positions > rope->original_positions;
    const float *list = is_long ? rope->long_divisor : rope->short_divisor;
    if (rope->scaling != ROPE_DIVISORS && rope->scaling != ROPE_LONG) return true;
    if (list) {
        memcpy(out, list, rope->rotary / 2 * sizeof *out);
        return true;
    }
    const enum source_role role = rope->scaling == ROPE_DIVISORS ? SOURCE_ROPE_FREQS
                                  : is_long                      ? SOURCE_ROPE_LONG
                                                                 : SOURCE_ROPE_SHORT;
    return source_read_rows(source, source_tensor(source, role, 0), 0, 1, out, d);
}

/* -------------------------------------------------------------------------------- its bytes -- */

static const struct source_file *files_of(const struct source *source, size_t *count) {
    if (source->safetensors) return safetensors_files(source->safetensors, count);
    *count = 1;
    return gguf_file(source->gguf);
}

uint64_t source_bytes(const struct source *source) {
    size_t count;
    const struct source_file *files = files_of(source, &count);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += files[i].bytes;
    return bytes;
}

bool source_add_bytes(const struct source *source, struct hash64 *hash,
                      void (*progress)(void *user, uint64_t bytes), void *user, struct diag *d) {
    enum { AT_ONCE = 1 << 20 };
    size_t count;
    const struct source_file *files = files_of(source, &count);
    uint64_t total = 0;
    uint8_t *buffer = malloc(AT_ONCE);
    bool good = buffer || diag_fail(d, "out of memory");
    for (size_t i = 0; i < count; i++)
        for (uint64_t at = 0; good && at < files[i].bytes;) {
            size_t bytes = files[i].bytes - at < AT_ONCE ? (size_t)(files[i].bytes - at) : AT_ONCE;
            good = source_file_read(&files[i], at, buffer, bytes, d);
            if (good) hash64_add(hash, buffer, bytes);
            at += bytes, total += bytes;
            if (progress) progress(user, total);
        }
    free(buffer);
    return good;
}
