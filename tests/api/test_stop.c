/* Stopping early: a user who types faster than a pass takes, deadlines in the middle of passes,
 * requests that supersede each other.
 *
 * The clock stands still but for a tick at every look at it, and passes look once or twice in half
 * a layer: a tick is a part of a pass. Deadlines that never come make passes look. */
#include "tests/api/fixture.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/model.h"

enum { CONTEXT = 400, FIRST = 300, KEYS = 15, TICK = 100 };
static const uint64_t NEVER = UINT64_MAX;

/* In ticks. A pass looks ten times: 128 columns take about 1000, and a key comes every 200. */
static struct {
    uint64_t ns, cancel_at;
    apus_session *session;
    uint32_t ticket; /* 0: apus_cancel */
} typed;

static uint64_t clock_ticks(void *unused) {
    (void)unused;
    typed.ns += TICK;
    if (typed.session && typed.ns >= typed.cancel_at) {
        if (typed.ticket)
            apus_cancel_request(typed.session, typed.ticket);
        else
            apus_cancel(typed.session);
        typed.session = NULL;
    }
    return typed.ns;
}

/* The next call is stopped so long after its beginning. */
static void cancel_in(struct api_session *s, uint64_t ns) {
    typed.cancel_at = typed.ns + ns;
    typed.session = s->session;
}

struct typing {
    struct api_model m;
    struct api_session s, straight; /* straight: never stopped */
    int32_t ids[CONTEXT];
};

static int make_typing(void **state) {
    struct typing *t = calloc(1, sizeof *t);
    api_model_open(&t->m, 0, APUS_CPU_BEST);
    t->m.model->port.now_ns = clock_ticks;
    api_open(&t->s, &t->m, CONTEXT, 1, 128);
    api_open(&t->straight, &t->m, CONTEXT, 1, 128);
    api_ids(&t->m, 21, t->ids, CONTEXT);
    memset(&typed, 0, sizeof typed);
    *state = t;
    return 0;
}

static int unmake(void **state) {
    struct typing *t = *state;
    api_close(&t->s);
    api_close(&t->straight);
    api_model_close(&t->m);
    free(t);
    return 0;
}

static apus_status prompt(struct api_session *s, const int32_t *ids, size_t count,
                          uint64_t deadline) {
    const apus_part part = api_ids_part(ids, count);
    return apus_prompt(s->session, &part, 1, deadline);
}

/* Both hold the same, to the last bit of what follows. */
static void same(struct typing *t) {
    api_assert_same(api_look(&t->straight), &t->s);
    assert_true(api_generate(&t->s, 4, NULL) == api_generate(&t->straight, 4, NULL));
}

/* Every key adds an id and stops the call before; `changes`: and the last ids before it become
 * others, as tokens do when text is added. */
static void type(struct typing *t, uint32_t changes) {
    uint64_t began = typed.ns, reached = 0;
    assert_int_equal(prompt(&t->straight, t->ids, FIRST + KEYS, NEVER), APUS_OK);
    const uint64_t undisturbed = typed.ns - began;
    assert_true(undisturbed > 3 * 800);
    began = typed.ns;
    for (uint32_t key = 0; key < KEYS; key++) {
        int32_t ids[CONTEXT];
        memcpy(ids, t->ids, sizeof ids);
        for (uint32_t i = 0; i < changes; i++)
            ids[FIRST + key - 1 - i] ^= 1; /* right with the next key */
        cancel_in(&t->s, 200);
        assert_int_equal(prompt(&t->s, ids, FIRST + key, NEVER), APUS_PARTIAL);
        assert_true(typed.ns - began >= 200 &&
                    typed.ns - began <= 600 * (key + 1)); /* it came soon */
        reached = api_look(&t->s).positions;
    }
    /* 15 keys every 200: 3000 in all, of which passes of 128 columns take about 1000 each. */
    assert_in_range(reached, 128, FIRST);
    assert_int_equal(prompt(&t->s, t->ids, FIRST + KEYS, NEVER), APUS_OK);
    /* A few looks of each call are its own; what changes in the last pass is evaluated again. */
    assert_true(typed.ns - began <= undisturbed + KEYS * 6 * TICK);
    same(t);
}

static void typing_keeps_what_was_done(void **state) { type(*state, 0); }
static void typing_that_changes_the_last_ids(void **state) { type(*state, 3); }

/* The pass that is stopped is the last one, and each key changes one of its ids: those before it
 * are done in the end. */
static void an_edit_in_a_stopped_pass(void **state) {
    struct typing *t = *state;
    enum { COUNT = 100, EDIT = 60 };
    for (uint32_t key = 0; key < KEYS; key++) {
        t->ids[EDIT] ^= 1;
        cancel_in(&t->s, 200);
        apus_status status = prompt(&t->s, t->ids, COUNT, NEVER);
        assert_true(status == APUS_PARTIAL || key > KEYS / 2);
    }
    assert_in_range(api_look(&t->s).positions, EDIT, COUNT);
    typed.session = NULL;
    assert_int_equal(prompt(&t->straight, t->ids, COUNT, 0), APUS_OK);
    while (prompt(&t->s, t->ids, COUNT, 0) == APUS_PARTIAL) {}
    same(t);
    /* an edit before the pass takes it along */
    t->ids[EDIT + 10] ^= 1;
    cancel_in(&t->s, 200);
    assert_int_equal(prompt(&t->s, t->ids, CONTEXT - 10, NEVER), APUS_PARTIAL);
    typed.session = NULL;
    t->ids[10] ^= 1;
    assert_int_equal(prompt(&t->s, t->ids, CONTEXT - 10, 0), APUS_OK);
    assert_int_equal(prompt(&t->straight, t->ids, CONTEXT - 10, 0), APUS_OK);
    same(t);
}

/* Deadlines shorter than a pass, one after the other, with each of the calls that evaluate. None
 * overruns by more than half a layer. */
static void deadlines_shorter_than_a_pass(void **state) {
    struct typing *t = *state;
    apus_status status;
    uint32_t calls = 0;
    assert_int_equal(prompt(&t->straight, t->ids, FIRST, 0), APUS_OK);
    do {
        uint64_t deadline = typed.ns + 300;
        assert_in_range(++calls, 1, 40);
        status = calls < 4 ? prompt(&t->s, t->ids, FIRST, deadline)
                           : apus_append(t->s.session, NULL, 0, deadline);
        assert_true(status == APUS_OK || (status == APUS_PARTIAL && typed.ns >= deadline));
        assert_true(typed.ns <= deadline + 2 * TICK);
    } while (status == APUS_PARTIAL);
    assert_int_equal(status, APUS_OK);
    assert_true(calls > 8);
    same(t);
}

/* And one that has passed already lets each call come a little further. */
static void a_deadline_in_the_past(void **state) {
    struct typing *t = *state;
    uint32_t calls = 0;
    assert_int_equal(prompt(&t->straight, t->ids, FIRST, 0), APUS_OK);
    while (prompt(&t->s, t->ids, FIRST, 1) == APUS_PARTIAL) assert_in_range(++calls, 1, 100);
    assert_true(calls > 3);
    same(t);
}

/* apus_eval has no deadline; a cancel from within stops it, and the rest of the ids goes on. */
static void evaluated_ids_go_on(void **state) {
    struct typing *t = *state;
    const size_t row = t->m.info.vocab;
    float *want = malloc(FIRST * row * sizeof *want), *got = malloc(FIRST * row * sizeof *got);
    assert_true(want && got);
    assert_int_equal(apus_eval(t->straight.session, t->ids, FIRST, want, NULL), APUS_OK);
    for (int logits = 0; logits < 2; logits++) {
        size_t done = 0, at = 0;
        uint32_t stops = 0;
        assert_int_equal(apus_rewind(t->s.session, 0), APUS_OK);
        /* A deadline of apus_prompt leaves a pass in the middle, of which the first ids are
         * evaluated. */
        assert_int_equal(prompt(&t->s, t->ids, 100, typed.ns + 300), APUS_PARTIAL);
        assert_int_equal(apus_rewind(t->s.session, 0), APUS_OK);
        for (;; stops++, at += done) {
            apus_cancel(t->s.session);
            assert_int_equal(apus_eval(t->s.session, t->ids + at, 1, NULL, &done), APUS_PARTIAL);
            assert_int_equal(done, 0);
            size_t count = FIRST - at < 77 ? FIRST - at : 77;
            apus_status status =
                apus_eval(t->s.session, t->ids + at, count, logits ? got + at * row : NULL, &done);
            assert_int_equal(status, APUS_OK);
            assert_int_equal(done, count);
            if (at + done == FIRST) break;
        }
        if (logits) assert_memory_equal(got, want, FIRST * row * sizeof *want);
        assert_int_equal(api_look(&t->s).positions, FIRST);
    }
    free(want), free(got);
    same(t);
}

/* What APUS_PARTIAL leaves, and what every call makes of it. */
static void after_partial(void **state) {
    struct typing *t = *state;
    const apus_sampling greedy = {.size = sizeof greedy};
    const int32_t *ids;
    size_t count, bytes;
    apus_piece piece = {.size = sizeof piece};
    apus_session *s = t->s.session;
    enum { COUNT = 200 };
    assert_int_equal(prompt(&t->straight, t->ids, COUNT, 0), APUS_OK);
    for (int way = 0; way < 7; way++) {
        assert_int_equal(apus_rewind(s, 0), APUS_OK);
        assert_int_equal(prompt(&t->s, t->ids, COUNT, typed.ns + 1500), APUS_PARTIAL);
        assert_int_equal(api_look(&t->s).positions, 128);
        assert_int_equal(apus_ids(s, &ids, &count), APUS_OK);
        assert_int_equal(count, COUNT);
        assert_int_equal(apus_begin(s, &greedy), APUS_E_ORDER);
        assert_int_equal(apus_next(s, &piece), APUS_E_ORDER);
        assert_int_equal(apus_rewind(s, COUNT), APUS_OK); /* takes nothing away */
        assert_int_equal(apus_begin(s, &greedy), APUS_E_ORDER);
        /* nor does a call that fails */
        const apus_part bad = {APUS_PART_SPECIAL, 0, "<no such>", 9};
        assert_int_equal(apus_append(s, &bad, 1, 0), APUS_E_TOKEN);
        assert_int_equal(apus_begin(s, &greedy), APUS_E_ORDER);
        if (way == 0) assert_int_equal(apus_append(s, NULL, 0, 0), APUS_OK);
        if (way == 1) assert_int_equal(prompt(&t->s, t->ids, COUNT, 0), APUS_OK);
        if (way == 2) assert_int_equal(apus_eval(s, t->ids + COUNT, 2, NULL, NULL), APUS_OK);
        if (way == 3) assert_int_equal(apus_rewind(s, 150), APUS_OK); /* into what is left */
        if (way == 3) assert_int_equal(apus_begin(s, &greedy), APUS_E_ORDER);
        if (way == 3 || way == 4) assert_int_equal(apus_rewind(s, 128), APUS_OK);
        if (way == 5) {
            const apus_part more = api_ids_part(t->ids + COUNT, 2);
            assert_int_equal(apus_append(s, &more, 1, 0), APUS_OK);
        }
        if (way == 6) {
            unsigned char *saved = saved_state(s, &bytes);
            assert_int_equal(apus_restore(s, saved, bytes), APUS_OK);
            free(saved);
            assert_int_equal(api_look(&t->s).ids, 128);
        }
        assert_int_equal(apus_begin(s, &greedy), APUS_OK);
        assert_int_equal(apus_next(s, &piece), APUS_OK);
        assert_int_equal(prompt(&t->s, t->ids, COUNT, 0), APUS_OK);
        api_assert_same(api_look(&t->straight), &t->s);
    }
    same(t);
}

/* --------------------------------------------------------------------------------- the draft -- */

/* A session with a draft: the prompt is evaluated, and the draft has not seen it yet. */
static void open_pair(struct api_session *s, const struct typing *t) {
    apus_config config = {.size = sizeof config,
                          .model = t->m.model,
                          .draft = t->m.model,
                          .context = CONTEXT,
                          .threads = 1,
                          .proposals = 3};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    s->arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_open(&s->session, &config, s->arena.at, need.bytes), APUS_OK);
    assert_int_equal(prompt(s, t->ids, FIRST, 0), APUS_OK);
}

/* A generation with the draft, at most until a deadline; what it makes is right. Returns why it
 * ended. */
static apus_stop_reason go_on(struct api_session *s, const int32_t *want, uint32_t *made,
                              uint64_t deadline) {
    apus_sampling greedy = {
        .size = sizeof greedy, .ignore_end = 1, .max_tokens = 12 - *made, .deadline_ns = deadline};
    apus_piece piece = {.size = sizeof piece};
    assert_int_equal(apus_begin(s->session, &greedy), APUS_OK);
    do {
        assert_int_equal(apus_next(s->session, &piece), APUS_OK);
        for (size_t i = 0; i < piece.count; i++) assert_int_equal(piece.ids[i], want[*made + i]);
        *made += (uint32_t)piece.count;
    } while (!piece.stop);
    return piece.stop;
}

/* The draft's prompt takes three passes, 3000 ticks. Generations that end before keep what was done
 * of them. */
static void the_draft_catches_up(void **state) {
    struct typing *t = *state;
    int32_t want[12];
    assert_int_equal(prompt(&t->straight, t->ids, FIRST, 0), APUS_OK);
    api_generate(&t->straight, 12, want);
    uint64_t took[3];
    for (int way = 0; way < 3; way++) { /* undisturbed, cancelled, out of time */
        struct api_session s;
        uint32_t made = 0;
        open_pair(&s, t);
        for (int i = 0; way && i < 6; i++) {
            uint64_t began = typed.ns;
            if (way == 1) cancel_in(&s, 800);
            apus_stop_reason stop = go_on(&s, want, &made, way == 1 ? NEVER : began + 800);
            assert_int_equal(stop, way == 1 ? APUS_STOP_CANCELLED : APUS_STOP_DEADLINE);
            assert_true(typed.ns <= began + 800 + 6 * TICK);
        }
        assert_true(made == !!way);
        uint64_t began = typed.ns;
        assert_int_equal(go_on(&s, want, &made, NEVER), APUS_STOP_LENGTH);
        assert_int_equal(made, 12);
        took[way] = typed.ns - began;
        api_close(&s);
    }
    assert_true(took[0] > 3000 && took[1] + 2000 < took[0] && took[2] + 2000 < took[0]);
}

/* ---------------------------------------------------------------------------------- requests -- */

static void a_ticket_cancels_its_request_alone(void **state) {
    struct typing *t = *state;
    apus_session *s = t->s.session;
    const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 4, .ignore_end = 1};
    apus_piece piece = {.size = sizeof piece};
    assert_int_equal(prompt(&t->straight, t->ids, FIRST, 0), APUS_OK);

    /* there was none yet */
    apus_cancel_request(s, 0), apus_cancel_request(s, 1), apus_cancel_request(NULL, 1);
    assert_int_equal(apus_request(NULL), 0);
    uint32_t first = apus_request(s);
    assert_true(first != 0);

    /* before its first call, between its calls, and it stays so */
    apus_cancel_request(s, first);
    assert_int_equal(prompt(&t->s, t->ids, FIRST, 0), APUS_PARTIAL);
    assert_int_equal(prompt(&t->s, t->ids, FIRST, 0), APUS_PARTIAL);
    assert_int_equal(api_look(&t->s).positions, 0);
    size_t done = 99;
    assert_int_equal(apus_eval(s, t->ids, 3, NULL, &done), APUS_PARTIAL);
    assert_int_equal(done, 0);

    /* late: the next one has begun */
    uint32_t second = apus_request(s);
    assert_true(second && second != first);
    apus_cancel_request(s, first);
    assert_int_equal(prompt(&t->s, t->ids, FIRST, 0), APUS_OK);
    apus_cancel_request(s, first);
    apus_cancel_request(s, second + 1); /* nor does one that has not begun */
    apus_cancel_request(s, second | 1u << 31), apus_cancel_request(s, second | 1u << 30);
    assert_int_equal(apus_begin(s, &greedy), APUS_OK);
    assert_int_equal(apus_next(s, &piece), APUS_OK);
    assert_int_equal(piece.stop, APUS_RUNNING);
    apus_cancel_request(s, second);
    assert_int_equal(apus_next(s, &piece), APUS_OK);
    assert_int_equal(piece.stop, APUS_STOP_CANCELLED);
    assert_int_equal(apus_begin(s, &greedy), APUS_OK);
    assert_int_equal(apus_next(s, &piece), APUS_OK);
    assert_int_equal(piece.stop, APUS_STOP_CANCELLED);

    /* a request takes back what came before it, apus_cancel, too, which else acts once */
    apus_cancel(s);
    assert_int_not_equal(apus_request(s), second);
    assert_int_equal(prompt(&t->s, t->ids, FIRST, 0), APUS_OK);
    apus_cancel(s);
    assert_int_equal(prompt(&t->s, t->ids, FIRST, 0), APUS_PARTIAL);
    assert_int_equal(prompt(&t->s, t->ids, FIRST, 0), APUS_OK);
    same(t);

    /* in the middle of a pass, with the ticket of its request and with one that is over */
    for (int late = 0; late < 2; late++) {
        assert_int_equal(apus_rewind(s, 0), APUS_OK);
        uint32_t over = apus_request(s), now = apus_request(s);
        typed.ticket = late ? over : now;
        cancel_in(&t->s, 300);
        assert_int_equal(prompt(&t->s, t->ids, FIRST, NEVER), late ? APUS_OK : APUS_PARTIAL);
        assert_null(typed.session);
    }
}

/* Tickets go round without meeting 0 or the bits beside them. */
static void tickets_go_round(void **state) {
    struct typing *t = *state;
    apus_session *s = t->s.session;
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(apus_request(s), i + 1);
    apus_cancel(s);
    apus_cancel_request(s, 3);
    assert_int_equal(apus_request(s), 4);
    assert_int_equal(prompt(&t->s, t->ids, 3, 0), APUS_OK);
}

/* A worker takes one request after the other; somebody else cancels, soon, late or twice, whatever
 * ticket was seen last. A request that nobody cancelled is never stopped, and one that somebody
 * cancelled gives no more once that is known. */
enum { REQUESTS = 400 };
static struct {
    apus_session *session;
    uint32_t ticket;              /* atomic: of the request in progress */
    uint32_t asked[REQUESTS + 2]; /* atomic, by ticket: cancelled before the call */
    uint32_t over;                /* atomic */
} race;

static void *cancel_some(void *unused) {
    (void)unused;
    uint32_t rng = 1, turns = 0;
    while (!__atomic_load_n(&race.over, __ATOMIC_ACQUIRE)) {
        uint32_t ticket = __atomic_load_n(&race.ticket, __ATOMIC_ACQUIRE);
        rng = rng * 1664525u + 1013904223u;
        if (!ticket || rng >> 31) continue; /* every other is let alone */
        if (ticket % 2) continue;
        for (volatile uint32_t wait = rng >> 18; wait; wait--) {}
        __atomic_store_n(&race.asked[ticket], 1, __ATOMIC_SEQ_CST);
        apus_cancel_request(race.session, ticket);
        turns++;
    }
    return (void *)(uintptr_t)turns;
}

static void cancels_race_with_requests(void **state) {
    struct typing *t = *state;
    apus_session *s = race.session = t->s.session;
    pthread_t thread;
    uint32_t stopped = 0, straight = 0;
    t->m.model->port = *apus_port_host();
    assert_int_equal(pthread_create(&thread, NULL, cancel_some, NULL), 0);
    for (uint32_t i = 0; i < REQUESTS; i++) {
        const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 3, .ignore_end = 1};
        apus_piece piece = {.size = sizeof piece, .stop = APUS_STOP_CANCELLED};
        uint32_t ticket = apus_request(s);
        assert_in_range(ticket, 1, REQUESTS);
        __atomic_store_n(&race.ticket, ticket, __ATOMIC_RELEASE);
        t->ids[i % 40] ^= 1;
        apus_status status = prompt(&t->s, t->ids, 60, 0);
        if (!status) {
            assert_int_equal(apus_begin(s, &greedy), APUS_OK);
            do assert_int_equal(apus_next(s, &piece), APUS_OK);
            while (!piece.stop);
        }
        int cancelled = status == APUS_PARTIAL || piece.stop == APUS_STOP_CANCELLED;
        assert_true(status == APUS_OK || status == APUS_PARTIAL);
        if (cancelled) assert_true(__atomic_load_n(&race.asked[ticket], __ATOMIC_SEQ_CST));
        stopped += (uint32_t)cancelled, straight += !cancelled;
    }
    __atomic_store_n(&race.over, 1, __ATOMIC_RELEASE);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(straight >= REQUESTS / 2); /* those of odd tickets, at least */
    print_message("%u of %u requests were stopped\n", stopped, REQUESTS);
}

#define TYPING(test) cmocka_unit_test_setup_teardown(test, make_typing, unmake)
int main(void) {
    const struct CMUnitTest tests[] = {
        TYPING(typing_keeps_what_was_done),
        TYPING(typing_that_changes_the_last_ids),
        TYPING(an_edit_in_a_stopped_pass),
        TYPING(deadlines_shorter_than_a_pass),
        TYPING(a_deadline_in_the_past),
        TYPING(evaluated_ids_go_on),
        TYPING(after_partial),
        TYPING(the_draft_catches_up),
        TYPING(a_ticket_cancels_its_request_alone),
        TYPING(tickets_go_round),
        TYPING(cancels_race_with_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
