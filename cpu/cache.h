/* How large the last-level cache is. */
#ifndef CPU_CACHE_H
#define CPU_CACHE_H

#include <stdint.h>

/* Bytes of the largest data cache that the processor reports, or 0 if it reports none. */
uint64_t cpu_last_cache(void);

#endif
