/* Every error that apus.h documents, and that it changes nothing. */
#include "tests/api/ready.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void statuses_have_sentences(void **state) {
    (void)state;
    for (apus_status s = -20; s < 10; s++) {
        const char *text = apus_status_text(s);
        assert_non_null(text);
        assert_true(*text && text[strlen(text) - 1] != '.');
    }
    assert_string_equal(apus_status_text(INT32_MIN), apus_status_text(INT32_MAX));
    assert_string_not_equal(apus_status_text(APUS_E_CONTRACT), apus_status_text(INT32_MIN));
    assert_int_equal(apus_version(),
                     APUS_VERSION_MAJOR << 16 | APUS_VERSION_MINOR << 8 | APUS_VERSION_PATCH);
    assert_string_equal(apus_cpu_name(APUS_CPU_REF), "ref");
    assert_string_equal(apus_cpu_name(APUS_CPU_AVX2), "avx2");
    assert_string_equal(apus_cpu_name(APUS_CPU_AVXVNNI), "avxvnni");
    assert_string_equal(apus_cpu_name(APUS_CPU_AVX512), "avx512");
    assert_null(apus_cpu_name((apus_cpu)(APUS_CPU_NEON + 1)));
    assert_null(apus_cpu_name((apus_cpu)-1));
    assert_in_range(apus_cpu_best(), APUS_CPU_REF, APUS_CPU_NEON);
    assert_true(apus_cpu_has(APUS_CPU_BEST) && apus_cpu_has(APUS_CPU_REF) &&
                apus_cpu_has(apus_cpu_best()));
    for (int cpu = apus_cpu_best() + 1; cpu <= APUS_CPU_NEON + 1; cpu++)
        assert_false(apus_cpu_has((apus_cpu)cpu));
    assert_false(apus_cpu_has((apus_cpu)-1));
    for (int r = APUS_STOP_EOS; r <= APUS_STOP_CONTEXT; r++)
        assert_true(*apus_stop_reason_text((apus_stop_reason)r));
    assert_string_equal(apus_stop_reason_text(APUS_RUNNING), "");
    assert_string_equal(apus_stop_reason_text(APUS_STOP_TEXT), "stop");
    assert_non_null(apus_stop_reason_text((apus_stop_reason)99));
}

static void say_nothing(void *user, const char *engine, int available, const char *text) {
    assert_non_null(engine);
    assert_true(*text);
    if (available && !strcmp(engine, "cpu")) *(int *)user = 1;
}

static void the_cpu_is_there(void **state) {
    (void)state;
    int cpu = 0;
    apus_probe(apus_port_host(), say_nothing, &cpu);
    assert_true(cpu);
    cpu = 0;
    apus_probe(NULL, say_nothing, &cpu); /* a machine without services has it too */
    assert_true(cpu);
    apus_probe(apus_port_host(), NULL, NULL); /* says it to nobody */
}

/* -------------------------------------------------------------------------------------- blob -- */

static int logged;
static char logged_text[256];
static void log_once(void *user, int level, const char *text) {
    (void)user;
    assert_int_equal(level, APUS_LOG_ERROR);
    logged++;
    strncpy(logged_text, text, sizeof logged_text - 1);
}

static void blobs_are_checked(void **state) {
    struct ready *r = *state;
    apus_blob blob, untouched;
    memset(&blob, 0x3c, sizeof blob);
    untouched = blob;
    struct guarded *b = &r->m.bytes;
    const apus_port port = {.size = sizeof port, .log = log_once};
    logged = 0;

    assert_int_equal(apus_blob_open(NULL, b->at, b->bytes, &port), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_open(&blob, NULL, b->bytes, &port), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_open(&blob, b->at + 64, b->bytes - 64, &port), APUS_E_ARGUMENT);
    logged = 0;
    assert_int_equal(apus_blob_open(&blob, b->at, b->bytes - 4096, &port), APUS_E_FORMAT);
    assert_int_equal(logged, 1);
    assert_true(*logged_text && !strchr(logged_text, '\n'));
    assert_int_equal(apus_blob_open(&blob, b->at, 100, NULL), APUS_E_FORMAT);
    assert_int_equal(apus_blob_open(&blob, b->at, 0, NULL), APUS_E_FORMAT);
    b->at[4]++; /* the format's version */
    assert_int_equal(apus_blob_open(&blob, b->at, b->bytes, &port), APUS_E_VERSION);
    b->at[4]--;
    assert_memory_equal(&blob, &untouched, sizeof blob);

    const char *section = "not asked";
    assert_int_equal(apus_blob_verify(&r->m.blob, &section), APUS_OK);
    assert_null(section);
    assert_int_equal(apus_blob_verify(NULL, &section), APUS_E_ARGUMENT);

    apus_info info = {.size = sizeof info};
    apus_layer_info layer = {.size = sizeof layer};
    apus_tensor_info tensor = {.size = sizeof tensor};
    int32_t id;
    assert_int_equal(apus_blob_describe(NULL, &info), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_describe(&r->m.blob, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_describe(&r->m.blob, &info), APUS_OK);
    assert_int_equal(apus_blob_layer(&r->m.blob, info.layers - 1, &layer), APUS_OK);
    assert_int_equal(apus_blob_layer(&r->m.blob, info.layers, &layer), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_layer(&r->m.blob, UINT32_MAX, &layer), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_layer(&r->m.blob, 0, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_tensor(&r->m.blob, info.tensors - 1, &tensor), APUS_OK);
    assert_int_equal(apus_blob_tensor(&r->m.blob, info.tensors, &tensor), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_end_token(&r->m.blob, info.end_tokens, &id), APUS_E_ARGUMENT);
    for (uint32_t i = 0; i < info.end_tokens; i++) {
        assert_int_equal(apus_blob_end_token(&r->m.blob, i, &id), APUS_OK);
        assert_in_range(id, 0, info.vocab - 1);
    }
    const struct {
        int32_t id;
        const char *text;
        int ends;
    } special[] = {{info.bos, "<bos>", 0}, {info.eos, "<eos>", 1}};
    apus_special s = {.size = sizeof s};
    assert_int_equal(info.specials, 2);
    for (uint32_t i = 0; i < info.specials; i++) {
        assert_int_equal(apus_blob_special(&r->m.blob, i, &s), APUS_OK);
        assert_int_equal(s.id, special[i].id);
        assert_int_equal(s.bytes, 5);
        assert_memory_equal(s.text, special[i].text, 5);
        assert_int_equal(s.control, 1);
        assert_int_equal(s.ends, special[i].ends);
    }
    assert_int_equal(apus_blob_special(&r->m.blob, info.specials, &s), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_special(&r->m.blob, 0, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_blob_special(NULL, 0, &s), APUS_E_ARGUMENT);
}

static void damaged_weights_are_found_by_verify_alone(void **state) {
    struct ready *r = *state;
    struct guarded *b = &r->m.bytes;
    uint64_t weights; /* the last section's offset: header bytes 32 + 7 * 24 */
    memcpy(&weights, b->at + 32 + 7 * 24, 8);
    assert_in_range(weights, 4096, b->bytes - 1);
    b->at[weights] ^= 1;
    apus_blob blob;
    const char *section = NULL;
    assert_int_equal(apus_blob_open(&blob, b->at, b->bytes, NULL), APUS_OK);
    assert_int_equal(apus_blob_verify(&blob, &section), APUS_E_FORMAT);
    assert_non_null(section);
    b->at[weights] ^= 1;
}

/* ---------------------------------------------------------------------------------- tokenize -- */

static void tokenizing_is_checked(void **state) {
    struct ready *r = *state;
    const apus_blob *blob = &r->m.blob;
    int32_t ids[8];
    size_t count = 77, scratch_bytes = apus_tokenize_scratch(blob, 100);
    struct guarded scratch = guarded_take(scratch_bytes, 8);
    apus_part text = api_text("hello"), bad;
    struct guarded out = guarded_take(sizeof ids, 4);
    int32_t *to = (int32_t *)(void *)out.at;

    assert_int_equal(apus_tokenize(blob, &text, 1, to, 8, &count, scratch.at, scratch_bytes),
                     APUS_OK);
    assert_in_range(count, 1, 8);
    size_t needed = count;
    if (needed > 1) {
        count = 77;
        assert_int_equal(
            apus_tokenize(blob, &text, 1, ids, needed - 1, &count, scratch.at, scratch_bytes),
            APUS_E_SPACE);
        assert_int_equal(count, needed);
        assert_memory_equal(ids, to, (needed - 1) * sizeof *ids);
    }
    assert_int_equal(apus_tokenize(blob, &text, 1, NULL, 0, &count, scratch.at, scratch_bytes),
                     APUS_E_SPACE);
    assert_int_equal(count, needed);
    assert_int_equal(apus_tokenize(blob, &text, 1, to, 8, &count, scratch.at, 0), APUS_E_SPACE);

    assert_int_equal(apus_tokenize(NULL, &text, 1, to, 8, &count, scratch.at, scratch_bytes),
                     APUS_E_ARGUMENT);
    assert_int_equal(apus_tokenize(blob, NULL, 1, to, 8, &count, scratch.at, scratch_bytes),
                     APUS_E_ARGUMENT);
    assert_int_equal(apus_tokenize(blob, &text, 1, to, 8, NULL, scratch.at, scratch_bytes),
                     APUS_E_ARGUMENT);
    bad = text, bad.kind = (apus_part_kind)9;
    assert_int_equal(apus_tokenize(blob, &bad, 1, to, 8, &count, scratch.at, scratch_bytes),
                     APUS_E_ARGUMENT);
    bad = text, bad.flags = 0x80000000u;
    assert_int_equal(apus_tokenize(blob, &bad, 1, to, 8, &count, scratch.at, scratch_bytes),
                     APUS_E_ARGUMENT);
    bad = text, bad.data = NULL;
    assert_int_equal(apus_tokenize(blob, &bad, 1, to, 8, &count, scratch.at, scratch_bytes),
                     APUS_E_ARGUMENT);
    bad = (apus_part){.kind = APUS_PART_SPECIAL, .data = "<no such>", .count = 9};
    assert_int_equal(apus_tokenize(blob, &bad, 1, to, 8, &count, scratch.at, scratch_bytes),
                     APUS_E_TOKEN);
    bad = (apus_part){.kind = APUS_PART_SPECIAL, .data = "", .count = 0};
    assert_int_equal(apus_tokenize(blob, &bad, 1, to, 8, &count, scratch.at, scratch_bytes),
                     APUS_E_TOKEN);
    const int32_t negative = -1, large = (int32_t)r->m.info.vocab, huge = INT32_MAX;
    const int32_t *wrong[] = {&negative, &large, &huge};
    for (int i = 0; i < 3; i++) {
        bad = api_ids_part(wrong[i], 1);
        assert_int_equal(apus_tokenize(blob, &bad, 1, to, 8, &count, scratch.at, scratch_bytes),
                         APUS_E_TOKEN);
    }

    char back[32];
    assert_int_equal(apus_tokenize(blob, &text, 1, ids, 8, &count, scratch.at, scratch_bytes),
                     APUS_OK);
    size_t bytes = 0;
    assert_int_equal(apus_detokenize(blob, ids, count, 1, 0, back, sizeof back, &bytes), APUS_OK);
    assert_int_equal(bytes, 5);
    assert_memory_equal(back, "hello", 5);
    bytes = 0;
    assert_int_equal(apus_detokenize(blob, ids, count, 1, 0, back, 4, &bytes), APUS_E_SPACE);
    assert_int_equal(bytes, 5);
    for (int i = 0; i < 3; i++)
        assert_int_equal(apus_detokenize(blob, wrong[i], 1, 1, 0, back, sizeof back, &bytes),
                         APUS_E_TOKEN);
    assert_int_equal(apus_detokenize(blob, NULL, 1, 1, 0, back, sizeof back, &bytes),
                     APUS_E_ARGUMENT);
    assert_int_equal(apus_detokenize(blob, ids, count, 1, 0, back, sizeof back, NULL),
                     APUS_E_ARGUMENT);
    assert_int_equal(apus_detokenize(NULL, ids, count, 1, 0, back, sizeof back, &bytes),
                     APUS_E_ARGUMENT);
    guarded_free(&out);
    guarded_free(&scratch);
}

/* ---------------------------------------------------------------------------- model, session -- */

static void model_configs_are_checked(void **state) {
    struct ready *r = *state;
    const apus_model_config good = {.size = sizeof good, .blob = &r->m.blob};
    apus_model_config config = good;
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_model_measure(&good, &need), APUS_OK);
    assert_int_equal(apus_model_measure(NULL, &need), APUS_E_ARGUMENT);
    assert_int_equal(apus_model_measure(&good, NULL), APUS_E_ARGUMENT);
    config.size = 0;
    assert_int_equal(apus_model_measure(&config, &need), APUS_E_ARGUMENT);
    config.size = sizeof config + 1;
    assert_int_equal(apus_model_measure(&config, &need), APUS_E_ARGUMENT);
    config = good, config.blob = NULL;
    assert_int_equal(apus_model_measure(&config, &need), APUS_E_ARGUMENT);
    const apus_engine_config abacus = {.size = sizeof abacus, .name = "abacus"};
    config = good, config.engines = &abacus, config.engines_count = 1;
    assert_int_equal(apus_model_measure(&config, &need), APUS_E_UNAVAILABLE);
    config = good, config.cpu = (apus_cpu)(APUS_CPU_NEON + 1);
    assert_int_equal(apus_model_measure(&config, &need), APUS_E_ARGUMENT);
    /* past its size nothing is read */
    config = good, config.cpu = (apus_cpu)9, config.size = offsetof(apus_model_config, cpu);
    assert_int_equal(apus_model_measure(&config, &need), APUS_OK);
    for (int cpu = APUS_CPU_REF; cpu <= APUS_CPU_NEON; cpu++) {
        config = good, config.cpu = (apus_cpu)cpu;
        assert_int_equal(apus_model_measure(&config, &need),
                         apus_cpu_has(config.cpu) ? APUS_OK : APUS_E_UNAVAILABLE);
    }
    apus_model *model = NULL;
    assert_int_equal(apus_model_open(&model, &good, NULL, need.bytes), APUS_E_SPACE);
    assert_int_equal(apus_model_open(NULL, &good, &need, need.bytes), APUS_E_ARGUMENT);
    assert_null(model);
}

/* Of apus_config.prompt_bytes. */
#define TEXT_MAX (1u << (sizeof(size_t) > 4 ? 29 : 24))

static void session_configs_are_checked(void **state) {
    struct ready *r = *state;
    const apus_config good = {.size = sizeof good, .model = r->m.model};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_measure(&good, &need), APUS_OK);
    assert_int_equal(apus_measure(NULL, &need), APUS_E_ARGUMENT);
    assert_int_equal(apus_measure(&good, NULL), APUS_E_ARGUMENT);
    struct {
        apus_config config;
        int ok;
    } tries[] = {
        {{.size = 0, .model = r->m.model}, 0},
        {{.size = sizeof good + 2, .model = r->m.model}, 0},
        {{.size = sizeof good}, 0},
        {{.size = sizeof good, .model = r->m.model, .context = r->m.info.max_positions}, 1},
        {{.size = sizeof good, .model = r->m.model, .context = r->m.info.max_positions + 1}, 0},
        {{.size = sizeof good, .model = r->m.model, .context = UINT32_MAX}, 0},
        {{.size = sizeof good, .model = r->m.model, .threads = 64}, 1},
        {{.size = sizeof good, .model = r->m.model, .threads = 65}, 0},
        {{.size = sizeof good, .model = r->m.model, .threads = UINT32_MAX}, 0},
        {{.size = sizeof good, .model = r->m.model, .chunk = 512}, 1},
        {{.size = sizeof good, .model = r->m.model, .chunk = 513}, 0},
        {{.size = sizeof good, .model = r->m.model, .chunk = UINT32_MAX}, 0},
        {{.size = sizeof good, .model = r->m.model, .proposals = 15, .lookup = 1}, 1},
        {{.size = sizeof good, .model = r->m.model, .proposals = 16, .lookup = 1}, 0},
        {{.size = sizeof good, .model = r->m.model, .proposals = UINT32_MAX, .lookup = 1}, 0},
        {{.size = sizeof good, .model = r->m.model, .draft = r->m.model, .draft_context = 64}, 1},
        {{.size = sizeof good, .model = r->m.model, .draft = r->m.model, .draft_context = 63}, 0},
        {{.size = sizeof good,
          .model = r->m.model,
          .draft = r->m.model,
          .draft_context = UINT32_MAX},
         0},
        /* not read */
        {{.size = offsetof(apus_config, draft),
          .model = r->m.model,
          .draft = r->m.model,
          .proposals = 99},
         1},
        {{.size = sizeof good, .model = r->m.model, .prompt_bytes = TEXT_MAX}, 1},
        {{.size = sizeof good, .model = r->m.model, .prompt_bytes = TEXT_MAX + 1}, 0},
        {{.size = sizeof good, .model = r->m.model, .prompt_bytes = UINT32_MAX}, 0},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        apus_status status = apus_measure(&tries[i].config, &need);
        if (status != (tries[i].ok ? APUS_OK : APUS_E_ARGUMENT))
            fail_msg("config %zu gives %d", i, status);
        apus_session *session = NULL;
        if (!tries[i].ok) {
            assert_int_equal(apus_open(&session, &tries[i].config, r->s.arena.at, r->s.arena.bytes),
                             APUS_E_ARGUMENT);
            assert_null(session);
        }
    }
    apus_session *session = NULL;
    assert_int_equal(apus_open(NULL, &good, &need, 1 << 30), APUS_E_ARGUMENT);
    assert_int_equal(apus_open(&session, &good, NULL, 1 << 30), APUS_E_SPACE);
    assert_null(session);
}

/* ----------------------------------------------------------------------------------- prompts -- */

static void calls_come_in_order(void **state) {
    struct ready *r = *state;
    apus_session *s = r->s.session;
    apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 2, .ignore_end = 1};
    apus_piece piece = {.size = sizeof piece};
    assert_int_equal(apus_begin(s, &greedy), APUS_E_ORDER);
    assert_int_equal(apus_next(s, &piece), APUS_E_ORDER);
    assert_int_equal(API_PROMPT(&r->s, r->ids, PROMPT), APUS_OK);
    assert_int_equal(apus_next(s, &piece), APUS_E_ORDER);
    assert_int_equal(apus_begin(s, &greedy), APUS_OK);
    assert_int_equal(apus_next(s, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_next(NULL, &piece), APUS_E_ARGUMENT);
    do assert_int_equal(apus_next(s, &piece), APUS_OK);
    while (!piece.stop);
    assert_int_equal(piece.stop, APUS_STOP_LENGTH);
    assert_int_equal(apus_next(s, &piece), APUS_E_ORDER);
    assert_int_equal(apus_begin(s, &greedy), APUS_OK); /* and on from there */
    assert_int_equal(apus_next(s, &piece), APUS_OK);
    assert_int_equal(apus_rewind(s, 0), APUS_OK);
    assert_int_equal(apus_next(s, &piece), APUS_E_ORDER);
    assert_int_equal(apus_begin(s, &greedy), APUS_E_ORDER);
}

static void prompts_are_checked(void **state) {
    struct ready *r = *state;
    apus_session *s = r->s.session;
    assert_int_equal(API_PROMPT(&r->s, r->ids, PROMPT), APUS_OK);
    uint64_t straight = api_generate(&r->s, 4, NULL);
    assert_int_equal(API_PROMPT(&r->s, r->ids, PROMPT), APUS_OK);
    struct api_view before = api_look(&r->s);

    static char long_text[16 * CONTEXT + 4096 + 2];
    memset(long_text, 'a', sizeof long_text - 1);
    int32_t bad_ids[PROMPT];
    memcpy(bad_ids, r->ids, sizeof bad_ids);
    bad_ids[PROMPT - 1] = (int32_t)r->m.info.vocab;
    int32_t negative = -1;
    apus_part good = api_ids_part(r->ids, PROMPT);
    struct {
        const char *what;
        apus_part parts[2];
        size_t count;
        apus_status prompt, append;
    } tries[] = {
        {"an id too large", {api_ids_part(bad_ids, PROMPT)}, 1, APUS_E_TOKEN, APUS_E_TOKEN},
        {"a negative id", {good, api_ids_part(&negative, 1)}, 2, APUS_E_TOKEN, APUS_E_TOKEN},
        {"an unknown special",
         {good, {.kind = APUS_PART_SPECIAL, .data = "<x>", .count = 3}},
         2,
         APUS_E_TOKEN,
         APUS_E_TOKEN},
        {"too many positions",
         {api_ids_part(r->ids, CONTEXT + 1)},
         1,
         APUS_E_CONTEXT,
         APUS_E_CONTEXT},
        {"too many in two parts",
         {api_ids_part(r->ids, CONTEXT), good},
         2,
         APUS_E_CONTEXT,
         APUS_E_CONTEXT},
        {"too much text",
         {good, {.kind = APUS_PART_TEXT, .data = long_text, .count = sizeof long_text - 1}},
         2,
         APUS_E_TEXT,
         APUS_E_TEXT},
        {"a huge text",
         {good, {.kind = APUS_PART_TEXT, .data = long_text, .count = SIZE_MAX}},
         2,
         APUS_E_TEXT,
         APUS_E_TEXT},
        {"ids at NULL", {{.kind = APUS_PART_IDS, .count = 1}}, 1, APUS_E_ARGUMENT, APUS_E_ARGUMENT},
        {"text at NULL",
         {{.kind = APUS_PART_TEXT, .count = 1}},
         1,
         APUS_E_ARGUMENT,
         APUS_E_ARGUMENT},
        {"an unknown kind",
         {{.kind = (apus_part_kind)4, .data = "x", .count = 1}},
         1,
         APUS_E_ARGUMENT,
         APUS_E_ARGUMENT},
        {"unknown flags",
         {{.kind = APUS_PART_TEXT, .flags = 4, .data = "x", .count = 1}},
         1,
         APUS_E_ARGUMENT,
         APUS_E_ARGUMENT},
        {"nothing at all", {{.kind = APUS_PART_TEXT}}, 0, APUS_E_ARGUMENT, APUS_OK},
        {"empty text",
         {{.kind = APUS_PART_TEXT, .data = "", .count = 0}},
         1,
         APUS_E_ARGUMENT,
         APUS_OK},
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        apus_status status = apus_prompt(s, tries[i].parts, tries[i].count, 0);
        if (status != tries[i].prompt) fail_msg("prompt with %s gives %d", tries[i].what, status);
        api_assert_same(before, &r->s);
        status = apus_append(s, tries[i].parts, tries[i].count, 0);
        if (status != tries[i].append) fail_msg("append with %s gives %d", tries[i].what, status);
        api_assert_same(before, &r->s);
    }
    assert_int_equal(apus_prompt(NULL, &good, 1, 0), APUS_E_ARGUMENT);
    assert_int_equal(apus_prompt(s, NULL, 1, 0), APUS_E_ARGUMENT);
    assert_int_equal(apus_append(NULL, &good, 1, 0), APUS_E_ARGUMENT);
    assert_int_equal(apus_append(s, NULL, 1, 0), APUS_E_ARGUMENT);
    assert_int_equal(apus_rewind(s, PROMPT + 1), APUS_E_ARGUMENT);
    assert_int_equal(apus_rewind(NULL, 0), APUS_E_ARGUMENT);
    assert_int_equal(apus_rewind(s, PROMPT), APUS_OK);

    float logits[2 * 512];
    size_t done = 99;
    assert_int_equal(apus_eval(s, bad_ids, PROMPT, NULL, &done), APUS_E_TOKEN);
    assert_int_equal(apus_eval(s, &negative, 1, logits, &done), APUS_E_TOKEN);
    assert_int_equal(apus_eval(s, r->ids, CONTEXT - PROMPT + 1, NULL, &done), APUS_E_CONTEXT);
    assert_int_equal(apus_eval(s, r->ids, SIZE_MAX, NULL, &done), APUS_E_CONTEXT);
    assert_int_equal(apus_eval(s, NULL, 1, logits, &done), APUS_E_ARGUMENT);
    assert_int_equal(apus_eval(NULL, r->ids, 1, logits, &done), APUS_E_ARGUMENT);
    assert_int_equal(done, 99);

    const int32_t *ids;
    size_t count;
    apus_stats stats = {.size = sizeof stats};
    assert_int_equal(apus_ids(NULL, &ids, &count), APUS_E_ARGUMENT);
    assert_int_equal(apus_ids(s, NULL, &count), APUS_E_ARGUMENT);
    assert_int_equal(apus_ids(s, &ids, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_get_stats(NULL, &stats), APUS_E_ARGUMENT);
    assert_int_equal(apus_get_stats(s, NULL), APUS_E_ARGUMENT);
    apus_cancel(NULL);

    /* and after all that, the next word is what it was */
    api_assert_same(before, &r->s);
    assert_true(api_generate(&r->s, 4, NULL) == straight);
}

static void sampling_is_checked(void **state) {
    struct ready *r = *state;
    apus_session *s = r->s.session;
    assert_int_equal(API_PROMPT(&r->s, r->ids, PROMPT), APUS_OK);
    static const char long_stop[64] =
        "0123456789012345678901234567890123456789012345678901234567890123";
    const apus_stop stops[APUS_STOPS_MAX + 1] = {{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1},
                                                 {"f", 1}, {"g", 1}, {"h", 1}, {"i", 1}};
    const apus_stop empty = {"", 0}, null = {NULL, 3}, longest = {long_stop, 63},
                    too_long = {long_stop, 64};
#define WITH(...)                                                                                  \
    { {.size = sizeof(apus_sampling), __VA_ARGS__}, 0 }
#define FINE(...)                                                                                  \
    { {.size = sizeof(apus_sampling), __VA_ARGS__}, 1 }
    struct {
        apus_sampling sampling;
        int ok;
    } tries[] = {
        {{.size = 0}, 0},
        {{.size = sizeof(apus_sampling) + 1}, 0},
        FINE(.temperature = 0),
        FINE(.temperature = 0.01f),
        FINE(.temperature = 100),
        WITH(.temperature = 0.009f),
        WITH(.temperature = 100.1f),
        WITH(.temperature = -1),
        WITH(.temperature = NAN),
        WITH(.temperature = INFINITY),
        WITH(.temperature = 1e-45f),
        FINE(.temperature = 1, .top_p = 1),
        FINE(.temperature = 1, .top_p = 0.01f),
        WITH(.temperature = 1, .top_p = -0.1f),
        WITH(.temperature = 1, .top_p = 1.1f),
        WITH(.temperature = 1, .top_p = NAN),
        FINE(.temperature = 1, .min_p = 1),
        WITH(.temperature = 1, .min_p = 1.1f),
        WITH(.temperature = 1, .min_p = -0.1f),
        WITH(.temperature = 1, .min_p = NAN),
        FINE(.temperature = 1, .top_k = UINT32_MAX),
        FINE(.repeat_penalty = 1),
        FINE(.repeat_penalty = 10, .repeat_last = 1024),
        WITH(.repeat_penalty = 10.5f),
        WITH(.repeat_penalty = 0.05f),
        WITH(.repeat_penalty = -1),
        WITH(.repeat_penalty = NAN),
        WITH(.repeat_last = 1025),
        FINE(.stops = stops, .stops_count = APUS_STOPS_MAX),
        WITH(.stops = stops, .stops_count = APUS_STOPS_MAX + 1),
        WITH(.stops = NULL, .stops_count = 1),
        FINE(.stops = &longest, .stops_count = 1),
        WITH(.stops = &too_long, .stops_count = 1),
        WITH(.stops = &empty, .stops_count = 1),
        WITH(.stops = &null, .stops_count = 1),
        FINE(.max_tokens = UINT32_MAX),
    };
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        apus_status status = apus_begin(s, &tries[i].sampling);
        if (status != (tries[i].ok ? APUS_OK : APUS_E_ARGUMENT))
            fail_msg("sampling %zu gives %d", i, status);
    }
    assert_int_equal(apus_begin(s, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_begin(NULL, &tries[2].sampling), APUS_E_ARGUMENT);

    /* A refused begin leaves the generation before it as it was. */
    apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 5, .ignore_end = 1}, bad = greedy;
    bad.temperature = NAN;
    apus_piece piece = {.size = sizeof piece};
    assert_int_equal(apus_begin(s, &greedy), APUS_OK);
    assert_int_equal(apus_next(s, &piece), APUS_OK);
    assert_int_equal(apus_begin(s, &bad), APUS_E_ARGUMENT);
    size_t got = piece.count;
    do {
        assert_int_equal(apus_next(s, &piece), APUS_OK);
        got += piece.count;
    } while (!piece.stop);
    assert_int_equal(got, 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_have_sentences),
        cmocka_unit_test(the_cpu_is_there),
        READY(blobs_are_checked),
        READY(damaged_weights_are_found_by_verify_alone),
        READY(tokenizing_is_checked),
        READY(model_configs_are_checked),
        READY(session_configs_are_checked),
        READY(calls_come_in_order),
        READY(prompts_are_checked),
        READY(sampling_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
