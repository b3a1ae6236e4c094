/* The tensor types of GGUF, and how their bytes become float32.
 *
 * A row is a sequence of blocks of `block` values in `bytes` bytes, little-endian. Layouts and
 * formulas follow ggml's definition of each type; every value is the one that ggml's reference
 * dequantization gives in float32. */
#ifndef PACK_GGUF_TYPES_H
#define PACK_GGUF_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gguf_type {
    GGUF_TYPE_F32 = 0,
    GGUF_TYPE_F16 = 1,
    GGUF_TYPE_Q4_0 = 2,
    GGUF_TYPE_Q4_1 = 3,
    GGUF_TYPE_Q5_0 = 6,
    GGUF_TYPE_Q5_1 = 7,
    GGUF_TYPE_Q8_0 = 8,
    GGUF_TYPE_Q2_K = 10,
    GGUF_TYPE_Q3_K = 11,
    GGUF_TYPE_Q4_K = 12,
    GGUF_TYPE_Q5_K = 13,
    GGUF_TYPE_Q6_K = 14,
    GGUF_TYPE_IQ2_XXS = 16,
    GGUF_TYPE_IQ2_XS = 17,
    GGUF_TYPE_IQ3_XXS = 18,
    GGUF_TYPE_IQ1_S = 19,
    GGUF_TYPE_IQ4_NL = 20,
    GGUF_TYPE_IQ3_S = 21,
    GGUF_TYPE_IQ2_S = 22,
    GGUF_TYPE_IQ4_XS = 23,
    GGUF_TYPE_F64 = 28,
    GGUF_TYPE_IQ1_M = 29,
    GGUF_TYPE_BF16 = 30,
    GGUF_TYPE_TQ1_0 = 34,
    GGUF_TYPE_TQ2_0 = 35,
    GGUF_TYPE_MXFP4 = 39,
    GGUF_TYPE_NVFP4 = 40
};

struct gguf_type_info {
    const char *name; /* "Q4_K" */
    uint32_t block;   /* values */
    uint32_t bytes;   /* of a block */
};

/* NULL for a type that cannot be read. gguf_type_name knows the names of most of those too. */
const struct gguf_type_info *gguf_type_info(uint32_t type);
const char *gguf_type_name(uint32_t type); /* "unknown" for an id never given */

/* Dequantizes `blocks` blocks at `in` to block * blocks floats. All bytes are safe; NaN and
 * infinity come out as they are stored. */
void gguf_dequantize(enum gguf_type type, const uint8_t *in, size_t blocks, float *out);

float float_from_f16(uint16_t bits);
float float_from_bf16(uint16_t bits);

#endif
