/* The units of one operation (panels of weights, columns, runs of attention), shared among the threads of a pool. Each has a stretch of its own
 * and takes runs from its front, so that it reads weights in order; who has nothing left takes from the back of another's. */
#ifndef CPU_SHARE_H
#define CPU_SHARE_H

#include <stdatomic.h>
#include <stdint.h>

/* What is left of one thread's stretch: begin in the upper half, end in the lower. */
struct share {
    _Alignas(64) _Atomic uint64_t left;
};

struct share_run {
    uint32_t begin, end; /* equal: nothing is left */
};

/* Thread t's stretch of `units`. */
struct share_run share_stretch(uint32_t units, uint32_t threads, uint32_t t);

/* Before the threads take: share[threads]. */
void share_out(struct share *share, uint32_t threads, uint32_t units);

/* The next run of thread t. Every unit is in exactly one run. */
struct share_run share_take(struct share *share, uint32_t threads, uint32_t t);

#endif
