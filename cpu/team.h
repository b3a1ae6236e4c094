/* The units of one operation (panels of weights, columns, runs of attention), shared among threads
 * that come and go. Each thread has a stretch of its own and takes runs from its front, so that it
 * reads weights in order; who has nothing left takes from the back of another's.
 *
 * An operation is over when its units are done, whoever did them. A thread that was not scheduled
 * meanwhile may wake at any point of a later one: all it may touch before it holds a run is the
 * words below, which outlive operations. They carry the operation's number, so that its exchange
 * fails on every operation but the one it saw. The number has 32 bits: such a thread would have to
 * sleep through 2^32 operations, hours at the least, and wake just at the same number.
 *
 * What is announced is one word, and a stretch is laid out by who first takes from it: between
 * processors every line that moves costs a tenth of what a small operation takes. */
#ifndef CPU_TEAM_H
#define CPU_TEAM_H

#include <stdatomic.h>
#include <stdint.h>

/* One thread's stretch: operation << 32 | begin << 16 | end of what is left, in steps of `grain`
 * units. Of an earlier operation: nobody has taken from it yet. */
struct team_stretch {
    _Alignas(64) _Atomic uint64_t left;
};

struct team {
    struct team_stretch *stretch; /* [threads] */
    uint32_t threads, renewed;
    /* The operation, as team.c packs it: what waiting threads watch. */
    _Alignas(64) _Atomic uint64_t open;
    uint32_t item, units, grain; /* of it: written by who opens it, read by who holds a run */
    _Alignas(64) _Atomic uint32_t undone; /* units of it */
};

struct team_run {
    uint32_t begin, end;
};

/* Thread t's stretch of so many units. */
struct team_run team_stretch(uint32_t units, uint32_t threads, uint32_t t);

/* stretch: [threads], as many as ever will be, below 256. */
void team_init(struct team *share, struct team_stretch *stretch, uint32_t threads);

/* Opens the next operation, of at least one unit, for `threads` threads in runs of about `most`
 * units at most. item: the caller's name for it. Only by who ended the one before, or while none is
 * open. team_close says that no operation follows: a thread that comes late takes nothing. */
void team_open(struct team *share, uint32_t item, uint32_t threads, uint32_t units, uint32_t most);
void team_close(struct team *share);

/* Once in a while, while none is open. */
void team_renew(struct team *share);

/* What is open, for the calls below. A new value whenever an operation opens or there is none any
 * more. */
static inline uint64_t team_seen(struct team *share) { return atomic_load(&share->open); }
int team_is_open(uint64_t seen);      /* an operation is */
uint32_t team_threads(uint64_t seen); /* among which it is shared, or was: others take nothing */

/* Whether there was another run for thread t in the operation seen. Every unit is in exactly one
 * run. */
int team_take(struct team *share, uint64_t seen, uint32_t t, struct team_run *run);

/* So many units that were taken are done. Whether they were the last: then this thread goes on to
 * what follows the operation. */
int team_done(struct team *share, uint32_t units);

#endif
