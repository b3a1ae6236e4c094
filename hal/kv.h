/* The KV cache in memory, the same for every engine; its arena copy is the one that counts.
 *
 * A layer's cache is kv_heads blocks one after another; a block serves one kv head for `slots`
 * positions (a multiple of 16):
 *   K panels of 16 slots: for every 4 channels a line of 64 bytes, byte [j * 4 + i] = K[slot
 *   j][channel 4c + i] + 128
 *   V       quads of 4 slots: byte [channel * 4 + j] = V[slot j][channel], signed
 *   kscale  float [slots]
 *   vscale  float [slots]
 * so that a 64-byte line of K against 4 broadcast bytes of q gives 16 scores, and one of V against
 * 4 broadcast digits 16 channels. Values and scales: docs/numerics.md 3 and 6. A position's slot is
 * arbitrary: attention does not depend on the order of slots. The runtime zeroes a panel of 16
 * slots before its first use, so that reading a whole panel reads defined values, and memory that
 * no position has needed is never touched. */
#ifndef HAL_KV_H
#define HAL_KV_H

#include <stddef.h>
#include <stdint.h>

#include "hal/place.h"

struct kv_block {
    uint8_t *k;
    int8_t *v;
    float *kscale, *vscale;
};

/* Bytes of one kv head's block; a multiple of 64. slots: a multiple of 16; head_dim: a multiple of
 * 16. */
static inline size_t kv_block_bytes(uint32_t slots, uint32_t head_dim) {
    return (size_t)place_up((size_t)slots * head_dim * 2 + (size_t)slots * 8, PLACE_LINE);
}

static inline struct kv_block kv_block_at(uint8_t *layer, uint32_t slots, uint32_t head_dim,
                                          uint32_t kv_head) {
    uint8_t *b = layer + kv_head * kv_block_bytes(slots, head_dim);
    size_t n = (size_t)slots * head_dim;
    return (struct kv_block){b, (int8_t *)(b + n), (float *)(void *)(b + 2 * n),
                             (float *)(void *)(b + 2 * n) + slots};
}

static inline size_t kv_k_index(uint32_t slot, uint32_t channel, uint32_t head_dim) {
    return (size_t)(slot / 16) * 16 * head_dim + (size_t)(channel / 4) * 64 + (slot % 16) * 4 +
           channel % 4;
}

static inline size_t kv_v_index(uint32_t slot, uint32_t channel, uint32_t head_dim) {
    return (size_t)(slot / 4) * 4 * head_dim + (size_t)channel * 4 + slot % 4;
}

/* One position's row of K or V: q [head_dim] as quantized. */
static inline void kv_store_k(struct kv_block kv, uint32_t slot, uint32_t head_dim, const int8_t *q,
                              float scale) {
    for (uint32_t c = 0; c < head_dim; c += 4) {
        uint8_t *at = kv.k + kv_k_index(slot, c, head_dim);
        for (uint32_t i = 0; i < 4; i++) at[i] = (uint8_t)(q[c + i] + 128);
    }
    kv.kscale[slot] = scale;
}

static inline void kv_store_v(struct kv_block kv, uint32_t slot, uint32_t head_dim, const int8_t *q,
                              float scale) {
    int8_t *at = kv.v + kv_v_index(slot, 0, head_dim);
    for (uint32_t c = 0; c < head_dim; c++) at[(size_t)c * 4] = q[c];
    kv.vscale[slot] = scale;
}

#endif
