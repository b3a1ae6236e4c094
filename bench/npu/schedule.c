/* bench_npu_schedule: how long a pass of a 7B or 8B model takes on an NPU by the cycle model of the
 * device model, for both arrays, several numbers of columns and two ways to submit. Every kind of
 * matrix runs once through the device model, with its own control code, and a pass is the sum over
 * all matrices. Prints JSON to stdout.
 *
 *     bench_npu_schedule [FRACTION]
 *
 * FRACTION: N, to run only 1 / N of each matrix's rows and multiply the time by N (default 1: all
 * rows, two minutes). Nothing here is a measurement of hardware: the assumptions are in
 * tests/npu/sim/time.c and docs/npu.md. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "npu/gemv.h"
#include "tests/npu/sim/sim_parts.h"

enum { CODE_WORDS = 1 << 18, SUBMITS = 4, MATRICES = 7 };

static const struct shape {
    const char *name;
    uint32_t layers, dim, ffn, kv, vocab;
} shapes[] = {{"Llama 2 7B", 32, 4096, 11008, 4096, 32000},
              {"Llama 3.1 8B", 32, 4096, 14336, 1024, 128256}};

struct matrix {
    uint32_t type, rows, cols, times; /* times: how often in a pass */
};

/* All matrices are W4 except V and the head, which are W8, as the packer makes them. */
static void matrices_of(const struct shape *s, struct matrix out[MATRICES + 1]) {
    const struct matrix m[MATRICES + 1] = {
        {WEIGHT_W4, s->dim, s->dim, s->layers}, {WEIGHT_W4, s->kv, s->dim, s->layers},
        {WEIGHT_W8, s->kv, s->dim, s->layers},  {WEIGHT_W4, s->dim, s->dim, s->layers},
        {WEIGHT_W4, s->ffn, s->dim, s->layers}, {WEIGHT_W4, s->ffn, s->dim, s->layers},
        {WEIGHT_W4, s->dim, s->ffn, s->layers}, {WEIGHT_W8, s->vocab, s->dim, 1}};
    memcpy(out, m, sizeof m);
}

static void fail(const char *what) {
    fprintf(stderr, "bench_npu_schedule: %s (%s)\n", what, sim.complaint);
    exit(1);
}

static struct sim_buffer buffer(uint64_t bytes, uint64_t address) {
    struct sim_buffer b = {.kind = UAPI_BUFFER_SHARE, .bytes = bytes, .address = address};
    b.host = calloc(1, bytes);
    if (!b.host) fail("no memory");
    return b;
}

/* What bounds a pass, the sum of the times that bound each matrix, and the size of control code: of
 * the layers' shortest and longest product, and of the head's. */
struct sums {
    struct sim_time time;
    double array_ns, bytes;
    size_t words[2], head_words;
    uint32_t operations[2];
};

static void note_code(struct sums *sum, size_t words, uint32_t operations) {
    if (!sum->words[0] || words < sum->words[0]) sum->words[0] = words;
    if (words > sum->words[1]) sum->words[1] = words;
    if (!sum->operations[0] || operations < sum->operations[0]) sum->operations[0] = operations;
    if (operations > sum->operations[1]) sum->operations[1] = operations;
}

/* Runs a matrix and adds its time to the sums as often as it occurs in a pass. */
static void run(uint32_t generation, const struct matrix *m, uint32_t columns, uint32_t fraction,
                struct sums *sum) {
    static uint32_t code[CODE_WORDS];
    static struct sim_image image;
    struct gemv_shape shape;
    struct sim_array array;
    uint32_t operations;
    if (!gemv_shape_direct(&shape, m->type, m->rows / fraction, m->cols) ||
        !gemv_fits(&shape, columns))
        fail("a matrix does not fit");
    size_t words = gemv_code(&shape, generation, columns, code, CODE_WORDS, &operations);
    if (words > CODE_WORDS) fail("no room for control code");
    if (m->times > 1)
        note_code(sum, words, operations);
    else
        sum->head_words = words;
    struct sim_buffer b[GEMV_ARGUMENTS] = {buffer(gemv_weight_bytes(&shape), 1ull << 32),
                                           buffer(gemv_x_bytes(&shape, columns), 1ull << 40),
                                           buffer(gemv_sum_bytes(&shape, columns), 1ull << 41)};
    const uint64_t address[GEMV_ARGUMENTS] = {b[0].address, b[1].address, b[2].address};
    struct sim_command command = {{&b[0], &b[1], &b[2]}, GEMV_ARGUMENTS};
    sim_array_open(&array, generation);
    sim_image(&image, generation);
    if (sim_array_load(&array, (const uint8_t *)&image, sizeof image)) fail("the overlay");
    array.command = &command;
    if (sim_firmware(&array, code, (uint32_t)words, address, GEMV_ARGUMENTS))
        fail("the model complains");
    struct sim_time t = sim_time(&array);
    double times = (double)m->times * fraction;
    sum->time.memory_ns += t.memory_ns * times;
    sum->time.channel_ns += t.channel_ns * times;
    sum->time.work_ns += t.work_ns * times;
    sum->array_ns += (double)sim_time_ns(&array) * times;
    sum->bytes += (double)array.bytes_read * times;
    sim_array_close(&array);
    for (int i = 0; i < GEMV_ARGUMENTS; i++) free(b[i].host);
}

static void bench(const struct shape *s, uint32_t generation, uint32_t columns, uint32_t fraction,
                  const char *comma) {
    struct matrix m[MATRICES + 1];
    struct sums sum = {{0, 0, 0}, 0, 0, {0, 0}, 0, {0, 0}};
    matrices_of(s, m);
    for (int i = 0; i <= MATRICES; i++) run(generation, &m[i], columns, fraction, &sum);
    const uint32_t submits[2] = {SUBMITS * s->layers + 1, MATRICES * s->layers + 1};
    const char *const names[2] = {"island", "matrix"};
    for (int w = 0; w < 2; w++) {
        double dispatch = (double)submits[w] * SIM_DISPATCH_NS, pass = sum.array_ns + dispatch;
        printf(
            "%s\n  {\"model\": \"%s\", \"array\": \"xdna%u\", \"columns\": %u, \"submit_per\": "
            "\"%s\", \"submits\": %u, "
            "\"read_mb\": %.0f, \"memory_ms\": %.1f, \"channel_ms\": %.1f, \"work_ms\": %.1f, "
            "\"dispatch_ms\": %.1f, \"pass_ms\": %.1f, "
            "\"columns_per_s\": %.1f, \"code_words\": [%zu, %zu], \"code_operations\": [%u, %u], "
            "\"head_code_words\": %zu}",
            w ? "," : comma, s->name, generation, columns, names[w], submits[w], sum.bytes * 1e-6,
            sum.time.memory_ns * 1e-6, sum.time.channel_ns * 1e-6, sum.time.work_ns * 1e-6,
            dispatch * 1e-6, pass * 1e-6, columns * 1e9 / pass, sum.words[0], sum.words[1],
            sum.operations[0], sum.operations[1], sum.head_words);
    }
}

int main(int argc, char **argv) {
    uint32_t fraction = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    if (argc > 2 || !fraction || fraction > 16) return 2;
    printf("[");
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (uint32_t generation = NPU_XDNA1; generation <= NPU_XDNA2; generation++)
            for (uint32_t b = 0; b < GEMV_BUCKETS; b++)
                bench(&shapes[i], generation, gemv_bucket_columns(b), fraction,
                      i || generation > 1 || b ? "," : "");
    printf("\n]\n");
    return 0;
}
