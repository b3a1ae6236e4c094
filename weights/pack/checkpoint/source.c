#include "weights/pack/checkpoint/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "weights/hash.h"
#include "weights/pack/checkpoint/source_inside.h"
#include "weights/pack/checkpoint/wanted.h"

enum { READ_BYTES = 1 << 20, ROLES_PER_LAYER = SOURCE_ROLES - SOURCE_LAYER_ROLES };
enum { CONFIG_BYTES = 16 << 20 };

static const char *const NO_NAMES[] = {NULL};

/* inverse frequencies of old files */
static const char *const GGUF_LAYER_SKIPPED[] = {"attn_rot_embd", "attn_rot_embd.weight", NULL};
static const char *const GGUF_ZEROS[] = {"output.bias", "output_norm.bias", NULL};
static const char *const GGUF_LAYER_ZEROS[] = {"attn_output.bias",
                                               "attn_norm.bias",
                                               "ffn_norm.bias",
                                               "ffn_gate.bias",
                                               "ffn_up.bias",
                                               "ffn_down.bias",
                                               NULL};
static const struct naming GGUF_NAMING = {
    .names = NAMES_GGUF,
    .layer_prefix = "blk.",
    .skipped = NO_NAMES,
    .layer_skipped = GGUF_LAYER_SKIPPED,
    .zeros = GGUF_ZEROS,
    .layer_zeros = GGUF_LAYER_ZEROS,
};

static const char *const JSON_SKIPPED[] = {"model.rotary_emb.inv_freq", NULL};
static const char *const JSON_LAYER_SKIPPED[] = {"self_attn.rotary_emb.inv_freq",
                                                 "self_attn.rotary_emb.cos_cached",
                                                 "self_attn.rotary_emb.sin_cached", NULL};
static const char *const JSON_ZEROS[] = {"lm_head.bias", "model.norm.bias", NULL};
static const char *const JSON_LAYER_ZEROS[] = {"self_attn.o_proj.bias",
                                               "input_layernorm.bias",
                                               "post_attention_layernorm.bias",
                                               "mlp.gate_proj.bias",
                                               "mlp.up_proj.bias",
                                               "mlp.down_proj.bias",
                                               NULL};
static const struct naming JSON_NAMING = {
    .names = NAMES_HUGGING_FACE,
    .layer_prefix = "model.layers.",
    .skipped = JSON_SKIPPED,
    .layer_skipped = JSON_LAYER_SKIPPED,
    .zeros = JSON_ZEROS,
    .layer_zeros = JSON_LAYER_ZEROS,
};

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
        if (!source_file_read(stored->file, stored->offset + (first + done) * row_bytes,
                              source->raw, (size_t)(now * row_bytes), d))
            return false;
        gguf_dequantize(stored->type, source->raw, (size_t)(now * blocks),
                        out + done * stored->cols);
    }
    return check_finite(stored, first, rows, out, d);
}

/* Goes over the rows of a tensor, or of two tensors of one shape, piece by piece, as long as `good`
 * returns true. */
typedef bool visit(const float *values, const float *others, size_t count, struct diag *d);

static bool visit_rows(struct source *source, const struct stored_tensor *a,
                       const struct stored_tensor *b, visit *good, struct diag *d) {
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

static bool all_zero(const float *values, const float *others, size_t count, struct diag *d) {
    (void)others;
    for (size_t i = 0; i < count; i++)
        if (values[i] != 0) return diag_fail(d, "%g", (double)values[i]);
    return true;
}

static bool all_equal(const float *values, const float *others, size_t count, struct diag *d) {
    (void)d;
    for (size_t i = 0; i < count; i++)
        if (values[i] != others[i]) return false;
    return true;
}

/* ---------------------------------------------------------------------------- names to roles -- */

static struct source_tensor *slot(const struct source *source, int role, uint32_t layer) {
    size_t before = source_roles[role].per == PER_MODEL ? 0 : (size_t)layer * ROLES_PER_LAYER;
    return &source->tensors[before + (size_t)role];
}

/* Splits "<prefix>12.<rest>" and returns the rest. The number has no leading zeros and is below
 * SOURCE_MAX_LAYERS. NULL if the name is not of this form. */
static const char *split_layer(const char *name, const char *prefix, uint32_t *layer) {
    size_t n = strlen(prefix);
    if (strncmp(name, prefix, n) != 0) return NULL;
    const char *p = name + n;
    if (p[0] == '0' && p[1] != '.') return NULL;
    uint32_t value = 0;
    const char *begin = p;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint32_t)(*p - '0');
        if (value >= SOURCE_MAX_LAYERS) return NULL;
    }
    if (p == begin || *p != '.') return NULL;
    *layer = value;
    return p + 1;
}

/* A bias that the model's function has no place for may be there if it is zero; writers of
 * attention_bias and mlp_bias leave such tensors. */
static bool check_zeros(struct source *source, const struct stored_tensor *stored, struct diag *d) {
    struct diag value = {{0}};
    if (visit_rows(source, stored, NULL, all_zero, &value)) {
        if (!strstr(source->config.notes, "biases of zeros"))
            config_note(&source->config, "biases of zeros are left out");
        return true;
    }
    return diag_fail(d, "%s: tensor %s is %s where only zeros are supported", stored->file->name,
                     stored->name, value.text);
}

/* Files a stored tensor under its role. A name that has no role is refused, unless it is known not
 * to matter. */
static bool assign(struct source *source, const struct naming *naming,
                   const struct stored_tensor *stored, struct diag *d) {
    uint32_t layer = 0;
    const char *rest = split_layer(stored->name, naming->layer_prefix, &layer);
    if (name_is_listed(rest ? naming->layer_skipped : naming->skipped, rest ? rest : stored->name))
        return true;
    if (name_is_listed(rest ? naming->layer_zeros : naming->zeros, rest ? rest : stored->name))
        return check_zeros(source, stored, d);
    for (int role = 0; role < SOURCE_ROLES; role++) {
        const char *name = source_roles[role].name[naming->names];
        if (!name || (source_roles[role].per != PER_MODEL) != (rest != NULL) ||
            strcmp(name, rest ? rest : stored->name) != 0)
            continue;
        if (rest && layer >= source->config.layers)
            return diag_fail(d, "%s: tensor %s is of a layer after the last of %u layers",
                             stored->file->name, stored->name, source->config.layers);
        const struct gguf_type_info *type = gguf_type_info(stored->type);
        *slot(source, role, layer) = (struct source_tensor){.name = stored->name,
                                                            .type = type->name,
                                                            .bits = 8.0 * type->bytes / type->block,
                                                            .rows = stored->rows,
                                                            .cols = stored->cols,
                                                            .stored = stored};
        return true;
    }
    return diag_fail(d, "%s: tensor %s is not understood", stored->file->name, stored->name);
}

/* ------------------------------------------------------------------------------------ shapes -- */

static uint32_t widest_head(const struct model_config *c) {
    uint32_t widest = 0;
    for (uint32_t i = 0; i < c->layers; i++)
        if (c->layer[i].head_dim > widest) widest = c->layer[i].head_dim;
    return widest;
}

static bool is_wanted(const struct model_config *c, const struct layer_config *l,
                      const struct source_role_row *row) {
    uint32_t holds = c->features | 1u << WHEN_ALWAYS;
    if (!c->tied) holds |= 1u << WHEN_UNTIED;
    if (c->rope.scaling == ROPE_DIVISORS) holds |= 1u << WHEN_DIVISORS;
    if (row->per == PER_ATTENTION && l->heads == 0) return false;
    if (row->per == PER_FFN && l->ffn == 0) return false;
    return holds >> row->when & 1;
}

static uint64_t size_of(const struct model_config *c, const struct layer_config *l,
                        enum source_size size) {
    switch (size) {
#define SIZE(size, of)                                                                             \
    case SIZE_##size:                                                                              \
        return of;
        SOURCE_SIZES(SIZE)
#undef SIZE
    }
    return 0;
}

static bool check_tensor(const struct source *source, const struct naming *naming, const char *file,
                         int role, uint32_t layer, struct diag *d) {
    const struct source_tensor *tensor = slot(source, role, layer);
    const struct source_role_row *row = &source_roles[role];
    const struct layer_config *l = &source->config.layer[layer];
    const char *name = row->name[naming->names];
    if (!is_wanted(&source->config, l, row))
        return !tensor->name ||
               diag_fail(d, "%s: tensor %s is there, but the configuration has no place for it",
                         file, tensor->name);
    if (!tensor->name && row->per == PER_MODEL)
        return diag_fail(d, "%s: tensor %s is missing", file, name);
    if (!tensor->name)
        return diag_fail(d, "%s: tensor %s%u.%s is missing", file, naming->layer_prefix, layer,
                         name);
    uint64_t rows = size_of(&source->config, l, row->rows),
             cols = size_of(&source->config, l, row->cols);
    const struct stored_tensor *stored = tensor->stored;
    if (stored->dims != (row->rows == SIZE_ONE ? 1 : 2) || tensor->rows != rows ||
        tensor->cols != cols)
        return diag_fail(d,
                         "%s: tensor %s is %llu x %llu in %u dimensions where the configuration "
                         "asks for %llu x %llu",
                         file, tensor->name, (unsigned long long)tensor->rows,
                         (unsigned long long)tensor->cols, stored->dims, (unsigned long long)rows,
                         (unsigned long long)cols);
    return true;
}

/* For a configuration that ties the head to the embedding and a file that has a head. If the two
 * tensors are equal, they are tied; if not, the model computes with the head, as in transformers. A
 * file may also hold the head alone. */
static bool untie(struct source *source, const struct naming *naming, const char *file,
                  struct diag *d) {
    struct model_config *c = &source->config;
    struct source_tensor *embed = slot(source, SOURCE_EMBED, 0),
                         *head = slot(source, SOURCE_HEAD, 0);
    if (!c->tied || !head->name) return true;
    if (!embed->name) *embed = *head;
    c->tied = false;
    if (!check_tensor(source, naming, file, SOURCE_EMBED, 0, d) ||
        !check_tensor(source, naming, file, SOURCE_HEAD, 0, d))
        return false;
    struct diag failure = {{0}};
    c->tied = embed->stored == head->stored ||
              visit_rows(source, embed->stored, head->stored, all_equal, &failure);
    if (failure.text[0]) return diag_fail(d, "%s", failure.text);
    if (c->tied)
        *head = (struct source_tensor){0};
    else
        config_note(c,
                    "%s differs from the embedding and is kept, though tie_word_embeddings is true",
                    head->name);
    return true;
}

/* Assigns every stored tensor and checks that they are what the configuration asks for. */
static bool assign_all(struct source *source, const struct naming *naming, const char *file,
                       struct diag *d) {
    const struct model_config *c = &source->config;
    source->tensors =
        calloc(SOURCE_LAYER_ROLES + (size_t)c->layers * ROLES_PER_LAYER, sizeof *source->tensors);
    if (!source->tensors) return diag_fail(d, "out of memory");
    for (size_t i = 0; i < source->stored_count; i++)
        if (!assign(source, naming, &source->stored[i], d)) return false;
    if (!untie(source, naming, file, d)) return false;
    for (int role = 0; role < SOURCE_LAYER_ROLES; role++)
        if (!check_tensor(source, naming, file, role, 0, d)) return false;
    for (uint32_t layer = 0; layer < c->layers; layer++)
        for (int role = SOURCE_LAYER_ROLES; role < SOURCE_ROLES; role++)
            if (!check_tensor(source, naming, file, role, layer, d)) return false;
    return true;
}

/* Marks the tensors whose rows are interleaved, in each Q and K head: row 2 i + j of the file is
 * row j * head_dim / 2 + i of the head. */
static void mark_interleaved(struct source *source) {
    for (uint32_t layer = 0; layer < source->config.layers; layer++)
        for (int role = SOURCE_LAYER_ROLES; role < SOURCE_ROLES; role++)
            if (source_roles[role].order == ORDER_ROTARY)
                slot(source, role, layer)->rotary = source->config.layer[layer].head_dim;
}

/* ----------------------------------------------------------------------------------- opening -- */

static bool store_gguf(struct source *source, struct diag *d) {
    size_t count = gguf_tensor_count(source->gguf);
    source->stored = calloc(count + 1, sizeof *source->stored);
    if (!source->stored) return diag_fail(d, "out of memory");
    source->stored_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct gguf_tensor *t = gguf_tensor(source->gguf, i);
        source->stored[i] =
            (struct stored_tensor){t->name,     t->type,
                                   t->dims,     t->shape[1] * t->shape[2] * t->shape[3],
                                   t->shape[0], gguf_file(source->gguf),
                                   t->offset};
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
        source->stored[i] = (struct stored_tensor){
            t->name, t->type, t->dims, rows, t->shape[t->dims - 1], t->file, t->offset};
    }
    return true;
}

static bool open_gguf(struct source *source, struct diag *d) {
    if (!source->gguf || !config_of_gguf(source->gguf, &source->config, d) ||
        !store_gguf(source, d))
        return false;
    if (!assign_all(source, &GGUF_NAMING, gguf_file(source->gguf)->name, d)) return false;
    if (source->config.family->interleaved) mark_interleaved(source);
    return true;
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
           assign_all(source, &JSON_NAMING, path, d);
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
                               assign_all(source, &JSON_NAMING, "memory", d));
}

void source_close(struct source *source) {
    if (!source) return;
    gguf_close(source->gguf);
    safetensors_close(source->safetensors);
    free(source->config.layer);
    free(source->directory);
    free(source->stored);
    free(source->tensors);
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
    const struct source_tensor *tensor = slot(source, (int)role, layer);
    return tensor->name ? tensor : NULL;
}

/* The file's row that holds row r of a head-wise interleaved tensor. */
static uint64_t interleaved(uint64_t r, uint32_t head_dim) {
    uint64_t head = r / head_dim, at = r % head_dim, half = head_dim / 2;
    return head * head_dim + (at < half ? 2 * at : 2 * (at - half) + 1);
}

/* A bias is one row. This puts its columns in order. */
static bool read_interleaved_bias(struct source *source, const struct source_tensor *tensor,
                                  float *out, struct diag *d) {
    size_t bytes = (size_t)tensor->cols * sizeof(float);
    float *copy = malloc(bytes);
    if (!copy) return diag_fail(d, "out of memory");
    bool ok = read_stored(source, tensor->stored, 0, 1, copy, d);
    for (uint64_t i = 0; ok && i < tensor->cols; i++) out[i] = copy[interleaved(i, tensor->rotary)];
    free(copy);
    return ok;
}

bool source_read_rows(struct source *source, const struct source_tensor *tensor, uint64_t first,
                      uint64_t rows, float *out, struct diag *d) {
    if (first > tensor->rows || rows > tensor->rows - first)
        return diag_fail(d, "%llu rows from row %llu on are not inside tensor %s",
                         (unsigned long long)rows, (unsigned long long)first, tensor->name);
    if (!tensor->rotary) return read_stored(source, tensor->stored, first, rows, out, d);
    const struct stored_tensor *stored = tensor->stored;
    if (stored->dims == 1) return rows == 0 || read_interleaved_bias(source, tensor, out, d);
    for (uint64_t r = 0; r < rows; r++)
        if (!read_stored(source, stored, interleaved(first + r, tensor->rotary), 1,
                         out + r * tensor->cols, d))
            return false;
    return true;
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
