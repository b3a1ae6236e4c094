/* Whatever is refused says why: one sentence through the log, with the field, what it holds and
 * what it may hold. And structs of other versions of apus.h. */
#include "tests/api/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONTEXT = 48 };

static char said[512];
static int times;

static void hear(void *user, int level, const char *text) {
    (void)user;
    assert_int_equal(level, APUS_LOG_ERROR);
    assert_null(strchr(text, '\n'));
    times++;
    strncpy(said, text, sizeof said - 1);
}

static const apus_port port = {.size = sizeof port, .log = hear};

/* A model and a session that log, over the blob of a fixture's model. */
struct ready {
    struct api_model m;
    struct guarded memory, arena;
    apus_model *model;
    apus_session *session;
    apus_blob blob;
};

static int make_ready(void **state) {
    struct ready *r = calloc(1, sizeof *r);
    apus_memory need = {.size = sizeof need};
    api_model_open(&r->m, 0, APUS_CPU_BEST);
    assert_int_equal(apus_blob_open(&r->blob, r->m.bytes.at, r->m.bytes.bytes, &port), APUS_OK);
    const apus_model_config mc = {.size = sizeof mc, .blob = &r->blob, .port = &port};
    assert_int_equal(apus_model_measure(&mc, &need), APUS_OK);
    r->memory = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_model_open(&r->model, &mc, r->memory.at, need.bytes), APUS_OK);
    const apus_config sc = {.size = sizeof sc, .model = r->model, .context = CONTEXT};
    assert_int_equal(apus_measure(&sc, &need), APUS_OK);
    r->arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_open(&r->session, &sc, r->arena.at, need.bytes), APUS_OK);
    times = 0;
    *state = r;
    return 0;
}

static int unmake(void **state) {
    struct ready *r = *state;
    apus_close(r->session);
    apus_model_close(r->model);
    guarded_free(&r->arena);
    guarded_free(&r->memory);
    api_model_close(&r->m);
    free(r);
    return 0;
}

/* Of structs with 64-bit members. */
#if UINTPTR_MAX > UINT32_MAX
#define ALIGNMENT "8"
#else
#define ALIGNMENT "4"
#endif

/* The call fails with this status and says exactly this. */
static void refused(apus_status status, apus_status expected, const char *sentence, int line) {
    if (status != expected) fail_msg("line %d: %d, must be %d", line, status, expected);
    if (times != 1) fail_msg("line %d: %d sentences", line, times);
    if (strcmp(said, sentence) != 0)
        fail_msg("line %d: \"%s\", must be \"%s\"", line, said, sentence);
    times = 0;
}
#define REFUSED(call, status, sentence) refused(call, status, sentence, __LINE__)
#define ARGUMENT(call, sentence)        REFUSED(call, APUS_E_ARGUMENT, sentence)

static void models_say_why(void **state) {
    struct ready *r = *state;
    const apus_model_config good = {.size = sizeof good, .blob = &r->blob, .port = &port};
    apus_memory need = {.size = sizeof need};
    apus_blob closed;
    memset(&closed, 0, sizeof closed);
    apus_model_config c = good;
    c.blob = NULL;
    ARGUMENT(apus_model_measure(&c, &need),
             "apus_model_config: blob is not one that apus_blob_open has filled");
    c.blob = &closed;
    ARGUMENT(apus_model_measure(&c, &need),
             "apus_model_config: blob is not one that apus_blob_open has filled");
    c = good, c.cpu = (apus_cpu)9;
    ARGUMENT(apus_model_measure(&c, &need), "apus_model_config: cpu is 9, must be 0 to 5");
    apus_engine_config e[5];
    memset(e, 0, sizeof e);
    for (int i = 0; i < 5; i++) e[i].size = sizeof *e;
    c = good, c.engines_count = 1;
    ARGUMENT(apus_model_measure(&c, &need), "apus_engine_config: the struct is NULL");
    c.engines = e, c.engines_count = 5;
    assert_int_equal(apus_model_measure(&c, &need), APUS_E_ARGUMENT);
    assert_non_null(strstr(said, "apus_model_config: engines_count is 5, must be 0 to "));
    times = 0;
    c.engines_count = 2;
    assert_int_equal(apus_model_measure(&c, &need), APUS_E_ARGUMENT);
    assert_non_null(strstr(said, "apus_engine_config 0: layers is 0, must be 1 to "));
    times = 0;
    e[0].layers = 1, e[1].layers = 999;
    assert_int_equal(apus_model_measure(&c, &need), APUS_E_ARGUMENT);
    assert_non_null(strstr(said, "apus_engine_config 1: layers is 999, must be "));
    times = 0;
    e[1].layers = 0, e[1].size = 8;
    assert_int_equal(apus_model_measure(&c, &need), APUS_E_ARGUMENT);
    assert_non_null(strstr(said, "apus_engine_config 1: size is 8, must be "));
    times = 0;
    c.engines_count = 1, e[0].layers = 0, e[0].pipeline_cache = r->memory.at + 20;
    assert_int_equal(apus_model_measure(&c, &need), APUS_E_ARGUMENT);
    assert_int_equal(times, 1);
    assert_non_null(strstr(said, "must be at a multiple of 8"));
    times = 0;
    e[0].pipeline_cache = NULL, e[0].name = "abacus";
    assert_int_equal(apus_model_measure(&c, &need), APUS_E_UNAVAILABLE);
    assert_int_equal(times, 1);
    times = 0;
    ARGUMENT(apus_model_measure(&good, NULL), "apus_memory: the struct is NULL");
    need.size = 0;
    ARGUMENT(apus_model_measure(&good, &need),
             "apus_memory: size is 0, must be sizeof the struct: a multiple of " ALIGNMENT
             " up to 4096");
    apus_model *model = NULL;
    ARGUMENT(apus_model_open(NULL, &good, r->memory.at, 1), "apus_model_open: model is NULL");
    REFUSED(apus_model_open(&model, &good, NULL, 1), APUS_E_SPACE,
            "apus_model_open: the memory is NULL");
    assert_int_equal(apus_model_open(&model, &good, r->memory.at + 4, r->memory.bytes),
                     APUS_E_SPACE);
    assert_non_null(strstr(said, "must be at a multiple of 64"));
    times = 0;
    assert_int_equal(apus_model_open(&model, &good, r->memory.at, 5), APUS_E_SPACE);
    assert_non_null(strstr(said, "apus_model_open: the memory has 5 bytes, must have at least "));
    times = 0;
    ARGUMENT(apus_model_pipeline_cache(r->model, 0, NULL, 0, NULL),
             "apus_model_pipeline_cache: bytes is NULL");
    assert_null(model);
}

static void sessions_say_why(void **state) {
    struct ready *r = *state;
    const apus_config good = {.size = sizeof good, .model = r->model};
    apus_memory need = {.size = sizeof need};
    char context[80];
    snprintf(context, sizeof context, "apus_config: context is 4294967295, must be 0 to %u",
             r->m.info.max_positions);
    const struct {
        apus_config config;
        const char *sentence;
    } tries[] = {
        {{.size = sizeof good, .model = r->model, .context = UINT32_MAX}, context},
        {{.size = sizeof good, .model = r->model, .threads = 65},
         "apus_config: threads is 65, must be 0 to 64"},
        {{.size = sizeof good, .model = r->model, .chunk = 513},
         "apus_config: chunk is 513, must be 0 to 512"},
        {{.size = sizeof good, .model = r->model, .proposals = 16},
         "apus_config: proposals is 16, must be 0 to 15"},
        {{.size = sizeof good, .model = r->model, .kv_bits = 5},
         "apus_config: kv_bits is 5, must be 0, 4 or 8"},
        {{.size = sizeof good, .model = r->model, .kv_bits = 8, .v_bits = 16},
         "apus_config: v_bits is 16, must be 0, 4 or 8"},
        {{.size = sizeof good, .model = r->model, .draft = r->model, .draft_context = 63},
         "apus_config: draft_context is 63, must be 64 to 512"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        ARGUMENT(apus_measure(&tries[i].config, &need), tries[i].sentence);
    apus_config c = good;
    c.prompt_bytes = UINT32_MAX;
    assert_int_equal(apus_measure(&c, &need), APUS_E_ARGUMENT);
    assert_non_null(strstr(said, "apus_config: prompt_bytes is 4294967295, must be 0 to "));
    times = 0;
    ARGUMENT(apus_measure(&good, NULL), "apus_memory: the struct is NULL");
    apus_costs costs = {.size = 0};
    c = good, c.costs = &costs;
    ARGUMENT(apus_measure(&c, &need),
             "apus_costs: size is 0, must be sizeof the struct: a multiple of " ALIGNMENT
             " up to 4096");
    ARGUMENT(apus_get_costs(r->session, &costs),
             "apus_costs: size is 0, must be sizeof the struct: a multiple of " ALIGNMENT
             " up to 4096");
    apus_session *session = NULL;
    ARGUMENT(apus_open(NULL, &good, r->arena.at, 1), "apus_open: session is NULL");
    REFUSED(apus_open(&session, &good, NULL, 1), APUS_E_SPACE, "apus_open: the memory is NULL");
    assert_int_equal(apus_open(&session, &good, r->arena.at, 640), APUS_E_SPACE);
    assert_non_null(strstr(said, "apus_open: the memory has 640 bytes, must have at least "));
    times = 0;
    assert_null(session);
}

static void samplings_say_why(void **state) {
    struct ready *r = *state;
    apus_session *s = r->session;
    const apus_sampling good = {.size = sizeof good};
    apus_stop stops[9] = {{"a", 1}, {"b", 1}, {"c", 64}};
    REFUSED(apus_begin(s, &good), APUS_E_ORDER,
            "apus_begin: the context is empty: call apus_prompt first");
    apus_piece piece = {.size = sizeof piece};
    REFUSED(apus_next(s, &piece), APUS_E_ORDER,
            "apus_next: no generation runs: apus_begin starts one");
    const struct {
        apus_sampling sampling;
        const char *sentence;
    } tries[] = {
        {{.size = sizeof good, .temperature = -1.0f},
         "apus_sampling: temperature is -1, must be 0, or 0.01 to 100"},
        {{.size = sizeof good, .temperature = 0.0099f},
         "apus_sampling: temperature is 0.0099, must be 0, or 0.01 to 100"},
        {{.size = sizeof good, .temperature = 100.5f},
         "apus_sampling: temperature is 100.5, must be 0, or 0.01 to 100"},
        {{.size = sizeof good, .temperature = 1e30f},
         "apus_sampling: temperature is 1e30, must be 0, or 0.01 to 100"},
        {{.size = sizeof good, .temperature = NAN},
         "apus_sampling: temperature is NaN, must be 0, or 0.01 to 100"},
        {{.size = sizeof good, .temperature = -INFINITY},
         "apus_sampling: temperature is -infinity, must be 0, or 0.01 to 100"},
        {{.size = sizeof good, .top_p = 1.25f}, "apus_sampling: top_p is 1.25, must be 0 to 1"},
        {{.size = sizeof good, .min_p = -1e-9f}, "apus_sampling: min_p is -1e-9, must be 0 to 1"},
        {{.size = sizeof good, .repeat_penalty = 10.0625f},
         "apus_sampling: repeat_penalty is 10.0625, must be 0, or 0.1 to 10"},
        {{.size = sizeof good, .repeat_last = 1025},
         "apus_sampling: repeat_last is 1025, must be 0 to 1024"},
        {{.size = sizeof good, .bind_bytes = 4097, .bind = "x"},
         "apus_sampling: bind_bytes is 4097, must be 0 to 4096"},
        {{.size = sizeof good, .bind_bytes = 1}, "apus_sampling: bind is NULL"},
        {{.size = sizeof good, .alternatives = 21},
         "apus_sampling: alternatives is 21, must be 0 to 20"},
        {{.size = sizeof good, .stops = stops, .stops_count = 9},
         "apus_sampling: stops_count is 9, must be 0 to 8"},
        {{.size = sizeof good, .stops_count = 2}, "apus_sampling: stops is NULL"},
        {{.size = sizeof good, .stops = stops, .stops_count = 3},
         "stop 2: bytes is 64, must be 1 to 63"},
        {{.size = sizeof good, .stops = stops + 3, .stops_count = 1}, "stop 0: text is NULL"},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++)
        ARGUMENT(apus_begin(s, &tries[i].sampling), tries[i].sentence);
    ARGUMENT(apus_begin(s, NULL), "apus_sampling: the struct is NULL");
    piece.size = 0;
    ARGUMENT(apus_next(s, &piece),
             "apus_piece: size is 0, must be sizeof the struct: a multiple of " ALIGNMENT
             " up to 4096");
}

static void prompts_say_why(void **state) {
    struct ready *r = *state;
    apus_session *s = r->session;
    const int32_t low[] = {1, -7}, high[] = {1, 2, (int32_t)r->m.info.vocab};
    char outside[80], text[4096];
    snprintf(outside, sizeof outside, "part 1: id 2 is %u, must be 0 to %u", r->m.info.vocab,
             r->m.info.vocab - 1);
    apus_part parts[2] = {api_text("a"), {.kind = APUS_PART_TEXT}};
    size_t count = 0;

    for (int blob = 0; blob < 2; blob++) { /* over the session's log and the blob's */
#define PARTS()                                                                                    \
    (blob ? apus_tokenize(&r->blob, parts, 2, NULL, 0, &count, text, sizeof text)                  \
          : apus_prompt(s, parts, 2, 0))
        parts[1] = (apus_part){.kind = (apus_part_kind)7};
        ARGUMENT(PARTS(), "part 1: kind is 7, must be 0 to 3");
        parts[1] = (apus_part){.kind = APUS_PART_TEXT, .flags = 0x12};
        ARGUMENT(PARTS(), "part 1: flags is 0x12, must be of 0x3");
        parts[1] = (apus_part){.kind = APUS_PART_TEXT, .count = 3};
        ARGUMENT(PARTS(), "part 1: data is NULL, and count is 3");
        parts[1] = (apus_part){
            .kind = APUS_PART_SPECIAL, .data = "<|no\x1b\xff such\xe2\x96\x81|>", .count = 16};
        REFUSED(PARTS(), APUS_E_TOKEN,
                "part 1: the vocabulary has no special token \"<|no?? such\xe2\x96\x81|>\"");
        parts[1] = api_ids_part(high, 3);
        REFUSED(PARTS(), APUS_E_TOKEN, outside);
    }
    memset(text, 'x', sizeof text);
    parts[1] = (apus_part){.kind = APUS_PART_SPECIAL, .data = text, .count = sizeof text};
    assert_int_equal(apus_prompt(s, parts, 2, 0), APUS_E_TOKEN);
    assert_true(times == 1 && strlen(said) < 160 && strstr(said, "xxx...\""));
    times = 0;

    ARGUMENT(apus_prompt(s, NULL, 1, 0), "apus_prompt: parts is NULL");
    ARGUMENT(apus_prompt(s, NULL, 0, 0),
             "apus_prompt: the parts give no id, and the context must hold at least one");
    ARGUMENT(apus_append(s, NULL, 0, 0),
             "apus_append: the parts give no id, and the context must hold at least one");
    int32_t many[CONTEXT + 1] = {0};
    parts[0] = api_ids_part(many, CONTEXT + 1);
    REFUSED(apus_prompt(s, parts, 1, 0), APUS_E_CONTEXT,
            "prompt: 49 ids behind 0 are more than the context of 48 positions");
    parts[0] = (apus_part){.kind = APUS_PART_TEXT, .data = text, .count = sizeof text};
    parts[1] = parts[0];
    REFUSED(apus_prompt(s, parts, 2, 0), APUS_E_TEXT,
            "prompt: more bytes of TEXT than the 4864 of apus_config.prompt_bytes");

    ARGUMENT(apus_eval(s, NULL, 1, NULL, NULL), "apus_eval: ids is NULL");
    assert_int_equal(apus_eval(s, low, 0, NULL, NULL), APUS_E_ARGUMENT);
    assert_non_null(strstr(said, "apus_eval: count is 0, must be 1 to "));
    times = 0;
    REFUSED(apus_eval(s, many, CONTEXT + 1, NULL, NULL), APUS_E_CONTEXT,
            "apus_eval: 49 ids behind 0 are more than the context of 48 positions");
    assert_int_equal(apus_eval(s, low, 2, NULL, NULL), APUS_E_TOKEN);
    assert_non_null(strstr(said, "apus_eval: id 1 is -7, must be 0 to "));
    times = 0;
    ARGUMENT(apus_rewind(s, 1), "apus_rewind: position is 1, must be 0 to 0");
    ARGUMENT(apus_ids(s, NULL, &count), "apus_ids: ids is NULL");
}

static void blobs_say_why(void **state) {
    struct ready *r = *state;
    apus_info info = {.size = 4100};
    apus_layer_info layer = {.size = sizeof layer};
    apus_tensor_info tensor = {.size = sizeof tensor};
    int32_t id = 0;
    size_t count = 0;
    char sentence[120], text[8];
    ARGUMENT(apus_blob_open(NULL, r->m.bytes.at, r->m.bytes.bytes, &port),
             "apus_blob_open: blob is NULL");
    ARGUMENT(apus_blob_describe(&r->blob, &info),
             "apus_info: size is 4100, must be sizeof the struct: a multiple of " ALIGNMENT
             " up to 4096");
    ARGUMENT(apus_blob_layer(&r->blob, 3, &layer), "apus_blob_layer: layer is 3, must be 0 to 2");
    snprintf(sentence, sizeof sentence, "apus_blob_tensor: index is %u, must be 0 to %u",
             r->m.info.tensors, r->m.info.tensors - 1);
    ARGUMENT(apus_blob_tensor(&r->blob, r->m.info.tensors, &tensor), sentence);
    snprintf(sentence, sizeof sentence,
             "apus_blob_end_token: index is 70, must be less than the %u of apus_info.end_tokens",
             r->m.info.end_tokens);
    ARGUMENT(apus_blob_end_token(&r->blob, 70, &id), sentence);
    apus_special special = {.size = sizeof special};
    ARGUMENT(apus_blob_special(&r->blob, 2, &special),
             "apus_blob_special: index is 2, must be less than the 2 of apus_info.specials");
    ARGUMENT(apus_detokenize(&r->blob, NULL, 1, 1, 0, text, sizeof text, &count),
             "apus_detokenize: ids is NULL");
    id = -1;
    snprintf(sentence, sizeof sentence, "apus_detokenize: id 0 is -1, must be 0 to %u",
             r->m.info.vocab - 1);
    REFUSED(apus_detokenize(&r->blob, &id, 1, 1, 0, text, sizeof text, &count), APUS_E_TOKEN,
            sentence);
    apus_part part = api_text("hello");
    REFUSED(apus_tokenize(&r->blob, &part, 1, NULL, 0, &count, NULL, 0), APUS_E_SPACE,
            "scratch for tokenizing: the memory is NULL");
    id = 1;
    assert_int_equal(apus_detokenize(&r->blob, &id, 1, 1, 1, text, 0, &count),
                     APUS_E_SPACE); /* asks for the size: nothing is wrong */
    assert_int_equal(times, 0);
}

static void states_say_why(void **state) {
    struct ready *r = *state;
    apus_session *s = r->session;
    int32_t ids[20];
    size_t bytes;
    api_ids(&r->m, 3, ids, 20);
    assert_int_equal(apus_eval(s, ids, 20, NULL, NULL), APUS_OK);
    ARGUMENT(apus_save(s, NULL, 0, NULL), "apus_save: bytes is NULL");
    assert_int_equal(apus_save(s, NULL, 0, &bytes), APUS_OK);
    uint8_t *saved = malloc(bytes);
    assert_int_equal(apus_save(s, saved, 9, &bytes), APUS_E_SPACE);
    assert_non_null(strstr(said, "apus_save: capacity is 9, and the state takes "));
    times = 0;
    assert_int_equal(apus_save(s, saved, bytes, &bytes), APUS_OK);
    ARGUMENT(apus_restore(s, NULL, 9), "apus_restore: data is NULL");
    REFUSED(apus_restore(s, saved, 9), APUS_E_FORMAT,
            "saved state: 9 bytes are fewer than any state has");
    const struct {
        size_t at;
        apus_status status;
        const char *words;
    } tries[] = {{0, APUS_E_FORMAT, "saved state: it does not begin with APST"},
                 {5, APUS_E_VERSION, "saved state: version is "},
                 {8, APUS_E_MISMATCH, "saved state: it is of the model 0x"},
                 {16, APUS_E_FORMAT, "saved state: it has "},
                 {bytes / 2, APUS_E_FORMAT, "saved state: it is damaged: its hash differs"}};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        saved[tries[i].at] ^= 1;
        assert_int_equal(apus_restore(s, saved, bytes), tries[i].status);
        if (times != 1 || !strstr(said, tries[i].words)) fail_msg("state %zu: \"%s\"", i, said);
        saved[tries[i].at] ^= 1;
        times = 0;
    }
    assert_int_equal(apus_restore(s, saved, bytes), APUS_OK);
    free(saved);
}

/* ---------------------------------------------------------------------------- other versions -- */

/* A struct with something behind what this library knows. */
#define LONGER(type)                                                                               \
    struct {                                                                                       \
        type known;                                                                                \
        uint64_t more[2];                                                                          \
    }

static void longer_inputs_are_taken_if_their_tail_is_zero(void **state) {
    struct ready *r = *state;
    apus_memory need = {.size = sizeof need};
    LONGER(apus_model_config) mc = {{.size = sizeof mc, .blob = &r->blob, .port = &port}, {0, 0}};
    LONGER(apus_engine_config) engine = {{.size = sizeof engine}, {0, 0}};
    apus_model_config listed = {.size = sizeof listed,
                                .blob = &r->blob,
                                .port = &port,
                                .engines_count = 1,
                                .engines = &engine.known};
    LONGER(apus_config) sc = {{.size = sizeof sc, .model = r->model}, {0, 0}};
    LONGER(apus_costs) costs = {{.size = sizeof costs}, {0, 0}};
    LONGER(apus_sampling) sampling = {{.size = sizeof sampling}, {0, 0}};
    LONGER(apus_port) longer = {port, {0, 0}};
    longer.known.size = sizeof longer;
    apus_model_config over = {.size = sizeof over, .blob = &r->blob, .port = &longer.known};
    int32_t ids[] = {1, 2};
    assert_int_equal(apus_eval(r->session, ids, 2, NULL, NULL), APUS_OK);
    assert_int_equal(apus_model_measure(&mc.known, &need), APUS_OK);
    assert_int_equal(apus_model_measure(&over, &need), APUS_OK);
    assert_int_equal(apus_model_measure(&listed, &need), APUS_OK);
    assert_int_equal(apus_measure(&sc.known, &need), APUS_OK);
    sc.known.costs = &costs.known;
    assert_int_equal(apus_measure(&sc.known, &need), APUS_OK);
    assert_int_equal(apus_begin(r->session, &sampling.known), APUS_OK);
    assert_int_equal(times, 0);

    char sentence[160];
#define NEWER(type, call)                                                                          \
    snprintf(sentence, sizeof sentence,                                                            \
             #type ": byte %zu of %zu is not zero: a member of a newer apus.h is set, and this "   \
                   "library knows %zu bytes",                                                      \
             sizeof(type) + 9, sizeof(type) + 16, sizeof(type));                                   \
    ARGUMENT(call, sentence)
    mc.more[1] = longer.more[1] = engine.more[1] = costs.more[1] = sampling.more[1] = 0x100;
    NEWER(apus_model_config, apus_model_measure(&mc.known, &need));
    NEWER(apus_engine_config, apus_model_measure(&listed, &need));
    NEWER(apus_port, apus_model_measure(&over, &need));
    NEWER(apus_costs, apus_measure(&sc.known, &need));
    sc.more[1] = 0x100;
    NEWER(apus_config, apus_measure(&sc.known, &need));
    NEWER(apus_sampling, apus_begin(r->session, &sampling.known));
}

static void sizes_that_no_version_has_are_refused(void **state) {
    struct ready *r = *state;
    apus_sampling sampling = {.size = 0};
    const uint32_t sizes[] = {0,    1,         3, 14, sizeof sampling - 1, sizeof sampling + 2,
                              4104, UINT32_MAX};
    int32_t id = 1;
    assert_int_equal(apus_eval(r->session, &id, 1, NULL, NULL), APUS_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char sentence[120];
        sampling.size = sizes[i];
        snprintf(sentence, sizeof sentence,
                 "apus_sampling: size is %u, must be sizeof the struct: a multiple of " ALIGNMENT
                 " up to 4096",
                 sizes[i]);
        ARGUMENT(apus_begin(r->session, &sampling), sentence);
    }
    sampling.size = 8; /* of an apus.h with a temperature alone */
    sampling.temperature = 2.0f;
    sampling.top_k = 99, sampling.stops_count = 77;
    assert_int_equal(apus_begin(r->session, &sampling), APUS_OK);
}

/* Fills a struct of `known` bytes at sizes around its own: what is behind it stays, what is not
 * known becomes zero, the size is kept. */
typedef apus_status fill(struct ready *r, void *to);
static void filled_as_far_as_it_reaches(struct ready *r, fill *call, size_t known,
                                        size_t alignment) {
    union {
        uint32_t size;
        uint8_t byte[1024];
    } whole = {.size = (uint32_t)known}, other;
    assert_int_equal(call(r, &whole), APUS_OK);
    for (size_t size = alignment; size <= known + 3 * alignment; size += alignment) {
        memset(&other, 0xa5, sizeof other);
        other.size = (uint32_t)size;
        assert_int_equal(call(r, &other), APUS_OK);
        assert_int_equal(other.size, size);
        size_t filled = size < known ? size : known;
        size_t end = filled < known - 4
                         ? filled
                         : known - 4; /* padding lies behind the size and at the end */
        if (end > alignment)
            assert_memory_equal(other.byte + alignment, whole.byte + alignment, end - alignment);
        for (size_t i = filled; i < size; i++) assert_int_equal(other.byte[i], 0);
        for (size_t i = size; i < sizeof other; i++) assert_int_equal(other.byte[i], 0xa5);
    }
    for (size_t size = 0; size < 4; size++) {
        memset(&other, 0xa5, sizeof other);
        other.size = (uint32_t)size;
        assert_int_equal(call(r, &other), APUS_E_ARGUMENT);
        for (size_t i = 4; i < sizeof other; i++) assert_int_equal(other.byte[i], 0xa5);
    }
}

static apus_status fill_info(struct ready *r, void *to) { return apus_blob_describe(&r->blob, to); }
static apus_status fill_layer(struct ready *r, void *to) {
    return apus_blob_layer(&r->blob, 1, to);
}
static apus_status fill_tensor(struct ready *r, void *to) {
    return apus_blob_tensor(&r->blob, 1, to);
}
static apus_status fill_special(struct ready *r, void *to) {
    return apus_blob_special(&r->blob, 1, to);
}
static apus_status fill_stats(struct ready *r, void *to) { return apus_get_stats(r->session, to); }
static apus_status fill_costs(struct ready *r, void *to) { return apus_get_costs(r->session, to); }
static apus_status fill_model_memory(struct ready *r, void *to) {
    return apus_model_measure(
        &(apus_model_config){.size = sizeof(apus_model_config), .blob = &r->blob}, to);
}
static apus_status fill_memory(struct ready *r, void *to) {
    return apus_measure(&(apus_config){.size = sizeof(apus_config), .model = r->model}, to);
}
static apus_status fill_piece(struct ready *r, void *to) { /* the same round again */
    const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 1, .ignore_end = 1};
    int32_t id = 1;
    assert_int_equal(apus_rewind(r->session, 0), APUS_OK);
    assert_int_equal(apus_eval(r->session, &id, 1, NULL, NULL), APUS_OK);
    assert_int_equal(apus_begin(r->session, &greedy), APUS_OK);
    return apus_next(r->session, to);
}

static void outputs_are_filled_as_far_as_they_reach(void **state) {
    struct ready *r = *state;
#define FILLED(function, type)                                                                     \
    filled_as_far_as_it_reaches(r, function, sizeof(type), _Alignof(type))
    FILLED(fill_info, apus_info);
    FILLED(fill_layer, apus_layer_info);
    FILLED(fill_tensor, apus_tensor_info);
    FILLED(fill_special, apus_special);
    FILLED(fill_stats, apus_stats);
    FILLED(fill_costs, apus_costs);
    FILLED(fill_model_memory, apus_memory);
    FILLED(fill_memory, apus_memory);
    FILLED(fill_piece, apus_piece);
}

#define READY(test) cmocka_unit_test_setup_teardown(test, make_ready, unmake)
int main(void) {
    const struct CMUnitTest tests[] = {
        READY(models_say_why),
        READY(sessions_say_why),
        READY(samplings_say_why),
        READY(prompts_say_why),
        READY(blobs_say_why),
        READY(states_say_why),
        READY(longer_inputs_are_taken_if_their_tail_is_zero),
        READY(sizes_that_no_version_has_are_refused),
        READY(outputs_are_filled_as_far_as_they_reach),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
