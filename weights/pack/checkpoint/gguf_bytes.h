/* Reads little-endian numbers from a file's bytes. */
#ifndef PACK_GGUF_BYTES_H
#define PACK_GGUF_BYTES_H

#include "weights/pack/checkpoint/gguf_types.h"

static inline uint16_t u16_at(const uint8_t *p) { return (uint16_t)(p[0] | p[1] << 8); }
static inline uint32_t u32_at(const uint8_t *p) {
    return u16_at(p) | (uint32_t)u16_at(p + 2) << 16;
}
static inline uint64_t u64_at(const uint8_t *p) {
    return u32_at(p) | (uint64_t)u32_at(p + 4) << 32;
}
static inline float f16_at(const uint8_t *p) { return float_from_f16(u16_at(p)); }

#endif
