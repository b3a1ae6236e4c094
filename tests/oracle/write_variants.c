/* Writes a tiny model's blob to standard output.
 *
 *   write_variants windows    layers with windows and with sinks
 *   write_variants experts    layers with experts, biases and both ways to weigh them */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pack/tiny_blob.h"

int main(int argc, char **argv) {
    static const struct tiny_spec windows = {
        .layers = 4, .window = {0, 20, 1, 7}, .sinks = 0xb, .bias = 1, .seed = 11};
    static const struct tiny_spec experts = {.layers = 4,
                                             .weights = WEIGHT_W4,
                                             .with_experts = 0xd,
                                             .experts = 9,
                                             .active = 3,
                                             .mixing = MIXING_ALL,
                                             .bias = 1,
                                             .seed = 12};
    size_t bytes;
    if (argc != 2) return 2;
    void *blob = tiny_blob(strcmp(argv[1], "experts") ? &windows : &experts, &bytes);
    if (!blob || fwrite(blob, 1, bytes, stdout) != bytes || fflush(stdout) != 0) return 1;
    free(blob);
    return 0;
}
