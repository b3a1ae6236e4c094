/* How an operation's units are shared: each exactly once, a thread's own in order, another's from the back. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/share.h"

enum { THREADS = 7, UNITS = 1500, ROUNDS = 300 };

static struct share share[THREADS];
static _Atomic uint32_t taken[UNITS];

static void mark(struct share_run run) {
    for (uint32_t u = run.begin; u < run.end; u++) atomic_fetch_add(&taken[u], 1);
}

static void only_once(uint32_t units) {
    for (uint32_t u = 0; u < UNITS; u++) assert_int_equal(taken[u], u < units);
}

static void own_in_order_then_anothers_back(void **state) {
    (void)state;
    for (uint32_t threads = 1; threads <= THREADS; threads++)
        for (uint32_t units = 0; units <= 200; units++) {
            for (uint32_t t = 0; t < threads; t++) {
                const struct share_run own = share_stretch(units, threads, t);
                uint32_t at = own.begin, count = 0, runs = 0;
                memset(taken, 0, sizeof taken);
                share_out(share, threads, units);
                for (struct share_run run; run = share_take(share, threads, t), run.begin < run.end; runs++) {
                    if (at < own.end) { /* its own first, without a gap */
                        assert_int_equal(run.begin, at);
                        assert_true(run.end <= own.end);
                        at = run.end;
                    } else if (at == own.end && count == own.end - own.begin && threads > 1) { /* then the back of the next that has some */
                        uint32_t next = (t + 1) % threads;
                        while (share_stretch(units, threads, next).begin == share_stretch(units, threads, next).end) next = (next + 1) % threads;
                        assert_int_equal(run.end, share_stretch(units, threads, next).end);
                    }
                    count += run.end - run.begin;
                    mark(run);
                }
                assert_int_equal(at, own.end);
                assert_int_equal(count, units);
                assert_true(runs <= threads * 8); /* halves: few runs */
                only_once(units);
            }
        }
}

struct member {
    pthread_barrier_t *barrier;
    uint32_t thread, units;
};

static void *take_all(void *arg) {
    const struct member *m = arg;
    pthread_barrier_wait(m->barrier);
    for (struct share_run run; run = share_take(share, THREADS, m->thread), run.begin < run.end;) mark(run);
    return NULL;
}

static void every_unit_once_among_threads(void **state) {
    (void)state;
    for (uint32_t round = 0; round < ROUNDS; round++) {
        pthread_barrier_t barrier;
        pthread_t thread[THREADS];
        struct member member[THREADS];
        const uint32_t units = round * 37 % UNITS;
        memset(taken, 0, sizeof taken);
        share_out(share, THREADS, units);
        pthread_barrier_init(&barrier, NULL, THREADS);
        for (uint32_t t = 0; t < THREADS; t++) {
            member[t] = (struct member){&barrier, t, units};
            assert_int_equal(pthread_create(&thread[t], NULL, take_all, &member[t]), 0);
        }
        for (uint32_t t = 0; t < THREADS; t++) pthread_join(thread[t], NULL);
        pthread_barrier_destroy(&barrier);
        only_once(units);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(own_in_order_then_anothers_back), cmocka_unit_test(every_unit_once_among_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
