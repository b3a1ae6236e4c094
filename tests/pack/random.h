/* Seeded numbers for tests: the same on every machine. */
#ifndef TESTS_PACK_RANDOM_H
#define TESTS_PACK_RANDOM_H

#include <stdint.h>

static inline uint64_t random_bits(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static inline uint32_t random_below(uint64_t *state, uint32_t n) {
    return (uint32_t)((random_bits(state) >> 32) * n >> 32);
}

/* About normal with deviation 1: twelve uniform numbers. */
static inline float random_normal(uint64_t *state) {
    double sum = -6;
    for (int i = 0; i < 12; i++) sum += (double)(random_bits(state) >> 11) * 0x1p-53;
    return (float)sum;
}

/* Leaves two of every four integers, as sparse types have them. */
static inline void drop_half(int8_t *q, uint32_t cols, uint64_t *state) {
    for (uint32_t c = 0; c < cols; c += 4) {
        const uint32_t first = random_below(state, 4), other = 1 + random_below(state, 3);
        for (uint32_t i = 0; i < 4 && c + i < cols; i++)
            if (i != first && i != (first + other) % 4) q[c + i] = 0;
    }
}

#endif
