/* Writes a tiny model's blob to standard output.
 *
 *   write_variants windows    layers with windows, with sinks and with the second table of RoPE
 *   write_variants experts    layers with experts, biases and both ways to weigh them
 *   write_variants clamped    one kind of layer after another as gpt-oss has them: windows and
 *                             sinks, experts and biases, the clamped activation; one without
 *                             experts
 *   write_variants norms      norms behind the sublayers, alone and with others before them, and of
 *                             all heads of q and k together
 *   write_variants unrotated  the same without rotation
 *   write_variants w4s        sparse weights of 4 bits
 *   write_variants w8s        and of 8
 *   write_variants w4t        weights from a table */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pack/tiny_blob.h"

int main(int argc, char **argv) {
    static const struct tiny_spec windows = {.layers = 4,
                                             .window = {0, 20, 1, 7},
                                             .second_rope = 0xa,
                                             .sinks = 0xb,
                                             .bias = 1,
                                             .seed = 11};
    static const struct tiny_spec experts = {.layers = 4,
                                             .weights = WEIGHT_W4,
                                             .with_experts = 0xd,
                                             .experts = 9,
                                             .active = 3,
                                             .mixing = MIXING_ALL,
                                             .plain = 8,
                                             .bias = 1,
                                             .seed = 12};
    static const struct tiny_spec clamped = {.layers = 4,
                                             .window = {20, 0, 20},
                                             .sinks = 0xf,
                                             .with_experts = 0xb,
                                             .experts = 6,
                                             .active = 2,
                                             .clamped = 0xf,
                                             .bias = 1,
                                             .seed = 13};
    static const struct tiny_spec norms = {.layers = 4,
                                           .dim = 160,
                                           .behind = 0xb,
                                           .around = 0x4,
                                           .normed = 0x7,
                                           .whole = 0x3,
                                           .bias = 1,
                                           .seed = 16};
    static struct tiny_spec unrotated;
    unrotated = norms;
    unrotated.unrotated_stream = 1;
    static const struct tiny_spec w4s = {.weights = WEIGHT_W4S, .dim = 320, .bias = 1, .seed = 14};
    static const struct tiny_spec w8s = {
        .layers = 2, .weights = WEIGHT_W8S, .ffn = 320, .plain = 2, .bias = 1, .seed = 15};
    static const struct tiny_spec w4t = {
        .weights = WEIGHT_W4T, .dim = 320, .ffn = 448, .bias = 1, .seed = 16};
    static const struct {
        const char *name;
        const struct tiny_spec *spec;
    } known[] = {
        {"windows", &windows},     {"experts", &experts}, {"clamped", &clamped}, {"norms", &norms},
        {"unrotated", &unrotated}, {"w4s", &w4s},         {"w8s", &w8s},         {"w4t", &w4t}};
    const struct tiny_spec *spec = NULL;
    size_t bytes;
    for (size_t i = 0; argc == 2 && i < sizeof known / sizeof *known; i++)
        if (!strcmp(argv[1], known[i].name)) spec = known[i].spec;
    if (!spec) return 2;
    void *blob = tiny_blob(spec, &bytes);
    if (!blob || fwrite(blob, 1, bytes, stdout) != bytes || fflush(stdout) != 0) return 1;
    free(blob);
    return 0;
}
