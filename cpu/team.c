#include "cpu/team.h"

#include <assert.h>

/* team.open: operation << 32 | steps << 16 | threads << 8 | binary logarithm of the most steps of a
 * run. STEPS_MAX: what 16 bits hold. RENEW: half of what a difference of two numbers may be. */
enum { STEPS_MAX = 0xffff, RENEW = 1 << 30 };

static uint32_t operation_of(uint64_t word) { return (uint32_t)(word >> 32); }
static uint32_t steps_of(uint64_t seen) { return (uint32_t)seen >> 16; }
int team_is_open(uint64_t seen) { return steps_of(seen) > 0; }
uint32_t team_threads(uint64_t seen) { return (uint32_t)seen >> 8 & 0xff; }

static uint64_t pack(uint32_t operation, struct team_run r) {
    return (uint64_t)operation << 32 | r.begin << 16 | r.end;
}

struct team_run team_stretch(uint32_t units, uint32_t threads, uint32_t t) {
    assert(t < threads);
    return (struct team_run){units * t / threads, units * (t + 1) / threads};
}

void team_init(struct team *team, struct team_stretch *stretch, uint32_t threads) {
    assert(threads >= 1 && threads < 256);
    team->stretch = stretch;
    team->threads = threads;
    team->renewed = 0;
    atomic_init(&team->open, 0);
    atomic_init(&team->undone, 0);
    for (uint32_t t = 0; t < threads; t++) atomic_init(&stretch[t].left, 0);
}

void team_open(struct team *team, uint32_t item, uint32_t threads, uint32_t units, uint32_t most) {
    const uint32_t operation =
        operation_of(atomic_load_explicit(&team->open, memory_order_relaxed)) + 1;
    const uint32_t grain = (units + STEPS_MAX - 1) / STEPS_MAX;
    uint32_t shift = 0;
    assert(units && threads && threads <= team->threads);
    team->item = item;
    team->units = units;
    team->grain = grain;
    while (shift < 15 && (uint64_t)grain << (shift + 1) <= most) shift++;
    atomic_store_explicit(&team->undone, units, memory_order_relaxed);
    atomic_store(&team->open, (uint64_t)operation << 32 | (units + grain - 1) / grain << 16 |
                                  threads << 8 | shift);
}

void team_close(struct team *team) {
    const uint64_t open = atomic_load_explicit(&team->open, memory_order_relaxed);
    atomic_store(&team->open, (uint64_t)(operation_of(open) + 1) << 32 | (open & 0xff00));
}

/* Numbers are compared by their difference, which must not wrap. So all stretches, some of which
 * may have not been used for long, are given a newer number. */
void team_renew(struct team *team) {
    assert(!team_is_open(atomic_load_explicit(&team->open, memory_order_relaxed)));
    const uint32_t operation =
        operation_of(atomic_load_explicit(&team->open, memory_order_relaxed));
    if (operation - team->renewed < RENEW) return;
    team->renewed = operation;
    for (uint32_t t = 0; t < team->threads; t++)
        atomic_store(&team->stretch[t].left, (uint64_t)operation << 32);
}

/* Takes half of what is left, so that runs get shorter and all threads end at about the same time,
 * but at most `most` steps, so that a thread that is not scheduled while it holds a run leaves the
 * rest to the others. When an operation is over, every stretch that has units in it carries its
 * number or a later one. So an earlier number says that no thread has begun the stretch. */
static int take_from(struct team *team, uint64_t seen, uint32_t t, int back, struct team_run *run) {
    _Atomic uint64_t *word = &team->stretch[t].left;
    const uint32_t operation = operation_of(seen), most = 1u << (seen & 0xff);
    uint64_t old = atomic_load_explicit(word, memory_order_relaxed);
    for (;;) {
        const int32_t later = (int32_t)(operation_of(old) - operation);
        if (later > 0) return 0;
        struct team_run left = {(uint32_t)old >> 16 & 0xffff, (uint32_t)old & 0xffff};
        if (later < 0) left = team_stretch(steps_of(seen), team_threads(seen), t);
        uint32_t count = (left.end - left.begin + 1) / 2;
        if (!count) return 0;
        if (count > most) count = most;
        *run = left;
        if (back)
            run->begin = left.end -= count;
        else
            run->end = left.begin += count;
        if (atomic_compare_exchange_weak_explicit(word, &old, pack(operation, left),
                                                  memory_order_acquire, memory_order_relaxed))
            return 1;
    }
}

int team_take(struct team *team, uint64_t seen, uint32_t t, struct team_run *run) {
    const uint32_t threads = team_threads(seen);
    if (t >= threads) return 0;
    for (uint32_t i = 0, at = t; i < threads; i++, at = at + 1 < threads ? at + 1 : 0)
        if (take_from(team, seen, at, i > 0, run)) {
            run->begin *= team->grain;
            run->end *= team->grain;
            if (run->end > team->units) run->end = team->units;
            return 1;
        }
    return 0;
}

int team_done(struct team *team, uint32_t units) {
    return units && atomic_fetch_sub_explicit(&team->undone, units, memory_order_acq_rel) == units;
}
