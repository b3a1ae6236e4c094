/* What the shaders are told: the words of their push constants and of a pass's arguments, as
 * igpu/shaders declares them. */
#ifndef IGPU_PUSH_H
#define IGPU_PUSH_H

#include <stdint.h>

#include "weights/types.h"

enum shader {
    SHADER_EMBED,
    SHADER_NORM,
    SHADER_HEADS,
    SHADER_ATTEND_MAX,
    SHADER_ATTEND_SUM,
    SHADER_ATTEND_OUT,
    SHADER_QUANTIZE,
    SHADER_SILU,
    SHADER_SELFTEST,
    SHADER_GEMV,        /* a pipeline for every bucket of columns and set of weight types */
    SHADER_GEMV_MATRIX, /* a pipeline for every set of weight types; where the device has
                           cooperative matrices */
    SHADERS
};

/* Columns that a recorded pass serves: 1, 2, 4, 8, 16, and any number in tiles of 16, of which a
 * matrix's workgroup takes MATRIX_TILES, so that each weight that it
 * reads serves 64 columns. Their number is chosen, not measured on a GPU. */
enum { BUCKETS = 6, PROMPT = BUCKETS - 1, TILE = 16, MATRIX_TILES = 4 };
static inline uint32_t bucket_cols(uint32_t bucket) {
    return bucket < PROMPT ? 1u << bucket : TILE;
}

/* Weight types as the GEMVs' constant TYPES has them: a bit each, GEMV_TYPES for all. */
enum { GEMV_W8 = 1, GEMV_W4 = 2, GEMV_TYPES = 3 };

/* 0: they do not multiply it. */
static inline uint32_t gemv_type(uint32_t type) {
    static const uint8_t bits[WEIGHT_TYPES] = {[WEIGHT_W8] = GEMV_W8, [WEIGHT_W4] = GEMV_W4};
    return bits[type];
}

/* The arguments' buffer: a few words, then COLUMN_WORDS a column, then what the program puts behind
 * them. */
enum { ARGS_COLUMNS, ARGS_LOGITS_FROM, ARGS_TABLE = 16 };
enum { COLUMN_SLOT, COLUMN_RANGES, COLUMN_TAIL, COLUMN_MASK, COLUMN_SCALE, COLUMN_WORDS = 8 };

/* Slots that one workgroup of attention takes: chosen, not measured on a GPU. */
enum { SPLIT = 256 };
enum { STATE_WORDS = 4, STATE_DIGITS = 3 }; /* of a query's attention: 4 words, then 3 a channel */

struct push_embed {
    uint32_t dim, row_words, rows_at, stride;
};
struct push_norm {
    uint32_t dim, kp, cols, stride, tail;
    float inv_dim, eps;
};
struct push_gemv {
    uint32_t kp, tail, add, w4;
    uint32_t end0, end1;
    uint32_t row_scales[3], first_row[3], stride[3];
};
struct push_heads {
    uint32_t head_dim, heads, kv_heads, slots;
    uint32_t q_stride, kv_stride, qi_stride, block_words;
    uint32_t bias[3], cos_sin, block;
};
struct push_query {
    uint32_t head_dim, heads, group, slots, qi_stride, block_words, ranges_at, splits_at;
};
struct push_attend_out {
    uint32_t head_dim, heads, stride;
};
struct push_quantize {
    uint32_t width, kp, cols, stride;
};
struct push_silu {
    uint32_t stride;
};

#endif
