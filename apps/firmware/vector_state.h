/* Which of the vector registers an x86 processor offers the image switches on. */
#ifndef FIRMWARE_VECTOR_STATE_H
#define FIRMWARE_VECTOR_STATE_H

#include <stdint.h>

/* What cpuid says: 0.eax, 1.ecx, 7.0.ebx, and 13.0.edx:eax, the parts of XCR0 that it takes. 0
 * where the processor has not so many leaves. */
struct cpuid_leaves {
    uint32_t last, features, extended;
    uint64_t parts;
};

/* The value for XCR0: x87 and SSE, AVX where it is there, AVX-512 where all of its three parts are
 * there too. 0: the processor has no XCR0, and CR4.OSXSAVE stays off. */
uint64_t vector_state(const struct cpuid_leaves *leaves);

#endif
