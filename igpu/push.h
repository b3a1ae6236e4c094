/* What the host tells the shaders: their push constants, and the layout of a pass's arguments.
 * igpu/shaders declares the same words. */
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
    SHADER_ACTIVATION,
    SHADER_ROUTE,
    SHADER_PAIRS,
    SHADER_SPREAD,
    SHADER_MIX,
    SHADER_SELFTEST,
    SHADER_GEMV,        /* one pipeline for every bucket of columns and set of weight types */
    SHADER_GEMV_MATRIX, /* one pipeline for every set of weight types, if the device has cooperative
                           matrices */
    SHADER_GEMV_EXPERTS, /* one pipeline for a pass of one column and one for more, for every type
                            of experts' weights */
    SHADERS
};

/* Passes are recorded in BUCKETS by the columns that they serve: 1, 2, 4, 8, 16, and for prompts
 * any number, in tiles of 16. A workgroup that multiplies by cooperative matrices takes
 * MATRIX_TILES tiles, so that each weight that it reads serves 64 columns. BUCKETS and MATRIX_TILES
 * are chosen, not measured on a GPU. */
enum { BUCKETS = 6, PROMPT = BUCKETS - 1, TILE = 16, MATRIX_TILES = 4 };
static inline uint32_t bucket_cols(uint32_t bucket) {
    return bucket < PROMPT ? 1u << bucket : TILE;
}

/* Weight types as the constant TYPES of the GEMV shaders has them: one bit for each type. A
 * dispatch has weights of one type, or of those in GEMV_TOGETHER, so that there are few pipelines.
 * Cooperative matrices multiply these and W4T. Bit t of GEMV_SETS: there may be a dispatch with the
 * set of types t. */
enum { GEMV_W8 = 1, GEMV_W4 = 2, GEMV_W5 = 4, GEMV_W6 = 8, GEMV_W4T = 16, GEMV_MOST = GEMV_W4T };
enum {
    GEMV_TOGETHER = GEMV_W8 | GEMV_W4,
    GEMV_SETS = 1 << GEMV_W8 | 1 << GEMV_W4 | 1 << GEMV_TOGETHER | 1 << GEMV_W5 | 1 << GEMV_W6 |
                1 << GEMV_W4T
};
static inline int gemv_one_dispatch(uint32_t types) { return GEMV_SETS >> types & 1; }
static inline int gemv_by_matrices(uint32_t types) {
    return types <= GEMV_TOGETHER || types == GEMV_W4T;
}

/* The bit of a weight type; 0 if the shaders do not multiply it. */
static inline uint32_t gemv_type(uint32_t type) {
    static const uint8_t bits[WEIGHT_TYPES] = {[WEIGHT_W8] = GEMV_W8,
                                               [WEIGHT_W4] = GEMV_W4,
                                               [WEIGHT_W5] = GEMV_W5,
                                               [WEIGHT_W6] = GEMV_W6,
                                               [WEIGHT_W4T] = GEMV_W4T};
    return bits[type];
}

/* The arguments' buffer: ARGS_TABLE words, then COLUMN_WORDS for each column of view 0, then what
 * the program
 * puts behind them (struct program_layout). */
enum { ARGS_COLUMNS, ARGS_LOGITS_FROM, ARGS_TABLE = 16 };
enum { COLUMN_SLOT, COLUMN_RANGES, COLUMN_TAIL, COLUMN_MASK, COLUMN_SCALE, COLUMN_WORDS = 8 };

/* Slots that one workgroup of attention takes. The number is chosen, not measured on a GPU. */
enum { SPLIT = 256 };
/* A query's state of attention: 4 words, then 3 for each channel. */
enum { STATE_WORDS = 4, STATE_DIGITS = 3 };

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
    uint32_t row_scales[3], first_row[3], stride[3], bias[3]; /* BLOB_ABSENT: none */
};
struct push_heads {
    uint32_t head_dim, heads, kv_heads, slots;
    uint32_t q_stride, kv_stride, qi_stride, block_words;
    uint32_t cos_sin, block, columns_at;
    uint32_t gain[2]; /* of q and k; BLOB_ABSENT: none */
    float inv_dim, eps;
    uint32_t k_bits, v_bits; /* of a value in the cache */
};
struct push_query {
    uint32_t head_dim, heads, group, slots, qi_stride, block_words, columns_at, ranges_at,
        splits_at, sinks;
    uint32_t k_bits, v_bits;
};
struct push_attend_out {
    uint32_t head_dim, heads, stride, sinks;
};
struct push_quantize {
    uint32_t width, kp, cols, stride;
    uint32_t vectors; /* of a column */
};
struct push_activation {
    uint32_t stride, activation;
    uint32_t vectors; /* likewise */
};
/* A layer's experts: `active` are those of a column. */
struct push_route {
    uint32_t experts, active, everyone, stride; /* everyone: MIXING_ALL */
};
struct push_pairs {
    uint32_t experts, active, layer;
};
struct push_spread {
    uint32_t kp, cols, active;
};
struct push_experts {
    uint32_t kp, panels, magic; /* panels of an expert, and 2^32 / panels, rounded down */
    uint32_t first_panel, row_scales, bias, stride; /* bias: BLOB_ABSENT if there is none */
};
struct push_mix {
    uint32_t dim, active, stride, pair_stride;
};
/* Words of a choice in PART_CHOICES: the expert, its weight, and the pair's place. */
enum { CHOICE_WORDS = 3 };
/* Pairs that a workgroup multiplies at a time, in passes of one column and of more. */
enum { EXPERTS_BUCKETS = 2, EXPERTS_COLS = 4 };

#endif
