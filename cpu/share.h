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
#ifndef CPU_SHARE_H
#define CPU_SHARE_H

#include <stdatomic.h>
#include <stdint.h>

/* One thread's stretch: operation << 32 | begin << 16 | end of what is left, in steps of `grain`
 * units. Of an earlier operation: nobody has taken from it yet. */
struct share_stretch {
    _Alignas(64) _Atomic uint64_t left;
};

struct share {
    struct share_stretch *stretch; /* [threads] */
    uint32_t threads, renewed;
    /* The operation, as share.c packs it: what waiting threads watch. */
    _Alignas(64) _Atomic uint64_t open;
    uint32_t item, units, grain; /* of it: written by who opens it, read by who holds a run */
    _Alignas(64) _Atomic uint32_t undone; /* units of it */
};

struct share_run {
    uint32_t begin, end;
};

/* Thread t's stretch of so many units. */
struct share_run share_stretch(uint32_t units, uint32_t threads, uint32_t t);

/* stretch: [threads], as many as ever will be, below 256. */
void share_init(struct share *share, struct share_stretch *stretch, uint32_t threads);

/* Opens the next operation, of at least one unit, for `threads` threads in runs of about `most`
 * units at most. item: the caller's name for it. Only by who ended the one before, or while none is
 * open. share_close says that no operation follows: a thread that comes late takes nothing. */
void share_open(struct share *share, uint32_t item, uint32_t threads, uint32_t units,
                uint32_t most);
void share_close(struct share *share);

/* Once in a while, while none is open. */
void share_renew(struct share *share);

/* What is open, for the calls below. A new value whenever an operation opens or there is none any
 * more. */
static inline uint64_t share_seen(struct share *share) { return atomic_load(&share->open); }
int share_is_open(uint64_t seen);      /* an operation is */
uint32_t share_threads(uint64_t seen); /* among which it is shared, or was: others take nothing */

/* Whether there was another run for thread t in the operation seen. Every unit is in exactly one
 * run. */
int share_take(struct share *share, uint64_t seen, uint32_t t, struct share_run *run);

/* So many units that were taken are done. Whether they were the last: then this thread goes on to
 * what follows the operation. */
int share_done(struct share *share, uint32_t units);

#endif
