/* Writes a tiny model's blob to standard output. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/pack/tiny_blob.h"

int main(void) {
    size_t bytes;
    void *blob = tiny_blob(&(struct tiny_spec){.seed = 3, .add_bos = 1}, &bytes);
    if (!blob || fwrite(blob, 1, bytes, stdout) != bytes || fflush(stdout) != 0) return 1;
    free(blob);
    return 0;
}
