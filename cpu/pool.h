/* Threads that run one function together: the caller is thread 0, the others belong to the pool and sleep between runs.
 * Waiting spins for some microseconds, then parks through the port. Without a port's threads the pool is the caller alone. */
#ifndef CPU_POOL_H
#define CPU_POOL_H

#include <stdatomic.h>
#include <stdint.h>

#include "apus/apus.h"

enum { POOL_THREADS_MAX = 64 };

struct pool;
typedef void pool_fn(void *arg, uint32_t thread);

struct pool_thread {
    _Alignas(64) uint8_t storage[APUS_THREAD_BYTES];
    struct pool *pool;
    uint32_t index;
};

struct pool {
    apus_port port;
    uint32_t threads;
    pool_fn *fn;
    void *arg;
    _Alignas(64) _Atomic uint32_t run;     /* grows by one with every run; what idle threads watch */
    _Atomic uint32_t run_asleep;           /* threads parked on run */
    uint32_t quit;                         /* written before the last run */
    _Alignas(64) _Atomic uint32_t arrived; /* at the barrier */
    _Alignas(64) _Atomic uint32_t phase;   /* grows by one with every barrier passed */
    _Atomic uint32_t phase_asleep;
    struct pool_thread *thread; /* [threads], entry 0 unused */
};

/* storage: [threads] entries that live as long as the pool. Fewer threads than asked may start; pool->threads says how many. */
void pool_open(struct pool *pool, const apus_port *port, uint32_t threads, struct pool_thread *storage);
void pool_close(struct pool *pool);

/* fn(arg, thread) on every thread; returns when all are done. */
void pool_run(struct pool *pool, pool_fn *fn, void *arg);

/* Something useful to do, a little at a time, while a thread waits: called with 0, 1, 2 ... until it returns 0. */
struct pool_idle {
    int (*more)(void *arg, uint32_t turn);
    void *arg;
};

/* Inside fn: waits for all threads. The last to arrive calls serial(arg) (NULL: nothing) before it lets the others go; those that wait may
 * have something to do meanwhile (NULL: nothing). */
void pool_barrier(struct pool *pool, void (*serial)(void *arg), void *arg, const struct pool_idle *idle);

#endif
