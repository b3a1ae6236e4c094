/* Same bits: one hash over every logit, whatever the instruction set, the threads, the cut into
 * chunks and the way the context came about. */
#include "tests/api/fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum { POSITIONS = 70, TOKENS = 12, CONTEXT = 128 };

/* All logits of the ids, evaluated `at_once` at a time. */
static uint64_t eval_hash(const struct api_session *s, const struct api_model *m,
                          const int32_t *ids, size_t at_once) {
    size_t vocab = m->info.vocab;
    float *logits = malloc(POSITIONS * vocab * sizeof *logits);
    assert_non_null(logits);
    for (size_t i = 0; i < POSITIONS; i += at_once) {
        size_t n = POSITIONS - i < at_once ? POSITIONS - i : at_once, done = 0;
        assert_int_equal(apus_eval(s->session, ids + i, n, logits + i * vocab, &done), APUS_OK);
        assert_int_equal(done, n);
    }
    uint64_t hash = api_hash(1, logits, POSITIONS * vocab * sizeof *logits);
    free(logits);
    return hash;
}

static void every_way_gives_the_same_logits(void **state) {
    (void)state;
    static const uint32_t chunks[] = {1, 2, 5, 16, 64};
    for (int which = 0; which < API_MODELS; which++) {
        uint64_t eval_first = 0, text_first = 0;
        for (int cpu = APUS_CPU_REF; cpu <= APUS_CPU_NEON; cpu++) {
            if (!api_has_cpu((apus_cpu)cpu)) {
                printf("%s is not on this machine: not compared\n", apus_cpu_name((apus_cpu)cpu));
                continue;
            }
            struct api_model m;
            api_model_open(&m, which, (apus_cpu)cpu);
            int32_t ids[POSITIONS];
            api_ids(&m, 7, ids, POSITIONS);
            for (uint32_t threads = 1; threads <= 3; threads++) {
                for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
                    struct api_session s;
                    api_open(&s, &m, CONTEXT, threads, chunks[c]);
                    uint64_t eval = eval_hash(&s, &m, ids, c % 2 ? POSITIONS : chunks[c]);
                    assert_int_equal(apus_rewind(s.session, 0), APUS_OK);
                    assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
                    uint64_t text = api_generate(&s, TOKENS, NULL);
                    if (!eval_first) eval_first = eval, text_first = text;
                    if (eval != eval_first || text != text_first)
                        fail_msg("model %d: %s, %u threads, chunks of %u differ", which,
                                 apus_cpu_name((apus_cpu)cpu), threads, chunks[c]);
                    api_close(&s);
                }
            }
            api_model_close(&m);
        }
    }
}

/* The hash means something: other ids give another one. */
static void other_ids_give_other_logits(void **state) {
    (void)state;
    struct api_model m;
    struct api_session s;
    api_model_open(&m, 0, APUS_CPU_BEST);
    api_open(&s, &m, CONTEXT, 1, 16);
    int32_t ids[POSITIONS];
    api_ids(&m, 7, ids, POSITIONS);
    uint64_t one = eval_hash(&s, &m, ids, POSITIONS);
    assert_int_equal(apus_rewind(s.session, 0), APUS_OK);
    ids[0] = ids[0] ? 0 : 1;
    assert_true(one != eval_hash(&s, &m, ids, POSITIONS));
    api_close(&s);
    api_model_close(&m);
}

/* However a context came about, what follows it is the same. */
static void history_does_not_matter(void **state) {
    (void)state;
    for (int which = 0; which < API_MODELS; which++) {
        struct api_model m;
        struct api_session s;
        api_model_open(&m, which, APUS_CPU_BEST);
        api_open(&s, &m, CONTEXT, 2, 16);
        int32_t ids[POSITIONS], other[POSITIONS];
        api_ids(&m, 7, ids, POSITIONS);
        api_ids(&m, 8, other, POSITIONS);
        for (int i = 0; i < 20; i++) other[i] = ids[i];

        assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
        uint64_t straight = api_generate(&s, TOKENS, NULL);

        /* from another context with a common beginning, and back */
        assert_int_equal(API_PROMPT(&s, other, POSITIONS), APUS_OK);
        apus_stats stats = {.size = sizeof stats};
        assert_int_equal(apus_get_stats(s.session, &stats), APUS_OK);
        /* the other model's windows are not held back to there */
        assert_in_range(stats.reused, which ? 0 : 20, POSITIONS - 1);
        assert_int_equal(stats.prompt_tokens, POSITIONS - stats.reused);
        api_generate(&s, TOKENS, NULL);
        assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
        assert_true(api_generate(&s, TOKENS, NULL) == straight);

        /* the same prompt again: everything is in place but what the first choice needs */
        assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
        assert_int_equal(apus_get_stats(s.session, &stats), APUS_OK);
        if (!which) assert_in_range(stats.reused, POSITIONS - 1, POSITIONS);
        assert_true(api_generate(&s, TOKENS, NULL) == straight);

        /* rewound and appended in two pieces */
        assert_int_equal(apus_rewind(s.session, 33), APUS_OK);
        apus_part part = api_ids_part(ids + 33, 10);
        assert_int_equal(apus_append(s.session, &part, 1, 0), APUS_OK);
        part = api_ids_part(ids + 43, POSITIONS - 43);
        assert_int_equal(apus_append(s.session, &part, 1, 0), APUS_OK);
        assert_true(api_generate(&s, TOKENS, NULL) == straight);

        /* saved, and restored into a session of another size */
        assert_int_equal(API_PROMPT(&s, ids, POSITIONS), APUS_OK);
        size_t bytes;
        void *data = saved_state(s.session, &bytes);
        struct api_session t;
        api_open(&t, &m, CONTEXT - 16, 1, 5);
        assert_int_equal(apus_restore(t.session, data, bytes), APUS_OK);
        assert_true(api_look(&s).hash == api_look(&t).hash);
        assert_true(api_generate(&t, TOKENS, NULL) == straight);
        free(data);

        api_close(&t);
        api_close(&s);
        api_model_close(&m);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_gives_the_same_logits),
        cmocka_unit_test(other_ids_give_other_logits),
        cmocka_unit_test(history_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
