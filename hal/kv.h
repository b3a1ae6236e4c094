/* The KV cache in memory, the same for every engine; its arena copy is the one that counts.
 *
 * How its bytes lie is the business of this file, hal/kv.c, the attention kernels of the CPU and
 * igpu/shaders/kv.glsl; everybody else goes by the functions below.
 *
 * A cache holds rows. A row is what one position has in a layer: int8 values and a float scale for
 * K and V of every kv head (docs/numerics.md 3). It lies in a slot. Which one is arbitrary:
 * attention does not depend on the order of slots (docs/numerics.md 6). Whoever lends a cache
 * zeroes panels of 16 slots before their first use, so that reading a whole panel reads defined
 * values, and memory that no position has needed is never touched. */
#ifndef HAL_KV_H
#define HAL_KV_H

#include <stddef.h>
#include <stdint.h>

enum kv_type {
    KV_8 /* 8 bits a value */
};
enum { KV_TYPES = KV_8 + 1, KV_PANEL = 16 /* slots */ };

enum kv_part { KV_K, KV_V };

/* Slots begin .. end - 1. */
struct kv_range {
    uint32_t begin, end;
};

/* A layer's cache. */
struct kv_cache {
    uint8_t *data; /* kv_bytes, 64-aligned; not looked at by functions that only give sizes */
    enum kv_type type;
    uint32_t slots;    /* a multiple of KV_PANEL */
    uint32_t kv_heads; /* 0: a layer without attention, for which no function does anything */
    uint32_t head_dim; /* a multiple of 16 */
};

/* Bytes of the cache, and of one kv head in it: the heads lie one after another. Multiples of
 * 64. */
uint64_t kv_bytes(const struct kv_cache *cache);
uint64_t kv_head_bytes(const struct kv_cache *cache);

/* Slots from .. to - 1 become bytes of zero. */
void kv_zero(const struct kv_cache *cache, uint32_t from, uint32_t to);

/* Writes K or V of one kv head into a slot: q [head_dim] as quantized. */
void kv_store(const struct kv_cache *cache, uint32_t head, uint32_t slot, enum kv_part part,
              const int8_t *q, float scale);

/* The row in slot `from`, into slot `to` as well. */
void kv_move(const struct kv_cache *cache, uint32_t from, uint32_t to);

/* Slots from .. from + count - 1 of a cache into slots to .. of another one, which may differ in
 * slots only, or into others of the same. All three are multiples of KV_PANEL. */
void kv_copy(const struct kv_cache *target, uint32_t to, const struct kv_cache *source,
             uint32_t from, uint32_t count);

/* Rows as bytes, for saved states: `count` of them from slot `from` on, a multiple of KV_PANEL.
 * They take kv_saved_bytes, at any alignment, and are a cache of just enough slots whose unused
 * rows are bytes of zero, so that equal rows give equal bytes. */
uint64_t kv_saved_bytes(const struct kv_cache *cache, uint32_t count);
void kv_export(const struct kv_cache *cache, uint32_t from, uint32_t count, void *data);
/* The first kv head that has a scale which is neither +0 nor in [2^-50, 2^50]; kv_heads: none, and
 * only then the bytes may be imported. They come from outside. */
uint32_t kv_saved_bad(const struct kv_cache *cache, uint32_t count, const void *data);
void kv_import(const struct kv_cache *cache, uint32_t to, uint32_t count, const void *data);

/* What attention kernels read of one kv head: how the bytes lie under these pointers is the
 * type's. */
struct kv_head {
    uint8_t *k;
    int8_t *v;
    float *kscale, *vscale;
};
struct kv_head kv_head_of(const struct kv_cache *cache, uint32_t head);

/* KV_8, for its kernels. Of one kv head, for `slots` positions:
 *   K panels of 16 slots: for every 4 channels a line of 64 bytes, byte [j * 4 + i] = K[slot
 *   j][channel 4c + i] + 128
 *   V       quads of 4 slots: byte [channel * 4 + j] = V[slot j][channel], signed
 *   kscale  float [slots]
 *   vscale  float [slots]
 * so that a 64-byte line of K against 4 broadcast bytes of q gives 16 scores, and one of V against
 * 4 broadcast digits 16 channels. */
static inline size_t kv8_k_index(uint32_t slot, uint32_t channel, uint32_t head_dim) {
    return (size_t)(slot / 16) * 16 * head_dim + (size_t)(channel / 4) * 64 + (slot % 16) * 4 +
           channel % 4;
}
static inline size_t kv8_v_index(uint32_t slot, uint32_t channel, uint32_t head_dim) {
    return (size_t)(slot / 4) * 4 * head_dim + (size_t)channel * 4 + slot % 4;
}

#endif
