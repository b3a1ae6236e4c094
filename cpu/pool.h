/* Threads that compute passes together: the caller is thread 0, the others belong to the pool and
 * sleep while there is none.
 *
 * A pass is a chain of operations, one open at a time, whose units the threads take (cpu/team.h).
 * Nobody waits for a thread that holds no unit: the one that does the last unit of an operation
 * goes on, runs what is serial behind it, and opens the next; threads that come late join whatever
 * is open; the pass is over when its last operation is done. So threads that are not scheduled, or
 * do not exist (in a forked child), cost nothing but their help.
 *
 * Several callers may have one pool. It serves one pass at a time; who finds it taken computes on
 * its own thread alone, so that nobody ever waits for another's pass.
 *
 * Waiting spins for some microseconds, less where that has not paid, then parks through the port.
 * Without a port's threads the pool is the caller alone. */
#ifndef CPU_POOL_H
#define CPU_POOL_H

#include "cpu/team.h"
#include "hal/pool.h"

/* Bytes that a thread will want soon: it fetches them while it waits. Never read, so they need not
 * be there any more. */
struct pool_ahead {
    const uint8_t *at;
    size_t bytes;
};

struct pool_operation {
    uint32_t item;        /* which, to who gave it */
    uint32_t units, most; /* units 0: the pass is over. most: units of one run */
};

/* What a pass does. next is called by one thread at a time, when nobody holds a unit. */
struct pool_work {
    struct pool_operation (*next)(void *arg);
    void (*units)(void *arg, uint32_t item, struct team_run run, uint32_t thread);
    /* What this thread will read for the operation behind this one. */
    struct pool_ahead (*ahead)(void *arg, uint32_t item, uint32_t thread);
    void *arg;
};

/* One for each thread; entry 0 is that of the caller whose pass is computed. */
struct pool_seat {
    _Alignas(64) _Atomic uint32_t asleep; /* 1 while the thread is parked, or about to be */
    _Alignas(64) uint8_t storage[APUS_THREAD_BYTES];
    struct apus_pool *pool;
    uint32_t index;
};

struct apus_pool {
    apus_port port;
    uint32_t asked;         /* threads it has room for */
    uint32_t threads;       /* and has: no more than processors, and fewer may have started */
    struct pool_seat *seat; /* [asked] */
    struct pool_work work;  /* of the pass; read by who holds a unit */
    _Atomic uint32_t quit;
    struct team team;
    _Alignas(64) _Atomic uint32_t taken; /* by a caller */
    uint32_t caller_turns;               /* most that it waits before it parks */
};

/* Whether the pool is free: then the caller has it until pool_leave. */
int pool_enter(struct apus_pool *pool);
void pool_leave(struct apus_pool *pool);

/* Between the two: the pass from its first operation (of at least one unit) on, with so many
 * threads, 2 .. pool->threads. Returns when next says that it is over. *stalled_ns, by the port's
 * clock: how long this thread was parked meanwhile. */
void pool_run(struct apus_pool *pool, uint32_t threads, const struct pool_work *work,
              struct pool_operation first, uint64_t *stalled_ns);

#endif
