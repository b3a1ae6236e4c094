/* A matrix product on the array: how it is cut into parts, and the control code that runs it.
 *
 *   acc[c][r] = sum over g of scale[r][g] * sum over k in g of w[r][k] * x[c][k]
 *
 * in int32, modulo 2^32, where g are the groups of 64 columns; for W8 the scales are 1.
 *
 * One compute tile works on a panel of 16 rows (weights/format.h). The shim of a column reads 4
 * panels at a time (a "quad"), a chunk of each in turn, and two panels go through each of its
 * channels. The memory tile passes each compute tile the chunks of its panel, which are
 * double-buffered in both tiles. It holds the whole x and passes it to all four compute tiles. The
 * first column's shim sends x to all memory tiles, through its second channel, so that in this
 * column the first channel carries all four panels. The sums of three compute tiles go back through
 * the memory tile, those of the last one directly to the shim. Each column has its own run of
 * quads. Weights are read as they lie in the blob.
 *
 * Arguments of the control code: 0 weights, 1 x, 2 sums. */
#ifndef NPU_GEMV_H
#define NPU_GEMV_H

#include <stddef.h>
#include <stdint.h>

#include "npu/array.h"
#include "npu/txn.h"
#include "weights/format.h"

enum { GEMV_WEIGHTS = 0, GEMV_X = 1, GEMV_SUMS = 2, GEMV_ARGUMENTS = 3 };

/* Code is made for these numbers of columns (tokens): 1, 4, 8 and 16. */
enum { GEMV_BUCKETS = 4, GEMV_COLUMNS_MAX = 16 };
static inline uint32_t gemv_bucket_columns(uint32_t bucket) { return bucket ? 2u << bucket : 1; }
static inline uint32_t gemv_bucket(uint32_t columns) {
    return columns <= 1 ? 0 : columns <= 4 ? 1 : columns <= 8 ? 2 : 3;
}

/* Addresses in a compute tile's memory, in bytes. Its first 2 KiB are the stack. */
enum {
    CORE_PARAMETERS = 0x0800, /* struct gemv_parameters */
    CORE_AT = 0x0840,         /* the core's own progress (npu/aie/gemv.h) */
    CORE_W = 0x1000,          /* 2 chunks of weights, CORE_BUFFER apart */
    CORE_X = 0x3000,          /* 2 chunks of x */
    CORE_Y = 0x5000,          /* 2 panels of sums, CORE_Y_BUFFER apart */
    CORE_BUFFER = 0x1000,
    CORE_Y_BUFFER = 0x400
};
/* A compute tile's locks. They count how many buffers are empty (2 at first) and how many are
 * full. */
enum { LOCK_W_EMPTY, LOCK_W_FULL, LOCK_X_EMPTY, LOCK_X_FULL, LOCK_Y_EMPTY, LOCK_Y_FULL };

/* Addresses in a memory tile's memory: for each compute tile 2 chunks of weights and 2 panels of
 * sums, then x. */
enum {
    MEM_W = 0x0000, /* tile t, buffer b at MEM_W + (2 t + b) * MEM_BUFFER */
    MEM_Y = 0x8000, /* tile t, buffer b at MEM_Y + (2 t + b) * MEM_Y_BUFFER */
    MEM_X = 0xa000,
    MEM_BUFFER = 0x1000,
    MEM_Y_BUFFER = 0x400,
    MEM_X_BYTES = MEM_BYTES - MEM_X
};
/* A memory tile's locks: four for each compute tile t, at the number given here + t, and one that
 * counts the passes over x that are left. */
enum {
    MEM_LOCK_W_EMPTY = 0,
    MEM_LOCK_W_FULL = 4,
    MEM_LOCK_Y_EMPTY = 8,
    MEM_LOCK_Y_FULL = 12,
    MEM_LOCK_X = 16
};

/* What a compute tile reads when its work begins. */
struct gemv_parameters {
    uint32_t type;   /* enum weight_type */
    uint32_t groups; /* groups of 64 columns in a chunk */
    uint32_t tokens; /* 8 or 16 columns of x */
    uint32_t chunks; /* in a panel */
    uint32_t panels; /* that this tile computes */
};
enum { GEMV_PARAMETERS = sizeof(struct gemv_parameters) / sizeof(uint32_t) };

/* How a tensor's panels are read. */
struct gemv_shape {
    uint32_t type;
    uint32_t panels;      /* at least 4 */
    uint32_t groups;      /* in a chunk: 1 or 2 for W8, 4 for W4 */
    uint32_t chunk_bytes; /* a multiple of 4, at most CORE_BUFFER */
    uint32_t chunks;      /* in a panel */
    uint32_t panel_bytes; /* from one panel to the next: chunks * chunk_bytes, or more */
};

/* The shape of a tensor as it lies in the blob. Returns 0 if the array cannot read it as it lies:
 * if a panel does not end with a whole chunk, or if there are fewer than 4 panels. Then it has to
 * be copied, in the shape that gemv_shape_copied gives. */
int gemv_shape_direct(struct gemv_shape *s, uint32_t type, uint32_t rows, uint32_t cols);
void gemv_shape_copied(struct gemv_shape *s, uint32_t type, uint32_t rows, uint32_t cols);
/* Writes such a copy, gemv_weight_bytes bytes, from the panels of weights/format.h. Weights that
 * the tensor does not have are 0. */
void gemv_copy(const struct gemv_shape *s, uint32_t rows, uint32_t cols, const uint8_t *panels,
               uint8_t *out);

static inline uint64_t gemv_weight_bytes(const struct gemv_shape *s) {
    return (uint64_t)s->panels * s->panel_bytes;
}
static inline uint32_t gemv_tokens(uint32_t columns) { return columns > 8 ? 16 : 8; }
/* Rows of x (one for each k), and the bytes of x and of the sums. */
static inline uint32_t gemv_depth(const struct gemv_shape *s) {
    return s->chunks * s->groups * GROUP;
}
static inline uint64_t gemv_x_bytes(const struct gemv_shape *s, uint32_t columns) {
    return (uint64_t)gemv_depth(s) * gemv_tokens(columns);
}
static inline uint64_t gemv_sum_bytes(const struct gemv_shape *s, uint32_t columns) {
    return (uint64_t)s->panels * PANEL_ROWS * columns * 4;
}
/* Whether x of that many columns fits into a memory tile. */
static inline int gemv_fits(const struct gemv_shape *s, uint32_t columns) {
    return gemv_x_bytes(s, columns) <= MEM_X_BYTES;
}

/* The index in x of row k and column c, and the index in the sums of a panel of row r and column c,
 * in the order in which the matrix instructions of the compute tile take and give them. */
static inline size_t gemv_x_index(uint32_t k, uint32_t c, uint32_t tokens) {
    return tokens == 8 ? (size_t)k * 8 + c
                       : (size_t)(k / 4) * 64 + (c / 8) * 32 + k % 4 * 8 + c % 8;
}
static inline size_t gemv_sum_index(uint32_t r, uint32_t c, uint32_t columns) {
    return columns == 16 ? (size_t)(c / 8) * 128 + r * 8 + c % 8 : (size_t)r * columns + c;
}

/* Writes the control code for `columns` (1, 4, 8 or 16; gemv_fits) into words [room], as far as
 * there is room, and returns how many words it takes. *operations gets the number of its
 * operations. */
size_t gemv_code(const struct gemv_shape *s, uint32_t generation, uint32_t columns, uint32_t *words,
                 size_t room, uint32_t *operations);

#endif
