/* libFuzzer: two bytes of length, that many bytes as config.json, the rest as model.safetensors. */
#include <assert.h>

#include "tests/fuzz/read_tensors.h"
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
    read_tensors(source, &d);
    return 0;
}
