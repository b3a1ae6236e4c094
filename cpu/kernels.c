/* Finds the machine's instruction sets and fills the kernel table: weaker sets first, then stronger
 * ones over them. */
#include "cpu/kernels.h"

#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>

static uint64_t enabled_state(void) {
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

/* Bit i: the machine has set i. */
static uint32_t sets_here(void) {
    enum {
        OSXSAVE = 1 << 27,
        AVX = 1 << 28,
        AVX2 = 1 << 5,
        YMM_STATE = 0x6,
        ZMM_STATE = 0xe6,
        AVX512_VNNI = 1 << 11,
        AVX_VNNI = 1 << 4
    };
    const uint32_t avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    uint32_t a, b, c, d, sets = 1u << APUS_CPU_REF;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & OSXSAVE) || !(c & AVX)) return sets;
    uint64_t state = enabled_state(); /* what the system saves for a thread; a set whose registers
                                         it does not save must not be used */
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & AVX2) || (state & YMM_STATE) != YMM_STATE)
        return sets;
    sets |= 1u << APUS_CPU_AVX2;
    if ((b & avx512) == avx512 && c & AVX512_VNNI && (state & ZMM_STATE) == ZMM_STATE)
        sets |= 1u << APUS_CPU_AVX512;
    /* a: the last subleaf */
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & AVX_VNNI)
        sets |= 1u << APUS_CPU_AVXVNNI;
    return sets;
}

static void fill(struct cpu_kernels *table, apus_cpu mask) {
    if (mask >= APUS_CPU_AVX2) cpu_fill_avx2(table);
    /* AVX-512 has all that AVX-VNNI has. */
    if (mask == APUS_CPU_AVXVNNI) cpu_fill_avxvnni(table);
    if (mask >= APUS_CPU_AVX512) cpu_fill_avx512(table);
}
#elif defined(__aarch64__)
/* Whether the processor has dot products. Where the compiler does not know, its own register says
 * so: Linux lets programs read it, and in an image nobody forbids it. Other systems trap. */
static int has_dot(void) {
#if defined(__ARM_FEATURE_DOTPROD)
    return 1;
#elif defined(__APPLE__) || defined(_WIN32)
    return 0;
#else
    enum { DOT_SHIFT = 44, DOT_MASK = 15 };
    uint64_t features;
    __asm__("mrs %0, id_aa64isar0_el1" : "=r"(features));
    return (features >> DOT_SHIFT & DOT_MASK) != 0;
#endif
}

static uint32_t sets_here(void) {
    return 1u << APUS_CPU_REF | (has_dot() ? 1u << APUS_CPU_NEON : 0);
}

static void fill(struct cpu_kernels *table, apus_cpu mask) {
    if (mask == APUS_CPU_NEON) cpu_fill_neon(table);
}
#else
static uint32_t sets_here(void) { return 1u << APUS_CPU_REF; }
static void fill(struct cpu_kernels *table, apus_cpu mask) { (void)table, (void)mask; }
#endif

static apus_cpu strongest(uint32_t sets) {
    apus_cpu cpu = APUS_CPU_NEON;
    while (!(sets >> cpu & 1)) cpu = (apus_cpu)(cpu - 1);
    return cpu;
}

APUS_API apus_cpu apus_cpu_best(void) { return strongest(sets_here()); }

APUS_API int apus_cpu_has(apus_cpu cpu) {
    return cpu == APUS_CPU_BEST ||
           (cpu >= APUS_CPU_REF && cpu <= APUS_CPU_NEON && sets_here() >> cpu & 1);
}

APUS_API const char *apus_cpu_name(apus_cpu cpu) {
    switch (cpu) {
    case APUS_CPU_REF:
        return "ref";
    case APUS_CPU_AVX2:
        return "avx2";
    case APUS_CPU_AVXVNNI:
        return "avxvnni";
    case APUS_CPU_AVX512:
        return "avx512";
    case APUS_CPU_NEON:
        return "neon";
    case APUS_CPU_BEST:
        break;
    }
    return NULL;
}

apus_status cpu_kernels_fill(struct cpu_kernels *table, apus_cpu mask) {
    const uint32_t sets = sets_here();
    if (mask == APUS_CPU_BEST) mask = strongest(sets);
    if (!apus_cpu_name(mask) || !(sets >> mask & 1)) return APUS_E_UNAVAILABLE;
    cpu_fill_ref(table);
    fill(table, mask);
    return APUS_OK;
}
