/* What the kernel tests share: guarded buffers, reproducible data, the tables to compare, and
 * timing of the very same calls. */
#ifndef TESTS_KERNELS_CHECKER_H
#define TESTS_KERNELS_CHECKER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cpu/kernels.h"
#include "hal/scalar.h"

/* Bytes between two pages that fault. FRONT: data begins right after one; BACK: data ends before
 * the other, as near as `align` lets it. What is between data and the guards is filled with a
 * canary. */
enum side { FRONT, BACK };
struct guarded {
    uint8_t *data;
    size_t bytes;
    uint8_t *map;
    size_t map_bytes;
};
struct guarded guard_take(size_t bytes, size_t align, enum side side); /* data is zeroed */
void guard_give(struct guarded *g);                                    /* checks the canary */

/* xorshift64*; the same numbers on every run. */
struct dice {
    uint64_t state;
};
uint32_t dice_roll(struct dice *d);                  /* 32 bits */
uint32_t dice_below(struct dice *d, uint32_t n);     /* 0 .. n - 1 */
float dice_float(struct dice *d, int low, int high); /* either sign, magnitude in [2^low, 2^high) */
void dice_fill(struct dice *d, void *data, size_t bytes);

/* Every mask of this machine in turn, the reference included (its own guards and canaries count
 * too). Asked once: under a hypervisor every cpuid is a trap. */
int has_mask(apus_cpu mask);
#define EACH_MASK(mask)                                                                            \
    for (apus_cpu mask = APUS_CPU_REF; mask <= APUS_CPU_NEON; mask = (apus_cpu)(mask + 1))         \
        if (has_mask(mask))
struct cpu_kernels table_of(apus_cpu mask); /* fails the test if the machine has the mask and the
                                               table is not full */

/* GEMVs to compare: those of every mask of this machine, and AVX-VNNI's body in AVX-512's encoding,
 * which machines have that lack AVX-VNNI's. */
struct gemvs {
    const char *name;
    cpu_gemv_fn *of[WEIGHT_TYPES];
};
cpu_gemv_fn evex_gemv_w8, evex_gemv_w4, evex_gemv_w4t, evex_gemv_w5, evex_gemv_w6, evex_gemv_w4s,
    evex_gemv_w8s;
int has_evex(void);
uint32_t gemvs_here(struct gemvs all[APUS_CPU_NEON + 1]); /* how many; the reference is the
                                                               first */

/* Compares two buffers byte by byte and names the first difference. */
void same_bytes(const char *what, const void *expected, const void *got, size_t bytes,
                const char *detail);

/* Nanoseconds that fn(user) takes: the median of several runs of at least a millisecond each. */
double time_ns(void (*fn)(void *user), void *user);
void say_time(const char *set, const char *what, double ns, double bytes);

int gemv_tests(void), vector_tests(void), attend_tests(void), scalar_tests(void);
void gemv_bench(void), vector_bench(void), attend_bench(void);

#endif
