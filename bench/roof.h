/* What this machine can do at most (reading memory, and int8 multiply-adds in registers), to be
 * measured together with what is compared with it.
 *
 * Ratios are valid only inside one run: call these functions in turns with the code under test, on
 * the same team, and compare medians. They may allocate memory. */
#ifndef BENCH_ROOF_H
#define BENCH_ROOF_H

#include <stddef.h>
#include <stdint.h>

/* A team of 1 .. 64 threads, the caller's included. roof_open returns NULL if a thread cannot be
 * started. */
struct roof_team;
struct roof_team *roof_open(unsigned threads);
void roof_close(struct roof_team *team);
unsigned roof_threads(const struct roof_team *team);

/* Calls fn once on every thread. Returns the seconds of processor time of the thread that took
 * longest. On a machine that does nothing else, that is the time that passes; on a busy machine it
 * leaves out the time slices of other programs. */
typedef void roof_fn(void *user, unsigned thread, unsigned threads);
double roof_run(struct roof_team *team, roof_fn *fn, void *user);

/* The processor time over the time that passed in the last roof_run, roof_read or roof_dot, 0 .. 1:
 * the share of the machine that other programs left. Multiply a rate by it to get the rate by the
 * time that passed, which can be compared with others by that time. */
double roof_share(const struct roof_team *team);

/* Reads `bytes` bytes at data (64-aligned), where each thread reads its own part in order,
 * `repeats` times. Returns bytes per second. For the roof of memory, bytes must be many times the
 * last cache; for the roof of a cache, a thread's part must fit into that cache. prefetch: how many
 * bytes ahead to prefetch; 0: not at all. */
double roof_read(struct roof_team *team, const void *data, size_t bytes, unsigned repeats,
                 unsigned prefetch);

/* The prefetch distance in bytes (0 .. 4096) with which roof_read is fastest on this machine, since
 * the roof is the fastest way to read. */
unsigned roof_read_prefetch(struct roof_team *team, const void *data, size_t bytes);

/* int8 multiply-adds per second in registers alone: with vpdpbusd, or with vpmaddubsw and vpmaddwd
 * if the processor has only these. 0 on processors that are not x86. */
double roof_dot(struct roof_team *team);

/* The processor's name, without characters that are special in a JSON string; "unknown" if the
 * system does not say. */
void roof_machine(char *name, size_t room);

/* The median of values [count], which it sorts; the mean of the middle two if count is even. count
 * is at least 1. */
double roof_median(double *values, size_t count);

/* Nanoseconds of a monotonic clock. */
uint64_t roof_now(void);

/* Allocates zeroed pages, and asks for huge ones; NULL if there is no memory. */
void *roof_alloc(size_t bytes);
void roof_free(void *data, size_t bytes);

#endif
