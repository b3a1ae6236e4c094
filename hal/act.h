/* The quantized column, which matrix products read (docs/numerics.md 3): what slot A holds, and the
 * one place that knows where its parts lie.
 *
 * Columns of padded width kp come in tiles of `cols`, as 32-bit words:
 *   values  [kp / 64][cols][16]   4 signed bytes a word
 *   gsum    [kp / 64][cols]       int32: the sum of a group of 64 values
 *   scale   [cols]                float
 * A group's words of a column lie together, for weights with a scale per group; a tile's columns of
 * a group lie together, for the cache of a device that computes all of them at once.
 *
 * In the caller's memory a tile is one column: kp bytes, kp / 64 sums, the scale, and then nothing
 * up to a multiple of 64, act_stride from one column to the next. igpu/shaders/act.glsl says the
 * same to the shaders, with tiles of several columns; tests/hal/test_act.c compares the two. */
#ifndef HAL_ACT_H
#define HAL_ACT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/place.h"
#include "weights/format.h"

enum { ACT_GROUP_WORDS = GROUP / 4 };

static inline uint64_t act_tile_words(uint32_t kp, uint32_t cols) {
    assert(kp % GROUP == 0 && cols);
    return (uint64_t)cols * (kp / GROUP * (ACT_GROUP_WORDS + 1) + 1);
}
static inline uint64_t act_tile_values(uint32_t group, uint32_t column, uint32_t cols) {
    assert(column < cols);
    return ((uint64_t)group * cols + column) * ACT_GROUP_WORDS;
}
static inline uint64_t act_tile_gsum(uint32_t kp, uint32_t group, uint32_t column, uint32_t cols) {
    assert(group < kp / GROUP && column < cols);
    return (uint64_t)kp / GROUP * ACT_GROUP_WORDS * cols + (uint64_t)group * cols + column;
}
static inline uint64_t act_tile_scale(uint32_t kp, uint32_t column, uint32_t cols) {
    assert(column < cols);
    return (uint64_t)kp / GROUP * (ACT_GROUP_WORDS + 1) * cols + column;
}

/* Bytes of a column in the caller's memory, which is 64-aligned, counted from its first value. */
static inline size_t act_gsum_at(uint32_t kp) {
    assert(kp % GROUP == 0);
    return kp;
}
static inline size_t act_scale_at(uint32_t kp) {
    assert(kp % GROUP == 0);
    return (size_t)kp + kp / GROUP * sizeof(int32_t);
}
static inline size_t act_stride(uint32_t kp) {
    return (size_t)place_up(act_scale_at(kp) + sizeof(float), PLACE_LINE);
}

static inline int32_t *act_gsum(void *column, uint32_t kp) {
    return (int32_t *)(void *)((uint8_t *)column + act_gsum_at(kp));
}
static inline float *act_scale(void *column, uint32_t kp) {
    return (float *)(void *)((uint8_t *)column + act_scale_at(kp));
}
static inline float act_scale_of(const void *column, uint32_t kp) {
    return *(const float *)(const void *)((const uint8_t *)column + act_scale_at(kp));
}

#endif
