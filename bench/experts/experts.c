/* Measures passes of layers with experts, and compares each with the time that reading what it
 * reads takes at the read roof of the same run. Prints JSON to stdout.
 *
 *     bench_experts [--shape qwen3|gptoss] [--layers N] [--threads N] [--turns N]
 *
 * Default: qwen3 (as in Qwen3-30B-A3B: 128 experts, 8 of them for a column), 4 layers, 1 thread, 9
 * turns. gptoss: 32 experts, 4 of them, with biases. The weights are random, 4 bits each, and so
 * are the ids. A pass begins with an empty cache and has a head of a few rows, so that the layers
 * are nearly all of it. The time does not depend on the weights' values, but which experts are
 * chosen does: what a pass read is counted by the engine.
 *
 * The roof and passes of every number of columns are measured in turns: with one thread by its
 * processor time, which leaves out the time slices of other programs, with several by the time that
 * passes. A turn's figures are divided by each other; medians of these are printed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "apus/apus.h"
#include "bench/roof.h"
#include "runtime/session.h"
#include "tests/pack/tiny_blob.h"

enum { COUNTS = 5, COLUMNS_MAX = 16, TURNS_MAX = 63, LAYERS_MAX = 16 };
static const uint32_t columns_of[COUNTS] = {1, 2, 4, 8, COLUMNS_MAX};

static const struct shape {
    const char *name;
    struct tiny_spec spec;
} shapes[] = {
    {"qwen3",
     {.dim = 2048,
      .heads = 32,
      .kv_heads = 4,
      .head_dim = 128,
      .ffn = 768,
      .experts = 128,
      .active = 8}},
    {"gptoss",
     {.dim = 2880,
      .heads = 64,
      .kv_heads = 8,
      .head_dim = 64,
      .ffn = 2880,
      .experts = 32,
      .active = 4,
      .bias = 1,
      .clamped = UINT32_MAX}},
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

struct bench {
    const struct shape *shape;
    unsigned layers, threads, turns, prefetch;
    apus_session *session;
    const void *blob;
    size_t blob_bytes;
    uint64_t random;
    double roof[TURNS_MAX], seconds[COUNTS][TURNS_MAX], bytes[COUNTS][TURNS_MAX];
};

static int fail(const char *what) {
    fprintf(stderr, "bench_experts: %s\n", what);
    return 1;
}

static uint32_t random_of(struct bench *b, uint32_t n) {
    b->random = b->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((b->random >> 33) % n);
}

static double now(const struct bench *b) {
    struct timespec t;
    clock_gettime(b->threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* One pass of so many random ids, with logits after the last, as a verification has them. */
static int pass(struct bench *b, uint32_t columns, double *seconds, double *bytes) {
    struct sequence *t = &b->session->target;
    int32_t ids[COLUMNS_MAX];
    for (uint32_t i = 0; i < columns; i++) ids[i] = (int32_t)random_of(b, 256);
    const uint64_t before = t->chosen_bytes;
    const double begin = now(b);
    const apus_status status = sequence_pass(t, ids, columns, columns, (struct hal_stop){0});
    *seconds = now(b) - begin;
    *bytes =
        (double)(blob_pass_read(model_blob(b->session->model), 0).bytes + t->chosen_bytes - before);
    sequence_rewind(t, 0);
    return status == APUS_OK;
}

static int measure(struct bench *b, struct roof_team *team) {
    double none;
    for (unsigned i = 0; i < 2 * COUNTS; i++) /* brings pages in */
        if (!pass(b, columns_of[i % COUNTS], &none, &none)) return 0;
    for (unsigned t = 0; t < b->turns; t++) {
        b->roof[t] = roof_read(team, b->blob, b->blob_bytes, 1, b->prefetch);
        if (b->threads > 1) b->roof[t] *= roof_share(team);
        for (unsigned i = 0; i < COUNTS; i++)
            if (!pass(b, columns_of[i], &b->seconds[i][t], &b->bytes[i][t])) return 0;
    }
    return 1;
}

static void report(struct bench *b) {
    struct utsname u;
    char machine[256];
    double roof[TURNS_MAX], ratio[TURNS_MAX];
    if (uname(&u)) memset(&u, 0, sizeof u);
    roof_machine(machine, sizeof machine);
    memcpy(roof, b->roof, sizeof roof);
    printf(
        "{\"machine\": {\"processor\": \"%s\", \"kernel\": \"%s\"}, \"shape\": \"%s\", "
        "\"layers\": %u, \"threads\": %u, \"clock\": \"%s\", \"turns\": %u, \"blob_bytes\": %zu, "
        "\"read_gb_per_s\": %.3f, \"columns\": [",
        machine, u.release, b->shape->name, b->layers, b->threads,
        b->threads == 1 ? "processor" : "wall", b->turns, b->blob_bytes,
        roof_median(roof, b->turns) * 1e-9);
    for (unsigned i = 0; i < COUNTS; i++) {
        for (unsigned t = 0; t < b->turns; t++)
            ratio[t] = b->seconds[i][t] * b->roof[t] / b->bytes[i][t];
        printf("%s\n {\"columns\": %u, \"ms\": %.3f, \"read_bytes\": %.0f, \"over_roof\": %.4f}",
               i ? "," : "", columns_of[i], roof_median(b->seconds[i], b->turns) * 1e3,
               roof_median(b->bytes[i], b->turns), roof_median(ratio, b->turns));
    }
    printf("]}\n");
}

static int parse(int argc, char **argv, struct bench *b) {
    *b = (struct bench){.shape = shapes, .layers = 4, .threads = 1, .turns = 9};
    for (int i = 1; i + 1 < argc; i += 2) {
        const long n = strtol(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--threads") == 0 && n >= 1 && n <= 64) {
            b->threads = (unsigned)n;
        } else if (strcmp(argv[i], "--turns") == 0 && n >= 1 && n <= TURNS_MAX) {
            b->turns = (unsigned)n;
        } else if (strcmp(argv[i], "--layers") == 0 && n >= 1 && n <= LAYERS_MAX) {
            b->layers = (unsigned)n;
        } else if (strcmp(argv[i], "--shape") == 0) {
            unsigned s = 0;
            while (s < SHAPES && strcmp(argv[i + 1], shapes[s].name) != 0) s++;
            if (s == SHAPES) return 0;
            b->shape = &shapes[s];
        } else {
            return 0;
        }
    }
    return argc % 2;
}

/* The blob in pages like those of the roof. */
static int make_blob(struct bench *b) {
    struct tiny_spec spec = b->shape->spec;
    spec.layers = b->layers, spec.with_experts = UINT32_MAX, spec.weights = WEIGHT_W4;
    spec.positions = 64, spec.noise = 1;
    void *made = tiny_blob(&spec, &b->blob_bytes), *data = made ? roof_alloc(b->blob_bytes) : NULL;
    if (data) memcpy(data, made, b->blob_bytes);
    free(made);
    b->blob = data;
    return data != NULL;
}

int main(int argc, char **argv) {
    struct bench b;
    apus_blob blob;
    apus_memory need = {.size = sizeof need};
    apus_model *model;
    if (!parse(argc, argv, &b)) {
        fprintf(stderr,
                "usage: bench_experts [--shape qwen3|gptoss] [--layers 1..%d] [--threads 1..64] "
                "[--turns 1..%d]\n",
                LAYERS_MAX, TURNS_MAX);
        return 2;
    }
    if (!make_blob(&b)) return fail("no memory for the model");
    if (apus_blob_open(&blob, b.blob, b.blob_bytes, apus_port_host()))
        return fail("the model is not a blob");
    apus_model_config mc = {.size = sizeof mc, .blob = &blob, .port = apus_port_host()};
    if (apus_model_measure(&mc, &need) ||
        apus_model_open(&model, &mc, roof_alloc(need.bytes), need.bytes))
        return fail("cannot open the model's engine");
    apus_config sc = {.size = sizeof sc,
                      .model = model,
                      .context = 64,
                      .chunk = COLUMNS_MAX,
                      .threads = b.threads};
    struct roof_team *team = roof_open(b.threads);
    if (apus_measure(&sc, &need) || apus_open(&b.session, &sc, roof_alloc(need.bytes), need.bytes))
        return fail("cannot open a session");
    if (!team) return fail("no threads");
    b.prefetch = roof_read_prefetch(team, b.blob, b.blob_bytes);
    if (!measure(&b, team)) return fail("a pass failed");
    report(&b);
    apus_close(b.session);
    apus_model_close(model);
    roof_close(team);
    return 0;
}
