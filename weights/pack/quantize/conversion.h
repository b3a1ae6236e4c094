/* One tensor after another from a source: read, folded, rotated, quantized, laid out.
 * docs/numerics.md section 8.
 *
 * Tensors that are mixed along their rows only go through in blocks of rows; O and DOWN, which R
 * mixes across all rows, are held as floats whole: the most memory the packer needs. */
#ifndef CONVERT_H
#define CONVERT_H

#include "weights/pack/quantize/pack_plan.h"

struct conversion;

/* How far the stored weights are from the folded ones. */
struct convert_error {
    double mean_square;  /* of the differences */
    double relative_rms; /* root of their squares' sum by the weights' */
    double max;
};

/* Takes a tensor's bytes in order. */
typedef bool convert_sink(void *user, const void *data, size_t bytes, struct diag *d);
/* Takes a block of rows as the floats that the stored integers stand for: values [rows][padded
 * columns]. */
typedef bool convert_values(void *user, uint32_t first, uint32_t rows, const float *values,
                            struct diag *d);
/* Told after every block how many weights are done since the start of the tensor. */
typedef void convert_progress(void *user, uint64_t weights);

/* Where a tensor goes. values and progress may be NULL. */
struct convert_target {
    convert_sink *sink;
    convert_values *values;
    convert_progress *progress;
    void *user;
};

struct conversion *convert_new(struct source *source, const struct plan *plan, unsigned threads,
                               struct diag *d);
void convert_free(struct conversion *fold); /* also NULL */

/* rows: the whole ROWS section, of which this writes the tensor's runs. */
bool convert_tensor(struct conversion *fold, const struct plan_tensor *tensor, float *rows,
                    const struct convert_target *target, struct convert_error *error,
                    struct diag *d);

#endif
