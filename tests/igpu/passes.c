/* What a pass costs the driver: one submission, and no memory that stays allocated. Also: layers as
 * wide as a 7B model's have the CPU's bits.
 *
 *   test_igpu_passes [device]           on a device that computes
 *   test_igpu_passes DEVICE noop        on a device whose results mean nothing (Mesa's no-op shim):
 *                                       opens everything without the self-test, submits passes of
 *                                       every bucket and of a prompt, and checks statuses only
 *
 * Exit status 77 if there is no such device. */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "igpu/program.h"
#include "runtime/graph.h"
#include "tests/hal/random_model.h"

enum { SLOTS = 64, COLUMNS = 40, LAYERS = 3 };

static const struct random_shape shape = {
    .layers = LAYERS,
    .dim = 160,
    .vocab = 100,
    .head_dim = 64,
    .positions = SLOTS,
    .layer = {{.heads = 3, .kv_heads = 1, .ffn = 320}, {.ffn = 64}, {.heads = 2, .kv_heads = 2}},
    .mixed = 1,
    .bias = 1};
/* Layers as in Llama-2-7B and in Mistral-7B, with fewer rows in the head. */
static const struct random_shape wide = {.layers = 2,
                                         .dim = 4096,
                                         .vocab = 512,
                                         .head_dim = 128,
                                         .positions = SLOTS,
                                         .layer = {{.heads = 32, .kv_heads = 32, .ffn = 11008},
                                                   {.heads = 32, .kv_heads = 8, .ffn = 14336}},
                                         .w4 = 1};
static const char *device;
static int noop;

/* Counts every allocation of the process, also those of the driver's threads. */
static _Atomic uint64_t allocations;
extern void *__libc_malloc(size_t bytes), *__libc_calloc(size_t count, size_t bytes),
    *__libc_realloc(void *old, size_t bytes), *__libc_memalign(size_t alignment, size_t bytes);
static void *counted(void *memory) {
    allocations++;
    return memory;
}
void *malloc(size_t bytes) { return counted(__libc_malloc(bytes)); }
void *calloc(size_t count, size_t bytes) { return counted(__libc_calloc(count, bytes)); }
void *realloc(void *old, size_t bytes) { return counted(__libc_realloc(old, bytes)); }
void *aligned_alloc(size_t alignment, size_t bytes) {
    return counted(__libc_memalign(alignment, bytes));
}
int posix_memalign(void **at, size_t alignment, size_t bytes) {
    *at = counted(__libc_memalign(alignment, bytes));
    return *at ? 0 : ENOMEM;
}

struct rig {
    const struct hal_engine *engine;
    struct hal_model model;
    struct hal_program program;
    struct hal_op ops[64];
    uint32_t weight[64];
    uint8_t *kv[LAYERS], *slot[HAL_SLOTS];
    void *model_memory, *memory;
};

static void *zeroed(size_t bytes) {
    void *p = aligned_alloc(64, (size_t)place_up(bytes, PLACE_LINE));
    assert_non_null(p);
    return memset(p, 0, bytes);
}

/* Does what igpu_model_open does, without its last step, the self-test. */
static void open_without_selftest(struct igpu_model *m, const struct hal_model_setup *setup) {
    const char *call;
    memset(m, 0, sizeof *m + regions_count(setup->model, setup->layers) * sizeof(struct region));
    assert_null(device_instance(&m->device, setup->port));
    assert_null(device_choose(&m->device, setup->device, NULL));
    assert_int_equal(device_open(&m->device, &call), VK_SUCCESS);
    const struct model_types types = model_types(setup->model, setup->program);
    assert_int_equal(pipelines_open(m, &types, NULL, 0, &call), VK_SUCCESS);
    assert_int_equal(
        heap_open(&m->rows, &m->device, HEAP_DEVICE, rows_count(setup->model) * sizeof(float)),
        VK_SUCCESS);
    assert_int_equal(regions_open(m->region, &m->device, setup->model, setup->layers, &m->imported),
                     VK_SUCCESS);
    m->regions = regions_count(setup->model, setup->layers);
}

static void rig_open(struct rig *r, const struct hal_engine *engine,
                     const struct random_shape *of) {
    struct hal_need need;
    r->engine = engine;
    r->model = random_model(of, 2);
    graph_build(&r->model, r->ops, r->weight, &r->program);
    assert_true(r->program.count <= 64 && r->program.weights <= 64);
    struct hal_model_setup ms = {.model = &r->model,
                                 .program = &r->program,
                                 .port = apus_port_host(),
                                 .device = device,
                                 .layers = {0, of->layers}};
    assert_int_equal(engine->model_measure(&ms, &need), APUS_OK);
    r->model_memory = zeroed(need.bytes);
    if (noop)
        open_without_selftest(r->model_memory, &ms);
    else
        assert_int_equal(engine->model_open(r->model_memory, &ms), APUS_OK);
    for (uint32_t i = 0; i < HAL_SLOTS; i++)
        r->slot[i] = zeroed(COLUMNS * r->program.stride[i] + 64);
    struct hal_setup setup = {.model = &r->model,
                              .program = &r->program,
                              .layers = {0, of->layers},
                              .port = apus_port_host(),
                              .model_memory = r->model_memory,
                              .kv = r->kv,
                              .kv_slots = {SLOTS},
                              .columns_max = COLUMNS,
                              .threads = 2};
    memcpy(setup.slot, r->slot, sizeof setup.slot);
    for (uint32_t i = 0; i < of->layers; i++) {
        struct kv_cache cache = hal_cache(&setup, i);
        r->kv[i] = zeroed(kv_bytes(&cache) + 64);
    }
    assert_int_equal(engine->prepare_measure(&setup, &need), APUS_OK);
    r->memory = zeroed(need.bytes);
    assert_int_equal(engine->prepare(r->memory, &setup), APUS_OK);
}

static void rig_close(struct rig *r) {
    r->engine->release(r->memory);
    r->engine->model_close(r->model_memory);
    for (uint32_t i = 0; i < r->model.dims->layers; i++) free(r->kv[i]);
    for (uint32_t i = 0; i < HAL_SLOTS; i++) free(r->slot[i]);
    free(r->memory);
    free(r->model_memory);
    random_model_free(&r->model);
}

/* A pass of `count` columns from position `first`, with logits behind the last. */
static void run(struct rig *r, uint32_t first, uint32_t count) {
    struct hal_column c[COLUMNS];
    struct kv_range range[COLUMNS];
    uint64_t ticket;
    for (uint32_t i = 0; i < count; i++) hal_line(c, range, i, (int32_t)(first + i), first + i);
    struct hal_pass p = {
        .columns = count, .logits_from = count - 1, .column = {c}, .range = range, .ranges = count};
    assert_int_equal(r->engine->submit(r->memory, &p, &ticket), APUS_OK);
    apus_status s = r->engine->wait(r->memory, ticket);
    assert_true(s == APUS_OK || (noop && s == APUS_E_NUMERIC));
}

/* How many submissions a pass took. */
static uint64_t pass(struct rig *r, uint32_t count) {
    uint64_t before = ((const struct igpu_program *)r->memory)->submissions;
    run(r, 0, count);
    return ((const struct igpu_program *)r->memory)->submissions - before;
}

static void one_submission_a_pass(void **unused) {
    (void)unused;
    struct rig r;
    rig_open(&r, &hal_igpu_engine, &shape);
    for (uint32_t columns = 1; columns <= TILE; columns++) assert_int_equal(pass(&r, columns), 1);
    uint64_t prompt = pass(&r, COLUMNS);
    assert_true(prompt >= 1 && prompt <= LAYERS + 1);
    rig_close(&r);
}

static void nothing_stays_allocated(void **unused) {
    (void)unused;
    struct rig r;
    rig_open(&r, &hal_igpu_engine, &shape);
    for (int i = 0; i < 20; i++) pass(&r, 1 + (uint32_t)i % TILE);
    size_t before = mallinfo2().uordblks;
    for (int i = 0; i < 100; i++) pass(&r, 1 + (uint32_t)i % TILE);
    size_t after = mallinfo2().uordblks;
    printf("the heap of the process: %zu bytes before 100 passes, %zu after\n", before, after);
    assert_true(after < before + 4096);
    rig_close(&r);
}

/* A submission may allocate memory and free it again, but the last one as often as the first. */
static void allocations_are_flat(void **unused) {
    (void)unused;
    static const uint32_t columns[] = {1, 4, 16};
    struct rig r;
    rig_open(&r, &hal_igpu_engine, &shape);
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
        uint64_t of[2];
        pass(&r, columns[c]);
        for (int half = 0; half < 2; half++) {
            uint64_t before = allocations;
            for (int i = 0; i < 50; i++) pass(&r, columns[c]);
            of[half] = allocations - before;
        }
        printf("%u columns: %.2f allocations a submission, then %.2f\n", columns[c],
               (double)of[0] / 50, (double)of[1] / 50);
        /* a software device allocates for every dispatch */
        assert_true(of[1] <= of[0] + 5 && of[0] <= of[1] + 5 && (!noop || of[1] < 50 * 16));
    }
    rig_close(&r);
}

static void wide_layers_have_the_same_bits(void **unused) {
    (void)unused;
    struct rig gpu, cpu;
    if (noop) skip();
    rig_open(&gpu, &hal_igpu_engine, &wide);
    rig_open(&cpu, &hal_cpu_engine, &wide);
    for (uint32_t at = 0, count = 16; count; at += count, count = count == 16  ? 4
                                                                  : count == 4 ? 1
                                                                               : 0) {
        run(&gpu, at, count);
        run(&cpu, at, count);
        assert_true(*(const float *)(const void *)cpu.slot[SLOT_LOGITS] * 0.0f == 0.0f &&
                    *(const uint32_t *)(const void *)cpu.slot[SLOT_LOGITS]);
        assert_memory_equal(gpu.slot[SLOT_LOGITS], cpu.slot[SLOT_LOGITS],
                            wide.vocab * sizeof(float));
    }
    rig_close(&gpu);
    rig_close(&cpu);
}

int main(int argc, char **argv) {
    struct device d;
    device = argc > 1 ? argv[1] : NULL;
    noop = argc > 2 && !strcmp(argv[2], "noop");
    const char *why = device_instance(&d, apus_port_host());
    if (!why) {
        why = device_choose(&d, device, NULL);
        device_close(&d);
    }
    if (why) {
        printf("skipped: %s\n", why);
        return 77;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_submission_a_pass), cmocka_unit_test(nothing_stays_allocated),
        cmocka_unit_test(allocations_are_flat), cmocka_unit_test(wide_layers_have_the_same_bits)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
