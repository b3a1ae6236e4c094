#include "cpu/pool.h"

#include <assert.h>
#include <string.h>

#include "hal/place.h"
#include "hal/fenv.h"

/* How many turns a thread spins before it parks. MOST turns are about 150 microseconds on the
 * machines at hand. That is longer than choosing a token takes between two passes of a small model,
 * whose threads would otherwise sleep and be woken for every token (Zen 4, a model of 9 million
 * parameters: 3050 tokens a second sampled with 500 turns, 4260 with 6000), and too short to matter
 * for a battery. When spinning did not pay, the turns are halved, down to LEAST or, inside a pass,
 * LEAST_INSIDE. When it paid, they grow: between passes by a quarter; inside of them by INSIDE_GAIN
 * only, because a wait there takes a few microseconds unless a thread that holds units is not
 * scheduled. */
enum { MOST = 6000, LEAST = 200, LEAST_INSIDE = 1000, INSIDE_GAIN = 2 };

static void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Prefetches, while a thread waits, the weights that it will multiply first: LINES cache lines a
 * turn, and no more than a quarter of a second-level cache of 1 MiB. Both are chosen. On two
 * processors of Zen 4 under other load (SmolLM2-135M at 8 bits, 14 runs in random order) the speed
 * of writing with 4 and 16 lines, and with 1, 64 and 1024 KiB, was within 5 % of the speed with
 * these, which is that machine's noise. What they bring on a quiet machine is not measured. Returns
 * whether there is more to fetch. */
static int fetch(const struct pool_ahead *ahead, uint32_t turn) {
    enum { LINES = 8, L2_SHARE = 256 * 1024 };
    const size_t at = (size_t)turn * LINES * 64;
    if (at + LINES * 64 > ahead->bytes || at >= L2_SHARE) return 0;
    for (size_t i = 0; i < LINES; i++) __builtin_prefetch(ahead->at + at + i * 64, 0, 2);
    return 1;
}

static const uint32_t *word(const _Atomic uint32_t *atomic) {
    return (const uint32_t *)(const void *)atomic;
}

/* Parks this thread until it is woken, unless there is a new operation for it. This thread sets its
 * flag and then reads `open` again; a thread that opens an operation writes `open` and then reads
 * the flag. So at least one of the two sees what the other wrote. */
static void sleep_in(struct apus_pool *pool, uint32_t seat, uint64_t seen) {
    _Atomic uint32_t *asleep = &pool->seat[seat].asleep;
    atomic_store(asleep, 1);
    const uint64_t now = team_seen(&pool->team);
    if (now != seen && seat < team_threads(now)) {
        atomic_store(asleep, 0);
        return;
    }
    while (atomic_load(asleep)) pool->port.thread_park(pool->port.user, word(asleep), 1);
}

static void wake_threads(struct apus_pool *pool, uint32_t threads) {
    for (uint32_t t = 0; t < threads; t++) {
        _Atomic uint32_t *asleep = &pool->seat[t].asleep;
        if (atomic_load(asleep) && atomic_exchange(asleep, 0))
            pool->port.thread_wake(pool->port.user, word(asleep));
    }
}

static void open_operation(struct apus_pool *pool, struct pool_operation op, uint32_t threads) {
    team_open(&pool->team, op.item, threads, op.units, op.most);
    wake_threads(pool, threads);
}

/* Called after the last unit of an operation. Once the pass is over, the memory of its caller may
 * be gone; the pool's own memory stays for as long as it has threads. */
static void go_on(struct apus_pool *pool, uint32_t threads) {
    struct pool_operation op = pool->work.next(pool->work.arg);
    if (op.units) {
        open_operation(pool, op, threads);
    } else {
        team_close(&pool->team);
        wake_threads(pool, 1);
    }
}

/* Computes the units that this thread can take of the operation seen. Returns whether that ended
 * the operation; then another one is open, or the pass is over. */
static int help(struct apus_pool *pool, uint64_t seen, uint32_t thread, struct pool_ahead *ahead) {
    const struct pool_work *work = &pool->work;
    uint32_t done = 0;
    for (struct team_run run; team_take(&pool->team, seen, thread, &run);
         done += run.end - run.begin) {
        const uint32_t item = pool->team.item;
        if (!done) *ahead = work->ahead(work->arg, item, thread);
        work->units(work->arg, item, run, thread);
    }
    if (!team_done(&pool->team, done)) return 0;
    go_on(pool, team_threads(seen));
    return 1;
}

/* Spins for *turns turns at most. Returns whether there was something new, and changes *turns by
 * that. */
static int spin(struct apus_pool *pool, uint64_t seen, const struct pool_ahead *ahead,
                uint32_t *turns) {
    const int inside = team_is_open(seen);
    int more = 1;
    for (uint32_t i = 0; i < *turns; i++) {
        if (atomic_load_explicit(&pool->team.open, memory_order_relaxed) != seen) {
            *turns += inside ? INSIDE_GAIN : *turns / 4;
            if (*turns > MOST) *turns = MOST;
            return 1;
        }
        if (more) more = fetch(ahead, i);
        if (!more) relax();
    }
    const uint32_t least = inside ? LEAST_INSIDE : LEAST;
    *turns = *turns / 2 > least ? *turns / 2 : least;
    return 0;
}

static void work(void *arg) {
    const struct pool_seat *self = arg;
    struct apus_pool *pool = self->pool;
    struct pool_ahead ahead = {NULL, 0};
    uint32_t turns[2] = {MOST, MOST}; /* between passes; inside a pass */
    fenv_enter();
    for (;;) {
        const uint64_t seen = team_seen(&pool->team);
        if (atomic_load_explicit(&pool->quit, memory_order_relaxed))
            return; /* quit is set before that word changes */
        if (self->index < team_threads(seen)) {
            if (team_is_open(seen) && help(pool, seen, self->index, &ahead)) continue;
            if (spin(pool, seen, &ahead, &turns[team_is_open(seen)])) continue;
        }
        sleep_in(pool, self->index, seen);
    }
}

int pool_enter(struct apus_pool *pool) {
    return !atomic_exchange_explicit(&pool->taken, 1, memory_order_acquire);
}

void pool_leave(struct apus_pool *pool) {
    assert(atomic_load_explicit(&pool->taken, memory_order_relaxed));
    atomic_store_explicit(&pool->taken, 0, memory_order_release);
}

static uint64_t now(const struct apus_pool *pool) {
    return pool->port.now_ns ? pool->port.now_ns(pool->port.user) : 0;
}

void pool_run(struct apus_pool *pool, uint32_t threads, const struct pool_work *what,
              struct pool_operation first, uint64_t *stalled_ns) {
    assert(threads >= 2 && threads <= pool->threads && first.units);
    assert(atomic_load_explicit(&pool->taken, memory_order_relaxed));
    struct pool_ahead ahead = {NULL, 0};
    *stalled_ns = 0;
    pool->work = *what;
    team_renew(&pool->team);
    open_operation(pool, first, threads);
    for (;;) {
        const uint64_t seen = team_seen(&pool->team);
        if (!team_is_open(seen)) return;
        if (help(pool, seen, 0, &ahead) || spin(pool, seen, &ahead, &pool->caller_turns)) continue;
        const uint64_t began = now(pool);
        sleep_in(pool, 0, seen);
        *stalled_ns += now(pool) - began;
    }
}

/* ------------------------------------------------------------------------------------- setup -- */

struct pool_parts {
    uint64_t seat, stretch, bytes;
};

static struct pool_parts lay_out(uint32_t threads) {
    struct pool_parts at;
    struct place walk = {0};
    place_next(&walk, 1, sizeof(struct apus_pool));
    at.seat = place_next(&walk, threads, sizeof(struct pool_seat));
    at.stretch = place_next(&walk, threads, sizeof(struct team_stretch));
    at.bytes = walk.end;
    return at;
}

size_t hal_pool_bytes(uint32_t threads) {
    assert(threads >= 1 && threads <= HAL_THREADS_MAX);
    return (size_t)lay_out(threads).bytes;
}

apus_pool *hal_pool_open(void *memory, const apus_port *port, uint32_t threads) {
    assert((uintptr_t)memory % PLACE_LINE == 0 && threads >= 1 && threads <= HAL_THREADS_MAX);
    struct apus_pool *pool = memory;
    const struct pool_parts at = lay_out(threads);
    memset(memory, 0, (size_t)at.bytes);
    pool->seat = place_at(memory, at.seat);
    team_init(&pool->team, place_at(memory, at.stretch), threads);
    pool->asked = threads;
    pool->threads = 1;
    pool->caller_turns = MOST;
    if (!port || !port->thread_start || !port->thread_join || !port->thread_park ||
        !port->thread_wake)
        return pool;
    pool->port = *port;
    const uint32_t processors = port->processors ? port->processors(port->user) : threads;
    for (uint32_t i = 1; i < threads && i < processors; i++) {
        struct pool_seat *seat = &pool->seat[i];
        seat->pool = pool;
        seat->index = i;
        if (port->thread_start(port->user, seat->storage, work, seat)) break;
        pool->threads = i + 1;
    }
    return pool;
}

void hal_pool_close(apus_pool *pool) {
    atomic_store(&pool->quit, 1);
    team_close(&pool->team);
    wake_threads(pool, pool->threads);
    for (uint32_t i = 1; i < pool->threads; i++)
        pool->port.thread_join(pool->port.user, pool->seat[i].storage);
}

uint32_t hal_pool_threads(const apus_pool *pool) { return pool->asked; }
