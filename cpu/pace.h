/* How many threads a pass gets: as many as pay, from what passes take.
 *
 * Where other programs want the processors, a thread that holds units and is not scheduled keeps
 * the rest waiting; and passes that take less than a millisecond may lose more by threads that meet
 * than they gain, on some machines. So one number of threads after another is tried for some
 * milliseconds, the best is kept, and its neighbours are tried again at growing distances, as what
 * else runs may end. Long passes with all threads, while they take about the least seen of their
 * width and the caller is not kept waiting, are left alone.
 *
 * Passes of different widths are compared by their time over the least seen of the width. The
 * number of threads never changes a bit. */
#ifndef CPU_PACE_H
#define CPU_PACE_H

#include <stdint.h>

enum { PACE_WIDTHS = 10, PACE_ARMS = 16 };

struct pace {
    uint32_t arms, best, arm;    /* arm: that of this segment: best, or a neighbour that is tried */
    uint32_t threads[PACE_ARMS]; /* falling; the last is 1 */
    /* What passes took lately with each, and the least seen of the same widths. */
    float took[PACE_ARMS], least[PACE_ARMS];
    float least_ns[PACE_WIDTHS]; /* of passes of 2^i .. 2^(i + 1) - 1 columns; 0: none was seen */
    float now_took, now_least, stalled; /* sums of this segment */
    uint32_t passes;
    float segment_ns;        /* how long it is to be at least */
    float wait_ns, pause_ns; /* to the next trial, and between trials at least */
    int up;                  /* the next trial is of more threads */
};

/* For 1 .. threads. */
void pace_open(struct pace *pace, uint32_t threads);

static inline uint32_t pace_threads(const struct pace *pace) { return pace->threads[pace->arm]; }

/* A pass of so many columns with pace_threads threads took so long; the caller was parked for a
 * part of it. */
void pace_learn(struct pace *pace, uint32_t columns, uint64_t ns, uint64_t stalled_ns);

#endif
