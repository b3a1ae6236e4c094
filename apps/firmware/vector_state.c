#include "apps/firmware/vector_state.h"

enum {
    LEAF_STATE = 13,
    HAS_XSAVE = 1 << 26,
    HAS_AVX = 1 << 28,
    HAS_AVX512F = 1 << 16,
    STATE_SSE = 0x3,
    STATE_AVX = 0x4,
    STATE_AVX512 = 0xe0
};

uint64_t vector_state(const struct cpuid_leaves *l) {
    if (l->last < LEAF_STATE || !(l->features & HAS_XSAVE)) return 0;
    uint64_t state = STATE_SSE;
    if (!(l->features & HAS_AVX) || !(l->parts & STATE_AVX)) return state;
    state |= STATE_AVX;
    if (l->extended & HAS_AVX512F && (l->parts & STATE_AVX512) == STATE_AVX512)
        state |= STATE_AVX512;
    return state;
}
