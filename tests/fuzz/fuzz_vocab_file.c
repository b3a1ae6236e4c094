/* libFuzzer: any bytes as a tokenizer's file. The first byte says which kind; what is understood
 * gives a section that opens. */
#include <assert.h>
#include <stdlib.h>

#include "weights/pack/vocab/vocab_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct vocab_request request = {.bos = -1, .rows = 512};
    struct diag d = {{0}};
    size_t bytes = 0;
    void *section = NULL;
    if (size == 0) return 0;
    if (data[0] % 3 == 2) {
        struct gguf *gguf = gguf_open_memory("input", data + 1, size - 1, &d);
        request.gguf = gguf;
        if (gguf) section = vocab_build(&request, &bytes, &d);
        gguf_close(gguf);
    } else
        section = vocab_build_memory(data[0] % 3 ? "input.json" : "input.model", data + 1, size - 1,
                                     &request, &bytes, &d);
    assert(section || d.text[0]);
    free(section);
    return 0;
}
