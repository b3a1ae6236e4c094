/* source_dump CHECKPOINT [OUT.f32]: what the packer sees of a checkpoint, for tests. Prints the
 * configuration as JSON on the first line, then a line per tensor: role, layer, rows, cols, type.
 * Writes the tensors' values as float32 in this order to OUT.f32. */
#include <stdio.h>
#include <stdlib.h>

#include "weights/pack/checkpoint/source.h"

static const char *const ROLES[SOURCE_ROLES] = {
#define ROLE(role, ...) #role,
    SOURCE_ROLE_ROWS(ROLE)
#undef ROLE
};
static const char *const SCALINGS[] = {"none",    "linear", "llama3",  "yarn",
                                       "dynamic", "long",   "divisors"};

static void print_config(const struct model_config *c) {
    printf("{\"architecture\":\"%s\",\"layers\":%u,\"dim\":%u,\"vocab\":%u,\"max_positions\":%u,"
           "\"eps\":%.17g,\"theta\":%.17g,\"scaling\":\"%s\",\"rotary\":%u,"
           "\"factor\":%.17g,\"low\":%.17g,\"high\":%.17g,\"original\":%u,\"tied\":%d,\"qkv_bias\":"
           "%d,\"bos\":%lld,\"ends\":[",
           c->architecture, c->layers, c->dim, c->vocab, c->max_positions, c->eps, c->rope.theta,
           SCALINGS[c->rope.scaling], c->rope.rotary, c->rope.factor, c->rope.low_freq_factor,
           c->rope.high_freq_factor, c->rope.original_positions, c->tied,
           c->features >> WHEN_BIASED & 1, (long long)c->bos);
    for (uint32_t i = 0; i < c->end_tokens_count; i++)
        printf("%s%d", i ? "," : "", c->end_tokens[i]);
    printf("],\"layer\":[");
    for (uint32_t i = 0; i < c->layers; i++)
        printf("%s[%u,%u,%u,%u]", i ? "," : "", c->layer[i].heads, c->layer[i].kv_heads,
               c->layer[i].head_dim, c->layer[i].ffn);
    printf("]}\n");
}

/* In slices of a few rows, as the packer reads. */
static bool dump(struct source *source, const struct source_tensor *t, FILE *out, struct diag *d) {
    enum { SLICE = 7 };
    float *values = malloc((size_t)t->cols * SLICE * sizeof *values);
    bool ok = values != NULL;
    for (uint64_t row = 0; ok && row < t->rows; row += SLICE) {
        uint64_t rows = t->rows - row < SLICE ? t->rows - row : SLICE;
        ok = source_read_rows(source, t, row, rows, values, d);
        if (ok && out)
            ok = fwrite(values, sizeof *values, (size_t)(rows * t->cols), out) == rows * t->cols;
    }
    free(values);
    return ok;
}

int main(int argc, char **argv) {
    struct diag d = {{0}};
    if (argc < 2) return 2;
    FILE *out = argc > 2 ? fopen(argv[2], "wb") : NULL;
    struct source *source = source_open(argv[1], &d);
    bool ok = source != NULL && (argc < 3 || out);
    if (ok) print_config(source_config(source));
    for (int role = 0; ok && role < SOURCE_ROLES; role++)
        for (uint32_t layer = 0;
             ok && layer < (role < SOURCE_LAYER_ROLES ? 1 : source_config(source)->layers);
             layer++) {
            const struct source_tensor *t = source_tensor(source, (enum source_role)role, layer);
            if (!t) continue;
            printf("%s %u %llu %llu %s\n", ROLES[role], layer, (unsigned long long)t->rows,
                   (unsigned long long)t->cols, t->type);
            ok = dump(source, t, out, &d);
        }
    source_close(source);
    if (out && fclose(out) != 0) ok = false;
    if (!ok) fprintf(stderr, "%s\n", d.text);
    return ok ? 0 : 1;
}
