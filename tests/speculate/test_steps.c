/* Calls bounded in work: each does no more than its steps, which the port's watchdog counts, and
 * all together give what unbounded calls give. */
#include "tests/speculate/fixture.h"

#include <stdlib.h>
#include <string.h>

enum { MADE = 40, CHUNK = 8 };
static const char text[] = "aab b\nbab aab aab b\n b aab bab\n";

static uint64_t alive; /* calls of the watchdog; of one thread at a time */
static uint64_t alive_of_generation;
static uint64_t ns;

static void count_alive(void *unused) {
    (void)unused;
    alive++;
}
static uint64_t clock_now(void *unused) {
    (void)unused;
    return ns += 1000;
}

static apus_port port;
static const apus_model *target, *draft;

static int open_models(void **state) {
    const struct tiny_spec spec = {.layers = 3, .seed = 5, .positions = 256},
                           small = {.layers = 1, .seed = 6, .positions = 256};
    size_t bytes;
    void *data;
    (void)state;
    port = *apus_port_host();
    port.watchdog = count_alive;
    port.now_ns = clock_now;
    data = tiny_blob(&spec, &bytes);
    target = open_bytes(data, bytes, &port, APUS_CPU_BEST);
    data = tiny_blob(&small, &bytes);
    draft = open_bytes(data, bytes, &port, APUS_CPU_BEST);
    return 0;
}

static const apus_sampling sampling = {
    .size = sizeof sampling, .max_tokens = MADE, .ignore_end = 1, .want_hash = 1};

/* One call's steps are counted against its bound. */
static void within(uint64_t before, uint32_t steps) {
    assert_true(!steps || alive - before <= steps);
}

static uint32_t prompt_in_steps(apus_session *s, uint32_t steps) {
    const apus_part part = {APUS_PART_TEXT, 0, text, sizeof text - 1};
    uint32_t calls = 0;
    apus_status status;
    do {
        const uint64_t before = alive;
        status = calls ? apus_append(s, NULL, 0, 0) : apus_prompt(s, &part, 1, 0);
        within(before, steps);
        calls++;
    } while (status == APUS_PARTIAL);
    assert_int_equal(status, APUS_OK);
    return calls;
}

/* Until a piece comes. */
static uint32_t next_in_steps(apus_session *s, uint32_t steps, apus_piece *piece) {
    uint32_t calls = 0;
    apus_status status;
    do {
        const uint64_t before = alive;
        status = apus_next(s, piece);
        within(before, steps);
        calls++;
    } while (status == APUS_PARTIAL);
    assert_int_equal(status, APUS_OK);
    return calls;
}

static uint32_t generate_in_steps(apus_session *s, uint32_t steps, struct result *r) {
    apus_piece piece = {.size = sizeof piece};
    uint32_t calls = 0;
    memset(r, 0, sizeof *r);
    assert_int_equal(apus_begin(s, &sampling), APUS_OK);
    const uint64_t before = alive;
    do {
        calls += next_in_steps(s, steps, &piece);
        take_piece(r, &piece);
    } while (!piece.stop);
    alive_of_generation = alive - before;
    r->stats.size = sizeof r->stats;
    assert_int_equal(apus_get_stats(s, &r->stats), APUS_OK);
    return calls;
}

static apus_session *open_steps(uint32_t steps, uint32_t threads, int drafts) {
    return open_session((apus_config){.model = target,
                                      .draft = drafts ? draft : NULL,
                                      .proposals = drafts ? 4 : 0,
                                      .lookup = !drafts,
                                      .threads = threads,
                                      .chunk = CHUNK,
                                      .steps = steps});
}

/* A pass has a step before each of its norms and activations, of which the watchdog hears: three a
 * layer and one behind; and a step to its end. The first id comes from the prompt's logits. */
static void each_call_is_a_step(apus_session *s, uint32_t prompts, uint32_t calls,
                                const apus_stats *stats) {
    const int32_t *ids;
    size_t count;
    assert_int_equal(apus_ids(s, &ids, &count), APUS_OK);
    enum {
        LAYERS = 3,
        DRAFT_LAYERS = 1,
        HEARD = 3 * LAYERS + 1,
        DRAFT_HEARD = 3 * DRAFT_LAYERS + 1
    };
    assert_int_equal(prompts, (count - stats->new_tokens + CHUNK - 1) / CHUNK * (HEARD + 1));
    const uint64_t of_draft = alive_of_generation - stats->passes * HEARD;
    assert_true(stats->passes > 1 && of_draft % DRAFT_HEARD == 0);
    assert_int_equal(calls, 1 + stats->passes + alive_of_generation + of_draft / DRAFT_HEARD);
}

static void bounded_calls_give_the_same(void **state) {
    (void)state;
    static struct result want, got;
    for (int drafts = 0; drafts < 2; drafts++)
        for (uint32_t threads = 1; threads <= 2; threads++) {
            apus_session *s = open_steps(0, threads, drafts);
            assert_int_equal(prompt_in_steps(s, 0), 1);
            generate_in_steps(s, 0, &want);
            uint32_t fewest = UINT32_MAX;
            close_session(s);
            assert_true(!drafts || want.stats.proposed > 0);
            for (uint32_t steps = 1; steps <= 64; steps *= 4) {
                s = open_steps(steps, threads, drafts);
                const uint32_t prompts = prompt_in_steps(s, steps);
                const uint32_t calls = generate_in_steps(s, steps, &got);
                assert_same(&got, &want);
                assert_true(got.stats.logits_hash == want.stats.logits_hash);
                assert_int_equal(got.stats.proposed, want.stats.proposed);
                assert_int_equal(got.stats.rounds, want.stats.rounds);
                assert_true(calls <= fewest); /* fewer steps take more calls */
                if (steps == 1) each_call_is_a_step(s, prompts, calls, &got.stats);
                fewest = calls;
                close_session(s);
            }
        }
}

/* Calls until one is partial, in the middle of a round that has begun at `id`. */
static void into_a_round(apus_session *s, uint32_t partial) {
    apus_piece piece = {.size = sizeof piece, .count = 77};
    assert_int_equal(apus_begin(s, &sampling), APUS_OK);
    next_in_steps(s, 1, &piece); /* the prompt has left it */
    piece.count = 77;
    for (uint32_t i = 0; i < partial; i++) assert_int_equal(apus_next(s, &piece), APUS_PARTIAL);
    assert_int_equal(piece.count, 77);
}

/* What ends a generation in the middle of a round leaves nothing behind. */
static void a_round_can_be_left(void **state) {
    (void)state;
    static struct result want, got;
    static unsigned char saved[1 << 16];
    const int32_t *ids;
    size_t count, bytes;
    apus_session *plain = open_steps(0, 1, 0);
    prompt_in_steps(plain, 0);
    generate_in_steps(plain, 0, &want);
    for (uint32_t partial = 1; partial < 12; partial++)
        for (int way = 0; way < 5; way++) {
            apus_session *s = open_steps(1, 1, 1);
            apus_piece piece = {.size = sizeof piece};
            prompt_in_steps(s, 1);
            assert_int_equal(apus_ids(s, &ids, &count), APUS_OK);
            into_a_round(s, partial);
            switch (way) {
            case 0: /* a cancel */
                apus_cancel(s);
                assert_int_equal(apus_next(s, &piece), APUS_OK);
                assert_int_equal(piece.stop, APUS_STOP_CANCELLED);
                assert_int_equal(apus_next(s, &piece), APUS_E_ORDER);
                break;
            case 1: /* a state saved, and the round goes on */
                assert_int_equal(apus_save(s, saved, sizeof saved, &bytes), APUS_OK);
                next_in_steps(s, 1, &piece);
                assert_true(piece.count >= 1 && piece.ids[0] == want.ids[1]);
                break;
            case 2:
                assert_int_equal(apus_save(plain, saved, sizeof saved, &bytes), APUS_OK);
                assert_int_equal(apus_restore(s, saved, bytes), APUS_OK);
                break;
            case 3: /* another generation */
                assert_int_equal(apus_begin(s, &sampling), APUS_OK);
                break;
            default: /* nothing */
                break;
            }
            assert_int_equal(apus_rewind(s, count), APUS_OK);
            assert_int_equal(apus_next(s, &piece), APUS_E_ORDER);
            prompt_in_steps(s, 1);
            generate_in_steps(s, 1, &got);
            assert_same(&got, &want);
            close_session(s);
        }
    close_session(plain);
}

static void a_deadline_ends_a_round(void **state) {
    (void)state;
    apus_session *s = open_steps(1, 1, 1);
    apus_piece piece = {.size = sizeof piece};
    apus_sampling late = sampling;
    apus_status status;
    prompt_in_steps(s, 1);
    late.deadline_ns = ns + 100000; /* a look at the clock is a microsecond */
    assert_int_equal(apus_begin(s, &late), APUS_OK);
    do status = apus_next(s, &piece);
    while (status == APUS_PARTIAL || (status == APUS_OK && !piece.stop));
    assert_int_equal(status, APUS_OK);
    assert_int_equal(piece.stop, APUS_STOP_DEADLINE);
    close_session(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(bounded_calls_give_the_same),
                                       cmocka_unit_test(a_round_can_be_left),
                                       cmocka_unit_test(a_deadline_ends_a_round)};
    return cmocka_run_group_tests(tests, open_models, NULL);
}
