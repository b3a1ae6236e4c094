/* bench_npu_convert: the host's part of an NPU's products, on the one thread that asks for them. It
 * puts x into the order that the tiles take, and turns sums into floats with their scales
 * (npu/multiply.c), for all layers of a 7B model. A provider that answers at once takes the place
 * of the NPU. Prints processor time as JSON to stdout.
 *
 *     bench_npu_convert [ROUNDS]        default 9; prints their median */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "hal/act.h"
#include "npu/model.h"

enum { LAYERS = 32, DIM = 4096, FFN = 11008, TENSORS = 7, OPS = 4, ROUNDS_MAX = 99 };

static int sync_nothing(void *device, const struct npu_buffer *buffer, uint64_t offset,
                        uint64_t bytes, enum npu_direction direction) {
    (void)device, (void)buffer, (void)offset, (void)bytes, (void)direction;
    return 0;
}

static enum npu_result start_nothing(void *context, const struct npu_run *run, uint32_t count,
                                     uint64_t *ticket) {
    (void)context, (void)run, (void)count;
    *ticket = 1;
    return NPU_DONE;
}

static enum npu_result wait_nothing(void *context, uint64_t ticket, uint32_t timeout_ms,
                                    uint32_t *failed) {
    (void)context, (void)ticket, (void)timeout_ms, (void)failed;
    return NPU_DONE;
}

static const struct npu_provider nothing = {.size = sizeof nothing,
                                            .name = "nothing",
                                            .buffer_sync = sync_nothing,
                                            .commands_start = start_nothing,
                                            .commands_wait = wait_nothing};

/* Q, K, V; O; gate, up; down. */
#define PRODUCT(of, first, count, adds, ...)                                                       \
    {                                                                                              \
        .kind = HAL_GEMV, .flags = adds, .ins = 1, .in = {SLOT_A}, .outs = count,                  \
        .out = {__VA_ARGS__}, .width = of, .weights = {                                            \
            first,                                                                                 \
            count                                                                                  \
        }                                                                                          \
    }
static const struct hal_op ops[OPS] = {
    PRODUCT(DIM, 0, 3, 0, SLOT_Q, SLOT_K, SLOT_V), PRODUCT(DIM, 3, 1, HAL_ADD, SLOT_X),
    PRODUCT(DIM, 4, 2, 0, SLOT_G, SLOT_U), PRODUCT(FFN, 6, 1, HAL_ADD, SLOT_X)};
static const uint32_t weight[TENSORS] = {0, 1, 2, 3, 4, 5, 6};
static const uint32_t rows_of[TENSORS] = {DIM, DIM, DIM, DIM, FFN, FFN, DIM};
static const uint32_t cols_of[TENSORS] = {DIM, DIM, DIM, DIM, DIM, DIM, FFN};

static void *room(size_t bytes) {
    void *memory = calloc(1, bytes);
    if (!memory) fprintf(stderr, "bench_npu_convert: no memory\n"), exit(1);
    return memory;
}

static void make(struct npu_program *p, struct npu_model *m, struct hal_model *model,
                 struct hal_program *program) {
    struct blob_tensor *tensors = room(TENSORS * sizeof *tensors);
    float *scales = room(FFN * sizeof *scales);
    uint64_t x_bytes = 0, sum_bytes = 0;
    m->provider = &nothing;
    m->tensor = room(TENSORS * sizeof *m->tensor);
    for (uint32_t r = 0; r < FFN; r++) scales[r] = 0x1p-10f;
    for (uint32_t i = 0; i < TENSORS; i++) {
        struct gemv_shape *s = &m->tensor[i].shape;
        tensors[i].rows = rows_of[i], tensors[i].cols = cols_of[i];
        m->tensor[i].columns_max = GEMV_COLUMNS_MAX;
        if (!gemv_shape_direct(s, i == 2 ? WEIGHT_W8 : WEIGHT_W4, rows_of[i], cols_of[i])) exit(1);
        if (gemv_x_bytes(s, GEMV_COLUMNS_MAX) > x_bytes)
            x_bytes = gemv_x_bytes(s, GEMV_COLUMNS_MAX);
        sum_bytes += gemv_sum_bytes(s, GEMV_COLUMNS_MAX);
    }
    model->tensors = tensors, model->rows = scales;
    program->weight = weight, program->weights = TENSORS;
    p->model = m, p->setup.model = model, p->setup.program = program;
    p->x.host = room(x_bytes), p->sums.host = room(sum_bytes);
    for (uint64_t i = 0; i < sum_bytes / 4; i++)
        ((int32_t *)(void *)p->sums.host)[i] = (int32_t)(i * 2654435761u) >> 12;
    for (uint32_t slot = 0; slot < HAL_SLOTS; slot++) {
        program->stride[slot] = FFN * sizeof(float);
        p->setup.slot[slot] = room(GEMV_COLUMNS_MAX * program->stride[slot]);
    }
}

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* One pass over all layers. */
static double pass(struct npu_program *p, uint32_t columns) {
    uint32_t bad = 0;
    double began = now_ms();
    for (uint32_t layer = 0; layer < LAYERS; layer++)
        for (uint32_t i = 0; i < OPS; i++) {
            uint8_t *x = p->setup.slot[SLOT_A];
            for (uint32_t c = 0; c < columns; c++)
                *act_scale(x + c * act_stride(ops[i].width), ops[i].width) = 0x1p-6f;
            if (npu_multiply(p, &ops[i], columns, &bad)) exit(1);
        }
    return now_ms() - began;
}

int main(int argc, char **argv) {
    static struct npu_program program;
    static struct npu_model model;
    static struct hal_model tables;
    static struct hal_program slots;
    double ms[ROUNDS_MAX];
    int rounds = argc > 1 ? atoi(argv[1]) : 9;
    if (argc > 2 || rounds < 1 || rounds > ROUNDS_MAX) return 2;
    make(&program, &model, &tables, &slots);
    printf("{\"model\": \"Llama 2 7B\", \"rounds\": %d, \"ms_a_pass\": {", rounds);
    for (uint32_t b = 0; b < GEMV_BUCKETS; b++) {
        uint32_t columns = gemv_bucket_columns(b);
        for (int i = 0; i < rounds; i++) ms[i] = pass(&program, columns);
        qsort(ms, (size_t)rounds, sizeof *ms, by_size);
        printf("%s\"%u\": %.2f", b ? ", " : "", columns, ms[rounds / 2]);
    }
    printf("}}\n");
    return 0;
}
