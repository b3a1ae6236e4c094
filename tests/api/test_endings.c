/* How calls and generations end early: cancelled, at a deadline, with the context, by what a
 * callback leaves. What was done is kept. */
#include "tests/api/ready.h"

#include <math.h>

static void cancel_and_deadline_keep_what_was_done(void **state) {
    struct ready *r = *state;
    apus_session *s = r->s.session;
    assert_int_equal(API_PROMPT(&r->s, r->ids, PROMPT), APUS_OK);
    uint64_t straight = api_generate(&r->s, 4, NULL);

    /* cancelled before the call: it stops at once, then goes on */
    assert_int_equal(apus_rewind(s, 0), APUS_OK);
    apus_cancel(s);
    assert_int_equal(API_PROMPT(&r->s, r->ids, PROMPT), APUS_PARTIAL);
    assert_true(api_look(&r->s).positions < PROMPT);
    assert_int_equal(API_PROMPT(&r->s, r->ids, PROMPT), APUS_OK);
    assert_true(api_generate(&r->s, 4, NULL) == straight);

    /* a deadline in the past; the same call goes on from where it stopped */
    assert_int_equal(apus_rewind(s, 0), APUS_OK);
    apus_part part = api_ids_part(r->ids, PROMPT);
    assert_int_equal(apus_prompt(s, &part, 1, 1), APUS_PARTIAL);
    assert_int_equal(apus_prompt(s, &part, 1, 0), APUS_OK);
    assert_true(api_generate(&r->s, 4, NULL) == straight);

    /* the same for append, which goes on with no parts */
    assert_int_equal(apus_rewind(s, 1), APUS_OK);
    part = api_ids_part(r->ids + 1, PROMPT - 1); /* a pass more than one, the first of which is
                                                    always done */
    assert_int_equal(apus_append(s, &part, 1, 1), APUS_PARTIAL);
    assert_int_equal(apus_append(s, NULL, 0, 0), APUS_OK);
    assert_int_equal(api_look(&r->s).positions, PROMPT);
    assert_true(api_generate(&r->s, 4, NULL) == straight);

    /* and for eval */
    assert_int_equal(apus_rewind(s, 0), APUS_OK);
    apus_cancel(s);
    size_t done = 99;
    assert_int_equal(apus_eval(s, r->ids, PROMPT, NULL, &done), APUS_PARTIAL);
    assert_in_range(done, 0, PROMPT - 1);
    assert_int_equal(apus_eval(s, r->ids + done, PROMPT - done, NULL, NULL), APUS_OK);
    assert_true(api_generate(&r->s, 4, NULL) == straight);

    /* a generation says why it stopped */
    apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 5, .ignore_end = 1};
    apus_piece piece = {.size = sizeof piece};
    assert_int_equal(apus_begin(s, &greedy), APUS_OK);
    apus_cancel(s);
    assert_int_equal(apus_next(s, &piece), APUS_OK);
    assert_int_equal(piece.stop, APUS_STOP_CANCELLED);
    assert_int_equal(apus_next(s, &piece), APUS_E_ORDER);
    greedy.deadline_ns = 1;
    assert_int_equal(apus_begin(s, &greedy), APUS_OK);
    assert_int_equal(apus_next(s, &piece), APUS_OK);
    assert_int_equal(piece.stop, APUS_STOP_DEADLINE);
}

static void generation_ends_with_the_context(void **state) {
    struct ready *r = *state;
    apus_session *s = r->s.session;
    assert_int_equal(API_PROMPT(&r->s, r->ids, CONTEXT - 3), APUS_OK);
    apus_sampling greedy = {.size = sizeof greedy, .max_tokens = CONTEXT, .ignore_end = 1};
    apus_piece piece = {.size = sizeof piece};
    size_t got = 0;
    assert_int_equal(apus_begin(s, &greedy), APUS_OK);
    do {
        assert_int_equal(apus_next(s, &piece), APUS_OK);
        got += piece.count;
    } while (!piece.stop);
    assert_int_equal(piece.stop, APUS_STOP_CONTEXT);
    assert_in_range(got, 3, 4); /* the last id needs no position to be known */
    assert_true(api_look(&r->s).positions <= CONTEXT);
}

static void exclude_all(void *user, float *logits, uint32_t vocab, const int32_t *ids,
                        size_t count) {
    (void)user, (void)ids, (void)count;
    for (uint32_t i = 0; i < vocab; i++) logits[i] = -INFINITY;
}

static void only_one(void *user, float *logits, uint32_t vocab, const int32_t *ids, size_t count) {
    (void)ids, (void)count;
    for (uint32_t i = 0; i < vocab; i++)
        if (i != *(const uint32_t *)user) logits[i] = -INFINITY;
}

static void the_callback_rules(void **state) {
    struct ready *r = *state;
    apus_session *s = r->s.session;
    assert_int_equal(API_PROMPT(&r->s, r->ids, PROMPT), APUS_OK);
    uint32_t wanted = 65;
    for (int hot = 0; hot < 2; hot++) {
        apus_sampling sampling = {.size = sizeof sampling,
                                  .temperature = hot ? 1.5f : 0,
                                  .max_tokens = 3,
                                  .logits = only_one,
                                  .logits_user = &wanted};
        apus_piece piece = {.size = sizeof piece};
        assert_int_equal(apus_begin(s, &sampling), APUS_OK);
        do {
            assert_int_equal(apus_next(s, &piece), APUS_OK);
            for (size_t i = 0; i < piece.count; i++) assert_int_equal(piece.ids[i], wanted);
        } while (!piece.stop);
        sampling.logits = exclude_all;
        struct api_view before = api_look(&r->s);
        assert_int_equal(apus_begin(s, &sampling), APUS_OK);
        assert_int_equal(apus_next(s, &piece), APUS_E_NUMERIC);
        assert_true(api_look(&r->s).hash == before.hash); /* the same ids */
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        READY(cancel_and_deadline_keep_what_was_done),
        READY(generation_ends_with_the_context),
        READY(the_callback_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
