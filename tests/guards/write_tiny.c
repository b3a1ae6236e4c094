/* Writes a tiny model's blob to standard output; with `large` one whose cache over all positions
 * takes more than 4 GiB. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pack/tiny_blob.h"

int main(int argc, char **argv) {
    static const struct tiny_spec small = {.seed = 3, .add_bos = 1},
                                  large = {.layers = 16,
                                           .heads = 64,
                                           .kv_heads = 64,
                                           .positions = BLOB_POSITIONS_MAX,
                                           .seed = 4};
    size_t bytes;
    void *blob = tiny_blob(argc > 1 && !strcmp(argv[1], "large") ? &large : &small, &bytes);
    if (!blob || fwrite(blob, 1, bytes, stdout) != bytes || fflush(stdout) != 0) return 1;
    free(blob);
    return 0;
}
