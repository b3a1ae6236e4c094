/* Products of float matrices with the same bits on every machine: each element is a sequence of
 * fused multiply-adds in the order of k. Tiles, vectors and threads change where an element is
 * computed, never how.
 *
 * For this reason no BLAS is used here: its kernels add in a different order on every kind of
 * processor. docs/decisions.md says what that costs. */
#ifndef PACK_MATMUL_H
#define PACK_MATMUL_H

#include <stddef.h>

#include "weights/pack/checkpoint/diag.h"

/* Element (i, j) is at[i * row + j * column]. */
struct matrix {
    const float *at;
    size_t row, column;
};

enum matmul_part {
    MATMUL_ALL,
    MATMUL_LOWER /* only the tiles that hold elements with j <= i; the other elements of these tiles
                    are right too */
};

/* The floats that one thread needs for packed tiles. */
#define MATMUL_ROOM (288u * 256u + 256u * 512u + 64u)

/* Adds the sum of a(i, k) * b(k, j) to c[i * c_row + j], or subtracts it if `negative`. Uses only
 * the calling thread. room: MATMUL_ROOM floats. */
void matmul(size_t rows, size_t columns, size_t depth, struct matrix a, struct matrix b, float *c,
            size_t c_row, bool negative, float *room);

/* The same on several threads; room: threads * MATMUL_ROOM floats. */
void matmul_threads(unsigned threads, enum matmul_part part, size_t rows, size_t columns,
                    size_t depth, struct matrix a, struct matrix b, float *c, size_t c_row,
                    bool negative, float *room);

#endif
