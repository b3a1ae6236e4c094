/* libFuzzer: two bytes of length, that many bytes as config.json, the rest as model.safetensors. */
#include <assert.h>
#include <stdlib.h>

#include "weights/pack/checkpoint/source_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    size_t config = (size_t)data[0] | (size_t)data[1] << 8;
    if (config > size - 2) config = size - 2;
    const uint8_t *weights = data + 2 + config;
    size_t weights_bytes = size - 2 - config;

    struct diag d = {{0}};
    struct safetensors *st = safetensors_open_memory("input", weights, weights_bytes, &d);
    assert(st || d.text[0]);
    safetensors_close(st);

    diag_clear(&d);
    struct source *source =
        source_open_json_memory((const char *)data + 2, config, weights, weights_bytes, &d);
    assert(source || d.text[0]);
    for (int role = 0; source && role < SOURCE_ROLES; role++)
        for (uint32_t layer = 0;
             layer < (role < SOURCE_ATTN_NORM ? 1 : source_config(source)->layers); layer++) {
            const struct source_tensor *t = source_tensor(source, (enum source_role)role, layer);
            if (!t) continue;
            float *values = malloc(t->rows * t->cols * sizeof *values);
            diag_clear(&d);
            if (values && !source_read_rows(source, t, 0, t->rows, values, &d)) assert(d.text[0]);
            free(values);
        }
    source_close(source);
    return 0;
}
