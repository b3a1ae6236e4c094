/* A loop over independent items on a few threads. No two items may write the same memory, so that
 * results never depend on the threads. */
#ifndef PACK_PARALLEL_H
#define PACK_PARALLEL_H

#include <stddef.h>

enum { PARALLEL_MAX = 64 };

/* Calls body(user, item, worker) for item 0 .. items - 1. worker < threads says which thread calls,
 * so that each can have scratch memory of its own. If a thread cannot be started, the others do its
 * work. */
void parallel_for(unsigned threads, size_t items,
                  void (*body)(void *user, size_t item, unsigned worker), void *user);

unsigned parallel_cores(void); /* 1 .. PARALLEL_MAX */

#endif
