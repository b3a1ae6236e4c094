/* Chooses how many threads a pass gets, from the times that passes take.
 *
 * Using all threads is not always best. Where other programs want the processors, a thread that
 * holds units and is not scheduled keeps the others waiting; and on some machines passes of less
 * than a millisecond lose more by threads that wait for each other than they gain. So one number of
 * threads after another is tried for some milliseconds, and the best is kept. Its neighbours are
 * tried again at growing intervals, because the other programs may end. Nothing is tried while long
 * passes with all threads take about the least time seen of their width and the caller is not kept
 * waiting.
 *
 * Passes of different widths (numbers of columns) are compared by their time divided by the least
 * time seen of the same width. The number of threads never changes a bit of the results. */
#ifndef CPU_PACE_H
#define CPU_PACE_H

#include <stdint.h>

enum { PACE_WIDTHS = 10, PACE_ARMS = 16 };

struct pace {
    uint32_t arms, best, arm;    /* an arm is a number of threads, as an index into threads; arm:
                                    the one of this segment, which is best or a neighbour that is
                                    tried */
    uint32_t threads[PACE_ARMS]; /* from the most to 1 */
    /* For each arm: the times of its last passes, and the least times of their widths, as sums in
     * which older passes count less. */
    float took[PACE_ARMS], least[PACE_ARMS];
    float least_ns[PACE_WIDTHS]; /* the least time of passes of 2^i .. 2^(i + 1) - 1 columns; 0:
                                    none was seen */
    float now_took, now_least, stalled; /* sums of this segment */
    uint32_t passes;
    float segment_ns;        /* how long this segment lasts at least */
    float wait_ns, pause_ns; /* time left to the next trial, and the least time between trials */
    int up;                  /* whether the next trial is of more threads */
};

/* For numbers of threads from 1 to `threads`, which is at least 1. */
void pace_open(struct pace *pace, uint32_t threads);

static inline uint32_t pace_threads(const struct pace *pace) { return pace->threads[pace->arm]; }

/* Learns from a pass of `columns` columns (at least 1) that took `ns` nanoseconds with pace_threads
 * threads; the caller was parked for `stalled_ns` of them. */
void pace_learn(struct pace *pace, uint32_t columns, uint64_t ns, uint64_t stalled_ns);

#endif
