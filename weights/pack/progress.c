#include "weights/pack/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double progress_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void progress_begin(struct progress *progress, bool quiet, uint32_t tensors, uint64_t weights, uint64_t before) {
    *progress = (struct progress){.shown = !quiet && isatty(STDERR_FILENO),
                                  .tensors = tensors,
                                  .weights = weights ? weights : 1,
                                  .before = before,
                                  .begun = progress_clock()};
}

void progress_show(struct progress *progress, uint32_t tensor, const char *name, uint64_t done, uint64_t bytes) {
    double now = progress_clock();
    if (!progress->shown || now - progress->last < 0.1) return;
    progress->last = now;
    double part = (double)done / (double)progress->weights, elapsed = now - progress->begun;
    double left = done > progress->before ? elapsed * (double)(progress->weights - done) / (double)(done - progress->before) : 0;
    fprintf(stderr, "\r%3.0f %%  tensor %u of %u  %-20.20s  %5.0f MB/s  %2.0f:%02.0f left \033[K", 100 * part, tensor + 1,
            progress->tensors, name, elapsed > 0 ? (double)bytes / 1e6 / elapsed : 0, (double)(long)(left / 60),
            left - 60 * (double)(long)(left / 60));
    fflush(stderr);
}

void progress_clear(struct progress *progress) {
    if (progress->shown) fputs("\r\033[K", stderr);
    progress->shown = false;
}
