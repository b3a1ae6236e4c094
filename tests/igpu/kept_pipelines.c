/* A pipeline cache that the caller keeps: a model that is opened with it computes the same bits,
 * and a cache that is damaged or belongs to another device is ignored.
 *
 *   test_igpu_kept_pipelines                exit status 77 if there is no device
 *   test_igpu_kept_pipelines DEVICE noop    for a device whose results mean nothing (Mesa's no-op
 *                                           shim): tests only that pipelines come from the cache */
#include "tests/speculate/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "igpu/device_model.h"
#include "weights/hash.h"

static const struct tiny_spec spec = {.layers = 2, .seed = 1};
static apus_blob blob;

/* Opens a model on the device, generates some ids and closes it. Returns its pipeline cache if
 * `keep_bytes` is not NULL. */
static void *open_and_run(const void *pipeline_cache, size_t bytes, struct result *result,
                          size_t *keep_bytes) {
    apus_memory need = {.size = sizeof need};
    apus_model *model;
    apus_sampling sampling = sampling_of(1);
    const apus_engine_config engine = {.size = sizeof engine,
                                       .name = "igpu",
                                       .pipeline_cache = pipeline_cache,
                                       .pipeline_cache_bytes = bytes};
    apus_model_config config = {.size = sizeof config,
                                .blob = &blob,
                                .port = apus_port_host(),
                                .engines_count = 1,
                                .engines = &engine};
    assert_int_equal(apus_model_measure(&config, &need), APUS_OK);
    void *memory = aligned_alloc(64, need.bytes), *data = NULL;
    assert_int_equal(apus_model_open(&model, &config, memory, need.bytes), APUS_OK);
    if (keep_bytes) {
        size_t all, given;
        assert_int_equal(apus_model_pipeline_cache(model, 0, NULL, 0, &all), APUS_OK);
        data = malloc(all);
        assert_int_equal(apus_model_pipeline_cache(model, 0, data, all - 1, &given), APUS_E_SPACE);
        assert_int_equal(apus_model_pipeline_cache(model, 0, data, 8, &given), APUS_E_SPACE);
        assert_int_equal(apus_model_pipeline_cache(model, 0, data, all, keep_bytes), APUS_OK);
        assert_true(*keep_bytes <= all);
    }
    apus_session *s = open_session((apus_config){.model = model});
    prompt(s, "abcabd");
    generate(s, &sampling, 0, result);
    close_session(s);
    apus_model_close(model);
    free(memory);
    return data;
}

static void changes_nothing(void **unused) {
    (void)unused;
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    size_t bytes, again;
    unsigned char *data = open_and_run(NULL, 0, want, &bytes);
    printf("%zu bytes\n", bytes);
    void *second = open_and_run(data, bytes, got, &again);
    assert_same(got, want);
    assert_true(again >= bytes);
    free(second);

    /* The cache cut short, changed, from another device (with a header of ours that fits it), and
     * all zero. */
    for (size_t n = 0; n < bytes; n += bytes / 3 + 1) {
        open_and_run(data, n, got, NULL);
        assert_same(got, want);
        data[n] ^= 0x40;
        open_and_run(data, bytes, got, NULL);
        assert_same(got, want);
        data[n] ^= 0x40;
    }
    uint64_t hash;
    data[32 + 16] ^= 1; /* a byte of the driver's identity */
    hash = hash64(data + 32, bytes - 32);
    memcpy(data + 16, &hash, sizeof hash);
    open_and_run(data, bytes, got, NULL);
    assert_same(got, want);
    memset(data, 0, bytes);
    open_and_run(data, bytes, got, NULL);
    assert_same(got, want);
    free(data), free(want), free(got);
}

static void what_callers_get_wrong(void **unused) {
    (void)unused;
    const apus_model *cpu = open_model(&spec);
    size_t bytes = 99;
    assert_int_equal(apus_model_pipeline_cache(cpu, 0, NULL, 0, &bytes), APUS_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(apus_model_pipeline_cache(NULL, 0, NULL, 0, &bytes), APUS_E_ARGUMENT);
    assert_int_equal(apus_model_pipeline_cache(cpu, 0, NULL, 0, NULL), APUS_E_ARGUMENT);
    apus_memory need = {.size = sizeof need};
    const apus_engine_config engine = {.size = sizeof engine,
                                       .pipeline_cache = (const char *)&blob + 1,
                                       .pipeline_cache_bytes = 100};
    apus_model_config config = {
        .size = sizeof config, .blob = &blob, .engines_count = 1, .engines = &engine};
    assert_int_equal(apus_model_measure(&config, &need), APUS_E_ARGUMENT);
}

static const char *device;

/* How many milliseconds all pipelines take. *data gets the pipeline cache. */
static double make_pipelines(const void *pipeline_cache, size_t pipeline_cache_bytes, void **data,
                             size_t *bytes) {
    static struct igpu_model m;
    const char *call;
    const apus_port *port = apus_port_host();
    memset(&m, 0, sizeof m);
    assert_null(device_instance(&m.device, port));
    assert_null(device_choose(&m.device, device, NULL));
    assert_int_equal(device_open(&m.device, &call), VK_SUCCESS);
    uint64_t began = port->now_ns(port->user);
    assert_int_equal(pipelines_open(&m, &(struct model_types){0xe, 0}, pipeline_cache,
                                    pipeline_cache_bytes, &call),
                     VK_SUCCESS);
    double ms = (double)(port->now_ns(port->user) - began) * 1e-6;
    assert_int_equal(igpu_model_pipeline_cache(&m, NULL, 0, bytes), APUS_OK);
    *data = malloc(*bytes);
    assert_int_equal(igpu_model_pipeline_cache(&m, *data, *bytes, bytes), APUS_OK);
    pipelines_close(&m);
    device_close(&m.device);
    return ms;
}

static void spares_compiling(void **unused) {
    (void)unused;
    void *first, *second;
    size_t bytes, again;
    double cold = make_pipelines(NULL, 0, &first, &bytes),
           warm = make_pipelines(first, bytes, &second, &again);
    printf("pipelines made in %.1f ms, from %zu bytes in %.1f ms\n", cold, bytes, warm);
    assert_true(bytes > 10000 && warm < cold / 2);
    free(first), free(second);
}

static int found;
static void note(void *user, const char *engine, int available, const char *words) {
    (void)user, (void)words;
    found |= available && !strcmp(engine, "igpu");
}

int main(int argc, char **argv) {
    size_t bytes;
    if (argc > 2 && !strcmp(argv[2], "noop")) {
        const struct CMUnitTest noop_tests[] = {cmocka_unit_test(spares_compiling)};
        device = argv[1];
        return cmocka_run_group_tests(noop_tests, NULL, NULL);
    }
    static struct device held; /* held to the end, because NVIDIA's driver can be loaded only some
                                  30 times in a process */
    const struct CMUnitTest tests[] = {cmocka_unit_test(changes_nothing),
                                       cmocka_unit_test(what_callers_get_wrong)};
    apus_probe(apus_port_host(), note, NULL);
    if (!found) {
        printf("skipped: the igpu engine cannot run here\n");
        return 77;
    }
    if (device_instance(&held, apus_port_host())) return 1;
    void *data = keep(tiny_blob(&spec, &bytes));
    if (apus_blob_open(&blob, data, bytes, NULL)) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
