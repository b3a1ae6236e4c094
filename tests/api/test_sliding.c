/* Models whose layers see a window: their caches are rings, which nothing shows but the arena's
 * size. A chunk as long as the context makes a ring that never wraps, the reference here. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "tests/pack/tiny_blob.h"

enum { CONTEXT = 200, MANY = 150 };

static struct api_model model;

/* Layers that see all, 7, 20 and a single position; the last two have sinks. */
static const struct tiny_spec spec = {
    .layers = 5, .window = {0, 7, 20, 7, 1}, .sinks = 3u << 3, .positions = 32768, .seed = 3};

static int open_one(void **unused) {
    (void)unused;
    api_model_make(&model, &spec, APUS_CPU_BEST);
    return 0;
}
static int close_one(void **unused) {
    (void)unused;
    api_model_close(&model);
    return 0;
}

/* What follows `count` ids that a session has never seen anything before. */
static uint64_t fresh(const int32_t *ids, size_t count) {
    struct api_session s;
    api_open(&s, &model, CONTEXT, 1, CONTEXT);
    assert_int_equal(API_PROMPT(&s, ids, count), APUS_OK);
    const uint64_t hash = api_generate(&s, 20, NULL);
    api_close(&s);
    return hash;
}

static const uint32_t chunks[] = {1, 3, 16, 40};
enum { CHUNKS = sizeof chunks / sizeof *chunks };

static void a_ring_is_not_seen(void **unused) {
    (void)unused;
    int32_t ids[MANY];
    api_ids(&model, 1, ids, MANY);
    const uint64_t want = fresh(ids, MANY);
    for (uint32_t c = 0; c < CHUNKS; c++)
        for (uint32_t threads = 1; threads <= 2; threads++) {
            struct api_session s;
            api_open(&s, &model, CONTEXT, threads, chunks[c]);
            assert_int_equal(API_PROMPT(&s, ids, MANY), APUS_OK);
            assert_true(api_generate(&s, 20, NULL) == want);
            api_close(&s);
        }
}

static uint64_t positions(const struct api_session *s) {
    apus_stats stats = {.size = sizeof stats};
    assert_int_equal(apus_get_stats(s->session, &stats), APUS_OK);
    return stats.positions;
}

/* Back to every place, by each call that goes back, and on from there. */
static void going_back(void **unused) {
    (void)unused;
    int32_t ids[MANY];
    uint32_t kept = 0, anew = 0;
    api_ids(&model, 2, ids, MANY);
    for (uint32_t c = 0; c < CHUNKS; c++)
        for (uint32_t to = 1; to < MANY; to += to < MANY - 48 ? 13 : 3) {
            struct api_session s;
            const uint64_t want = fresh(ids, to);
            api_open(&s, &model, CONTEXT, 1, chunks[c]);
            assert_int_equal(API_PROMPT(&s, ids, MANY), APUS_OK);
            assert_int_equal(apus_rewind(s.session, to), APUS_OK);
            if (positions(&s) == to)
                kept++;
            else
                anew++, assert_int_equal(positions(&s), 0);
            assert_true(api_generate(&s, 20, NULL) == want);
            assert_int_equal(API_PROMPT(&s, ids, to), APUS_OK); /* the generated ids are gone */
            assert_true(api_generate(&s, 20, NULL) == want);
            assert_int_equal(apus_rewind(s.session, to), APUS_OK);
            assert_int_equal(apus_append(s.session, NULL, 0, 0), APUS_OK);
            assert_true(api_generate(&s, 20, NULL) == want);
            api_close(&s);
        }
    assert_in_range(kept, 20, 200);
    assert_in_range(anew, 20, 200);
}

/* Positions that are evaluated anew, in turns of one step, and stopped by a deadline. */
static void going_back_in_steps(void **unused) {
    (void)unused;
    enum { TO = 60 };
    int32_t ids[MANY], got[20], want[20];
    apus_memory need = {.size = sizeof need};
    apus_config config = {
        .size = sizeof config, .model = model.model, .context = CONTEXT, .chunk = 4, .steps = 1};
    apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 20, .ignore_end = 1};
    apus_piece piece = {.size = sizeof piece};
    struct api_session s;
    uint32_t made = 0, turns = 0;
    apus_status status;
    api_ids(&model, 7, ids, MANY);
    api_open(&s, &model, CONTEXT, 1, CONTEXT);
    assert_int_equal(API_PROMPT(&s, ids, TO), APUS_OK);
    api_generate(&s, 20, want);
    api_close(&s);
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    s.arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_open(&s.session, &config, s.arena.at, need.bytes), APUS_OK);
    while ((status = API_PROMPT(&s, ids, MANY)) == APUS_PARTIAL) continue;
    assert_int_equal(status, APUS_OK);
    assert_int_equal(apus_rewind(s.session, TO), APUS_OK);
    assert_int_equal(positions(&s), 0);
    greedy.deadline_ns = 1;
    assert_int_equal(apus_begin(s.session, &greedy), APUS_OK);
    assert_int_equal(apus_next(s.session, &piece), APUS_OK);
    assert_int_equal(piece.stop, APUS_STOP_DEADLINE);
    greedy.deadline_ns = 0;
    assert_int_equal(apus_begin(s.session, &greedy), APUS_OK);
    while (made < 20) {
        status = apus_next(s.session, &piece);
        if (status == APUS_PARTIAL) {
            assert_in_range(++turns, 0, 2000);
            continue;
        }
        assert_int_equal(status, APUS_OK);
        memcpy(got + made, piece.ids, piece.count * sizeof *got);
        made += (uint32_t)piece.count;
    }
    assert_true(turns > TO / 4);
    assert_memory_equal(got, want, sizeof want);
    api_close(&s);
}

/* Each position's logits do not depend on where the text before was taken back. */
static void rows_of_logits(void **unused) {
    (void)unused;
    int32_t ids[MANY];
    const size_t row = model.info.vocab;
    float *want = malloc(MANY * row * sizeof *want), *got = malloc(MANY * row * sizeof *got);
    struct api_session s;
    assert_non_null(want);
    assert_non_null(got);
    api_ids(&model, 4, ids, MANY);
    api_open(&s, &model, CONTEXT, 1, CONTEXT);
    assert_int_equal(apus_eval(s.session, ids, MANY, want, NULL), APUS_OK);
    api_close(&s);
    for (uint32_t c = 0; c < CHUNKS; c++) {
        api_open(&s, &model, CONTEXT, 1, chunks[c]);
        uint32_t at = 0, turn = 0;
        while (at < MANY) {
            const uint32_t n = MANY - at < 17 ? MANY - at : 17;
            assert_int_equal(apus_eval(s.session, ids + at, n, got, NULL), APUS_OK);
            assert_memory_equal(got, want + at * row, n * row * sizeof *got);
            at += n;
            if (turn++ % 3 == 2) { /* now near, now far */
                at -= turn % 2 ? 9 : at / 2;
                assert_int_equal(apus_rewind(s.session, at), APUS_OK);
            }
        }
        api_close(&s);
    }
    free(want);
    free(got);
}

/* A state has the same bytes whatever the session that saves it, and any session goes on from
 * it. */
static void states(void **unused) {
    (void)unused;
    static const uint32_t counts[] = {1, 6, 7, 8, 19, 21, 47, 48, 49, 113};
    int32_t ids[MANY];
    api_ids(&model, 5, ids, MANY);
    for (size_t k = 0; k < sizeof counts / sizeof *counts; k++) {
        const uint64_t want = fresh(ids, counts[k]);
        unsigned char *first = NULL;
        size_t first_bytes = 0;
        for (uint32_t c = 0; c < CHUNKS; c++) {
            struct api_session s;
            size_t bytes;
            api_open(&s, &model, CONTEXT, 1, chunks[c]);
            assert_int_equal(API_PROMPT(&s, ids, counts[k] + c), APUS_OK); /* and back a little */
            assert_int_equal(apus_rewind(s.session, counts[k]), APUS_OK);
            assert_int_equal(apus_append(s.session, NULL, 0, 0), APUS_OK);
            unsigned char *data = saved_state(s.session, &bytes);
            if (!first) {
                first = data, first_bytes = bytes;
            } else {
                assert_int_equal(bytes, first_bytes);
                assert_memory_equal(data, first, bytes);
                free(data);
            }
            api_close(&s);
        }
        for (uint32_t c = 0; c <= CHUNKS; c++) {
            struct api_session s;
            api_open(&s, &model, c == CHUNKS ? 134 : CONTEXT, 1, c == CHUNKS ? 2 : chunks[c]);
            assert_int_equal(API_PROMPT(&s, ids + 3, 130), APUS_OK); /* something else */
            assert_int_equal(apus_restore(s.session, first, first_bytes), APUS_OK);
            assert_true(api_generate(&s, 20, NULL) == want);
            assert_int_equal(apus_rewind(s.session, counts[k]), APUS_OK);
            assert_true(api_generate(&s, 20, NULL) == want);
            api_close(&s);
        }
        free(first);
    }
}

/* The session stopped while it evaluates the last position again, which it does behind a restored
 * state for its logits. The state that it saves then lacks a row of each window, and goes on all
 * the same. */
static void a_state_that_lacks_a_row(void **unused) {
    (void)unused;
    enum { COUNT = 61 };
    int32_t ids[COUNT];
    size_t bytes, lacking;
    api_ids(&model, 6, ids, COUNT);
    const uint64_t want = fresh(ids, COUNT);
    struct api_session s;
    api_open(&s, &model, CONTEXT, 1, 16);
    assert_int_equal(API_PROMPT(&s, ids, COUNT), APUS_OK);
    unsigned char *state = saved_state(s.session, &bytes);
    assert_int_equal(apus_restore(s.session, state, bytes), APUS_OK);
    assert_int_equal(apus_append(s.session, NULL, 0, 1), APUS_PARTIAL); /* its time is over */
    assert_int_equal(positions(&s), COUNT - 1);
    unsigned char *short_state = saved_state(s.session, &lacking);
    for (uint32_t c = 0; c < CHUNKS; c++) {
        struct api_session other;
        api_open(&other, &model, CONTEXT, 1, chunks[c]);
        assert_int_equal(apus_restore(other.session, short_state, lacking), APUS_OK);
        assert_int_equal(apus_eval(other.session, ids + COUNT - 1, 1, NULL, NULL), APUS_OK);
        assert_true(api_generate(&other, 20, NULL) == want);
        assert_int_equal(apus_restore(other.session, short_state, lacking), APUS_OK);
        assert_true(api_generate(&other, 20, NULL) == fresh(ids, COUNT - 1));
        api_close(&other);
    }
    assert_int_equal(apus_append(s.session, NULL, 0, 0), APUS_OK);
    assert_true(api_generate(&s, 20, NULL) == want);
    api_close(&s);
    free(state);
    free(short_state);
}

static uint64_t arena_bytes(const struct api_model *m, uint32_t context, uint32_t chunk) {
    apus_memory need = {.size = sizeof need};
    apus_config config = {
        .size = sizeof config, .model = m->model, .context = context, .chunk = chunk};
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    return need.bytes;
}

/* The attention of gpt-oss-20b: 24 layers of 64 heads over 8 of 64 channels, every other one with a
 * window of 128, and sinks. With 32768 positions the arena is at most 0.55 of what it would be
 * without windows, and the ids behind more than a window are those of a ring that never wraps. A
 * window that the context does not exceed costs what none costs. */
static void gpt_oss(void **unused) {
    (void)unused;
    enum { LAYERS = 24, WINDOW = 128, LONG = 32768, SHORT = 512, COUNT = 300 };
    struct tiny_spec windowed = {.layers = LAYERS,
                                 .heads = 64,
                                 .kv_heads = 8,
                                 .head_dim = 64,
                                 .ffn = 64,
                                 .sinks = (1u << LAYERS) - 1,
                                 .positions = LONG,
                                 .seed = 8},
                     plain = windowed;
    for (uint32_t i = 0; i < LAYERS; i += 2) windowed.window[i] = WINDOW;
    struct api_model m, all;
    api_model_make(&m, &windowed, APUS_CPU_BEST);
    api_model_make(&all, &plain, APUS_CPU_BEST);
    const uint64_t with = arena_bytes(&m, LONG, 0), without = arena_bytes(&all, LONG, 0);
    print_message("arena of 32768 positions: %llu bytes with windows, %llu without: %.4f\n",
                  (unsigned long long)with, (unsigned long long)without,
                  (double)with / (double)without);
    assert_true((double)with <= 0.55 * (double)without);
    assert_int_equal(arena_bytes(&m, WINDOW, 16), arena_bytes(&all, WINDOW, 16));
    assert_true(arena_bytes(&m, SHORT, 16) < arena_bytes(&all, SHORT, 16));
    int32_t ids[COUNT], want[40], got[40];
    api_ids(&m, 9, ids, COUNT);
    for (uint32_t turn = 0; turn < 2; turn++) {
        struct api_session s;
        api_open(&s, &m, SHORT, 1, turn ? 48 : SHORT);
        assert_int_equal(API_PROMPT(&s, ids, COUNT), APUS_OK);
        api_generate(&s, 40, turn ? got : want);
        api_close(&s);
    }
    assert_memory_equal(got, want, sizeof want);
    api_model_close(&m);
    api_model_close(&all);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_ring_is_not_seen),
                                       cmocka_unit_test(going_back),
                                       cmocka_unit_test(going_back_in_steps),
                                       cmocka_unit_test(rows_of_logits),
                                       cmocka_unit_test(states),
                                       cmocka_unit_test(a_state_that_lacks_a_row),
                                       cmocka_unit_test(gpt_oss)};
    return cmocka_run_group_tests(tests, open_one, close_one);
}
