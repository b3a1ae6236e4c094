/* libFuzzer: any bytes as a GGUF file. Opened or refused with a sentence; what opens can be read to
 * its last value. */
#include <assert.h>

#include "tests/fuzz/read_tensors.h"
#include "weights/pack/checkpoint/source_inside.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ask_every_key(const struct gguf *gguf) {
    for (size_t i = 0; i < gguf_key_count(gguf); i++) {
        struct diag d = {{0}};
        struct gguf_text text;
        struct gguf_array array;
        uint64_t u;
        double f;
        bool b;
        const char *key = gguf_key(gguf, i);
        gguf_get_uint(gguf, key, UINT64_MAX, &u, &d);
        gguf_get_float(gguf, key, &f, &d);
        gguf_get_bool(gguf, key, &b, &d);
        size_t sum = 0;
        if (gguf_get_text(gguf, key, &text, &d) == GGUF_FOUND)
            for (size_t n = 0; n < text.bytes; n++) sum += (size_t)text.data[n];
        if (gguf_get_array(gguf, key, &array, &d) == GGUF_FOUND)
            for (uint64_t n = 0; n < array.count; n++) {
                if (array.element == GGUF_STRING)
                    sum += gguf_array_text(&array, n).bytes;
                else if (array.element == GGUF_F32 || array.element == GGUF_F64)
                    sum += gguf_array_float(&array, n) > 0;
                else
                    sum += (size_t)gguf_array_int(&array, n);
            }
        static volatile size_t sink; /* keeps the reads */
        sink = sum;
        (void)sink;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct diag d = {{0}};
    struct gguf *gguf = gguf_open_memory("input", data, size, &d);
    if (!gguf) {
        assert(d.text[0]);
        return 0;
    }
    ask_every_key(gguf);
    gguf_close(gguf);

    diag_clear(&d);
    struct source *source = source_open_gguf_memory(data, size, &d);
    assert(source || d.text[0]);
    read_tensors(source, &d);
    return 0;
}
