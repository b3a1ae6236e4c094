#include "weights/pack/quantize/matmul.h"

#include <string.h>

#include "weights/pack/quantize/float_kernels.h"
#include "weights/pack/quantize/parallel.h"

/* chosen so that blocks are whole tiles of every kernel */
enum { BLOCK_ROWS = 240, BLOCK_COLUMNS = 512, BLOCK_DEPTH = 256, TILE_MAX = 12 * 32 };
_Static_assert(MATMUL_ROOM >= (BLOCK_ROWS + 12) * BLOCK_DEPTH + BLOCK_DEPTH * BLOCK_COLUMNS,
               "room for both packed blocks");

static size_t least(size_t a, size_t b) { return a < b ? a : b; }

/* Copies a block as strips of `unit` rows, k by k. Rows after the end are zero. */
static void pack_block(struct matrix from, size_t rows, size_t depth, size_t unit, float *out) {
    for (size_t first = 0; first < rows; first += unit) {
        size_t there = least(unit, rows - first);
        for (size_t k = 0; k < depth; k++, out += unit) {
            const float *at = from.at + first * from.row + k * from.column;
            if (from.row == 1)
                memcpy(out, at, there * sizeof *out);
            else
                for (size_t i = 0; i < there; i++) out[i] = at[i * from.row];
            for (size_t i = there; i < unit; i++) out[i] = 0;
        }
    }
}

/* A tile that reaches past the end of c is computed in a whole tile of its own. */
static void edge(const struct kernels *use, size_t depth, const float *a, const float *b,
                 size_t rows, size_t columns, float *c, size_t c_row, bool negative) {
    float tile[TILE_MAX] = {0};
    for (size_t i = 0; i < rows; i++)
        memcpy(tile + i * use->columns, c + i * c_row, columns * sizeof *c);
    (negative ? use->subtract : use->add)(depth, a, b, tile, use->columns);
    for (size_t i = 0; i < rows; i++)
        memcpy(c + i * c_row, tile + i * use->columns, columns * sizeof *c);
}

static void one_block(size_t rows, size_t columns, size_t depth, struct matrix a, struct matrix b,
                      float *c, size_t c_row, bool negative, float *room) {
    const struct kernels *use = kernels_best();
    float *packed_b = room, *packed_a = room + (size_t)BLOCK_DEPTH * BLOCK_COLUMNS;
    for (size_t k = 0; k < depth; k += BLOCK_DEPTH) {
        size_t deep = least(BLOCK_DEPTH, depth - k);
        pack_block((struct matrix){b.at + k * b.row, b.column, b.row}, columns, deep, use->columns,
                   packed_b);
        pack_block((struct matrix){a.at + k * a.column, a.row, a.column}, rows, deep, use->rows,
                   packed_a);
        for (size_t j = 0; j < columns; j += use->columns) {
            for (size_t i = 0; i < rows; i += use->rows) {
                float *at = c + i * c_row + j;
                if (i + use->rows <= rows && j + use->columns <= columns)
                    (negative ? use->subtract : use->add)(deep, packed_a + i * deep,
                                                          packed_b + j * deep, at, c_row);
                else
                    edge(use, deep, packed_a + i * deep, packed_b + j * deep,
                         least(use->rows, rows - i), least(use->columns, columns - j), at, c_row,
                         negative);
            }
        }
    }
}

struct product {
    size_t rows, columns, depth, across; /* blocks of columns */
    enum matmul_part part;
    struct matrix a, b;
    float *c, *room;
    size_t c_row;
    bool negative;
};

static void block(void *user, size_t item, unsigned worker) {
    const struct product *p = user;
    size_t i = item / p->across * BLOCK_ROWS, j = item % p->across * BLOCK_COLUMNS;
    size_t rows = least(BLOCK_ROWS, p->rows - i), columns = least(BLOCK_COLUMNS, p->columns - j);
    if (p->part == MATMUL_LOWER && j > i + rows - 1) return;
    if (p->part == MATMUL_LOWER) columns = least(columns, i + rows - j);
    one_block(
        rows, columns, p->depth, (struct matrix){p->a.at + i * p->a.row, p->a.row, p->a.column},
        (struct matrix){p->b.at + j * p->b.column, p->b.row, p->b.column}, p->c + i * p->c_row + j,
        p->c_row, p->negative, p->room + worker * (size_t)MATMUL_ROOM);
}

void matmul_threads(unsigned threads, enum matmul_part part, size_t rows, size_t columns,
                    size_t depth, struct matrix a, struct matrix b, float *c, size_t c_row,
                    bool negative, float *room) {
    struct product p = {.rows = rows,
                        .columns = columns,
                        .depth = depth,
                        .part = part,
                        .a = a,
                        .b = b,
                        .c = c,
                        .room = room};
    p.across = (columns + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS, p.c_row = c_row,
    p.negative = negative;
    size_t items = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS * p.across;
    parallel_for(threads, items, block, &p);
}

void matmul(size_t rows, size_t columns, size_t depth, struct matrix a, struct matrix b, float *c,
            size_t c_row, bool negative, float *room) {
    matmul_threads(1, MATMUL_ALL, rows, columns, depth, a, b, c, c_row, negative, room);
}
