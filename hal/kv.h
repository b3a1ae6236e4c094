/* The KV cache in memory. It is the same for every engine, and the copy in the arena is the one
 * that counts.
 *
 * Only this file, hal/kv.c, the attention kernels of the CPU and igpu/shaders/kv.glsl know how its
 * bytes lie. All other code uses the functions below.
 *
 * A cache holds rows. A row is what one position has in a layer: values of 8 or 4 bits and a float
 * scale for K and V of every kv head (docs/numerics.md 3, 6). It lies in a slot, and any slot will
 * do: attention does not depend on the order of slots (docs/numerics.md 6). The owner of a cache
 * zeroes panels of 16 slots before their first use. So reading a whole panel reads defined values,
 * and memory that no position has needed is never touched. */
#ifndef HAL_KV_H
#define HAL_KV_H

#include <stddef.h>
#include <stdint.h>

enum kv_type {
    KV_8,    /* 8 bits a value */
    KV_4,    /* 4 bits a value */
    KV_K8V4, /* K has 8 bits, V 4 */
    KV_K4V8
};
enum { KV_TYPES = KV_K4V8 + 1, KV_PANEL = 16 /* slots */ };

enum kv_part { KV_K, KV_V };

/* Bits of a value, 8 or 4. */
static inline uint32_t kv_bits(enum kv_type type, enum kv_part part) {
    return type == KV_4 || type == (part == KV_K ? KV_K4V8 : KV_K8V4) ? 4 : 8;
}

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

/* Writes K or V of one kv head into a slot: q [head_dim] as quantized to 8 bits. Where the cache
 * has 4, each value becomes a code. Different threads may write different slots at once: no byte of
 * K or V belongs to two of them. */
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

/* For the kernels. K or V of a slot are `row` bytes, head_dim * bits / 8. Of one kv head, for
 * `slots` positions:
 *   K       panels of 16 slots: for every 4 bytes of a row a line of 64, byte [j * 4 + i] of which
 *           is byte i of them in slot j
 *   V       quads of 4 slots: byte [b * 4 + j] is byte b of slot j
 *   kscale  float [slots]
 *   vscale  float [slots]
 * With 8 bits byte c is channel c, of K as value + 128, of V signed. With 4 bits a byte has the
 * codes of two channels, the first in its low half: byte 4g + i of K those of 8g + i and 8g + 4 +
 * i, byte 8g + i of V those of 16g + i and 16g + 8 + i. kv_levels are the values of the codes.
 *
 * So 64 bytes of K of 8 bits against 4 broadcast bytes of q give 16 scores, and 64 of V against 4
 * broadcast digits 16 channels. With 4 bits 64 bytes of K are two such lines, and 32 bytes of V
 * one: the channels of the low halves, then those of the high halves. */
static inline size_t kv_k_index(uint32_t slot, uint32_t byte, uint32_t row) {
    return (size_t)(slot / 16) * 16 * row + (size_t)(byte / 4) * 64 + (slot % 16) * 4 + byte % 4;
}
static inline size_t kv_v_index(uint32_t slot, uint32_t byte, uint32_t row) {
    return (size_t)(slot / 4) * 4 * row + (size_t)byte * 4 + slot % 4;
}

/* The int8 values of codes 0 .. 15, ascending (docs/numerics.md 6). */
extern const int8_t kv_levels[16];

/* The int8 value of a channel of K or V, for plain C. */
static inline int32_t kv_k_value(const struct kv_head *head, uint32_t bits, uint32_t slot,
                                 uint32_t channel, uint32_t head_dim) {
    if (bits == 8) return head->k[kv_k_index(slot, channel, head_dim)] - 128;
    const uint32_t byte = channel / 8 * 4 + channel % 4;
    return kv_levels[head->k[kv_k_index(slot, byte, head_dim / 2)] >> channel % 8 / 4 * 4 & 15];
}
static inline int32_t kv_v_value(const struct kv_head *head, uint32_t bits, uint32_t slot,
                                 uint32_t channel, uint32_t head_dim) {
    if (bits == 8) return head->v[kv_v_index(slot, channel, head_dim)];
    const uint32_t byte = channel / 16 * 8 + channel % 8;
    const uint8_t both = (uint8_t)head->v[kv_v_index(slot, byte, head_dim / 2)];
    return kv_levels[both >> channel % 16 / 8 * 4 & 15];
}

#endif
