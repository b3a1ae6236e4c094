/* A matrix product on the array: how it is cut, and the control code that runs it.
 *
 *   acc[c][r] = sum over g of scale[r][g] * sum over k in g of w[r][k] * x[c][k] int32, modulo
 *   2^32; W8: scale 1
 *
 * A panel of 16 rows (weights/format.h) is the work of one compute tile: the shim of a column reads
 * 4 panels at a time, a chunk of each in turn, two panels through each of its channels; the memory
 * tile hands each tile its panel's chunks (double-buffered at both), and passes x, which it keeps
 * whole, to all four; x comes from the first column's shim to all memory tiles, in place of that
 * column's second channel. Sums go back through the memory tile, those of the last tile by
 * themselves. A column has its own run of quads of panels. Weights are read as they lie in the
 * blob.
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

/* Columns (tokens) that code is made for. */
enum { GEMV_BUCKETS = 4, GEMV_COLUMNS_MAX = 16 };
/* 1, 4, 8, 16 */
static inline uint32_t gemv_bucket_columns(uint32_t bucket) { return bucket ? 2u << bucket : 1; }
static inline uint32_t gemv_bucket(uint32_t columns) {
    return columns <= 1 ? 0 : columns <= 4 ? 1 : columns <= 8 ? 2 : 3;
}

/* A compute tile's memory, from its start: the first 2 KiB are its stack. */
enum {
    CORE_PARAMETERS = 0x0800, /* struct gemv_parameters */
    CORE_AT = 0x0840,         /* the core's own progress (npu/aie/gemv.h) */
    CORE_W = 0x1000,          /* 2 chunks of weights, CORE_BUFFER apart */
    CORE_X = 0x3000,          /* 2 chunks of x */
    CORE_Y = 0x5000,          /* 2 panels of sums, CORE_Y_BUFFER apart */
    CORE_BUFFER = 0x1000,
    CORE_Y_BUFFER = 0x400
};
/* Its locks: how many buffers are empty (2 at first), how many are full. */
enum { LOCK_W_EMPTY, LOCK_W_FULL, LOCK_X_EMPTY, LOCK_X_FULL, LOCK_Y_EMPTY, LOCK_Y_FULL };

/* A memory tile's: for each compute tile 2 chunks of weights and 2 panels of sums, then x. */
enum {
    MEM_W = 0x0000, /* tile t, buffer b at (2 t + b) * MEM_BUFFER */
    MEM_Y = 0x8000, /* at (2 t + b) * MEM_Y_BUFFER */
    MEM_X = 0xa000,
    MEM_BUFFER = 0x1000,
    MEM_Y_BUFFER = 0x400,
    MEM_X_BYTES = MEM_BYTES - MEM_X
};
/* Its locks, + t, and the one that counts the passes over x that are left. */
enum {
    MEM_LOCK_W_EMPTY = 0,
    MEM_LOCK_W_FULL = 4,
    MEM_LOCK_Y_EMPTY = 8,
    MEM_LOCK_Y_FULL = 12,
    MEM_LOCK_X = 16
};

/* What a compute tile reads at the beginning of its work. */
struct gemv_parameters {
    uint32_t type;   /* enum weight_type */
    uint32_t groups; /* of 64 columns, a chunk */
    uint32_t tokens; /* 8 or 16 columns of x */
    uint32_t chunks; /* a panel */
    uint32_t panels; /* of this tile */
};
enum { GEMV_PARAMETERS = sizeof(struct gemv_parameters) / sizeof(uint32_t) };

/* How a tensor's panels are read. */
struct gemv_shape {
    uint32_t type;
    uint32_t panels;      /* at least 4 */
    uint32_t groups;      /* a chunk: 1, 2 (W8) or 4 (W4) */
    uint32_t chunk_bytes; /* a multiple of 4, at most CORE_BUFFER */
    uint32_t chunks;      /* a panel */
    uint32_t panel_bytes; /* chunks * chunk_bytes, or more */
};

/* The shape of a tensor as it lies in the blob; 0 where it cannot be read so (an odd end of a
 * panel, fewer than 4 panels) and has to be copied into the shape that gemv_shape_copied gives. */
int gemv_shape_direct(struct gemv_shape *s, uint32_t type, uint32_t rows, uint32_t cols);
void gemv_shape_copied(struct gemv_shape *s, uint32_t type, uint32_t rows, uint32_t cols);
/* Writes such a copy (gemv_weight_bytes): panels of weights/format.h, what is missing filled with
 * weight 0. */
void gemv_copy(const struct gemv_shape *s, uint32_t rows, uint32_t cols, const uint8_t *panels,
               uint8_t *out);

static inline uint64_t gemv_weight_bytes(const struct gemv_shape *s) {
    return (uint64_t)s->panels * s->panel_bytes;
}
static inline uint32_t gemv_tokens(uint32_t columns) { return columns > 8 ? 16 : 8; }
/* Rows of x (a k each), and bytes of x and of the sums. */
static inline uint32_t gemv_depth(const struct gemv_shape *s) {
    return s->chunks * s->groups * GROUP;
}
static inline uint64_t gemv_x_bytes(const struct gemv_shape *s, uint32_t columns) {
    return (uint64_t)gemv_depth(s) * gemv_tokens(columns);
}
static inline uint64_t gemv_sum_bytes(const struct gemv_shape *s, uint32_t columns) {
    return (uint64_t)s->panels * PANEL_ROWS * columns * 4;
}
/* Whether x of that many columns fits a memory tile. */
static inline int gemv_fits(const struct gemv_shape *s, uint32_t columns) {
    return gemv_x_bytes(s, columns) <= MEM_X_BYTES;
}

/* Where x of column c lies for row k, and the sum of panel row r, column c (in sums of a panel): as
 * the tile's matrix steps have them. */
static inline size_t gemv_x_index(uint32_t k, uint32_t c, uint32_t tokens) {
    return tokens == 8 ? (size_t)k * 8 + c
                       : (size_t)(k / 4) * 64 + (c / 8) * 32 + k % 4 * 8 + c % 8;
}
static inline size_t gemv_sum_index(uint32_t r, uint32_t c, uint32_t columns) {
    return columns == 16 ? (size_t)(c / 8) * 128 + r * 8 + c % 8 : (size_t)r * columns + c;
}

/* Writes the control code for `columns` (1, 4, 8 or 16; fitting) into words [room]; gives the words
 * it takes. operations: how many there are. */
size_t gemv_code(const struct gemv_shape *s, uint32_t generation, uint32_t columns, uint32_t *words,
                 size_t room, uint32_t *operations);

#endif
