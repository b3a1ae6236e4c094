/* Every public function with what a caller who forgot something hands it: NULL, structs and blobs
 * of zeros or noise, sizes cut anywhere. Under the sanitizers nothing may be read or written that
 * was not given. A function that is not in the list fails the test. */
#include "tests/api/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROOM = 32768 };

struct ready {
    struct api_model m;
    struct api_session s;
    apus_blob zero, noise;
    const apus_blob *blobs[3]; /* none of which was opened */
    unsigned char *bytes;      /* ROOM of them, 64-aligned */
};

static int make_ready(void **state) {
    struct ready *r = calloc(1, sizeof *r);
    api_model_open(&r->m, 0, APUS_CPU_BEST);
    api_open(&r->s, &r->m, 48, 1, 8);
    memset(&r->noise, 0x5b, sizeof r->noise);
    r->blobs[1] = &r->zero, r->blobs[2] = &r->noise;
    r->bytes = aligned_alloc(64, ROOM);
    *state = r;
    return 0;
}

static int unmake(void **state) {
    struct ready *r = *state;
    api_close(&r->s);
    api_model_close(&r->m);
    free(r->bytes);
    free(r);
    return 0;
}

#define ARGUMENT(call) assert_int_equal(call, APUS_E_ARGUMENT)

/* A copy of a struct in exactly `size` bytes of the heap, so that a read past them is seen; its
 * member size says so too. */
static void *cut(const void *whole, size_t known, uint32_t size) {
    unsigned char *copy = malloc(size < 4 ? 4 : size);
    memset(copy, 0, size < 4 ? 4 : size);
    memcpy(copy, whole, size < known ? size : known);
    memcpy(copy, &size, sizeof size);
    return copy;
}

/* The call with the struct at every size up to a little more than its own: no size may crash, sizes
 * that no version has are refused. */
#define EVERY_SIZE(type, whole, given, call)                                                       \
    for (uint32_t size = 0; size <= sizeof(type) + 9; size++) {                                    \
        type *given = cut(&(whole), sizeof(type), size);                                           \
        apus_status status = call;                                                                 \
        if (size < 4 || size % _Alignof(type)) assert_int_equal(status, APUS_E_ARGUMENT);          \
        free(given);                                                                               \
    }

static void blobs(struct ready *r) {
    const apus_part nothing = {.kind = APUS_PART_SPECIAL};
    const apus_part text = api_text("hello");
    apus_info info = {.size = sizeof info};
    apus_layer_info layer = {.size = sizeof layer};
    apus_tensor_info tensor = {.size = sizeof tensor};
    apus_special special = {.size = sizeof special};
    apus_templates templates = {.size = sizeof templates};
    apus_port port = *apus_port_host();
    apus_blob blob;
    const char *section;
    int32_t id = 0;
    size_t count = 0;
    ARGUMENT(apus_blob_open(NULL, NULL, 0, NULL));
    ARGUMENT(apus_blob_open(&blob, NULL, 0, NULL));
    EVERY_SIZE(apus_port, port, given,
               apus_blob_open(&blob, r->m.bytes.at, r->m.bytes.bytes, given));
    for (int i = 0; i < 3; i++) {
        const apus_blob *b = r->blobs[i];
        ARGUMENT(apus_blob_verify(b, &section));
        ARGUMENT(apus_blob_describe(b, &info));
        ARGUMENT(apus_blob_layer(b, 0, &layer));
        ARGUMENT(apus_blob_tensor(b, 0, &tensor));
        ARGUMENT(apus_blob_end_token(b, 0, &id));
        ARGUMENT(apus_blob_special(b, 0, &special));
        ARGUMENT(apus_blob_templates(b, &templates));
        assert_int_equal(apus_tokenize_scratch(b, 9), 0);
        ARGUMENT(apus_tokenize(b, &text, 1, &id, 1, &count, r->bytes, ROOM));
        ARGUMENT(apus_detokenize(b, &id, 1, 1, 1, (char *)r->bytes, ROOM, &count));
        ARGUMENT(apus_heal(b, "hello", 5, 0, &count, r->bytes, ROOM));
        apus_model_config mc = {.size = sizeof mc, .blob = b};
        apus_memory need = {.size = sizeof need};
        apus_model *model;
        ARGUMENT(apus_model_measure(&mc, &need));
        ARGUMENT(apus_model_open(&model, &mc, r->bytes, ROOM));
    }
    const apus_blob *b = &r->m.blob;
    assert_int_equal(apus_blob_verify(b, NULL), APUS_OK);
    ARGUMENT(apus_blob_describe(b, NULL));
    ARGUMENT(apus_blob_layer(b, 0, NULL));
    ARGUMENT(apus_blob_tensor(b, 0, NULL));
    ARGUMENT(apus_blob_end_token(b, 0, NULL));
    ARGUMENT(apus_blob_special(b, 0, NULL));
    ARGUMENT(apus_blob_templates(b, NULL));
    EVERY_SIZE(apus_info, info, given, apus_blob_describe(b, given));
    EVERY_SIZE(apus_layer_info, layer, given, apus_blob_layer(b, 0, given));
    EVERY_SIZE(apus_tensor_info, tensor, given, apus_blob_tensor(b, 0, given));
    EVERY_SIZE(apus_special, special, given, apus_blob_special(b, 0, given));
    EVERY_SIZE(apus_templates, templates, given, apus_blob_templates(b, given));
    ARGUMENT(apus_tokenize(b, NULL, 1, NULL, 0, &count, NULL, 0));
    ARGUMENT(apus_tokenize(b, &text, 1, NULL, 1, &count, NULL, 0));
    ARGUMENT(apus_tokenize(b, &text, 1, NULL, 0, NULL, NULL, 0));
    assert_int_equal(apus_tokenize(b, NULL, 0, NULL, 0, &count, NULL, 0), APUS_OK);
    assert_int_equal(count, 0);
    assert_int_equal(apus_tokenize(b, &text, 1, NULL, 0, &count, NULL, 0), APUS_E_SPACE);
    assert_int_equal(apus_tokenize(b, &nothing, 1, NULL, 0, &count, NULL, 0),
                     APUS_E_TOKEN); /* NULL and 0: no memcmp of it */
    for (int kind = APUS_PART_TEXT; kind <= APUS_PART_BOS; kind++) {
        const apus_part empty = {.kind = (apus_part_kind)kind};
        if (kind != APUS_PART_SPECIAL)
            assert_true(apus_tokenize(b, &empty, 1, &id, 1, &count, NULL, 0) == APUS_OK);
    }
    ARGUMENT(apus_heal(b, NULL, 1, 0, &count, r->bytes, ROOM));
    ARGUMENT(apus_heal(b, "hello", 5, 0, NULL, r->bytes, ROOM));
    ARGUMENT(apus_heal(b, "hello", 5, 4, &count, r->bytes, ROOM));
    ARGUMENT(apus_heal(b, "hello", SIZE_MAX, 0, &count, r->bytes, ROOM));
    assert_int_equal(apus_heal(b, "hello", 5, 0, &count, NULL, 0), APUS_E_SPACE);
    ARGUMENT(apus_detokenize(b, NULL, 1, 0, 0, NULL, 0, &count));
    ARGUMENT(apus_detokenize(b, &id, 1, 0, 0, NULL, 1, &count));
    ARGUMENT(apus_detokenize(b, &id, 1, 0, 0, NULL, 0, NULL));
    assert_int_equal(apus_detokenize(b, NULL, 0, 0, 0, NULL, 0, &count), APUS_OK);
    assert_int_equal(apus_tokenize_scratch(b, SIZE_MAX), SIZE_MAX);
}

static void models(struct ready *r) {
    apus_port port = *apus_port_host();
    apus_model_config mc = {.size = sizeof mc, .blob = &r->m.blob, .port = &port};
    apus_pool_config pc = {.size = sizeof pc, .threads = 2, .port = &port};
    apus_memory need = {.size = sizeof need};
    apus_model *model = NULL;
    apus_pool *pool = NULL;
    size_t bytes;
    ARGUMENT(apus_model_measure(NULL, NULL));
    ARGUMENT(apus_model_measure(&mc, NULL));
    ARGUMENT(apus_model_open(NULL, NULL, NULL, 0));
    ARGUMENT(apus_model_open(&model, NULL, NULL, 0));
    assert_int_equal(apus_model_open(&model, &mc, NULL, 0), APUS_E_SPACE);
    assert_int_equal(apus_model_open(&model, &mc, r->bytes, 0), APUS_E_SPACE);
    EVERY_SIZE(apus_model_config, mc, given, apus_model_measure(given, &need));
    EVERY_SIZE(apus_memory, need, given, apus_model_measure(&mc, given));
    EVERY_SIZE(apus_port, port, given, (mc.port = given, apus_model_measure(&mc, &need)));
    mc.port = &port;
    apus_engine_config engine = {.size = sizeof engine};
    mc.engines_count = 1;
    ARGUMENT(apus_model_measure(&mc, &need));
    EVERY_SIZE(apus_engine_config, engine, given,
               (mc.engines = given, apus_model_measure(&mc, &need)));
    ARGUMENT(apus_model_pipeline_cache(NULL, 0, NULL, 0, &bytes));
    ARGUMENT(apus_model_pipeline_cache(r->m.model, 0, NULL, 0, NULL));
    ARGUMENT(apus_model_pipeline_cache(r->m.model, 1, NULL, 0, &bytes));
    apus_model_close(NULL);
    ARGUMENT(apus_pool_measure(NULL, NULL));
    ARGUMENT(apus_pool_measure(&pc, NULL));
    ARGUMENT(apus_pool_open(NULL, NULL, NULL, 0));
    ARGUMENT(apus_pool_open(&pool, NULL, NULL, 0));
    assert_int_equal(apus_pool_open(&pool, &pc, NULL, 0), APUS_E_SPACE);
    EVERY_SIZE(apus_pool_config, pc, given, apus_pool_measure(given, &need));
    EVERY_SIZE(apus_memory, need, given, apus_pool_measure(&pc, given));
    apus_pool_close(NULL);
    assert_true(!model && !pool);
}

static void sessions(struct ready *r) {
    apus_config sc = {.size = sizeof sc, .model = r->m.model};
    apus_costs costs = {.size = sizeof costs};
    apus_memory need = {.size = sizeof need};
    apus_sampling sampling = {.size = sizeof sampling};
    apus_stats stats = {.size = sizeof stats};
    apus_piece piece = {.size = sizeof piece};
    apus_session *s = NULL;
    const int32_t *ids;
    const int32_t id = 1;
    const apus_part text = api_text("hello");
    size_t count;
    ARGUMENT(apus_measure(NULL, NULL));
    ARGUMENT(apus_measure(&sc, NULL));
    ARGUMENT(apus_open(NULL, NULL, NULL, 0));
    ARGUMENT(apus_open(&s, NULL, NULL, 0));
    assert_int_equal(apus_open(&s, &sc, NULL, 0), APUS_E_SPACE);
    EVERY_SIZE(apus_config, sc, given, apus_measure(given, &need));
    EVERY_SIZE(apus_memory, need, given, apus_measure(&sc, given));
    EVERY_SIZE(apus_costs, costs, given, (sc.costs = given, apus_measure(&sc, &need)));
    assert_null(s);
    apus_close(NULL);
    apus_cancel(NULL), apus_cancel_request(NULL, 1);
    assert_int_equal(apus_request(NULL), 0);
    ARGUMENT(apus_get_costs(NULL, &costs));
    ARGUMENT(apus_prompt(NULL, &text, 1, 0));
    ARGUMENT(apus_append(NULL, &text, 1, 0));
    ARGUMENT(apus_begin(NULL, &sampling));
    ARGUMENT(apus_next(NULL, &piece));
    ARGUMENT(apus_eval(NULL, &id, 1, NULL, NULL));
    ARGUMENT(apus_rewind(NULL, 0));
    ARGUMENT(apus_get_stats(NULL, &stats));
    ARGUMENT(apus_save(NULL, NULL, 0, &count));
    ARGUMENT(apus_restore(NULL, r->bytes, ROOM));
    ARGUMENT(apus_ids(NULL, &ids, &count));
    s = r->s.session;
    ARGUMENT(apus_get_costs(s, NULL));
    ARGUMENT(apus_prompt(s, NULL, 1, 0));
    ARGUMENT(apus_prompt(s, NULL, 0, 0));
    ARGUMENT(apus_append(s, NULL, 1, 0));
    ARGUMENT(apus_append(s, NULL, 0, 0));
    ARGUMENT(apus_eval(s, NULL, 1, NULL, NULL));
    ARGUMENT(apus_eval(s, &id, 0, NULL, NULL));
    ARGUMENT(apus_rewind(s, SIZE_MAX));
    ARGUMENT(apus_save(s, NULL, 0, NULL));
    ARGUMENT(apus_restore(s, NULL, 0));
    ARGUMENT(apus_ids(s, NULL, NULL));
    ARGUMENT(apus_begin(s, NULL));
    ARGUMENT(apus_next(s, NULL));
    ARGUMENT(apus_get_stats(s, NULL));
    memset(r->bytes, 0, ROOM);
    for (size_t bytes = 0; bytes < 64; bytes++) { /* zeros are no state, however many */
        unsigned char *exact = calloc(1, bytes + 1);
        assert_int_equal(apus_restore(s, exact, bytes), APUS_E_FORMAT);
        free(exact);
    }
    assert_int_equal(apus_eval(s, &id, 1, NULL, NULL), APUS_OK);
    EVERY_SIZE(apus_sampling, sampling, given, apus_begin(s, given));
    EVERY_SIZE(apus_stats, stats, given, apus_get_stats(s, given));
    EVERY_SIZE(apus_costs, costs, given, apus_get_costs(s, given));
    EVERY_SIZE(apus_piece, piece, given, (apus_begin(s, &sampling), apus_next(s, given)));
}

static void machine(struct ready *r) {
    apus_map map = {NULL, 0, -1};
    (void)r;
    assert_non_null(apus_status_text(INT32_MIN));
    assert_non_null(apus_stop_reason_text((apus_stop_reason)-1));
    assert_true(apus_version() > 0);
    assert_true(apus_cpu_has(apus_cpu_best()));
    assert_null(apus_cpu_name((apus_cpu)-1));
    apus_probe(NULL, NULL, NULL);
    assert_non_null(apus_port_host());
    assert_true(apus_port_processors() >= 1);
    assert_int_not_equal(apus_map_open(&map, "/nowhere/no file"), 0);
    assert_int_not_equal(apus_map_open(&map, NULL), 0);
    assert_int_not_equal(apus_map_open(NULL, "/dev/null"), 0);
    assert_int_equal(apus_map_intact(&map), 0);
    assert_int_equal(apus_map_intact(NULL), 0);
    apus_map_close(&map);
    apus_map_close(NULL);
}

static void every_function(void **state) {
    struct ready *r = *state;
    blobs(r);
    models(r);
    sessions(r);
    machine(r);
}

/* ------------------------------------------------------------------------- none is forgotten -- */

static char *read_text(const char *path) {
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    char *text = calloc(1, 1 << 18);
    assert_true(fread(text, 1, (1 << 18) - 1, file) > 1000);
    fclose(file);
    return text;
}

/* Every function that a header declares at the beginning of a line is called in this file. */
static uint32_t called_here(const char *header, const char *self) {
    char *text = read_text(header), *own = read_text(self);
    uint32_t found = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        char *name = strstr(line, "apus_"), call[80];
        for (; name; name = strstr(name + 1, "apus_")) {
            size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789");
            if (name[length] == '(') break;
        }
        if (!name || strchr(" /*#}", line[0]) || !memcmp(line, "typedef", 7)) continue;
        snprintf(call, sizeof call, "%.*s(",
                 (int)strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"), name);
        if (!strstr(own, call)) fail_msg("%s...) is not called in %s", call, self);
        found++;
    }
    free(text);
    free(own);
    return found;
}

static void no_function_is_forgotten(void **state) {
    (void)state;
    assert_true(called_here(APUS_SOURCE "/include/apus/apus.h",
                            APUS_SOURCE "/tests/api/test_doors.c") >= 35);
    assert_true(called_here(APUS_SOURCE "/include/apus/port.h",
                            APUS_SOURCE "/tests/api/test_doors.c") >= 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_function, make_ready, unmake),
        cmocka_unit_test(no_function_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
