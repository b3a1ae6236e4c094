/* The units of one operation (panels of weights, columns, runs of attention), shared among threads
 * that come and go. Each thread has a stretch of units of its own and takes runs from its front, so
 * that it reads weights in order; a thread that has none left takes runs from the back of another
 * thread's stretch.
 *
 * An operation is over when its units are done, whichever threads did them. A thread that was not
 * scheduled meanwhile may go on at any point of a later operation. So before it holds a run it may
 * only touch the words below, which outlive operations. They carry the operation's number, so that
 * its compare and exchange fails in every operation but the one that it saw. The number has 32
 * bits: only a thread that sleeps through exactly 2^32 operations, which take hours at the least,
 * could take one operation for another.
 *
 * An operation is announced in one word, and a stretch is laid out by the thread that first takes
 * from it, because every cache line that moves between processors costs a tenth of what a small
 * operation takes. */
#ifndef CPU_TEAM_H
#define CPU_TEAM_H

#include <stdatomic.h>
#include <stdint.h>

/* What is left of one thread's stretch: operation << 32 | begin << 16 | end, in steps of `grain`
 * units. If the number is that of an earlier operation, no thread has taken from the stretch in
 * this one. */
struct team_stretch {
    _Alignas(64) _Atomic uint64_t left;
};

struct team {
    struct team_stretch *stretch; /* [threads] */
    uint32_t threads, renewed;
    /* The operation, as team.c packs it. Waiting threads watch this word. */
    _Alignas(64) _Atomic uint64_t open;
    uint32_t item, units, grain; /* of the operation: written by the thread that opens it, read by
                                    threads that hold a run */
    _Alignas(64) _Atomic uint32_t undone; /* its units that are not done */
};

struct team_run {
    uint32_t begin, end;
};

/* Thread t's stretch, if `units` units are divided evenly among `threads` threads; t < threads. */
struct team_run team_stretch(uint32_t units, uint32_t threads, uint32_t t);

/* stretch: [threads]. threads: the most that an operation will have, 1 .. 255. */
void team_init(struct team *team, struct team_stretch *stretch, uint32_t threads);

/* Opens the next operation, of at least one unit, for `threads` threads in runs of about `most`
 * units at most. item: the caller's number for it. Only the thread that ended the operation before
 * may call this, or any thread while none is open. team_close says that no operation follows; a
 * thread that comes late then takes nothing. */
void team_open(struct team *team, uint32_t item, uint32_t threads, uint32_t units, uint32_t most);
void team_close(struct team *team);

/* Call this before each pass, while no operation is open. It keeps the numbers in old stretches
 * from becoming so old that they seem new. */
void team_renew(struct team *team);

/* The word that says what is open, for the calls below. It changes whenever an operation opens, and
 * when team_close is called. */
static inline uint64_t team_seen(struct team *team) { return atomic_load(&team->open); }
int team_is_open(uint64_t seen);      /* whether an operation is open */
uint32_t team_threads(uint64_t seen); /* how many threads share the operation, or shared the last
                                         one; other threads take nothing */

/* Takes another run for thread t from the operation seen. Returns whether there was one. Every unit
 * is in exactly one run. */
int team_take(struct team *team, uint64_t seen, uint32_t t, struct team_run *run);

/* Says that `units` units that were taken are done. Returns whether they were the last; then this
 * thread goes on to what follows the operation. */
int team_done(struct team *team, uint32_t units);

#endif
