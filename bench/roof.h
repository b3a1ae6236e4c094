/* What this machine can do at most, measured beside what is compared with it: reading memory, and
 * int8 multiply-adds in registers.
 *
 * Ratios hold inside one run only: interleave these with the code under test on the same team and
 * compare medians. May allocate. */
#ifndef BENCH_ROOF_H
#define BENCH_ROOF_H

#include <stddef.h>
#include <stdint.h>

/* A team of threads, the caller's included. NULL if a thread cannot be made. */
struct roof_team;
struct roof_team *roof_open(unsigned threads); /* 1 .. 64 */
void roof_close(struct roof_team *team);
unsigned roof_threads(const struct roof_team *team);

/* Calls fn once on every thread; seconds of processor time of the thread that took longest. On a
 * machine left alone that is the time that passes; on a busy one, other programs' time slices do
 * not count. */
typedef void roof_fn(void *user, unsigned thread, unsigned threads);
double roof_run(struct roof_team *team, roof_fn *fn, void *user);

/* That time over the time that passed in the last roof_run, roof_read or roof_dot, 0 .. 1: what
 * other programs left of the machine. A rate times it is the rate by the time that passed, to
 * compare with what is timed so. */
double roof_share(const struct roof_team *team);

/* Bytes per second of reading `bytes` at data (64-aligned), each thread its own part in order,
 * `repeats` times over. For the roof of memory, bytes must be many times the last cache; for the
 * roof of a cache, a part must fit into it. prefetch: bytes ahead, 0: none. */
double roof_read(struct roof_team *team, const void *data, size_t bytes, unsigned repeats,
                 unsigned prefetch);

/* The prefetch distance (0 .. 4096) with which roof_read is fastest here: the roof is the best of
 * them. */
unsigned roof_read_prefetch(struct roof_team *team, const void *data, size_t bytes);

/* int8 multiply-adds per second in registers alone: vpdpbusd, or vpmaddubsw and vpmaddwd where that
 * is all there is. 0 off x86. */
double roof_dot(struct roof_team *team);

/* The processor's name, without what a JSON string would trip over; "unknown" where the system does
 * not say. */
void roof_machine(char *name, size_t room);

/* Nanoseconds of a monotonic clock. */
uint64_t roof_now(void);

/* Zeroed pages, huge ones asked for; NULL if there are none. */
void *roof_alloc(size_t bytes);
void roof_free(void *data, size_t bytes);

#endif
