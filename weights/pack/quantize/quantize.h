/* From rows of floats to the integers of a blob.
 *
 * A row becomes integers q, one signed integer scale per group of 64 columns (WEIGHT_W4) and one
 * float: w = row_scale * scale[g] * q. A tensor's plan names its type and the function that chooses
 * the integers: plain search here; feedback.h feeds a column's error forward into the columns after
 * it and takes its statistics through `context`. */
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

enum { QUANTIZE_ROWS = 64 }; /* at most that many at once, whole panels */

struct quantizer;
/* w [rows][padded columns of cols], finite, 0 past cols. Depends on its arguments alone. room:
 * room_floats that hold nothing. */
typedef void quantize_rows_fn(const struct quantizer *quantizer, const float *w, uint32_t rows,
                              uint32_t cols, float *room, struct quantized_row *out);

struct quantizer {
    enum weight_type type;
    quantize_rows_fn *rows;
    const void *context;
    size_t room_floats;
};

/* Rounding with the scales that leave the least squared error among those tried. */
struct quantizer quantizer_rounding(enum weight_type type);

/* The integers of a type: as many as its bits hold, less the least where no scale of a group has a
 * sign to make use of it. */
struct levels {
    float low, high;
};
static inline struct levels levels_of(enum weight_type type) {
    const struct weight_traits *t = weight_traits(type);
    const float high = (float)((1 << (t->bits - 1)) - 1);
    return (struct levels){t->scale_bits ? -high - 1 : -high, high};
}

/* 127 * sum |scale * q| of a row: an engine's 32-bit sum is exact where this is below 2^31. */
uint64_t quantized_reach(const struct quantized_row *row, uint32_t cols);

/* The value that the engine's integers stand for. */
static inline float quantized_value(const struct quantized_row *row, uint32_t column) {
    return row->row_scale * (float)(row->scale[column / GROUP] * row->q[column]);
}

#endif
