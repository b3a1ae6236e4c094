/* The KV cache in memory. It is the same for every engine, and the copy in the arena is the one
 * that counts.
 *
 * Only this file, hal/kv.c, the attention kernels of the CPU and igpu/shaders/kv.glsl know how its
 * bytes lie. All other code uses the functions below.
 *
 * A cache holds rows. A row is what one position has in a layer: int8 values and a float scale for
 * K and V of every kv head (docs/numerics.md 3). It lies in a slot, and any slot will do: attention
 * does not depend on the order of slots (docs/numerics.md 6). The owner of a cache zeroes panels of
 * 16 slots before their first use. So reading a whole panel reads defined values, and memory that
 * no position has needed is never touched. */
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
    uint8_t *data; /* kv_bytes, 64-aligned; functions that only give sizes do not read it */
    enum kv_type type;
    uint32_t slots;    /* a multiple of KV_PANEL */
    uint32_t kv_heads; /* 0: a layer without attention, for which every function does nothing */
    uint32_t head_dim; /* a multiple of 16 */
};

/* Bytes of the cache, and of one kv head in it. The heads lie one after another. Both are multiples
 * of 64. */
uint64_t kv_bytes(const struct kv_cache *cache);
uint64_t kv_head_bytes(const struct kv_cache *cache);

/* Sets all bytes of slots from .. to - 1 to zero. */
void kv_zero(const struct kv_cache *cache, uint32_t from, uint32_t to);

/* Writes K or V of one kv head into a slot: q [head_dim] as quantized. */
void kv_store(const struct kv_cache *cache, uint32_t head, uint32_t slot, enum kv_part part,
              const int8_t *q, float scale);

/* Copies the row in slot `from` to slot `to`. */
void kv_move(const struct kv_cache *cache, uint32_t from, uint32_t to);

/* Copies slots from .. from + count - 1 of a cache to slots `to` and following of another cache,
 * which may differ only in its number of slots, or of the same cache to others. All three are
 * multiples of KV_PANEL. */
void kv_copy(const struct kv_cache *target, uint32_t to, const struct kv_cache *source,
             uint32_t from, uint32_t count);

/* Rows as bytes, for saved states: those of `count` positions from `first` on, where a position p
 * lies in slot p % slots. They take kv_saved_bytes, at any alignment. They are a cache of just
 * enough panels, which begin at multiples of KV_PANEL; its unused rows are zero, so that equal rows
 * give equal bytes. These panels are at most the cache's. kv_import also writes the unused rows. */
uint64_t kv_saved_bytes(const struct kv_cache *cache, uint32_t first, uint32_t count);
void kv_export(const struct kv_cache *cache, uint32_t first, uint32_t count, void *data);
/* The first kv head with a scale that is neither +0 nor in [2^-50, 2^50]; kv_heads if there is
 * none. The bytes come from outside and may be imported only if there is none. */
uint32_t kv_saved_bad(const struct kv_cache *cache, uint32_t first, uint32_t count,
                      const void *data);
void kv_import(const struct kv_cache *cache, uint32_t first, uint32_t count, const void *data);

/* What attention kernels read of one kv head. The type says how the bytes lie under these
 * pointers. */
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
