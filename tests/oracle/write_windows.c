/* Writes a tiny model's blob to standard output: layers with windows and with sinks. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/pack/tiny_blob.h"

int main(void) {
    static const struct tiny_spec spec = {
        .layers = 4, .window = {0, 20, 1, 7}, .sinks = 0xb, .bias = 1, .seed = 11};
    size_t bytes;
    void *blob = tiny_blob(&spec, &bytes);
    if (!blob || fwrite(blob, 1, bytes, stdout) != bytes || fflush(stdout) != 0) return 1;
    free(blob);
    return 0;
}
