/* The threads that CPU programs compute on. The runtime opens them, in a session's arena or as the
 * apus_pool that sessions share, and lends them to programs (struct hal_setup). Implemented by
 * cpu/pool.c. */
#ifndef HAL_POOL_H
#define HAL_POOL_H

#include <stddef.h>

#include "apus/apus.h"

enum { HAL_THREADS_MAX = 64 };

/* Bytes of memory, 64-aligned, for `threads` threads, the caller's included: 1 .. HAL_THREADS_MAX.
 */
size_t hal_pool_bytes(uint32_t threads);

/* Never fails: if the port has no threads, or if they do not start, callers compute alone. port may
 * be NULL; it is copied. */
apus_pool *hal_pool_open(void *memory, const apus_port *port, uint32_t threads);
/* Call this after every program that uses the pool is closed. */
void hal_pool_close(apus_pool *pool);

/* As given when it was opened. */
uint32_t hal_pool_threads(const apus_pool *pool);

#endif
