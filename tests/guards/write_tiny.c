/* Writes a tiny model's blob to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/pack/tiny_blob.h"

int main(void) {
    static const struct tiny_spec spec = {.seed = 3, .add_bos = 1};
    size_t bytes;
    void *blob = tiny_blob(&spec, &bytes);
    if (!blob || fwrite(blob, 1, bytes, stdout) != bytes || fflush(stdout) != 0) return 1;
    free(blob);
    return 0;
}
