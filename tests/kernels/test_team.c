/* How an operation's units are shared: each exactly once, a thread's own in order, another's from
 * the back; and nothing for a thread that comes too late. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/team.h"

enum { THREADS = 7, UNITS = 1500, ROUNDS = 300, WITHOUT_END = 1 << 20 };

static struct team share;
static struct team_stretch stretch[THREADS];
static _Atomic uint32_t taken[UNITS];

static void mark(struct team_run run) {
    for (uint32_t u = run.begin; u < run.end; u++) atomic_fetch_add(&taken[u], 1);
}

static void only_once(uint32_t units) {
    for (uint32_t u = 0; u < UNITS; u++) assert_int_equal(taken[u], u < units);
}

static int begin(void **state) {
    (void)state;
    team_init(&share, stretch, THREADS);
    return 0;
}

static void own_in_order_then_anothers_back(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= THREADS; threads++)
        for (uint32_t units = 1; units <= 200; units++) {
            for (uint32_t t = 0; t < threads; t++) {
                const struct team_run own = team_stretch(units, threads, t);
                uint32_t at = own.begin, count = 0, runs = 0;
                memset(taken, 0, sizeof taken);
                team_open(&share, 3, threads, units, WITHOUT_END);
                const uint64_t seen = team_seen(&share);
                assert_true(team_is_open(seen));
                for (struct team_run run; team_take(&share, seen, t, &run); runs++) {
                    assert_true(run.begin < run.end);
                    if (at < own.end) { /* its own first, without a gap */
                        assert_int_equal(run.begin, at);
                        assert_true(run.end <= own.end);
                        at = run.end;
                    } else if (at == own.end && count == own.end - own.begin &&
                               threads > 1) { /* then the back of the next that has some */
                        uint32_t next = (t + 1) % threads;
                        while (team_stretch(units, threads, next).begin ==
                               team_stretch(units, threads, next).end)
                            next = (next + 1) % threads;
                        assert_int_equal(run.end, team_stretch(units, threads, next).end);
                    }
                    count += run.end - run.begin;
                    mark(run);
                    assert_int_equal(share.item, 3);
                    assert_int_equal(team_done(&share, run.end - run.begin), count == units);
                }
                assert_int_equal(at, own.end);
                assert_int_equal(count, units);
                assert_true(runs <= threads * 8); /* halves: few runs */
                only_once(units);
            }
        }
}

/* One run is no longer than asked for, and about as long where there is enough. */
static void runs_are_bounded(void **state) {
    (void)state;
    for (uint32_t most = 1; most <= 300; most++) {
        uint32_t longest = 0, count = 0;
        struct team_run run;
        team_open(&share, 0, 2, UNITS, most);
        while (team_take(&share, team_seen(&share), 1, &run)) {
            if (run.end - run.begin > longest) longest = run.end - run.begin;
            count += run.end - run.begin;
        }
        assert_int_equal(count, UNITS);
        assert_true(longest <= most && 2 * longest > most);
        assert_true(team_done(&share, UNITS));
    }
}

/* More units than a word counts are taken in steps. */
static void any_number_of_units(void **state) {
    (void)state;
    static const uint32_t numbers[] = {1, 65535, 65536, 131071, 1000003};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        for (uint32_t t = 0; t < 3; t++) {
            uint32_t count = 0;
            uint64_t sum = 0;
            team_open(&share, 0, 3, numbers[i], 100);
            for (struct team_run run; team_take(&share, team_seen(&share), t, &run);
                 count += run.end - run.begin)
                for (uint32_t u = run.begin; u < run.end; u++) sum += u;
            assert_int_equal(count, numbers[i]);
            assert_int_equal(sum, (uint64_t)numbers[i] * (numbers[i] - 1) / 2);
            assert_true(team_done(&share, count));
        }
}

/* A thread that saw an operation and was not scheduled finds nothing once another is open, or none,
 * whatever the two have; across the wrap of their numbers, too. */
static void who_comes_late_takes_nothing(void **state) {
    (void)state;
    static const uint64_t starts[] = {0, 0x7ffffff0ull << 32, 0xfffffff0ull << 32};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        atomic_store(&share.open, starts[i]);
        share.renewed = (uint32_t)(starts[i] >> 32) - (1u << 30);
        team_renew(&share);
        for (uint32_t round = 0; round < 64; round++) {
            const uint32_t units = 1 + round * 5 % 11;
            struct team_run run, other;
            team_open(&share, 0, THREADS, units, 4);
            const uint64_t late = team_seen(&share);
            uint32_t count = 0;
            while (team_take(&share, late, round % THREADS, &run)) count += run.end - run.begin;
            assert_int_equal(count, units);
            assert_true(team_done(&share, units));
            if (round % 3) team_close(&share);
            if (round % 3) assert_false(team_is_open(team_seen(&share)));
            for (uint32_t t = 0; t < THREADS; t++) assert_false(team_take(&share, late, t, &other));
            team_open(&share, 0, 1 + round % THREADS, units, 4);
            for (uint32_t t = 0; t < THREADS; t++) assert_false(team_take(&share, late, t, &other));
            assert_true(team_take(&share, team_seen(&share), 0, &run));
            for (uint32_t t = 0; t < THREADS; t++) assert_false(team_take(&share, late, t, &other));
            count = run.end - run.begin;
            while (team_take(&share, team_seen(&share), 0, &run)) count += run.end - run.begin;
            assert_int_equal(count, units);
            assert_true(team_done(&share, units));
        }
    }
}

/* Stretches that nobody used for 2^31 operations and more are as good as new after team_renew. */
static void unused_stretches_are_renewed(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 8; i++) {
        const uint32_t number = (uint32_t)(team_seen(&share) >> 32) + (1u << 30) - 1;
        uint32_t count = 0;
        atomic_store(&share.open, (uint64_t)number << 32);
        team_renew(&share);
        team_open(&share, 0, i % 2 ? 1 : THREADS, UNITS, 64);
        for (struct team_run run; team_take(&share, team_seen(&share), 0, &run);)
            count += run.end - run.begin;
        assert_int_equal(count, UNITS);
        assert_true(team_done(&share, UNITS));
    }
}

struct member {
    pthread_barrier_t *barrier;
    uint32_t thread;
    uint32_t ended; /* how many operations it ended */
};

/* Every thread goes from operation to operation as a pool's do, but some look away for a while. */
static void *take_all(void *arg) {
    struct member *m = arg;
    uint64_t seen = 0;
    pthread_barrier_wait(m->barrier);
    for (uint32_t turn = 0; team_is_open(seen = team_seen(&share)); turn++) {
        uint32_t done = 0;
        if ((turn + m->thread) % 5 == 0)
            for (volatile int i = 0; i < 2000; i++) {}
        for (struct team_run run; team_take(&share, seen, m->thread, &run);
             done += run.end - run.begin)
            mark(run);
        if (!team_done(&share, done)) continue;
        m->ended++;
        only_once(share.units);
        memset(taken, 0, sizeof taken);
        if (share.item + 1 < ROUNDS)
            team_open(&share, share.item + 1, 1 + share.item % THREADS,
                      1 + (share.item + 1) * 37 % UNITS, 16);
        else
            team_close(&share);
    }
    return NULL;
}

static void every_unit_once_among_threads(void **state) {
    (void)state;
    pthread_barrier_t barrier;
    pthread_t thread[THREADS];
    struct member member[THREADS];
    uint32_t ended = 0;
    memset(taken, 0, sizeof taken);
    team_open(&share, 0, THREADS, 1, 16);
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (uint32_t t = 0; t < THREADS; t++) {
        member[t] = (struct member){&barrier, t, 0};
        assert_int_equal(pthread_create(&thread[t], NULL, take_all, &member[t]), 0);
    }
    for (uint32_t t = 0; t < THREADS; t++) pthread_join(thread[t], NULL), ended += member[t].ended;
    pthread_barrier_destroy(&barrier);
    assert_int_equal(ended, ROUNDS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(own_in_order_then_anothers_back, begin),
        cmocka_unit_test_setup(runs_are_bounded, begin),
        cmocka_unit_test_setup(any_number_of_units, begin),
        cmocka_unit_test_setup(who_comes_late_takes_nothing, begin),
        cmocka_unit_test_setup(unused_stretches_are_renewed, begin),
        cmocka_unit_test_setup(every_unit_once_among_threads, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
