/* What every engine must do: the bits of the reference kernels run one column at a time, for any
 * columns per pass, threads and code, and trees of columns like the branches run one by one;
 * cancelling and numeric failure as hal/hal.h says.
 *
 *   test_conformance [engine [device]] default cpu; exit status 77 where the engine is not to be
 *   had on this machine */
#include "tests/hal/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hal/hal.h"
#include "runtime/graph.h"
#include "tests/hal/null_engine.h"
#include "tests/hal/scenes.h"
#include "tests/hal/rings.h"

/* logits [TOKENS][vocab] of a linear text in passes of `columns`, at most HAL_LOGITS_MAX with
 * logits. */
static void run_linear(struct rig *r, uint32_t vocab, uint32_t columns, float *logits) {
    for (uint32_t at = 0; at < TOKENS;) {
        struct hal_column c[COLUMNS];
        uint32_t n = TOKENS - at < columns ? TOKENS - at : columns,
                 from = n > HAL_LOGITS_MAX ? n - HAL_LOGITS_MAX : 0;
        linear(r, c, at, n, vocab);
        assert_int_equal(run(r, c, n, from), APUS_OK);
        for (uint32_t i = from; i < n; i++)
            memcpy(logits + (at + i) * vocab,
                   r->slot[SLOT_LOGITS] + (i - from) * r->program.stride[SLOT_LOGITS],
                   vocab * sizeof *logits);
        at += n;
    }
}

/* Whether the engine computes all operations of model `number` by itself; if not, says so and
 * frees the model. */
static int is_taken(struct hal_model *model, size_t number) {
    struct graph_layer l;
    int all = 1;
    for (uint32_t layer = 0; tested->takes && layer < model->dims->layers; layer++) {
        graph_layer(model, layer, &l);
        for (uint32_t i = 0; i < l.ops; i++)
            all &= tested->takes(model, &l.op[i], l.weight + l.op[i].weights.first);
    }
    if (all) return 1;
    print_message("model %zu has layers that %s leaves to the CPU\n", number, tested->name);
    random_model_free(model);
    return 0;
}

static void same_bits(void **unused) {
    (void)unused;
    static const uint32_t columns[] = {1, 2, 3, 7, 16, 17, 34};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct hal_model model = random_model(&shapes[s], (uint32_t)s + 1);
        uint32_t vocab = shapes[s].vocab;
        if (!is_taken(&model, s)) continue;
        float *want = calloc(TOKENS * vocab, sizeof *want),
              *got = calloc(TOKENS * vocab, sizeof *got);
        struct rig *ref = rig_open(&hal_cpu_engine, &model, APUS_CPU_REF, 1);
        run_linear(ref, vocab, 1, want);
        float most = 0;
        for (uint32_t i = 0; i < TOKENS * vocab; i++) most = want[i] > most ? want[i] : most;
        assert_true(most > 0.01f && most < 1e6f);
        for (int cpu = APUS_CPU_REF; cpu <= last_cpu(); cpu++)
            for (uint32_t threads = 1; threads <= last_threads(); threads++) {
                struct rig *r = rig_open(tested, &model, (apus_cpu)cpu, threads);
                for (size_t n = 0; r && n < sizeof columns / sizeof *columns; n++) {
                    rig_clear(r, &model);
                    memset(got, 0xff, TOKENS * vocab * sizeof *got);
                    run_linear(r, vocab, columns[n], got);
                    /* several columns read an expert that they share once */
                    if (columns[n] == 1)
                        assert_int_equal(r->chosen_bytes, ref->chosen_bytes);
                    else
                        assert_true(r->chosen_bytes <= ref->chosen_bytes);
                    uint32_t compared = 0;
                    for (uint32_t i = 0; i < TOKENS; i++) {
                        uint32_t in_pass = i % columns[n], size = i - in_pass + columns[n] > TOKENS
                                                                      ? TOKENS - (i - in_pass)
                                                                      : columns[n];
                        if (size > HAL_LOGITS_MAX && in_pass < size - HAL_LOGITS_MAX) continue;
                        assert_memory_equal(got + i * vocab, want + i * vocab, vocab * sizeof *got);
                        compared++;
                    }
                    assert_true(compared >= HAL_LOGITS_MAX);
                    for (uint32_t l = 0; l < shapes[s].layers; l++) {
                        struct kv_cache cache = cache_of(r, &model, l);
                        if (r->kv[l]) assert_memory_equal(r->kv[l], ref->kv[l], kv_bytes(&cache));
                    }
                }
                if (r) rig_close(r);
            }
        rig_close(ref);
        free(want);
        free(got);
        random_model_free(&model);
    }
}

/* The caller moves the second branch's rows, in slots 21 and 23, to their positions 20 and 21, and
 * tells the engine. */
static void keep_branch(struct rig *r, const struct hal_model *model) {
    for (uint32_t i = 0; i < model->dims->layers; i++) {
        struct kv_cache cache = cache_of(r, model, i);
        kv_move(&cache, 21, 20);
        kv_move(&cache, 23, 21);
    }
    if (r->engine->cache_written) r->engine->cache_written(r->memory, 0, 20, 22);
}

/* After 20 tokens, a tree in one pass: 20a -> 21a, 20b -> 21b (slots 20..23). Each leaf sees its
 * own branch only, so it equals a linear run whose cache holds that branch in those positions. */
static void tree_equals_branches(void **unused) {
    (void)unused;
    struct hal_model model = random_model(&shapes[0], 9);
    uint32_t vocab = shapes[0].vocab;
    size_t row = vocab * sizeof(float);
    for (int cpu = APUS_CPU_REF; cpu <= last_cpu(); cpu++) {
        struct rig *tree = rig_open(tested, &model, (apus_cpu)cpu, 2),
                   *line = tree ? rig_open(tested, &model, (apus_cpu)cpu, 1) : NULL;
        if (!line) continue;
        struct hal_column start[20];
        linear(tree, start, 0, 20, vocab);
        linear(line, start, 0, 20, vocab);
        assert_int_equal(run(tree, start, 20, 20), APUS_OK);
        assert_int_equal(run(line, start, 20, 20), APUS_OK);
        tree->range[0] = (struct kv_range){0, 20};
        struct hal_column leaves[] = {/* 22 under 20, 23 under 21 */
                                      {1, 20, 20, 0, 1, 20, 1u},
                                      {2, 20, 21, 0, 1, 20, 2u},
                                      {3, 21, 22, 0, 1, 20, 5u},
                                      {4, 21, 23, 0, 1, 20, 10u}};
        assert_int_equal(run(tree, leaves, 4, 0), APUS_OK);
        for (int32_t branch = 0; branch < 2; branch++) {
            struct hal_column c[2];
            hal_line(c, line->range, 0, 1 + branch, 20);
            hal_line(c, line->range, 1, 3 + branch, 21);
            assert_int_equal(run(line, c, 2, 0), APUS_OK);
            for (int32_t depth = 0; depth < 2; depth++)
                assert_memory_equal(tree->slot[SLOT_LOGITS] + (size_t)(depth * 2 + branch) *
                                                                  tree->program.stride[SLOT_LOGITS],
                                    line->slot[SLOT_LOGITS] +
                                        (size_t)depth * line->program.stride[SLOT_LOGITS],
                                    row);
        }
        keep_branch(tree, &model);
        struct hal_column after;
        linear(tree, &after, 22, 1, vocab);
        linear(line, &after, 22, 1, vocab);
        assert_int_equal(run(tree, &after, 1, 0), APUS_OK);
        assert_int_equal(run(line, &after, 1, 0), APUS_OK);
        assert_memory_equal(tree->slot[SLOT_LOGITS], line->slot[SLOT_LOGITS], row);
        rig_close(tree);
        rig_close(line);
    }
    random_model_free(&model);
}

static void cancel_stops(void **unused) {
    (void)unused;
    struct hal_model model = random_model(&shapes[0], 3);
    struct rig *r = rig_open(tested, &model, APUS_CPU_BEST, 2);
    struct hal_column c;
    linear(r, &c, 0, 1, shapes[0].vocab);
    r->cancel = 1;
    assert_int_equal(run(r, &c, 1, 0), APUS_PARTIAL);
    r->cancel = 0;
    assert_int_equal(run(r, &c, 1, 0), APUS_OK);
    rig_close(r);
    random_model_free(&model);
}

/* A clock by which everything takes long: a second passes at every look at it, on any thread. */
enum { SECOND = 1000000000 };
static _Atomic uint64_t looks;
static uint64_t slow_clock(void *unused) {
    (void)unused;
    return ++looks * SECOND;
}

/* Until it is done, in turns of `patience` looks at the clock; with `narrower` of its columns once
 * it was stopped. Returns how often it was. */
static uint32_t run_stopping(struct rig *r, const struct hal_column *columns, uint32_t count,
                             uint32_t narrower, uint32_t patience) {
    struct hal_pass pass = pass_of(r, columns, count, count - 1);
    apus_status s;
    uint64_t ticket;
    for (uint32_t stops = 0;; stops++) {
        assert_in_range(stops, 0, 100); /* each turn goes further */
        pass.stop.deadline_ns = (looks + patience) * SECOND;
        assert_int_equal(r->engine->submit(r->memory, &pass, &ticket), APUS_OK);
        s = r->engine->wait(r->memory, ticket);
        if (s == APUS_OK) return stops;
        assert_int_equal(s, APUS_PARTIAL);
        pass.columns = narrower, pass.logits_from = narrower - 1, pass.resume = 1;
    }
}

/* Stopped at each place where it can be, all of it or its first columns go on, and give what an
 * undisturbed pass gives. */
static void a_stopped_pass_goes_on(void **unused) {
    (void)unused;
    enum { COUNT = 34, ENOUGH = 60 };
    static const uint32_t narrower[] = {COUNT, COUNT - 1, 17, 16, 1};
    apus_port port = *apus_port_host();
    port.now_ns = slow_clock;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct hal_model model = random_model(&shapes[s], (uint32_t)s + 1);
        if (!is_taken(&model, s)) continue;
        struct rig *ref = rig_open(&hal_cpu_engine, &model, APUS_CPU_REF, 1),
                   *r = rig_open_on(tested, &model, APUS_CPU_BEST, 2, &port);
        struct hal_column c[COUNT];
        uint32_t stops = 0;
        for (size_t n = 0; n < sizeof narrower / sizeof *narrower; n++) {
            const uint32_t columns = narrower[n];
            rig_clear(ref, &model);
            linear(ref, c, 0, COUNT, shapes[s].vocab);
            assert_int_equal(run(ref, c, columns, columns - 1), APUS_OK);
            uint32_t patience = 1;
            for (; patience < ENOUGH; patience++) {
                rig_clear(r, &model);
                linear(r, c, 0, COUNT, shapes[s].vocab);
                uint32_t stopped = run_stopping(r, c, COUNT, columns, patience);
                stops += stopped;
                if (!stopped) break;
                assert_memory_equal(r->slot[SLOT_LOGITS], ref->slot[SLOT_LOGITS],
                                    shapes[s].vocab * sizeof(float));
                struct hal_column next;
                struct rig *both[] = {ref, r};
                for (int i = 0; i < 2; i++) { /* reads the rows of all before it */
                    linear(both[i], &next, columns, 1, shapes[s].vocab);
                    assert_int_equal(run(both[i], &next, 1, 0), APUS_OK);
                }
                assert_memory_equal(r->slot[SLOT_LOGITS], ref->slot[SLOT_LOGITS],
                                    shapes[s].vocab * sizeof(float));
                linear(ref, c, 0, COUNT, shapes[s].vocab);
                assert_int_equal(run(ref, c, columns, columns - 1), APUS_OK);
            }
            assert_true(patience < ENOUGH);
        }
        assert_true(stops);
        rig_close(ref);
        rig_close(r);
        random_model_free(&model);
    }
}

/* A weight's row scale, seen when the model is opened, and an embedding's, seen by the pass that
 * reads it. */
static void range_fails_the_pass(void **unused) {
    (void)unused;
    struct hal_model model = random_model(&shapes[0], 4);
    float *rows = (float *)(uintptr_t)model.rows;
    float *down = &rows[model.tensors[model.layers[1].tensor[LT_DOWN]].row_scales + 5];
    float *embed =
        &rows[model.tensors[model.dims->embed].row_scales + (uint32_t)id_at(1, shapes[0].vocab)];
    for (uint32_t threads = 1; threads <= 2; threads++) {
        struct hal_column c[2];
        float was = *down;
        *down = 0x1p50f;
        struct rig *r = rig_open(tested, &model, APUS_CPU_BEST, threads);
        linear(r, c, 0, 2, shapes[0].vocab);
        assert_int_equal(run(r, c, 2, 1), APUS_E_NUMERIC);
        rig_close(r);
        *down = was;
        r = rig_open(tested, &model, APUS_CPU_BEST, threads);
        linear(r, c, 0, 2, shapes[0].vocab);
        was = *embed;
        *embed = 0x1p50f;
        assert_int_equal(run(r, c, 2, 1), APUS_E_NUMERIC);
        *embed = was;
        assert_int_equal(run(r, c, 2, 1), APUS_OK);
        rig_close(r);
    }
    random_model_free(&model);
}

static void null_engine_runs(void **unused) {
    (void)unused;
    struct hal_model model = random_model(&shapes[1], 5);
    struct rig *r = rig_open(&null_engine, &model, APUS_CPU_BEST, 1);
    struct hal_column c;
    linear(r, &c, 0, 1, shapes[1].vocab);
    memset(r->slot[SLOT_LOGITS], 0xff, shapes[1].vocab * sizeof(float));
    assert_int_equal(run(r, &c, 1, 0), APUS_OK);
    for (uint32_t i = 0; i < shapes[1].vocab; i++)
        assert_true(((const float *)(const void *)r->slot[SLOT_LOGITS])[i] == 0.0f);
    rig_close(r);
    random_model_free(&model);
}

static int available;
static void note_available(void *user, const char *engine, int can, const char *text) {
    (void)user, (void)engine;
    available |= can;
    printf("%s\n", text);
}

/* The first two tests, with caches of every other type. */
static void caches_of_fewer_bits(void **unused) {
    for (int type = KV_8 + 1; type < KV_TYPES; type++) {
        kv_type = (enum kv_type)type;
        same_bits(unused);
        tree_equals_branches(unused);
    }
    kv_type = KV_8;
}

int main(int argc, char **argv) {
    if (argc > 2) device = argv[2];
    if (argc > 3) options = argv[3];
    if (argc > 4 && apus_map_open(&overlay, argv[4])) return 1;
    if (argc > 1) {
        tested = hal_engine_find(argv[1]);
        if (tested) tested->probe(apus_port_host(), note_available, NULL);
        if (!tested || !available) {
            printf("%s\n", tested ? "skipped: the engine cannot run on this machine"
                                  : "skipped: this build has no engine of that name");
            return 77;
        }
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bits),
                                       cmocka_unit_test(tree_equals_branches),
                                       cmocka_unit_test(caches_of_fewer_bits),
                                       cmocka_unit_test(ranges_and_masks),
                                       cmocka_unit_test(windows_in_rings),
                                       cmocka_unit_test(cancel_stops),
                                       cmocka_unit_test(a_stopped_pass_goes_on),
                                       cmocka_unit_test(range_fails_the_pass),
                                       cmocka_unit_test(null_engine_runs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
