/* A draft that guesses several ids in one pass, by masks: its guesses are those of a draft that was
 * shown the masks as ids; nothing of them stays; and the output is the target's, whatever the
 * number of proposals, with threads, narrow passes, windows that slide, and beside a pass of the
 * target. */
#include "tests/speculate/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/session.h"
#include "speculate/draft.h"
#include "tests/speculate/late.h"

enum { POSITIONS = 64, VOCAB = 272, MASK = 271, MOST = 300, CHUNK = 16 };

static const struct tiny_spec target_spec = {.layers = 2, .seed = 1},
                              masked_spec = {.layers = 2, .seed = 1, .mask = MASK},
                              reduced_spec = {.layers = 2,
                                              .seed = 1,
                                              .mask = MASK,
                                              .head_rows = 200},
                              stranger_spec = {.layers = 1, .seed = 7, .mask = MASK};
static const struct hal_stop no_stop = {NULL, 0, NULL};
static const char text[] = "abcabcabd and more of it";

/* ------------------------------------------------------------------------------------- draft -- */

struct seen {
    struct draft draft;
    int32_t *ids;
    uint32_t *place;
    void *memory;
};

static void open_seen(struct seen *s, const apus_model *model, const apus_model *target,
                      uint32_t chunk) {
    static const struct pair_renamed none = {.count = 0};
    struct sequence_config config = {
        .model = model, .positions = POSITIONS, .chunk = chunk, .threads = 1};
    struct sequence_layout layout;
    memset(s, 0, sizeof *s);
    assert_int_equal(sequence_measure(&config, &layout), APUS_OK);
    s->memory = aligned_alloc(64, layout.bytes);
    s->ids = calloc(POSITIONS, sizeof *s->ids), s->place = calloc(POSITIONS, sizeof *s->place);
    assert_true(s->memory && s->ids && s->place);
    assert_int_equal(sequence_open(&s->draft.sequence, &config, &layout, s->memory), APUS_OK);
    draft_open(&s->draft, model_blob(target), &none, s->ids, s->place, POSITIONS);
}

static void close_seen(struct seen *s) {
    sequence_close(&s->draft.sequence);
    free(s->memory), free(s->ids), free(s->place);
}

/* The draft's guesses behind its ids and `masks` masks, and those of these ids one by one. */
static void guesses_are_those_of_masks(struct seen *s, struct seen *plain, uint32_t count,
                                       uint32_t masks, const struct sampler *sampler,
                                       void *scratch) {
    struct sequence *t = &plain->draft.sequence;
    int32_t ids[POSITIONS];
    uint32_t shown = s->draft.count;
    memcpy(ids, s->draft.ids, shown * sizeof *ids);
    for (uint32_t i = 0; i < masks; i++) ids[shown + i] = MASK;
    sequence_rewind(t, 0);
    for (uint32_t at = 0; at < shown + masks; at++) {
        struct guess want, got;
        assert_int_equal(sequence_pass(t, ids + at, 1, 1, no_stop), APUS_OK);
        if (at + 1 < shown) continue;
        uint32_t row = at + 1 - shown;
        assert_int_equal(sample_guess(sampler, sequence_logits(t, 0), VOCAB, s->draft.ids,
                                      shown + row, count + row, scratch, &want),
                         APUS_OK);
        apus_status status = draft_guess(&s->draft, sampler, count + row, row, scratch, &got);
        if (want.id == MASK) { /* which is never proposed */
            assert_int_equal(status, APUS_E_ORDER);
            return;
        }
        assert_int_equal(status, APUS_OK);
        assert_true(got.id == want.id && got.margin == want.margin);
        assert_true(got.other == (want.other == MASK ? -1 : want.other));
    }
}

static void one_pass_guesses_all(void **unused) {
    (void)unused;
    const apus_model *target = open_model(&target_spec), *model = open_model(&masked_spec);
    const apus_sampling settings = {
        .size = sizeof settings, .temperature = 0.9f, .repeat_penalty = 1.2f, .seed = 11};
    struct sampler sampler;
    struct seen s, plain;
    int32_t context[MOST];
    uint32_t rng = 1, one_pass = 0, slid = 0;
    void *scratch = malloc(sample_scratch_bytes(VOCAB));
    assert_non_null(scratch);
    assert_int_equal(sampler_open(&sampler, &settings, NULL), APUS_OK);
    for (uint32_t i = 0; i < MOST; i++) context[i] = (int32_t)(i * 7 % 250);
    for (uint32_t chunk = 9; chunk <= CHUNK; chunk += 7) {
        open_seen(&s, model, target, chunk), open_seen(&plain, model, target, CHUNK);
        assert_int_equal(s.draft.mask, MASK);
        for (uint32_t count = 1; count < MOST;) {
            rng = rng * 1664525u + 1013904223u;
            uint32_t masks = (rng >> 20) % chunk, more = 1 + (rng >> 10) % 6;
            uint64_t passes = s.draft.sequence.passes;
            if (rng >> 30 == 0) { /* stopped before and gone on with */
                uint32_t cancel = 1;
                assert_int_equal(draft_follow(&s.draft, context, count, masks,
                                              (struct hal_stop){&cancel, 0, NULL}),
                                 APUS_PARTIAL);
            }
            assert_int_equal(draft_follow(&s.draft, context, count, masks, no_stop), APUS_OK);
            assert_int_equal(s.draft.rows, masks + 1);
            assert_int_equal(s.draft.sequence.evaluated, s.draft.count);
            assert_true(s.draft.count + masks <= POSITIONS);
            if (s.draft.caught_up + masks <= chunk)
                assert_int_equal(s.draft.sequence.passes, passes + 1), one_pass++;
            guesses_are_those_of_masks(&s, &plain, count, masks, &sampler, scratch);
            slid += s.draft.slid;
            if (count > 20 && rng >> 29 == 1) draft_rewind(&s.draft, context, count -= 3);
            count += more;
        }
        close_seen(&s), close_seen(&plain);
    }
    assert_true(one_pass > 100 && slid > 20);
    free(scratch);
}

static void the_mask_is_not_shown(void **unused) {
    (void)unused;
    static const int32_t context[] = {'a', MASK, 'b'}, want[] = {'a', 'b'};
    struct seen s;
    open_seen(&s, open_model(&masked_spec), open_model(&target_spec), CHUNK);
    assert_int_equal(draft_follow(&s.draft, context, 3, 2, no_stop), APUS_OK);
    assert_int_equal(s.draft.count, 2);
    assert_memory_equal(s.draft.ids, want, sizeof want);
    close_seen(&s);
}

/* ------------------------------------------------------------------------------------ output -- */

/* A random target may choose even that, and the draft is not shown it. */
static int has_mask(const struct result *r) {
    size_t i = 0;
    while (i < r->count && r->ids[i] != MASK) i++;
    return i < r->count;
}

static void never_changes_the_output(void **unused) {
    (void)unused;
    const apus_model *target = open_model(&target_spec), *late_target = open_model(&target_spec),
                     *drafts[] = {open_model(&masked_spec), open_model(&reduced_spec),
                                  open_model(&stranger_spec)};
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    uint64_t proposed = 0, accepted = 0, branches = 0, ahead = 0, kept = 0;
    assert_true(want && got);
    late_use(late_target);
    for (int kind = 0; kind < SAMPLINGS; kind++) {
        apus_sampling sampling = sampling_of(kind);
        apus_session *plain = open_session((apus_config){.model = target});
        prompt(plain, text);
        generate(plain, &sampling, 0, want);
        close_session(plain);
        for (uint32_t n = 0; n <= 15; n += n < 3 ? 1 : 4)
            for (int d = 0; d < 3; d++)
                for (int way = 0; way < 3; way++) {
                    late = (struct late){.busy = n % 4 + 1, .random = 1};
                    apus_session *s =
                        open_session((apus_config){.model = way == 2 ? late_target : target,
                                                   .draft = drafts[d],
                                                   .proposals = n,
                                                   .overlap = way == 2,
                                                   .draft_context = way == 1 ? 64 : 0,
                                                   .chunk = way == 1 ? 9 : 0,
                                                   .threads = way == 1 ? 2 : 1,
                                                   .lookup = d == 2});
                    prompt(s, text);
                    generate(s, &sampling, 0, got);
                    assert_same(got, want);
                    const apus_stats *stats = &got->stats;
                    proposed += stats->proposed, accepted += stats->accepted;
                    branches += stats->branches;
                    ahead += stats->ahead, kept += stats->ahead_kept;
                    /* the first guess is the twin's own, by the same noise */
                    if (d == 0 && n == 1 && kind < 3 && way == 0 && !has_mask(want))
                        assert_int_equal(stats->accepted, stats->proposed);
                    close_session(s);
                }
    }
    printf("%llu proposed, %llu accepted, %llu branches, %llu ahead, %llu kept\n",
           (unsigned long long)proposed, (unsigned long long)accepted, (unsigned long long)branches,
           (unsigned long long)ahead, (unsigned long long)kept);
    assert_true(accepted > 1000 && proposed > 2 * accepted && ahead > 500);
    free(want);
    free(got);
}

/* A round takes one pass of the draft, and what is left over from the round before goes with it. */
static void one_pass_a_round(void **unused) {
    (void)unused;
    apus_session *s = open_session((apus_config){
        .model = open_model(&target_spec), .draft = open_model(&masked_spec), .proposals = 6});
    struct result *got = calloc(1, sizeof *got);
    apus_sampling sampling = sampling_of(1);
    assert_non_null(got);
    prompt(s, text);
    generate(s, &sampling, 0, got);
    uint64_t passes = s->speculation.draft.sequence.passes, rounds = got->stats.rounds;
    assert_true(passes <= rounds && rounds <= passes + 2); /* the last rounds have no room */
    assert_true(got->stats.proposed >= 5 * passes);
    close_session(s);
    free(got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_pass_guesses_all), cmocka_unit_test(the_mask_is_not_shown),
        cmocka_unit_test(never_changes_the_output), cmocka_unit_test(one_pass_a_round)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
