#include "cpu/cache.h"

#if defined(__x86_64__)
#include <cpuid.h>

/* Reads a CPUID leaf that describes one cache in each subleaf, in the same form on AMD (8000001Dh)
 * and Intel (4). */
static uint64_t largest(uint32_t leaf) {
    enum { CACHES = 8, KIND = 31, INSTRUCTIONS = 2 };
    uint64_t most = 0;
    uint32_t a, b, c, d;
    for (uint32_t i = 0; i < CACHES && __get_cpuid_count(leaf, i, &a, &b, &c, &d) && (a & KIND);
         i++) {
        uint64_t bytes = (uint64_t)((b >> 22) + 1) * ((b >> 12 & 1023) + 1) * ((b & 4095) + 1) *
                         ((uint64_t)c + 1);
        if ((a & KIND) != INSTRUCTIONS && bytes > most) most = bytes;
    }
    return most;
}

uint64_t cpu_last_cache(void) {
    enum { TOPOLOGY_EXTENSIONS = 1 << 22 };
    uint32_t a, b, c, d;
    int amd = __get_cpuid(0x80000001u, &a, &b, &c, &d) && (c & TOPOLOGY_EXTENSIONS);
    return largest(amd ? 0x8000001du : 4);
}
#else
uint64_t cpu_last_cache(void) { return 0; }
#endif
