/* Threads that compute passes together. The caller is thread 0; the others belong to the pool and
 * sleep while there is no pass.
 *
 * A pass is a list of operations. One of them is open at a time, and the threads take units of it
 * (cpu/team.h). No thread waits for one that holds no unit: the thread that does the last unit of
 * an operation also runs the serial work that follows, and opens the next operation. A thread that
 * comes late joins whatever operation is open. The pass is over when its last operation is done. So
 * a thread that is not scheduled, or that does not exist (in a forked child), only fails to help.
 *
 * Several callers may share one pool. It serves one pass at a time; a caller that finds it taken
 * computes on its own thread alone, so that no caller ever waits for another caller's pass.
 *
 * A waiting thread first spins, at most for about 150 microseconds and less where spinning has not
 * paid; then it parks through the port. Without a port's threads the pool is the caller alone. */
#ifndef CPU_POOL_H
#define CPU_POOL_H

#include "cpu/team.h"
#include "hal/pool.h"

/* Bytes that a thread will need soon. It prefetches them while it waits. A prefetch of an address
 * that is not mapped does nothing, so the bytes may be gone by then. */
struct pool_ahead {
    const uint8_t *at;
    size_t bytes;
};

struct pool_operation {
    uint32_t item;        /* which operation this is; the number has a meaning only for pool_work's
                             functions */
    uint32_t units, most; /* units 0: the pass is over. most: about the most units of one run */
};

/* What a pass does. next gives the next operation; it is called by one thread at a time, while no
 * thread holds a unit. units computes a run of units. */
struct pool_work {
    struct pool_operation (*next)(void *arg);
    void (*units)(void *arg, uint32_t item, struct team_run run, uint32_t thread);
    /* What this thread will read for the operation after this one. */
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
    uint32_t asked;         /* how many threads it has room for */
    uint32_t threads;       /* how many it has: no more than there are processors, and fewer if some
                               did not start */
    struct pool_seat *seat; /* [asked] */
    struct pool_work work;  /* the pass in progress; read by threads that hold a unit */
    _Atomic uint32_t quit;
    struct team team;
    _Alignas(64) _Atomic uint32_t taken; /* 1 while a caller has the pool */
    uint32_t caller_turns;               /* how many turns the caller spins at most before it
                                            parks */
};

/* Takes the pool if it is free. Returns whether it was: then the caller has it until pool_leave. */
int pool_enter(struct apus_pool *pool);
void pool_leave(struct apus_pool *pool);

/* Call this between the two. Computes the pass from its first operation (of at least one unit) on,
 * with `threads` threads, 2 .. pool->threads. Returns when work->next says that the pass is over.
 * *stalled_ns: for how many nanoseconds of the port's clock this thread was parked meanwhile. */
void pool_run(struct apus_pool *pool, uint32_t threads, const struct pool_work *work,
              struct pool_operation first, uint64_t *stalled_ns);

#endif
