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

/* Never fails: without threads in the port, or where they do not start, callers compute alone. port
 * may be NULL; copied. */
apus_pool *hal_pool_open(void *memory, const apus_port *port, uint32_t threads);
/* After every program that has it. */
void hal_pool_close(apus_pool *pool);

/* As it was opened for. */
uint32_t hal_pool_threads(const apus_pool *pool);

#endif
