/* Products of float matrices, the same bits on every machine: each element is one chain of fused
 * multiply-adds in the order of k. Tiles, vectors and threads change who computes an element, never
 * how.
 *
 * That is why no BLAS is used here: its kernels add in an order of their own on every kind of
 * processor. docs/decisions.md has what it costs. */
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
    MATMUL_LOWER /* only the tiles that hold elements with j <= i; what else of them is computed is
                    right, too */
};

/* One thread's room for packed tiles. */
#define MATMUL_ROOM (288u * 256u + 256u * 512u + 64u)

/* c[i * c_row + j] += sum of a(i, k) * b(k, j), or -= it where negative. On this thread alone.
 * room: MATMUL_ROOM floats. */
void matmul(size_t rows, size_t columns, size_t depth, struct matrix a, struct matrix b, float *c,
            size_t c_row, bool negative, float *room);

/* The same on several threads; room: threads * MATMUL_ROOM floats. */
void matmul_threads(unsigned threads, enum matmul_part part, size_t rows, size_t columns,
                    size_t depth, struct matrix a, struct matrix b, float *c, size_t c_row,
                    bool negative, float *room);

#endif
