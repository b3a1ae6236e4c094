/* Gumbel noise of a choice by seed, position and id (docs/numerics.md, section 7). It is a function
 * and has no state. So a draft draws with the target's numbers, and a token that is taken back and
 * made again is the same one. */
#ifndef RUNTIME_NOISE_H
#define RUNTIME_NOISE_H

#include <stdint.h>

#include "hal/scalar.h"

/* The part of the hash that depends on seed and position. All ids of one choice share it. */
struct noise_key {
    uint32_t first, second;
};

static inline struct noise_key noise_key(uint64_t seed, uint64_t position) {
    uint64_t h = seed ^ position * 0x9E3779B97F4A7C15u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    h *= 0xD6E8FEB86659FD93u;
    h ^= h >> 32;
    return (struct noise_key){(uint32_t)h, (uint32_t)(h >> 32)};
}

/* The hash is 32 bits wide, so that vectors of ids can go through it on any processor. */
static inline uint32_t noise_hash(struct noise_key key, uint32_t id) {
    uint32_t h = id * 0x9E3779B1u ^ key.first;
    h ^= h >> 16;
    h *= 0x21F0AAADu;
    h ^= h >> 15;
    h += key.second;
    h *= 0xD35A2D97u;
    h ^= h >> 15;
    return h;
}

/* The logarithm of x > 0. */
static inline float natural_log(float x) { return num_log2(x) * 0x1.62e430p-1f; }

static inline float noise_of(uint32_t hash) {
    float u = ((float)(hash >> 9) + 0.5f) * 0x1p-23f;
    return -natural_log(-natural_log(u));
}

/* A bound without a logarithm: never less than noise_of(hash), and hardly more where that is large.
 * -ln u >= 1 - u. And log2 of a float is at least its bits read as a fixed-point number, since
 * log2(1 + f) >= f. 1 - u is d 2^-23 with d = (~hash >> 9) + 1/2. tests/sample/test_noise.c goes
 * through all 2^23 values. */
static inline float noise_bound(uint32_t hash) {
    float d = (float)(int32_t)(~hash >> 9) + 0.5f;
    return (150.0f - (float)(int32_t)float_bits(d) * 0x1p-23f) * 0.694f + 0.001f;
}

#endif
