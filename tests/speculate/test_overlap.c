/* Drafting while the target verifies elsewhere: the same output, less time, and given up where it
 * takes more.
 *
 *   test_overlap              an engine that is busy for as long as the test likes
 *   test_overlap igpu the real one, where there is a device; exit status 77 where there is none */
#include "tests/speculate/fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/speculate/late.h"

static const struct tiny_spec target_spec = {.layers = 2, .seed = 1},
                              stranger_spec = {
                                  .layers = 1, .dim = 128, .heads = 2, .kv_heads = 1, .seed = 77};
static const char text[] = "abcabcabd and more";

static struct result *new_result(void) {
    struct result *r = calloc(1, sizeof *r);
    assert_non_null(r);
    return r;
}

static void plain(const apus_model *model, int kind, struct result *want) {
    apus_sampling sampling = sampling_of(kind);
    apus_session *s = open_session((apus_config){.model = model});
    prompt(s, text);
    generate(s, &sampling, 0, want);
    close_session(s);
}

static void the_output_stays(void **unused) {
    (void)unused;
    const apus_model *cpu = open_model(&target_spec), *target = open_model(&target_spec),
                     *stranger = open_model(&stranger_spec),
                     *relative = open_relative(&target_spec, 0x3f);
    const apus_model *const drafts[] = {cpu, relative, stranger};
    struct result *want = new_result(), *got = new_result();
    uint64_t ahead = 0, kept = 0;
    late_use(target);
    for (int kind = 0; kind < SAMPLINGS; kind++) {
        plain(cpu, kind, want);
        for (int d = 0; d < 3; d++)
            for (uint32_t n = 0; n <= 15; n += n < 2 ? 1 : 6)
                for (int overlap = -1; overlap <= 1; overlap++) {
                    apus_sampling sampling = sampling_of(kind);
                    late = (struct late){.busy = n % 4 + 1, .random = 1};
                    apus_session *s = open_session((apus_config){.model = target,
                                                                 .draft = drafts[d],
                                                                 .proposals = n,
                                                                 .overlap = overlap,
                                                                 .lookup = d == 2,
                                                                 .draft_context = d == 1 ? 64 : 0});
                    for (int again = 0; again < 2; again++) {
                        prompt(s, text);
                        generate(s, &sampling, 0, got);
                        assert_same(got, want);
                        const apus_stats *stats = &got->stats;
                        /* shared noise: the twin is always right */
                        if (d == 0 && n && kind < 3)
                            assert_int_equal(stats->accepted, stats->proposed);
                        if (overlap < 0)
                            assert_true(!stats->ahead && !stats->ahead_kept && !stats->overlap_ns);
                        assert_true(stats->overlap_ns <= stats->verify_ns);
                        /* the rest depends on the clock */
                        if (n && overlap > 0) ahead += stats->ahead, kept += stats->ahead_kept;
                    }
                    close_session(s);
                }
    }
    printf("%llu ids ahead, %llu kept\n", (unsigned long long)ahead, (unsigned long long)kept);
    assert_true(ahead > 800 && kept > 150);
    free(want);
    free(got);
}

/* Without an engine that works by itself, or with a draft on the same one, there is nothing to
 * overlap. */
static void only_beside_another_engine(void **unused) {
    (void)unused;
    const apus_model *cpu = open_model(&target_spec), *target = open_model(&target_spec);
    struct result *got = new_result();
    apus_sampling sampling = sampling_of(0);
    late = (struct late){.busy = 4};
    late_use(target);
    for (int same = 0; same < 2; same++) {
        apus_session *s = open_session((apus_config){.model = same ? target : cpu,
                                                     .draft = same ? target : cpu,
                                                     .proposals = 3,
                                                     .overlap = 1});
        prompt(s, text);
        generate(s, &sampling, 0, got);
        assert_true(got->stats.proposed && !got->stats.ahead);
        close_session(s);
    }
    free(got);
}

/* The engine fails in a pass that the draft went on beside: the spare does it again. */
static void a_failure_beside_the_draft(void **unused) {
    (void)unused;
    const apus_model *cpu = open_model(&target_spec), *target = open_model(&target_spec);
    struct result *want = new_result(), *got = new_result();
    apus_sampling sampling = sampling_of(1);
    plain(cpu, 1, want);
    late_use(target);
    for (uint32_t at = 2; at < 8; at++) {
        late = (struct late){.busy = 3, .fail_at = at};
        apus_session *s = open_session(
            (apus_config){.model = target, .draft = cpu, .proposals = 3, .overlap = 1});
        prompt(s, text);
        generate(s, &sampling, 0, got);
        assert_same(got, want);
        assert_string_equal(got->stats.engine, "cpu");
        assert_true(got->stats.ahead > 0);
        close_session(s);
    }
    free(want);
    free(got);
}

static apus_session *to_cancel;
static uint32_t cancel_in; /* polls */
static void cancel_soon(void) {
    if (cancel_in && !--cancel_in) apus_cancel(to_cancel);
}

/* Cancelled while draft and target are both at work, appended to, restored elsewhere: the text goes
 * on as if nothing had been. */
static void cancelled_between(void **unused) {
    (void)unused;
    const apus_model *cpu = open_model(&target_spec), *target = open_model(&target_spec);
    struct result *want = new_result();
    apus_sampling sampling = sampling_of(0);
    plain(cpu, 0, want);
    late_use(target);
    for (uint32_t when = 1; when < 40; when++) {
        late = (struct late){.busy = 3, .polled = cancel_soon};
        apus_session *s = open_session((apus_config){
                         .model = target, .draft = cpu, .proposals = 3, .overlap = 1}),
                     *other = open_session((apus_config){
                         .model = target, .draft = cpu, .proposals = 5, .overlap = 1});
        apus_piece piece = {.size = sizeof piece};
        size_t made = 0, bytes;
        prompt(s, text);
        to_cancel = s, cancel_in = when;
        for (int part = 0; made < want->count; part++) {
            assert_true(part < 3);
            sampling.max_tokens = (uint32_t)(want->count - made);
            assert_int_equal(apus_begin(s, &sampling), APUS_OK);
            do {
                assert_int_equal(apus_next(s, &piece), APUS_OK);
                assert_memory_equal(piece.ids, want->ids + made, piece.count * sizeof *piece.ids);
                made += piece.count;
            } while (!piece.stop);
            if (piece.stop != APUS_STOP_CANCELLED) continue;
            /* A restored state begins with a draft that has seen nothing. */
            assert_int_equal(apus_save(s, NULL, 0, &bytes), APUS_OK);
            void *state = malloc(bytes);
            assert_non_null(state);
            assert_int_equal(apus_save(s, state, bytes, &bytes), APUS_OK);
            const int32_t *ids;
            size_t count, evaluated;
            assert_int_equal(apus_ids(s, &ids, &count), APUS_OK);
            assert_int_equal(apus_restore(other, state, bytes), APUS_OK);
            free(state);
            const int32_t *restored;
            assert_int_equal(apus_ids(other, &restored, &evaluated), APUS_OK);
            if (evaluated < count) {
                const apus_part last = {APUS_PART_IDS, 0, ids + evaluated, count - evaluated};
                assert_int_equal(apus_append(other, &last, 1, 0), APUS_OK);
            }
            apus_session *swap = s;
            s = other, other = swap;
        }
        assert_int_equal(made, want->count);
        close_session(s);
        close_session(other);
    }
    free(want);
}

/* --------------------------------------------------------------------------------- what pays -- */

static uint64_t clock_ns;
static uint64_t read_clock(void *unused) {
    (void)unused;
    return clock_ns;
}

/* Rounds and overlapped ones where a pass takes `beside` instead of 1000 while the draft, of 100 a
 * step, goes on. */
static void timed(uint64_t beside, apus_stats *stats) {
    apus_port port = *apus_port_host();
    port.now_ns = read_clock;
    size_t bytes;
    struct tiny_spec long_spec = target_spec;
    long_spec.positions = 1100;
    void *data = tiny_blob(&long_spec, &bytes);
    const apus_model *target = open_bytes(data, bytes, &port, APUS_CPU_BEST),
                     *draft = open_model(&long_spec);
    struct result *got = new_result();
    apus_sampling sampling = {.size = sizeof sampling, .ignore_end = 1, .max_tokens = 1000};
    late = (struct late){.busy = 4, .clock = &clock_ns, .alone_ns = 1000, .beside_ns = beside};
    late_use(target);
    late_time(draft, 100);
    apus_session *s = open_session(
        (apus_config){.model = target, .draft = draft, .context = 1050, .proposals = 3});
    prompt(s, text);
    generate(s, &sampling, 0, got);
    *stats = got->stats;
    close_session(s);
    free(got);
}

static void kept_where_it_wins(void **unused) {
    (void)unused;
    apus_stats wins = {.size = sizeof wins}, loses = {.size = sizeof loses};
    timed(650, &wins); /* with the 300 to 400 of the draft that make up the rest */
    timed(1500, &loses);
    printf("wins: %llu rounds, %llu ids ahead, %llu kept; loses: %llu rounds, %llu ahead\n",
           (unsigned long long)wins.rounds, (unsigned long long)wins.ahead,
           (unsigned long long)wins.ahead_kept, (unsigned long long)loses.rounds,
           (unsigned long long)loses.ahead);
    assert_true(wins.rounds > 200 && wins.ahead_kept > 2 * wins.rounds);
    assert_true(loses.rounds > 200 && loses.ahead && loses.ahead < loses.rounds / 2);
    assert_true(wins.next_ns < loses.next_ns);
}

/* ------------------------------------------------------------------------------- real engine -- */

static void on_a_device(void **unused) {
    (void)unused;
    size_t bytes;
    apus_blob blob;
    apus_memory need = {.size = sizeof need};
    apus_model *device;
    const apus_model *cpu = open_model(&target_spec);
    void *data = keep(tiny_blob(&target_spec, &bytes));
    assert_int_equal(apus_blob_open(&blob, data, bytes, NULL), APUS_OK);
    const apus_engine_config igpu = {.size = sizeof igpu, .name = "igpu"};
    apus_model_config config = {.size = sizeof config,
                                .blob = &blob,
                                .port = apus_port_host(),
                                .engines_count = 1,
                                .engines = &igpu};
    assert_int_equal(apus_model_measure(&config, &need), APUS_OK);
    assert_int_equal(
        apus_model_open(&device, &config, keep(aligned_alloc(64, need.bytes)), need.bytes),
        APUS_OK);
    struct result *want = new_result(), *got = new_result();
    for (int kind = 0; kind < SAMPLINGS; kind++) {
        apus_sampling sampling = sampling_of(kind);
        apus_session *s = open_session(
            (apus_config){.model = device, .draft = cpu, .proposals = 4, .overlap = 1});
        plain(cpu, kind, want);
        prompt(s, text);
        generate(s, &sampling, 0, got);
        assert_same(got, want);
        assert_string_equal(got->stats.engine, "igpu");
        printf("%llu rounds, %llu ids ahead, %llu kept, %.1f of %.1f ms overlapped\n",
               (unsigned long long)got->stats.rounds, (unsigned long long)got->stats.ahead,
               (unsigned long long)got->stats.ahead_kept, (double)got->stats.overlap_ns * 1e-6,
               (double)got->stats.verify_ns * 1e-6);
        assert_true(got->stats.ahead > 0 && got->stats.overlap_ns > 0);
        close_session(s);
    }
    apus_model_close(device);
    free(want);
    free(got);
}

static int found;
static void note(void *user, const char *engine, int available, const char *words) {
    (void)user, (void)words;
    found |= available && !strcmp(engine, "igpu");
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_output_stays), cmocka_unit_test(only_beside_another_engine),
        cmocka_unit_test(a_failure_beside_the_draft), cmocka_unit_test(cancelled_between),
        cmocka_unit_test(kept_where_it_wins)};
    const struct CMUnitTest device_tests[] = {cmocka_unit_test(on_a_device)};
    if (argc < 2 || strcmp(argv[1], "igpu") != 0) return cmocka_run_group_tests(tests, NULL, NULL);
    apus_probe(apus_port_host(), note, NULL);
    if (!found) {
        printf("skipped: the igpu engine cannot run here\n");
        return 77;
    }
    return cmocka_run_group_tests(device_tests, NULL, NULL);
}
