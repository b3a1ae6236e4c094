/* The pool: passes end when their units are done, whoever did them; threads that come late, or
 * never, cost nothing but their help. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/pool.h"

enum { THREADS = 5, OPERATIONS = 40, PASSES = 200 };

/* A pass of operations whose sizes vary; each unit adds to what the operation before left, so that
 * order and completeness show. */
struct pass {
    uint32_t at, serial;
    _Atomic uint32_t sum[OPERATIONS];
    _Atomic uint32_t by[THREADS]; /* units that each thread did */
    uint32_t slow;                /* turns that a unit takes */
};

static uint32_t units_of(uint32_t item) { return 1 + item * 29 % 90; }

static struct pool_operation next(void *arg) {
    struct pass *p = arg;
    if (p->at) assert_int_equal(p->sum[p->at - 1], units_of(p->at - 1));
    p->serial++; /* plain: one thread at a time */
    if (p->at == OPERATIONS) return (struct pool_operation){0, 0, 0};
    struct pool_operation op = {p->at, units_of(p->at), 8};
    p->at++;
    return op;
}

static void units(void *arg, uint32_t item, struct team_run run, uint32_t thread) {
    struct pass *p = arg;
    assert_int_equal(item, p->at - 1);
    assert_true(run.begin < run.end && run.end <= units_of(item) && thread < THREADS);
    for (volatile uint32_t i = 0; i < p->slow * (run.end - run.begin); i++) {}
    atomic_fetch_add(&p->sum[item], run.end - run.begin);
    atomic_fetch_add(&p->by[thread], run.end - run.begin);
}

static struct pool_ahead ahead(void *arg, uint32_t item, uint32_t thread) {
    (void)arg, (void)item, (void)thread;
    static const uint8_t bytes[4096];
    return (struct pool_ahead){bytes, sizeof bytes};
}

/* On memory that is gone afterwards, as a session's is. */
static void one_pass(apus_pool *pool, uint32_t threads, uint32_t slow, uint32_t by[THREADS]) {
    struct pass *p = calloc(1, sizeof *p);
    uint64_t stalled;
    p->slow = slow;
    assert_true(pool_enter(pool));
    const struct pool_work work = {next, units, ahead, p};
    pool_run(pool, threads, &work, next(p), &stalled);
    pool_leave(pool);
    assert_int_equal(p->at, OPERATIONS);
    assert_int_equal(p->serial, OPERATIONS + 1);
    for (uint32_t i = 0; i < OPERATIONS; i++) assert_int_equal(p->sum[i], units_of(i));
    for (uint32_t t = 0; t < THREADS && by; t++) by[t] = p->by[t];
    memset(p, 0xa5, sizeof *p);
    free(p);
}

static apus_pool *open_pool(const apus_port *port, uint32_t threads) {
    void *memory = aligned_alloc(64, hal_pool_bytes(threads));
    assert_non_null(memory);
    memset(memory, 0x5a, hal_pool_bytes(threads));
    return hal_pool_open(memory, port, threads);
}

static apus_port any_number(void) {
    apus_port port = *apus_port_host();
    port.processors = NULL;
    return port;
}

static void passes_are_whole(void **state) {
    (void)state;
    const apus_port port = any_number();
    apus_pool *pool = open_pool(&port, THREADS);
    assert_int_equal(pool->threads, THREADS);
    for (uint32_t i = 0; i < PASSES; i++)
        one_pass(pool, 2 + i % (THREADS - 1), i % 3 * 40, NULL); /* fewer threads and more again */
    hal_pool_close(pool);
    free(pool);
}

/* A thread that exists and is never scheduled: a port that starts it only when it is let go. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    int go, started;
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0};

struct held {
    void (*entry)(void *arg);
    void *arg;
};
static struct held held[THREADS];

static void run_when_let_go(void *arg) {
    const struct held *h = arg;
    pthread_mutex_lock(&gate.mutex);
    while (!gate.go) pthread_cond_wait(&gate.cond, &gate.mutex);
    pthread_mutex_unlock(&gate.mutex);
    h->entry(h->arg);
}

static int start_held(void *user, void *storage, void (*entry)(void *arg), void *arg) {
    (void)user;
    held[gate.started] = (struct held){entry, arg};
    return apus_port_host()->thread_start(NULL, storage, run_when_let_go, &held[gate.started++]);
}

static void let_go(int go) {
    pthread_mutex_lock(&gate.mutex);
    gate.go = go;
    pthread_cond_broadcast(&gate.cond);
    pthread_mutex_unlock(&gate.mutex);
}

static void nobody_waits_for_who_is_not_there(void **state) {
    (void)state;
    uint32_t by[THREADS];
    apus_port port = any_number();
    port.thread_start = start_held;
    gate.started = 0;
    let_go(0);
    apus_pool *pool = open_pool(&port, THREADS);
    assert_int_equal(pool->threads, THREADS);
    for (uint32_t i = 0; i < 20; i++) {
        one_pass(pool, THREADS, 0, by); /* would hang */
        for (uint32_t t = 1; t < THREADS; t++) assert_int_equal(by[t], 0);
    }
    let_go(1); /* and once they come they help */
    uint32_t helped = 0;
    for (uint32_t i = 0; i < 2000 && !helped; i++) {
        one_pass(pool, THREADS, 1000, by);
        for (uint32_t t = 1; t < THREADS; t++) helped += by[t];
    }
    assert_true(helped > 0);
    hal_pool_close(pool);
    free(pool);
}

static uint32_t two(void *user) {
    (void)user;
    return 2;
}

static void no_more_threads_than_processors(void **state) {
    (void)state;
    apus_port port = *apus_port_host();
    port.processors = two;
    apus_pool *pool = open_pool(&port, 64);
    assert_int_equal(pool->threads, 2);
    assert_int_equal(hal_pool_threads(pool), 64);
    one_pass(pool, 2, 0, NULL);
    hal_pool_close(pool);
    free(pool);
    pool = open_pool(NULL, 64);
    assert_int_equal(pool->threads, 1);
    hal_pool_close(pool);
    free(pool);
}

static void one_caller_at_a_time(void **state) {
    (void)state;
    const apus_port port = any_number();
    apus_pool *pool = open_pool(&port, 3);
    assert_true(pool_enter(pool));
    assert_false(pool_enter(pool));
    pool_leave(pool);
    one_pass(pool, 3, 0, NULL);
    hal_pool_close(pool);
    free(pool);
}

struct caller {
    apus_pool *pool;
    uint32_t passes;
};

static void *call_often(void *arg) {
    struct caller *c = arg;
    for (uint32_t i = 0; i < 2000; i++) {
        struct pass p = {0};
        uint64_t stalled;
        if (!pool_enter(c->pool)) continue;
        const struct pool_work work = {next, units, ahead, &p};
        pool_run(c->pool, 2 + i % 2, &work, next(&p), &stalled);
        pool_leave(c->pool);
        if (p.at != OPERATIONS) abort();
        c->passes++;
    }
    return NULL;
}

static void callers_take_turns(void **state) {
    (void)state;
    const apus_port port = any_number();
    apus_pool *pool = open_pool(&port, 3);
    pthread_t thread[3];
    struct caller caller[3];
    for (int i = 0; i < 3; i++) {
        caller[i] = (struct caller){pool, 0};
        assert_int_equal(pthread_create(&thread[i], NULL, call_often, &caller[i]), 0);
    }
    uint32_t passes = 0;
    for (int i = 0; i < 3; i++) pthread_join(thread[i], NULL), passes += caller[i].passes;
    assert_true(passes > 0);
    hal_pool_close(pool);
    free(pool);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(passes_are_whole),
        cmocka_unit_test(nobody_waits_for_who_is_not_there),
        cmocka_unit_test(no_more_threads_than_processors),
        cmocka_unit_test(one_caller_at_a_time),
        cmocka_unit_test(callers_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
