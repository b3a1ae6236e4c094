/* A line on a terminal while packing; nothing elsewhere. */
#ifndef PACK_PROGRESS_H
#define PACK_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool shown;
    uint32_t tensors;
    uint64_t weights; /* of all tensors */
    uint64_t before;  /* of them done when this began */
    double begun, last;
};

double progress_clock(void); /* seconds, monotonic */
/* shown only where standard error is a terminal and quiet is not set */
void progress_begin(struct progress *progress, bool quiet, uint32_t tensors, uint64_t weights, uint64_t before);
/* tensor counts from 0; done weights of all; bytes written. At most ten lines a second. */
void progress_show(struct progress *progress, uint32_t tensor, const char *name, uint64_t done, uint64_t bytes);
void progress_clear(struct progress *progress);

#endif
