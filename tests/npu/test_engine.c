/* The engine as a caller of the library sees it, with the device model: it must give the CPU's bits
 * on both arrays and after every kind of failure, send as many requests for a token as expected,
 * and make no sync that is not needed. */
#include "tests/api/fixture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "tests/npu/sim/sim.h"
#include "npu/uapi.h"

enum {
    POSITIONS = 21,
    TOKENS = 5,
    SHORT = 3,
    SHORT_TOKENS = 2,
    CONTEXT = 64,
    CHUNK = 16,
    FOR_EVER = 1 << 30
};
enum {
    SUBMISSIONS = (3 * 4 + 1) * SHORT_TOKENS
}; /* of the short text with the first model: its
                                                      prompt is one pass */

static char log_text[4096];
static void keep(void *user, int level, const char *text) {
    (void)user, (void)level;
    size_t n = strlen(log_text);
    snprintf(log_text + n, sizeof log_text - n, "%s\n", text);
}

/* What else a machine may have: a driver that is loaded and serves no device, and a driver that
 * does not know a request. */
static int driver_loaded, unknown_request;
static intptr_t open_device(void *user, const char *path) {
    if (!strncmp(path, "/sys/", 5)) return driver_loaded ? -EISDIR : -ENOENT;
    return apus_port_host()->device_open(user, path);
}
static int request_device(void *user, intptr_t device, unsigned long request, void *argument) {
    return unknown_request && (int)(request & 0xff) == unknown_request
               ? EINVAL
               : apus_port_host()->device_request(user, device, request, argument);
}

static apus_port port(void) {
    apus_port p = *apus_port_host();
    p.log = keep;
    p.device_open = open_device;
    p.device_request = request_device;
    log_text[0] = 0;
    return p;
}

/* The npu engine with the overlay for a generation of the model. */
static const apus_engine_config *device(uint32_t generation, const char *options) {
    static apus_map overlay[3];
    static apus_engine_config engine;
    apus_map *map = &overlay[generation];
    if (!map->data) {
        char path[512];
        const char *build = getenv("APUS_BUILD");
        snprintf(path, sizeof path, "%s/npu-model-xdna%u.xclbin", build ? build : "build/release",
                 generation);
        assert_int_equal(apus_map_open(map, path), 0);
    }
    engine = (apus_engine_config){.size = sizeof engine,
                                  .name = "npu",
                                  .options = options,
                                  .overlay = map->data,
                                  .overlay_bytes = map->size};
    return &engine;
}

/* Opens the fixture's model on the engine, and closes the one on the CPU. A model of NULL: it was
 * refused with a status. */
struct on_npu {
    struct api_model m;
    apus_port port;
    apus_status refused;
};

static int open_npu(struct on_npu *n, int which, const apus_engine_config *engine) {
    api_model_open(&n->m, which, APUS_CPU_BEST);
    apus_model_close(n->m.model);
    guarded_free(&n->m.memory);
    n->port = port();
    apus_model_config config = {.size = sizeof config,
                                .blob = &n->m.blob,
                                .port = &n->port,
                                .engines_count = 1,
                                .engines = engine};
    apus_memory need = {.size = sizeof need};
    n->refused = apus_model_measure(&config, &need);
    if (!n->refused) {
        n->m.memory = guarded_take(need.bytes, need.alignment);
        n->refused = apus_model_open(&n->m.model, &config, n->m.memory.at, need.bytes);
        if (n->refused) guarded_free(&n->m.memory);
    }
    if (n->refused) guarded_free(&n->m.bytes);
    return !n->refused;
}

/* A hash of everything that a text leaves: logits, ids and cache; 0 if the text could not be
 * finished. */
static uint64_t text(const struct api_model *m, uint32_t positions, uint32_t tokens,
                     const char **engine) {
    struct api_session s;
    apus_stats stats = {.size = sizeof stats};
    int32_t ids[POSITIONS];
    const int32_t *made;
    size_t bytes, count;
    uint64_t hash = 0;
    api_ids(m, 5, ids, positions);
    apus_config config = {
        .size = sizeof config, .model = m->model, .context = CONTEXT, .threads = 2, .chunk = CHUNK};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    s.arena = guarded_take(need.bytes, need.alignment);
    if (apus_open(&s.session, &config, s.arena.at, need.bytes)) {
        guarded_free(&s.arena);
        return 0;
    }
    apus_status status = API_PROMPT(&s, ids, positions);
    apus_sampling greedy = {
        .size = sizeof greedy, .max_tokens = tokens, .ignore_end = 1, .want_hash = 1};
    apus_piece piece = {.size = sizeof piece};
    if (!status) status = apus_begin(s.session, &greedy);
    while (!status && !piece.stop) status = apus_next(s.session, &piece);
    assert_int_equal(apus_get_stats(s.session, &stats), APUS_OK);
    *engine = stats.engine;
    if (!status) {
        assert_int_equal(apus_ids(s.session, &made, &count), APUS_OK);
        unsigned char *saved = saved_state(s.session, &bytes);
        hash = api_hash(api_hash(stats.logits_hash, saved, bytes), made, count * sizeof *made);
        free(saved);
    }
    api_close(&s);
    return hash;
}
static uint64_t text_of(const struct api_model *m, const char **engine) {
    return text(m, POSITIONS, TOKENS, engine);
}

static uint64_t short_text(const struct api_model *m, const char **engine) {
    return text(m, SHORT, SHORT_TOKENS, engine);
}

static uint64_t by_cpu(int which, uint64_t (*of)(const struct api_model *m, const char **engine)) {
    struct api_model m;
    const char *engine;
    api_model_open(&m, which, APUS_CPU_REF);
    uint64_t hash = of(&m, &engine);
    assert_true(hash);
    api_model_close(&m);
    return hash;
}

static void machine(uint32_t generation) {
    sim_reset(&(struct sim_config){.generation = generation});
}

static void the_bits_are_the_cpus(void **state) {
    (void)state;
    for (int which = 0; which < API_MODELS; which++) {
        uint64_t want = by_cpu(which, text_of);
        for (uint32_t generation = 1; generation <= 2; generation++) {
            struct on_npu n;
            const char *engine;
            machine(generation);
            assert_true(open_npu(&n, which, device(generation, "all")));
            assert_int_equal(text_of(&n.m, &engine), want);
            assert_string_equal(engine, "npu");
            assert_string_equal(sim_complaint(), "");
            struct sim_figures f = sim_figures();
            assert_true(f.commands > 50 && f.macs && f.bytes_read && f.array_ns &&
                        f.dispatch_ns == f.submissions * 50000);
            api_model_close(&n.m);
        }
    }
}

/* Small matrices are not worth a dispatch: without the option "all", everything of a tiny model
 * stays with the CPU. */
static void small_matrices_stay(void **state) {
    (void)state;
    struct on_npu n;
    const char *engine;
    machine(2);
    assert_true(open_npu(&n, 0, device(2, NULL)));
    assert_int_equal(text_of(&n.m, &engine), by_cpu(0, text_of));
    assert_int_equal(sim_figures().submissions, 0);
    api_model_close(&n.m);
}

/* What a token costs: four requests for each operation, and nothing is created. If the driver has
 * no request to wait, the request for the timeline takes its place. */
static void requests_of_a_token(void **state) {
    (void)state;
    for (uint32_t generation = 1; generation <= 2; generation++)
        for (uint32_t without_wait = 0; without_wait < 2; without_wait++) {
            struct on_npu n;
            struct api_session s;
            int32_t ids[POSITIONS];
            uint32_t wait = without_wait ? UAPI_TIMELINE_WAIT : UAPI_WAIT;
            sim_reset(&(struct sim_config){.generation = generation, .without_wait = without_wait});
            assert_true(open_npu(&n, 0, device(generation, "all")));
            api_ids(&n.m, 5, ids, POSITIONS);
            api_open(&s, &n.m, CONTEXT, 1, CHUNK);
            assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
            api_generate(&s, 2, NULL);
            struct sim_figures before = sim_figures();
            api_generate(&s, 8, NULL); /* the first was left unevaluated by the generation before */
            struct sim_figures after = sim_figures();
            uint64_t operations = 8 * (3 * 4 + 1); /* QKV, O, gate and up, down of three layers; the
                                                      head */
            assert_int_equal(after.submissions - before.submissions, operations);
            assert_int_equal(after.requests[UAPI_EXECUTE] - before.requests[UAPI_EXECUTE],
                             operations);
            assert_int_equal(after.requests[wait] - before.requests[wait], operations);
            assert_int_equal(after.requests[UAPI_SYNC_BUFFER] - before.requests[UAPI_SYNC_BUFFER],
                             2 * operations);
            assert_int_equal(after.all_requests - before.all_requests, 4 * operations);
            assert_int_equal(after.buffers, before.buffers);
            api_close(&s);
            api_model_close(&n.m);
        }
}

/* The machines for tests of failures: XDNA with the request to wait, and XDNA2 without it and with
 * the process's own addresses. */
static struct sim_config failing_machine(uint32_t generation) {
    return (struct sim_config){.generation = generation,
                               .without_wait = generation == 2,
                               .shared_addresses = generation == 2};
}

/* The matrix that the message names: in a chain of n commands the model lets another one fail each
 * time. */
static uint32_t blamed(enum sim_end end, uint64_t at) {
    static const uint32_t matrices[] = {3, 1, 2, 1};
    uint64_t of_pass = at % (3 * 4 + 1);
    int ran = end == SIM_ERROR || end == SIM_TIMEOUT || end == SIM_ABORT;
    return ran && of_pass < 3 * 4 ? (uint32_t)(at % matrices[of_pass % 4]) : 0;
}

static void fail_once_or_for_ever(uint32_t generation, uint64_t want, enum sim_end end, uint64_t at,
                                  int for_ever) {
    struct on_npu n;
    const char *engine;
    char matrix[64];
    const struct sim_config config = failing_machine(generation);
    int lost = for_ever || end == SIM_GONE;
    sim_reset(&config);
    sim_fail(at, for_ever ? FOR_EVER : 1, end);
    assert_true(open_npu(&n, 0, device(generation, "all")));
    if (short_text(&n.m, &engine) != want)
        fail_msg("failure %d at submission %u changes the text", (int)end, (unsigned)at);
    assert_string_equal(engine, lost ? "cpu" : "npu");
    assert_non_null(strstr(log_text, lost ? "the NPU is not used any more"
                                          : "trying again with a new context"));
    snprintf(matrix, sizeof matrix, "in matrix %u of a layer's operation", blamed(end, at));
    if (!strstr(log_text, matrix))
        fail_msg("failure %d at submission %u says %s", (int)end, (unsigned)at, log_text);
    if (!lost) assert_int_equal(sim_figures().submissions, SUBMISSIONS + 1);
    assert_string_equal(sim_complaint(), "");
    api_model_close(&n.m);
}

/* Every kind of failure, at every submission. If it fails once, the engine goes on with a new
 * context; if it fails for ever, the CPU goes on. */
static void failures_leave_the_text(void **state) {
    (void)state;
    uint64_t want = by_cpu(0, short_text);
    for (uint32_t generation = 1; generation <= 2; generation++) {
        struct on_npu n;
        const char *engine;
        const struct sim_config config = failing_machine(generation);
        sim_reset(&config);
        assert_true(open_npu(&n, 0, device(generation, "all")));
        assert_int_equal(short_text(&n.m, &engine), want);
        assert_int_equal(sim_figures().submissions, SUBMISSIONS);
        api_model_close(&n.m);
        for (int end = SIM_RIGHT + 1; end < SIM_ENDS; end++)
            for (uint64_t at = 0; at < SUBMISSIONS; at++)
                for (int for_ever = 0; for_ever < 2; for_ever++)
                    fail_once_or_for_ever(generation, want, (enum sim_end)end, at, for_ever);
    }
}

/* A new context is made only once: after the next failure, whenever it comes, the NPU is not used
 * any more. */
static void a_second_failure_is_the_last(void **state) {
    (void)state;
    for (int end = SIM_RIGHT + 1; end < SIM_ENDS; end++) {
        struct api_model cpu;
        struct on_npu n;
        struct api_session on_cpu, on_npu;
        apus_stats stats = {.size = sizeof stats};
        int32_t ids[POSITIONS], want[8], got[8];
        machine(1);
        api_model_open(&cpu, 0, APUS_CPU_REF);
        assert_true(open_npu(&n, 0, device(1, "all")));
        api_ids(&cpu, 5, ids, POSITIONS);
        api_open(&on_cpu, &cpu, CONTEXT, 1, CHUNK);
        api_open(&on_npu, &n.m, CONTEXT, 1, CHUNK);
        assert_int_equal(API_PROMPT(&on_cpu, ids, POSITIONS), APUS_OK);
        assert_int_equal(API_PROMPT(&on_npu, ids, POSITIONS), APUS_OK);
        for (int round = 0; round < 3; round++) {
            static const char *const engine[] = {"npu", "npu", "cpu"};
            if (round == 1) sim_fail(sim_figures().submissions + 2, 1, SIM_ERROR);
            if (round == 2) sim_fail(sim_figures().submissions + 7, 1, (enum sim_end)end);
            uint64_t hash = api_generate(&on_cpu, 4, want);
            assert_int_equal(api_generate(&on_npu, 4, got), hash);
            assert_memory_equal(got, want, 4 * sizeof *got);
            assert_int_equal(apus_get_stats(on_npu.session, &stats), APUS_OK);
            assert_string_equal(stats.engine, engine[round]);
        }
        assert_non_null(strstr(log_text, "the NPU is not used any more"));
        api_close(&on_cpu), api_close(&on_npu);
        api_model_close(&cpu), api_model_close(&n.m);
    }
}

/* Every sync is needed: without any one of them the model does not open, the device model
 * complains, or the text differs. */
static void every_sync_is_missed(void **state) {
    (void)state;
    uint64_t want = by_cpu(1, short_text);
    for (uint32_t generation = 1; generation <= 2; generation++) {
        uint64_t syncs = 0;
        for (uint64_t at = UINT64_MAX; at == UINT64_MAX || at < syncs; at++) {
            struct on_npu n;
            const char *engine;
            machine(generation);
            sim_drop_sync(at);
            if (!open_npu(&n, 1, device(generation, "all"))) continue;
            uint64_t got = short_text(&n.m, &engine);
            if (at == UINT64_MAX) syncs = sim_figures().requests[UAPI_SYNC_BUFFER];
            if ((got == want && !sim_complaint()[0]) != (at == UINT64_MAX))
                fail_msg("sync %u is of no use", (unsigned)at);
            api_model_close(&n.m);
        }
        assert_int_equal(syncs, 4 + 2 * 2 * (4 + 4 + 1)); /* weights, copies, code, image; x and
                                                             sums of every operation of two
                                                             passes */
    }
}

/* The split that AMD has published: the target on the NPU and its draft on the CPU. Neither
 * speculation nor the engine changes the target's text. */
static void the_draft_stays_on_the_cpu(void **state) {
    (void)state;
    struct api_model cpu;
    struct on_npu n;
    int32_t ids[POSITIONS], want[24], got[24];
    uint64_t hash[2];
    machine(2);
    api_model_open(&cpu, 0, APUS_CPU_BEST);
    assert_true(open_npu(&n, 0, device(2, "all")));
    api_ids(&cpu, 5, ids, POSITIONS);
    for (int npu = 0; npu < 2; npu++) {
        apus_config config = {.size = sizeof config,
                              .model = npu ? n.m.model : cpu.model,
                              .draft = npu ? cpu.model : NULL,
                              .context = CONTEXT,
                              .threads = 2,
                              .proposals = 3};
        apus_memory need = {.size = sizeof need};
        struct api_session s;
        apus_stats stats = {.size = sizeof stats};
        assert_int_equal(apus_measure(&config, &need), APUS_OK);
        s.arena = guarded_take(need.bytes, need.alignment);
        assert_int_equal(apus_open(&s.session, &config, s.arena.at, need.bytes), APUS_OK);
        assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
        hash[npu] = api_generate(&s, 24, npu ? got : want);
        assert_int_equal(apus_get_stats(s.session, &stats), APUS_OK);
        assert_string_equal(stats.engine, npu ? "npu" : "cpu");
        api_close(&s);
    }
    assert_memory_equal(got, want, sizeof want);
    assert_int_equal(hash[0], hash[1]);
    assert_string_equal(sim_complaint(), "");
    api_model_close(&n.m);
    api_model_close(&cpu);
}

/* Messages say what is missing and what to do about it. */
static void missing_things_are_explained(void **state) {
    (void)state;
    static const char no_overlay[] = "", bad_overlay[] = "not what xclbinutil makes";
    static const struct {
        struct sim_config config;
        const char *says, *device, *options, *overlay; /* NULL: "all" and the model's overlay */
        int loaded, unknown;
    } cases[] = {
        {{.generation = 2, .open_error = ENOENT}, "modprobe amdxdna", NULL, NULL, NULL, 0, 0},
        {{.generation = 2, .open_error = ENOENT},
         "loaded and serves none: sudo dmesg",
         NULL,
         NULL,
         NULL,
         1,
         0},
        {{.generation = 2}, "Linux 6.14 or newer", NULL, NULL, NULL, 1, UAPI_GET_INFO},
        {{.generation = 2}, "Linux 6.14 or newer", NULL, NULL, NULL, 1, UAPI_CREATE_BUFFER},
        {{.generation = 2, .open_error = EACCES}, "usermod -aG render", NULL, NULL, NULL, 0, 0},
        {{.generation = 2, .open_error = ENODEV}, "dmesg", NULL, NULL, NULL, 0, 0},
        {{.generation = 2, .poses = 1},
         "the overlay is the device model's, and this is a device",
         NULL,
         NULL,
         NULL,
         0,
         0},
        {{.generation = 1}, "another number of columns", NULL, NULL, NULL, 0, 0},
        {{.generation = 2}, "it needs an overlay", NULL, NULL, no_overlay, 0, 0},
        {{.generation = 2}, "no xclbin container", NULL, NULL, bad_overlay, 0, 0},
        {{.generation = 2}, "they are counted from 0", "1", NULL, NULL, 0, 0},
        {{.generation = 2}, "the device is 0 to 7", "8", NULL, NULL, 0, 0},
        {{.generation = 2}, "the device is 0 to 7", "Strix", NULL, NULL, 0, 0},
        {{.generation = 2, .open_error = ENOENT}, "modprobe amdxdna", "1", NULL, NULL, 0, 0},
        {{.generation = 2}, "its options are all", NULL, "nonsense", NULL, 0, 0},
        {{.generation = 2}, "its options are all", NULL, "all,,all", NULL, 0, 0},
        {{.generation = 2}, "libapus-xrt.so is not found", NULL, "provider=xrt", NULL, 0, 0},
        {{.generation = 2},
         "provider=kernel and provider=xrt",
         NULL,
         "provider=kernel,provider=ours",
         NULL,
         0,
         0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct on_npu n;
        apus_engine_config engine = *device(2, cases[i].options ? cases[i].options : "all");
        engine.device = cases[i].device;
        if (cases[i].overlay)
            engine.overlay = *cases[i].overlay ? cases[i].overlay : NULL,
            engine.overlay_bytes = strlen(cases[i].overlay);
        sim_reset(&cases[i].config);
        driver_loaded = cases[i].loaded, unknown_request = cases[i].unknown;
        if (open_npu(&n, 0, &engine)) fail_msg("case %zu opens", i);
        assert_int_equal(n.refused, APUS_E_UNAVAILABLE);
        if (!strstr(log_text, cases[i].says)) fail_msg("case %zu says: %s", i, log_text);
    }
    driver_loaded = unknown_request = 0;
}

/* Firmware that is too old is noticed when a context is made. Then the session is refused; else the
 * CPU would compute it under the name of the NPU. */
static void contexts_are_explained(void **state) {
    (void)state;
    struct on_npu n;
    sim_reset(&(struct sim_config){.generation = 2, .context_error = EINVAL});
    assert_true(open_npu(&n, 0, device(2, "all")));
    apus_config config = {.size = sizeof config, .model = n.m.model, .context = CONTEXT};
    apus_memory need = {.size = sizeof need};
    apus_session *s;
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    struct guarded arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_open(&s, &config, arena.at, need.bytes), APUS_E_ENGINE);
    assert_non_null(strstr(log_text, "firmware is older than the driver"));
    guarded_free(&arena);
    api_model_close(&n.m);
}

/* Weights that may not be locked in memory are copied, and the bits are the same. */
static void a_low_limit_copies(void **state) {
    (void)state;
    struct on_npu n;
    const char *engine;
    struct rlimit limit, low = {4096, 4096};
    assert_int_equal(getrlimit(RLIMIT_MEMLOCK, &limit), 0);
    low.rlim_max = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &low), 0);
    machine(2);
    assert_true(open_npu(&n, 0, device(2, "all")));
    assert_int_equal(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
    assert_non_null(strstr(log_text, "ulimit -l unlimited"));
    assert_int_equal(text_of(&n.m, &engine), by_cpu(0, text_of));
    assert_string_equal(engine, "npu");
    api_model_close(&n.m);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_bits_are_the_cpus),
                                       cmocka_unit_test(small_matrices_stay),
                                       cmocka_unit_test(requests_of_a_token),
                                       cmocka_unit_test(failures_leave_the_text),
                                       cmocka_unit_test(a_second_failure_is_the_last),
                                       cmocka_unit_test(every_sync_is_missed),
                                       cmocka_unit_test(the_draft_stays_on_the_cpu),
                                       cmocka_unit_test(missing_things_are_explained),
                                       cmocka_unit_test(contexts_are_explained),
                                       cmocka_unit_test(a_low_limit_copies)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
