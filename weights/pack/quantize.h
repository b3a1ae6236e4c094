/* From rows of floats to the integers of a blob, row by row.
 *
 * A row becomes integers q, one signed integer scale per group of 64 columns (WEIGHT_W4) and one float: w = row_scale * scale[g] * q.
 * A tensor's plan names its type and the function that chooses the integers: plain search here; a function that feeds a column's
 * error forward into the columns after it takes its statistics through `context` and changes nothing else. */
#ifndef PACK_QUANTIZE_H
#define PACK_QUANTIZE_H

#include <stddef.h>
#include <stdint.h>

#include "weights/format.h"

/* One row. q [padded columns], scale [padded columns / 64]; padding columns are 0. */
struct quantized_row {
    int8_t *q;
    int8_t *scale;   /* all 1 for W8 and ROW8 */
    float row_scale; /* +0 with q all 0, or in [2^-50, 2^50] */
};

/* w [padded columns of cols], finite, 0 past cols. Depends on its arguments alone. */
typedef void quantize_row_fn(const float *w, uint32_t cols, const void *context, struct quantized_row *out);

struct quantizer {
    enum weight_type type;
    quantize_row_fn *row;
    const void *context;
};

/* Rounding with the scales that leave the least squared error among those tried. */
struct quantizer quantizer_rounding(enum weight_type type);

/* 127 * sum |scale * q| of a row: an engine's 32-bit sum is exact where this is below 2^31. */
uint64_t quantized_reach(const struct quantized_row *row, uint32_t cols);

/* The value that the engine's integers stand for. */
static inline float quantized_value(const struct quantized_row *row, uint32_t column) {
    return row->row_scale * (float)(row->scale[column / GROUP] * row->q[column]);
}

#endif
