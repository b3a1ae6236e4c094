/* A session with proposals beside one without, through random histories: prompts that share
 * beginnings, appended text, evaluated ids, rewinds, saved and restored states, generations of
 * every kind, cancelled and out of time in the middle of a round; on an engine that computes on the
 * caller's thread and on one beside which the draft goes on. After every step both hold the same.
 * Every number of proposals meets every instruction set and several numbers of threads.
 *
 * The clock counts its own calls, so that a run is the same every time, the adaptive number of
 * proposals included. */
#include "tests/speculate/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "tests/speculate/late.h"

enum { TRIALS = 96, STEPS = 12, EXACT_CONTEXT = 144, STATE_BYTES = 1 << 16 };

static uint64_t rng;
static uint32_t random_of(uint32_t n) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((rng >> 33) % n);
}

/* ------------------------------------------------------------------------------------- clock -- */

static struct {
    uint64_t calls, cancel_at; /* 0: never */
    apus_session *session;
} counting;

static uint64_t count_call(void *unused) {
    (void)unused;
    if (++counting.calls == counting.cancel_at) apus_cancel(counting.session);
    return counting.calls * 1000;
}

static const apus_port *counting_port(void) {
    static apus_port port;
    port = *apus_port_host();
    port.now_ns = count_call;
    return &port;
}

/* ------------------------------------------------------------------------------------ models -- */

static const struct tiny_spec target_spec = {.layers = 2,
                                             .window = {0, 11},
                                             .sinks = 1,
                                             .with_experts = 2,
                                             .experts = 5,
                                             .active = 2,
                                             .seed = 1,
                                             .positions = 160};

enum draft_kind {
    NONE,
    TWIN,
    RELATIVE,
    STRANGER,
    SHORT_TWIN,
    NARROW,
    MASKED,
    MASKED_SHORT,
    DRAFTS
};
static const apus_model *targets[APUS_CPU_NEON], *late_targets[APUS_CPU_NEON], *drafts[DRAFTS];
static uint32_t targets_count; /* one for each instruction set that is here: plain C first, the best
                                  last */

static const apus_model *open_counting(const struct tiny_spec *spec, apus_cpu cpu) {
    size_t bytes;
    void *data = tiny_blob(spec, &bytes);
    return open_bytes(data, bytes, counting_port(), cpu);
}

static void open_models(void) {
    for (apus_cpu cpu = APUS_CPU_REF; cpu <= apus_cpu_best(); cpu++) {
        if (!apus_cpu_has(cpu)) continue;
        targets[targets_count] = open_counting(&target_spec, cpu);
        late_targets[targets_count] = open_counting(&target_spec, cpu);
        late_use(late_targets[targets_count++]);
    }
    late = (struct late){.busy = 12, .random = 1};
    struct tiny_spec narrow = target_spec;
    narrow.vocab = 260;
    drafts[TWIN] = drafts[SHORT_TWIN] = targets[targets_count - 1];
    drafts[RELATIVE] = open_relative(&target_spec, 0x3f);
    drafts[STRANGER] = open_model(
        &(struct tiny_spec){.layers = 1, .dim = 128, .heads = 2, .kv_heads = 1, .seed = 77});
    drafts[NARROW] = open_model(&narrow);
    struct tiny_spec masked = target_spec; /* its first guess in a pass is always right */
    masked.mask = 271, masked.head_rows = 200;
    drafts[MASKED_SHORT] = open_model(&masked);
    masked.head_rows = 0;
    drafts[MASKED] = open_model(&masked);
}

/* ------------------------------------------------------------------------------------- trial -- */

struct trial {
    apus_session *plain, *fast;
    apus_config config; /* of fast */
    enum draft_kind draft;
    struct result *want, *got;
    char text[64];
    size_t bytes;
    unsigned char *state;
    size_t state_bytes; /* 0: none saved yet */
    uint64_t proposed, accepted, interrupted, kept, partial;
};

static void same_context(const struct trial *t) {
    const int32_t *a, *b;
    size_t na, nb;
    apus_stats sa = {.size = sizeof sa}, sb = {.size = sizeof sb};
    apus_ids(t->plain, &a, &na);
    apus_ids(t->fast, &b, &nb);
    assert_int_equal(na, nb);
    assert_memory_equal(a, b, na * sizeof *a);
    apus_get_stats(t->plain, &sa);
    apus_get_stats(t->fast, &sb);
    /* The ring of one may still hold what that of the other, with another chunk, does not. */
    assert_true(sa.positions == sb.positions || !sa.positions || !sb.positions);
}

/* A cancel or a deadline somewhere in the next calls, or neither. */
static uint64_t interrupt(const struct trial *t) {
    uint32_t way = random_of(4), when = 1 + random_of(14);
    counting.session = t->fast;
    counting.cancel_at = way == 0 ? counting.calls + when : 0;
    return way == 1 ? (counting.calls + when) * 1000 : 0;
}

/* Evaluates everything in both, and takes back a cancel that came too late to stop anything. */
static void settle(struct trial *t) {
    counting.cancel_at = 0;
    assert_int_equal(apus_append(t->plain, NULL, 0, 0), APUS_OK);
    apus_status status;
    do status = apus_append(t->fast, NULL, 0, 0);
    while (status == APUS_PARTIAL);
    assert_int_equal(status, APUS_OK);
}

static void make_text(struct trial *t) {
    if (t->bytes) t->bytes = random_of((uint32_t)t->bytes + 1);
    size_t most = t->bytes + 1 + random_of(24);
    while (t->bytes < most && t->bytes < sizeof t->text)
        t->text[t->bytes++] = "aab b\n"[random_of(6)];
}

static void prompt_both(struct trial *t) {
    make_text(t);
    const apus_part part = {APUS_PART_TEXT, 0, t->text, t->bytes};
    assert_int_equal(apus_prompt(t->plain, &part, 1, 0), APUS_OK);
    apus_status status;
    while ((status = apus_prompt(t->fast, &part, 1, interrupt(t))) == APUS_PARTIAL)
        t->interrupted++;
    assert_int_equal(status, APUS_OK);
    settle(t);
}

static void append_both(struct trial *t, const char *text) {
    apus_part part = {APUS_PART_TEXT, 0, text, strlen(text)};
    apus_status want = apus_append(t->plain, &part, text[0] != 0, 0),
                status = apus_append(t->fast, &part, text[0] != 0, interrupt(t));
    for (; status == APUS_PARTIAL; status = apus_append(t->fast, NULL, 0, interrupt(t)))
        t->interrupted++;
    assert_int_equal(status, want);
}

static void eval_both(struct trial *t) {
    enum { MOST = 5, VOCAB = 272 };
    static float a[MOST * VOCAB], b[MOST * VOCAB];
    int32_t ids[MOST];
    uint32_t n = 1 + random_of(MOST);
    for (uint32_t i = 0; i < n; i++) ids[i] = (int32_t)random_of(VOCAB);
    apus_status status = apus_eval(t->plain, ids, n, a, NULL);
    apus_status got;
    for (size_t at = 0, done = 0;; at += done) {
        got = apus_eval(t->fast, ids + at, n - at, b + at * VOCAB, &done);
        if (got != APUS_PARTIAL) break;
        t->partial++;
    }
    assert_int_equal(got, status);
    if (status == APUS_OK) assert_memory_equal(a, b, n * VOCAB * sizeof(float));
}

static void rewind_both(struct trial *t) {
    const int32_t *ids;
    size_t count;
    apus_ids(t->plain, &ids, &count);
    if (count < 2) return;
    size_t to = count - 1 - random_of(random_of(2) ? (uint32_t)count - 1 : 3) % (count - 1);
    assert_int_equal(apus_rewind(t->plain, to), APUS_OK);
    assert_int_equal(apus_rewind(t->fast, to), APUS_OK);
}

/* What either saves, both can go on from. */
static void save_or_restore(struct trial *t) {
    if (!t->state_bytes || random_of(2)) {
        assert_int_equal(
            apus_save(random_of(2) ? t->fast : t->plain, t->state, STATE_BYTES, &t->state_bytes),
            APUS_OK);
        return;
    }
    assert_int_equal(apus_restore(t->plain, t->state, t->state_bytes), APUS_OK);
    assert_int_equal(apus_restore(t->fast, t->state, t->state_bytes), APUS_OK);
    t->bytes = 0;
}

/* In as many generations as interruptions make of it. */
static void generate_in_parts(struct trial *t, apus_sampling sampling) {
    const struct result *want = t->want;
    apus_piece piece = {.size = sizeof piece, .stop = APUS_STOP_CANCELLED};
    size_t made = 0;
    const uint32_t most = sampling.max_tokens;
    while (made < want->count) {
        sampling.max_tokens = most - (uint32_t)made;
        sampling.deadline_ns = interrupt(t);
        assert_int_equal(apus_begin(t->fast, &sampling), APUS_OK);
        do {
            apus_status status;
            while ((status = apus_next(t->fast, &piece)) == APUS_PARTIAL) t->partial++;
            assert_int_equal(status, APUS_OK);
            assert_true(made + piece.count <= want->count);
            assert_memory_equal(piece.ids, want->ids + made, piece.count * sizeof *piece.ids);
            assert_memory_equal(piece.log_probs, want->log_probs + made,
                                piece.count * sizeof *piece.log_probs);
            made += piece.count;
        } while (!piece.stop);
        if (piece.stop != APUS_STOP_CANCELLED && piece.stop != APUS_STOP_DEADLINE) break;
        t->interrupted++;
        if (random_of(4) == 0) break; /* left as it is */
    }
    const int32_t *ids;
    size_t count;
    assert_int_equal(apus_ids(t->fast, &ids, &count), APUS_OK);
    assert_int_equal(apus_rewind(t->plain, count), APUS_OK);
    if (made < want->count) { /* and other text comes where its proposals were */
        settle(t);
        append_both(t, " bab bab\n");
    }
    if (piece.stop != APUS_STOP_CANCELLED && piece.stop != APUS_STOP_DEADLINE)
        assert_int_equal(piece.stop, want->stop);
}

static void generate_both(struct trial *t) {
    int kind = (int)random_of(SAMPLINGS);
    apus_sampling sampling = sampling_of(kind);
    sampling.seed = rng;
    sampling.max_tokens = 1 + random_of(36);
    generate(t->plain, &sampling, 0, t->want);
    if (!sampling.stops_count && random_of(2)) {
        generate_in_parts(t, sampling);
        return;
    }
    generate(t->fast, &sampling, 0, t->got);
    assert_same(t->got, t->want);
    t->proposed += t->got->stats.proposed;
    t->accepted += t->got->stats.accepted;
    t->kept += t->got->stats.ahead_kept;
    /* A twin that has followed everything that happened proposes what the target chooses: the noise
     * is shared. */
    if (t->draft == TWIN && !t->config.lookup && t->got->stop != APUS_STOP_TEXT)
        assert_int_equal(t->got->stats.accepted, t->got->stats.proposed);
}

static void one_step(struct trial *t) {
    static const char *const more[] = {"", "a", "bab\n", " aab aab aab"};
    const int32_t *ids;
    size_t count;
    switch (random_of(9)) {
    case 0:
        prompt_both(t);
        break;
    case 1:
        append_both(t, more[random_of(4)]);
        break;
    case 2:
        eval_both(t);
        break;
    case 3:
        rewind_both(t);
        break;
    case 4:
        save_or_restore(t);
        break;
    default:
        generate_both(t);
    }
    settle(t);
    same_context(t);
    apus_ids(t->plain, &ids, &count);
    if (count + 20 > EXACT_CONTEXT && random_of(2)) prompt_both(t);
}

static void one_trial(uint32_t number, uint64_t sums[5]) {
    struct trial t = {.draft = (enum draft_kind)(number / 16 % DRAFTS)};
    rng = number + 1;
    const apus_model *target = (number % 2 ? late_targets : targets)[number / 2 % targets_count];
    t.config = (apus_config){.model = target,
                             .context = EXACT_CONTEXT,
                             .draft = drafts[t.draft],
                             .proposals = number % 16,
                             .lookup = t.draft == NONE || number % 5 == 0,
                             .threads = number % 7 ? 1 : 2 + number % 2,
                             .chunk = number % 3 ? 0 : 5 + number % 9,
                             .overlap = (int)(number / 2 % 4) - 1,
                             .steps = number % 8 - 2 < 2 ? 1 + number % 11 : 0};
    if (t.draft == SHORT_TWIN || t.draft == MASKED_SHORT) t.config.draft_context = 64;
    t.plain = open_session((apus_config){.model = targets[0], .context = EXACT_CONTEXT});
    t.fast = open_session(t.config);
    t.want = calloc(1, sizeof *t.want), t.got = calloc(1, sizeof *t.got),
    t.state = malloc(STATE_BYTES);
    assert_true(t.want && t.got && t.state);
    prompt_both(&t);
    for (int i = 0; i < STEPS; i++) one_step(&t);
    close_session(t.plain);
    close_session(t.fast);
    free(t.want), free(t.got), free(t.state);
    sums[0] += t.proposed, sums[1] += t.accepted, sums[2] += t.interrupted, sums[3] += t.kept;
    sums[4] += t.partial;
}

static void random_histories(void **unused) {
    (void)unused;
    uint64_t sums[5] = {0};
    open_models();
    for (uint32_t i = 0; i < TRIALS; i++) one_trial(i, sums);
    /* the histories met what they are for */
    assert_true(sums[0] > 8000 && sums[1] > 800 && sums[0] > sums[1] && sums[2] > 150 &&
                sums[3] > 50 && sums[4] > 1000);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_histories)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
