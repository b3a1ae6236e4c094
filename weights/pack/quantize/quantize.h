/* Makes the integers of a blob from rows of floats.
 *
 * A row becomes integers q, one signed integer scale per group of 64 columns (in types that have
 * them) and one float: w = row_scale * scale[g] * q. A tensor's plan names its type and the
 * function that chooses the integers. The function here searches plainly; that of feedback.h feeds
 * a column's error forward into the columns after it and takes its statistics from `context`. */
#ifndef PACK_QUANTIZE_H
#define PACK_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "weights/format.h"
#include "weights/pack/quantize/levels.h"

/* One row. q [padded columns], scale [padded columns / 64]; padding columns are 0. */
struct quantized_row {
    int8_t *q;
    int8_t *scale;   /* all 1 for types without scales of groups */
    float row_scale; /* in [2^-50, 2^50], or +0 with q all 0 */
};

enum { QUANTIZE_ROWS = 64 }; /* the most rows at once; whole panels */

struct quantizer;
/* w [rows][padded columns of cols]: finite, 0 after cols. The result depends only on the arguments.
 * room: room_floats floats of scratch memory. */
typedef void quantize_rows_fn(const struct quantizer *quantizer, const float *w, uint32_t rows,
                              uint32_t cols, float *room, struct quantized_row *out);

struct quantizer {
    enum weight_type type;
    quantize_rows_fn *rows;
    const void *context;
    size_t room_floats;
};

/* Rounds with the scales that, of those tried, leave the least squared error. Of a sparse type the
 * two largest weights of every four are kept. */
struct quantizer quantizer_rounding(enum weight_type type);

/* 127 * sum |scale * q| of a row. If it is below 2^31, an engine's 32-bit sum is exact. */
uint64_t quantized_reach(const struct quantized_row *row, uint32_t cols);

/* The value that the engine's integers stand for. */
static inline float quantized_value(const struct quantized_row *row, uint32_t column) {
    return row->row_scale * (float)(row->scale[column / GROUP] * row->q[column]);
}

#endif
