/* What the draft sees, after any sequence of following and rewinding: ids of the context in order,
 * each in its place, without those it has no row for and without the suffix of a fill-in-the-middle
 * prompt; of more than it holds, the first and the last part. And what it would propose is what a
 * draft proposes that was shown just that. */
#include "tests/speculate/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/model.h"
#include "speculate/draft.h"
#include "speculate/lookup.h"

enum {
    POSITIONS = 64,
    MOST = 400,
    SUFFIX = 270,
    MIDDLE = 271,
    DRAFT_VOCAB = 268,
    TARGET_VOCAB = 272
};

static uint64_t rng;
static uint32_t random_of(uint32_t n) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((rng >> 33) % n);
}

static const struct hal_stop no_stop = {NULL, 0, NULL};

struct seen {
    struct draft draft;
    int32_t *ids;
    uint32_t *place;
    void *memory;
};

static const apus_model *model;
static const struct pair_renamed none = {.count = 0};

static void open_seen(struct seen *s) {
    struct sequence_config config = {
        .model = model, .positions = POSITIONS, .chunk = 16, .threads = 1};
    struct sequence_layout layout;
    memset(s, 0, sizeof *s);
    assert_int_equal(sequence_measure(&config, &layout), APUS_OK);
    s->memory = aligned_alloc(64, layout.bytes);
    s->ids = calloc(POSITIONS, sizeof *s->ids), s->place = calloc(POSITIONS, sizeof *s->place);
    assert_true(s->memory && s->ids && s->place);
    assert_int_equal(sequence_open(&s->draft.sequence, &config, &layout, s->memory), APUS_OK);
    draft_open(&s->draft, model_blob(model), &none, s->ids, s->place, POSITIONS);
    /* as of a target with markers and more rows */
    s->draft.suffix = SUFFIX, s->draft.middle = MIDDLE, s->draft.vocab = DRAFT_VOCAB;
}

static void close_seen(struct seen *s) {
    sequence_close(&s->draft.sequence);
    free(s->memory), free(s->ids), free(s->place);
}

/* Places of the context that the draft may see. */
static uint32_t visible(const int32_t *context, uint32_t count, uint32_t *place) {
    uint32_t n = 0;
    for (uint32_t i = 0, hidden = 0; i < count; i++) {
        if (context[i] == SUFFIX || context[i] == MIDDLE) hidden = context[i] == SUFFIX;
        if (!hidden && context[i] < DRAFT_VOCAB) place[n++] = i;
    }
    return n;
}

static void look(const struct draft *d, const int32_t *context, uint32_t count) {
    uint32_t place[MOST], n = visible(context, count, place);
    assert_int_equal(d->source, count);
    assert_true(d->count <= POSITIONS && d->count <= n &&
                d->count >= (n < POSITIONS / 4 ? n : POSITIONS / 4));
    for (uint32_t i = 0; i < d->count; i++) {
        assert_int_equal(d->ids[i], context[d->place[i]]);
        assert_int_equal(d->place[i], i ? place[n - d->count + i] : place[0]);
    }
    if (n <= POSITIONS / 2) assert_int_equal(d->count, n); /* what fits is not thrown away */
}

/* The same ids to a draft that has seen nothing else. */
static void proposes_the_same(struct draft *d, struct seen *fresh, uint32_t at) {
    const apus_sampling settings = {
        .size = sizeof settings, .temperature = 0.9f, .repeat_penalty = 1.2f, .seed = 11};
    struct sampler sampler;
    struct guess a = {-1, -1, -1}, b = {-2, -2, -2};
    void *scratch = malloc(sample_scratch_bytes(TARGET_VOCAB));
    assert_non_null(scratch);
    assert_int_equal(sampler_open(&sampler, &settings, NULL), APUS_OK);
    draft_rewind(&fresh->draft, d->ids, 0);
    fresh->draft.suffix = fresh->draft.middle = -1;
    assert_int_equal(draft_follow(&fresh->draft, d->ids, d->count, 0, no_stop), APUS_OK);
    apus_status status = draft_guess(d, &sampler, at, 0, scratch, &a);
    assert_int_equal(draft_guess(&fresh->draft, &sampler, at, 0, scratch, &b), status);
    assert_int_equal(status, d->count ? APUS_OK : APUS_E_ORDER);
    if (d->count)
        assert_true(a.id == b.id && a.other == b.other && a.margin == b.margin && a.id >= 0 &&
                    a.id < DRAFT_VOCAB);
    free(scratch);
}

static int32_t random_id(void) {
    uint32_t kind = random_of(40);
    if (kind == 0) return SUFFIX;
    if (kind <= 2) return MIDDLE;
    return (int32_t)(kind < 6 ? DRAFT_VOCAB + random_of(2) : random_of(DRAFT_VOCAB));
}

static void sees_what_it_should(void **unused) {
    (void)unused;
    struct seen s, fresh;
    uint32_t slid = 0, hidden = 0;
    model = open_model(
        &(struct tiny_spec){.layers = 1, .vocab = TARGET_VOCAB, .seed = 3, .positions = 256});
    for (int trial = 0; trial < 40; trial++) {
        int32_t context[MOST];
        uint32_t count = 0;
        rng = (uint64_t)trial + 1;
        open_seen(&s), open_seen(&fresh);
        for (int step = 0; step < 40; step++) {
            uint32_t way = random_of(8), most = way == 0 ? 200 : way < 3 ? 40 : 6, to;
            if (way == 7 && count) { /* an edit far back, or proposals that were not accepted */
                to = random_of(2) ? random_of(count)
                                  : count - 1 - random_of(count < 15 ? count : 15);
                draft_rewind(&s.draft, context, to);
                count = to;
            }
            for (to = count + 1 + random_of(most); count < to && count < MOST; count++)
                context[count] = random_id();
            if (count == MOST) draft_rewind(&s.draft, context, count = random_of(MOST));
            if (random_of(6) == 0) { /* a cancelled pass loses nothing */
                uint32_t cancel = 1;
                apus_status status =
                    draft_follow(&s.draft, context, count, 0, (struct hal_stop){&cancel, 0, NULL});
                assert_true(status == APUS_PARTIAL || status == APUS_OK);
            }
            assert_int_equal(draft_follow(&s.draft, context, count, 0, no_stop), APUS_OK);
            look(&s.draft, context, count);
            if (step % 4 == 0) proposes_the_same(&s.draft, &fresh, count);
            slid += s.draft.slid != 0, hidden += s.draft.in_suffix != 0;
        }
        close_seen(&s), close_seen(&fresh);
    }
    assert_true(slid > 200 && hidden > 100);
}

/* Through the middle of a prompt: the draft goes on from the prefix, and in the other order from
 * the prefix behind the suffix. */
static void the_middle_follows_the_prefix(void **unused) {
    (void)unused;
    enum { PREFIX = 269 };
    static const int32_t psm[] = {256, PREFIX, 'd', 'e', 'f', SUFFIX, 'x', 'y', MIDDLE, 'm', 'n'},
                         spm[] = {256, PREFIX, SUFFIX, 'x', 'y', MIDDLE, 'd', 'e', 'f', 'm', 'n'},
                         want[] = {256, 'd', 'e', 'f', 'm', 'n'};
    for (int order = 0; order < 2; order++) {
        const int32_t *context = order ? spm : psm;
        struct seen s;
        open_seen(&s);
        for (uint32_t end = 11; end >= 9; end--) { /* as far as the text goes, then with the last
                                                      ids taken back */
            assert_int_equal(draft_follow(&s.draft, context, end, 0, no_stop), APUS_OK);
            assert_int_equal(s.draft.count, end - 5);
            assert_memory_equal(s.draft.ids, want, (end - 5) * sizeof *want);
            draft_rewind(&s.draft, context, end - 1);
        }
        draft_rewind(&s.draft, context, order ? 4 : 7); /* an edit in the suffix */
        assert_true(s.draft.in_suffix);
        assert_int_equal(draft_follow(&s.draft, context, 11, 0, no_stop), APUS_OK);
        assert_int_equal(s.draft.count, 6);
        assert_memory_equal(s.draft.ids, want, sizeof want);
        close_seen(&s);
    }
}

/* After a pause only the last ids are shown, behind what was seen before; going back to before the
 * gap closes it. */
static void leaves_a_gap_out(void **unused) {
    (void)unused;
    struct seen s, fresh;
    int32_t context[MOST];
    open_seen(&s), open_seen(&fresh);
    for (uint32_t i = 0; i < MOST; i++) context[i] = (int32_t)(i * 7 % 250);
    assert_int_equal(draft_follow(&s.draft, context, 10, 0, no_stop), APUS_OK);
    draft_skip(&s.draft, context, 10 + DRAFT_PROBE, DRAFT_PROBE); /* no gap */
    assert_int_equal(s.draft.whole, UINT32_MAX);
    draft_skip(&s.draft, context, 50, DRAFT_PROBE);
    assert_int_equal(draft_follow(&s.draft, context, 50, 0, no_stop), APUS_OK);
    assert_int_equal(s.draft.caught_up, DRAFT_PROBE);
    assert_int_equal(s.draft.count, 10 + DRAFT_PROBE);
    assert_int_equal(s.draft.whole, 10);
    for (uint32_t i = 0; i < s.draft.count; i++) {
        assert_int_equal(s.draft.place[i], i < 10 ? i : 50 - DRAFT_PROBE + (i - 10));
        assert_int_equal(s.draft.ids[i], context[s.draft.place[i]]);
    }
    proposes_the_same(&s.draft, &fresh, 50);
    draft_rewind(&s.draft, context, 45); /* behind the gap: it stays */
    assert_int_equal(s.draft.whole, 10);
    assert_int_equal(s.draft.count, 5 + DRAFT_PROBE);
    draft_rewind(&s.draft, context, s.draft.whole);
    assert_int_equal(s.draft.whole, UINT32_MAX);
    assert_int_equal(draft_follow(&s.draft, context, 50, 0, no_stop), APUS_OK);
    look(&s.draft, context, 50);

    context[60] = SUFFIX, context[75] = SUFFIX; /* a gap that ends inside a suffix */
    draft_skip(&s.draft, context, 100, DRAFT_PROBE);
    assert_true(s.draft.in_suffix);
    close_seen(&s), close_seen(&fresh);
}

/* A piece that the draft has no row for, as the pieces of its bytes; a control token not at all. */
static void splits_what_it_lacks(void **unused) {
    (void)unused;
    static const int32_t context[] = {'a', 268, 256, 'b', 258},
                         want[] = {'a', '<', '2', '6', '8', '>', 256, 'b', '<', '2', '5', '8', '>'};
    static const uint32_t places[] = {0, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4};
    const apus_model *target =
                         open_model(&(struct tiny_spec){.layers = 1, .vocab = 272, .words = 1}),
                     *kept = model;
    struct seen s;
    model = open_model(&(struct tiny_spec){.layers = 1, .vocab = 258, .seed = 5, .positions = 256});
    open_seen(&s);
    draft_open(&s.draft, model_blob(target), &none, s.ids, s.place, POSITIONS);
    for (uint32_t to = 1, count = 1; to <= 5; to++, count += to == 2 || to == 5 ? 5 : 1) {
        assert_int_equal(draft_follow(&s.draft, context, to, 0, no_stop), APUS_OK);
        assert_int_equal(s.draft.count, count);
        assert_int_equal(s.draft.split, to == 2 || to == 5 ? 4 : 0);
    }
    assert_memory_equal(s.draft.ids, want, sizeof want);
    assert_memory_equal(s.draft.place, places, sizeof places);
    draft_rewind(&s.draft, context, 4);
    assert_int_equal(s.draft.count, 8);
    draft_rewind(&s.draft, context, 1);
    assert_int_equal(s.draft.count, 1);
    close_seen(&s);

    static const int32_t control[] = {'a', 257};
    open_seen(&s);
    draft_open(&s.draft, model_blob(target), &none, s.ids, s.place, POSITIONS);
    s.draft.vocab = 257; /* as of a draft without it */
    assert_int_equal(draft_follow(&s.draft, control, 2, 0, no_stop), APUS_OK);
    assert_int_equal(s.draft.count, 1);
    close_seen(&s);
    model = kept;
}

/* Rows that pad the draft's table are no pieces, though their ids are below its rows: what the
 * target has there is shown as pieces, and never proposed. */
static void rows_that_pad_are_not_known(void **unused) {
    (void)unused;
    static const int32_t context[] = {'a', 280, 'b', 279},
                         want[] = {'a', '<', '2', '8', '0', '>', 'b', 279};
    const apus_sampling settings = {.size = sizeof settings};
    const struct tiny_spec large = {.layers = 1, .vocab = 304, .words = 1, .pieces = 288},
                           small = {.layers = 1, .vocab = 288, .words = 1, .pieces = 280};
    const apus_model *target = open_model(&large), *kept = model;
    struct sampler sampler;
    struct guess guess;
    struct seen s;
    uint32_t refused = 0, made = 0;
    void *scratch = malloc(sample_scratch_bytes(large.vocab));
    assert_non_null(scratch);
    assert_int_equal(sampler_open(&sampler, &settings, NULL), APUS_OK);
    model = open_model(&small);
    open_seen(&s);
    draft_open(&s.draft, model_blob(target), &none, s.ids, s.place, POSITIONS);
    assert_int_equal(s.draft.vocab, small.vocab);
    assert_int_equal(draft_follow(&s.draft, context, 4, 0, no_stop), APUS_OK);
    assert_int_equal(s.draft.count, 8);
    assert_memory_equal(s.draft.ids, want, sizeof want);
    for (int32_t id = 0; id < 280; id++) {
        draft_rewind(&s.draft, context, 0);
        assert_int_equal(draft_follow(&s.draft, &id, 1, 0, no_stop), APUS_OK);
        apus_status status = draft_guess(&s.draft, &sampler, 1, 0, scratch, &guess);
        assert_true(status == APUS_OK || status == APUS_E_ORDER);
        assert_true(status || guess.id < 280);
        assert_true(guess.other < 280);
        refused += status == APUS_E_ORDER, made += status == APUS_OK;
    }
    assert_true(refused > 0 && made > 200); /* a random model guesses such rows, too */
    close_seen(&s);
    free(scratch);
    model = kept;
}

/* Ids that mean something else to the draft are neither shown to it nor proposed. */
static void renamed_ids_are_left_out(void **unused) {
    (void)unused;
    static const int32_t context[] = {256, 'a', 257, 'b', 257, 'c'}, want[] = {256, 'a', 'b', 'c'};
    const apus_sampling settings = {.size = sizeof settings};
    struct sampler sampler;
    struct guess first, again;
    struct seen s;
    void *scratch = malloc(sample_scratch_bytes(TARGET_VOCAB));
    assert_non_null(scratch);
    assert_int_equal(sampler_open(&sampler, &settings, NULL), APUS_OK);
    open_seen(&s);
    s.draft.renamed = (struct pair_renamed){1, {257}};
    assert_int_equal(draft_follow(&s.draft, context, 6, 0, no_stop), APUS_OK);
    assert_int_equal(s.draft.count, 4);
    assert_memory_equal(s.draft.ids, want, sizeof want);
    assert_int_equal(draft_guess(&s.draft, &sampler, 6, 0, scratch, &first), APUS_OK);
    assert_true(first.id >= 0 && first.other >= 0);
    s.draft.renamed = (struct pair_renamed){2, {257, (uint32_t)first.other}};
    assert_int_equal(draft_guess(&s.draft, &sampler, 6, 0, scratch, &again), APUS_OK);
    assert_true(again.id == first.id && again.other == -1);
    s.draft.renamed.ids[0] = (uint32_t)first.id;
    assert_int_equal(draft_guess(&s.draft, &sampler, 6, 0, scratch, &again), APUS_E_ORDER);
    free(scratch);
    close_seen(&s);
}

/* A slide in the middle of a long text is one catching up, not a step for every id. */
static void a_slide_costs_one_window(void **unused) {
    (void)unused;
    struct seen s;
    int32_t context[MOST];
    uint32_t evaluated = 0, largest = 0;
    open_seen(&s);
    s.draft.suffix = s.draft.middle = -1;
    for (uint32_t i = 0; i < MOST; i++) context[i] = (int32_t)(i * 7 % 250);
    for (uint32_t i = 1; i <= MOST; i++) {
        assert_int_equal(draft_follow(&s.draft, context, i, 0, no_stop), APUS_OK);
        evaluated += s.draft.caught_up;
        largest = s.draft.caught_up > largest ? s.draft.caught_up : largest;
    }
    assert_true(largest <= POSITIONS / 2 + 1);
    assert_true(evaluated <= MOST + MOST / (POSITIONS / 2 - 1) * (POSITIONS / 2 + 1));
    close_seen(&s);
    open_seen(&s); /* all at once: only what it keeps is evaluated */
    assert_int_equal(draft_follow(&s.draft, context, MOST, 0, no_stop), APUS_OK);
    assert_true(s.draft.caught_up <= POSITIONS);
    close_seen(&s);
}

static void finds_the_latest_longest(void **unused) {
    (void)unused;
    static const int32_t ids[] = {1, 2, 3, 4, 9, 1, 2, 3, 5, 2, 3, 6, 1, 2, 3};
    uint32_t at = 99;
    assert_int_equal(lookup_find(ids, 15, 2, 16, &at), 3);
    assert_int_equal(at, 8); /* behind the latest 1 2 3 */
    assert_int_equal(lookup_find(ids, 15, 4, 16, &at), 0);
    assert_int_equal(lookup_find(ids, 15, 2, 2, &at), 2);
    assert_int_equal(at, 11);
    assert_int_equal(lookup_find(ids, 1, 1, 16, &at), 0);
    assert_int_equal(lookup_find(ids, 0, 1, 16, &at), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sees_what_it_should),
                                       cmocka_unit_test(the_middle_follows_the_prefix),
                                       cmocka_unit_test(leaves_a_gap_out),
                                       cmocka_unit_test(splits_what_it_lacks),
                                       cmocka_unit_test(rows_that_pad_are_not_known),
                                       cmocka_unit_test(renamed_ids_are_left_out),
                                       cmocka_unit_test(a_slide_costs_one_window),
                                       cmocka_unit_test(finds_the_latest_longest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
