/* A loop over independent items on a few threads. Items must not share what they write, so that
 * results never depend on the threads. */
#ifndef PACK_PARALLEL_H
#define PACK_PARALLEL_H

#include <stddef.h>

enum { PARALLEL_MAX = 64 };

/* Calls body(user, item, worker) for item 0 .. items - 1; worker < threads names the caller's
 * private scratch. Threads that cannot be started are done without. */
void parallel_for(unsigned threads, size_t items,
                  void (*body)(void *user, size_t item, unsigned worker), void *user);

unsigned parallel_cores(void); /* 1 .. PARALLEL_MAX */

#endif
