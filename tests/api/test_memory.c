/* Measure equals open: exactly the measured bytes suffice, one less does not, nothing beside them
 * is written. And the caller's float environment is neither changed nor heard. (guarded_take and
 * guarded_free hold the canaries; every test of the API runs between them.) */
#include "tests/api/fixture.h"

#include <string.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

enum { PROMPT = 40 };

static void a_session_fits_exactly(void **state) {
    (void)state;
    static const apus_config shapes[] = {
        {.context = 1, .threads = 1, .chunk = 1, .prompt_bytes = 1},
        {.context = 2},
        {.context = 17, .threads = 3, .chunk = 3},
        {.context = 200, .threads = 2, .chunk = 512, .prompt_bytes = 100000},
        {.context = 0, .threads = 0, .chunk = 0},
        {.context = 512, .threads = 64, .chunk = 64},
        {.context = 90, .threads = 2, .chunk = 16, .lookup = 1, .proposals = 15},
        {.context = 90, .threads = 2, .chunk = 16, .kv_bits = 4},
        {.context = 91, .chunk = 16, .kv_bits = 8, .v_bits = 4, .lookup = 1},
    };
    for (int which = 0; which < API_MODELS; which++) {
        struct api_model m, draft;
        api_model_open(&m, which, APUS_CPU_BEST);
        api_model_open(&draft, 1 - which, APUS_CPU_BEST);
        /* each without a draft and with one */
        for (size_t i = 0; i < 2 * sizeof shapes / sizeof *shapes; i++) {
            apus_config config = shapes[i / 2];
            if (i % 2) config.draft = draft.model;
            config.size = sizeof config;
            config.model = m.model;
            apus_memory need = {.size = sizeof need}, again = {.size = sizeof again};
            assert_int_equal(apus_measure(&config, &need), APUS_OK);
            assert_int_equal(apus_measure(&config, &again), APUS_OK);
            assert_memory_equal(&need.bytes, &again.bytes, sizeof need.bytes);
            assert_int_equal(need.driver_bytes, 0);
            assert_true(need.alignment && (need.alignment & (need.alignment - 1)) == 0);

            struct guarded arena = guarded_take(need.bytes, need.alignment);
            apus_session *session = (apus_session *)&m, *untouched = session;
            assert_int_equal(apus_open(&session, &config, arena.at, need.bytes - 1), APUS_E_SPACE);
            assert_int_equal(apus_open(&session, &config, arena.at, 0), APUS_E_SPACE);
            assert_int_equal(apus_open(&session, &config, arena.at + 1, need.bytes), APUS_E_SPACE);
            assert_ptr_equal(session, untouched);
            assert_int_equal(apus_open(&session, &config, arena.at, need.bytes), APUS_OK);

            /* used to its limits: the whole context in one prompt, and what fits after it */
            apus_stats stats = {.size = sizeof stats};
            assert_int_equal(apus_get_stats(session, &stats), APUS_OK);
            assert_int_equal(stats.arena_bytes, need.bytes);
            int32_t ids[512];
            assert_true(stats.context >= 1 && stats.context <= 512);
            api_ids(&m, 3, ids, 512);
            apus_part part = api_ids_part(ids, stats.context);
            assert_int_equal(apus_prompt(session, &part, 1, 0), APUS_OK);
            apus_sampling greedy = {.size = sizeof greedy, .ignore_end = 1};
            apus_piece piece = {.size = sizeof piece};
            assert_int_equal(apus_begin(session, &greedy), APUS_OK);
            do assert_int_equal(apus_next(session, &piece), APUS_OK);
            while (!piece.stop);
            assert_int_equal(piece.stop, APUS_STOP_CONTEXT);
            apus_close(session);
            guarded_free(&arena);
        }
        api_model_close(&draft);
        api_model_close(&m);
    }
}

static void a_model_fits_exactly(void **state) {
    (void)state;
    struct api_model m;
    api_model_open(&m, 0, APUS_CPU_BEST);
    apus_model_config config = {.size = sizeof config, .blob = &m.blob};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_model_measure(&config, &need), APUS_OK);
    struct guarded memory = guarded_take(need.bytes, need.alignment);
    apus_model *model = (apus_model *)&m, *untouched = model;
    assert_int_equal(apus_model_open(&model, &config, memory.at, need.bytes - 1), APUS_E_SPACE);
    assert_int_equal(apus_model_open(&model, &config, memory.at + 1, need.bytes), APUS_E_SPACE);
    assert_ptr_equal(model, untouched);
    assert_int_equal(apus_model_open(&model, &config, memory.at, need.bytes), APUS_OK);
    apus_model_close(model);
    guarded_free(&memory);
    api_model_close(&m);
}

/* The blob's bytes are read-only for everyone. */
static void the_blob_is_not_written(void **state) {
    (void)state;
    struct api_model m;
    struct api_session s;
    api_model_open(&m, 1, APUS_CPU_BEST);
    uint64_t before = api_hash(1, m.bytes.at, m.bytes.bytes);
    api_open(&s, &m, 64, 2, 16);
    int32_t ids[PROMPT];
    api_ids(&m, 3, ids, PROMPT);
    assert_int_equal(API_PROMPT(&s, ids, PROMPT), APUS_OK);
    api_generate(&s, 8, NULL);
    assert_true(before == api_hash(1, m.bytes.at, m.bytes.bytes));
    api_close(&s);
    api_model_close(&m);
}

#if defined(__x86_64__)
/* The caller flushes denormals and rounds upwards, as an application built with fast math may: no
 * call may change that or be changed. */
static void float_environment_is_left_alone(void **state) {
    (void)state;
    enum { FTZ = 0x8000, DAZ = 0x0040, ROUND_UP = 0x4000, MASKED = 0x1f80 };
    const unsigned wild = FTZ | DAZ | ROUND_UP | MASKED, plain = _mm_getcsr();
#define KEEPS(call)                                                                                \
    do {                                                                                           \
        if (odd) _mm_setcsr(wild);                                                                 \
        apus_status status_ = (call);                                                              \
        unsigned found_ = _mm_getcsr();                                                            \
        _mm_setcsr(plain);                                                                         \
        if (odd && (found_ & 0xffc0) != (wild & 0xffc0))                                           \
            fail_msg("%s leaves MXCSR at %x", #call, found_);                                      \
        if (status_ != APUS_OK) fail_msg("%s gives %d", #call, status_);                           \
    } while (0)

    uint64_t hash[2] = {0, 0};
    for (int which = 0; which < API_MODELS; which++) {
        for (uint32_t threads = 1; threads <= 2; threads++) {
            for (int odd = 0; odd < 2; odd++) {
                struct api_model m;
                api_model_open(&m, which, APUS_CPU_BEST);
                apus_blob blob;
                KEEPS(apus_blob_open(&blob, m.bytes.at, m.bytes.bytes, NULL));
                const char *section;
                KEEPS(apus_blob_verify(&blob, &section));
                apus_model_config mc = {.size = sizeof mc, .blob = &blob, .port = apus_port_host()};
                apus_memory need = {.size = sizeof need};
                KEEPS(apus_model_measure(&mc, &need));
                struct guarded memory = guarded_take(need.bytes, need.alignment);
                apus_model *model;
                KEEPS(apus_model_open(&model, &mc, memory.at, need.bytes));
                apus_config config = {.size = sizeof config,
                                      .model = model,
                                      .context = 128,
                                      .threads = threads,
                                      .chunk = 16};
                KEEPS(apus_measure(&config, &need));
                struct guarded arena = guarded_take(need.bytes, need.alignment);
                apus_session *session;
                KEEPS(apus_open(&session, &config, arena.at, need.bytes));

                int32_t ids[PROMPT];
                api_ids(&m, 3, ids, PROMPT);
                apus_part part = api_ids_part(ids, PROMPT);
                KEEPS(apus_prompt(session, &part, 1, 0));
                part = api_text("text");
                KEEPS(apus_append(session, &part, 1, 0));
                float logits[3 * 512];
                assert_true(m.info.vocab <= 512);
                KEEPS(apus_eval(session, ids, 3, logits, NULL));
                hash[odd] = api_hash(hash[odd], logits, 3 * m.info.vocab * sizeof *logits);

                apus_sampling sampling = {.size = sizeof sampling,
                                          .temperature = 0.9f,
                                          .top_k = 40,
                                          .top_p = 0.95f,
                                          .min_p = 0.01f,
                                          .repeat_penalty = 1.1f,
                                          .seed = 5,
                                          .max_tokens = 16,
                                          .ignore_end = 1,
                                          .want_hash = 1};
                KEEPS(apus_begin(session, &sampling));
                apus_piece piece = {.size = sizeof piece};
                do {
                    KEEPS(apus_next(session, &piece));
                    hash[odd] = api_hash(hash[odd], piece.ids, piece.count * sizeof *piece.ids);
                    hash[odd] =
                        api_hash(hash[odd], piece.log_probs, piece.count * sizeof *piece.log_probs);
                } while (!piece.stop);
                apus_stats stats = {.size = sizeof stats};
                KEEPS(apus_get_stats(session, &stats));
                hash[odd] = api_hash(hash[odd], &stats.logits_hash, sizeof stats.logits_hash);
                unsigned char state_bytes[1 << 17];
                size_t bytes;
                KEEPS(apus_save(session, state_bytes, sizeof state_bytes, &bytes));
                KEEPS(apus_restore(session, state_bytes, bytes));
                KEEPS(apus_rewind(session, 3));
                KEEPS((apus_close(session), APUS_OK));
                KEEPS((apus_model_close(model), APUS_OK));
                guarded_free(&arena);
                guarded_free(&memory);
                api_model_close(&m);
            }
        }
    }
    assert_true(hash[0] == hash[1]);
}
#endif

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_fits_exactly),
        cmocka_unit_test(a_model_fits_exactly),
        cmocka_unit_test(the_blob_is_not_written),
#if defined(__x86_64__)
        cmocka_unit_test(float_environment_is_left_alone),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
