/* The float environment of the contract: round to nearest, denormals kept (no operation meets one,
 * but the self-test checks that they are kept), no traps. Every entry point and every worker thread
 * sets it and later restores what it found. */
#ifndef HAL_FENV_H
#define HAL_FENV_H

#include <stdint.h>

#if defined(__x86_64__) || defined(_M_X64) || defined(__SSE_MATH__)
#include <xmmintrin.h>
static inline uint64_t fenv_enter(void) {
    unsigned found = _mm_getcsr();
    _mm_setcsr(0x1f80); /* all exceptions masked, nearest, no FTZ, no DAZ */
    return found;
}
static inline void fenv_leave(uint64_t found) { _mm_setcsr((unsigned)found); }
#elif defined(__aarch64__)
static inline uint64_t fenv_enter(void) {
    uint64_t found;
    __asm__ volatile("mrs %0, fpcr" : "=r"(found));
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)0));
    return found;
}
static inline void fenv_leave(uint64_t found) { __asm__ volatile("msr fpcr, %0" : : "r"(found)); }
#else
static inline uint64_t fenv_enter(void) { return 0; }
static inline void fenv_leave(uint64_t found) { (void)found; }
#endif

#endif
