#include "weights/pack/checkpoint/mxfp4.h"

#include <stdlib.h>
#include <string.h>

enum { VALUES = 32, CODES = 16 };

static const char BLOCKS[] = "_blocks", SCALES[] = "_scales";
enum { SUFFIX = sizeof BLOCKS - 1 };
_Static_assert(sizeof BLOCKS == sizeof SCALES, "one length of both suffixes");

static bool ends_with(const char *name, const char *suffix) {
    size_t length = strlen(name);
    return length > SUFFIX && strcmp(name + length - SUFFIX, suffix) == 0;
}

bool mxfp4_is_part(const char *name) { return ends_with(name, BLOCKS) || ends_with(name, SCALES); }

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct safetensors_tensor *)a)->name,
                  ((const struct safetensors_tensor *)b)->name);
}

static bool fits(const struct safetensors_tensor *blocks, const struct safetensors_tensor *scales) {
    return scales->type == GGUF_TYPE_MXFP4 && blocks->dims >= 3 &&
           scales->dims == blocks->dims - 1 && blocks->shape[blocks->dims - 1] == CODES &&
           memcmp(blocks->shape, scales->shape, scales->dims * sizeof *scales->shape) == 0;
}

/* Finds the scales of blocks, notes where they are, and marks them by having no dimensions. */
static bool find_scales(struct safetensors_tensor *tensors, size_t count,
                        struct safetensors_tensor *blocks, struct diag *d) {
    struct safetensors_tensor key = {.name = strdup(blocks->name)};
    if (!key.name) return diag_fail(d, "out of memory");
    memcpy(key.name + strlen(key.name) - SUFFIX, SCALES, SUFFIX);
    struct safetensors_tensor *scales = bsearch(&key, tensors, count, sizeof key, by_name);
    free(key.name);
    if (!scales)
        return diag_fail(d, "%s: tensor %s has no scales", blocks->file->name, blocks->name);
    if (!fits(blocks, scales))
        return diag_fail(d,
                         "%s: tensors %s and %s are not blocks of 16 bytes and a byte of scale for "
                         "each",
                         blocks->file->name, blocks->name, scales->name);
    blocks->scales_file = scales->file;
    blocks->scales_offset = scales->offset;
    scales->dims = 0;
    return true;
}

/* Gives blocks that have their scales the name and the shape of the values. */
static void rename_values(struct safetensors_tensor *tensor) {
    tensor->name[strlen(tensor->name) - SUFFIX] = 0;
    tensor->dims--;
    tensor->shape[tensor->dims] = 1;
    tensor->shape[tensor->dims - 1] *= VALUES;
}

bool mxfp4_pair(struct safetensors_tensor *tensors, size_t *count, struct diag *d) {
    size_t kept = 0;
    for (size_t i = 0; i < *count; i++)
        if (tensors[i].type == GGUF_TYPE_MXFP4 && ends_with(tensors[i].name, BLOCKS) &&
            !find_scales(tensors, *count, &tensors[i], d))
            return false;
    for (size_t i = 0; i < *count; i++)
        if (tensors[i].type == GGUF_TYPE_MXFP4 && tensors[i].dims && !tensors[i].scales_file)
            return diag_fail(d, "%s: tensor %s has no blocks", tensors[i].file->name,
                             tensors[i].name);
    for (size_t i = 0; i < *count; i++) {
        if (tensors[i].dims == 0) {
            free(tensors[i].name);
            continue;
        }
        if (tensors[i].scales_file) rename_values(&tensors[i]);
        tensors[kept++] = tensors[i];
    }
    if (kept == *count) return true;
    *count = kept;
    qsort(tensors, kept, sizeof *tensors, by_name);
    for (size_t i = 1; i < kept; i++)
        if (strcmp(tensors[i - 1].name, tensors[i].name) == 0)
            return diag_fail(d, "%s: tensor %s is there in two forms", tensors[i].file->name,
                             tensors[i].name);
    return true;
}

void mxfp4_values(const uint8_t *codes, const uint8_t *scales, size_t blocks, float *out) {
    for (size_t b = 0; b < blocks; b++) {
        const uint8_t *in = codes + b * CODES;
        uint8_t block[1 + CODES] = {scales[b]}; /* in GGUF's order: value i beside value i + 16 */
        for (int i = 0; i < CODES; i++) {
            uint8_t low = in[i / 2], high = in[8 + i / 2];
            block[1 + i] = i % 2 ? (uint8_t)(low >> 4 | (high & 0xf0))
                                 : (uint8_t)((low & 15) | (high & 15) << 4);
        }
        gguf_dequantize(GGUF_TYPE_MXFP4, block, 1, out + b * VALUES);
    }
}
