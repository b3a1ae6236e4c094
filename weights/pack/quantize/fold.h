/* One tensor after another from a source: read, folded, rotated, quantized, laid out.
 * docs/numerics.md section 8.
 *
 * Tensors that are mixed along their rows only go through in blocks of rows; O and DOWN, which R
 * mixes across all rows, are held as floats whole: the most memory the packer needs. */
#ifndef PACK_FOLD_H
#define PACK_FOLD_H

#include "weights/pack/quantize/pack_plan.h"

struct fold;

/* How far the stored weights are from the folded ones. */
struct fold_error {
    double mean_square;  /* of the differences */
    double relative_rms; /* root of their squares' sum by the weights' */
    double max;
};

/* Takes a tensor's bytes in order. */
typedef bool fold_sink(void *user, const void *data, size_t bytes, struct diag *d);
/* Takes a block of rows as the floats that the stored integers stand for: values [rows][padded
 * columns]. */
typedef bool fold_values(void *user, uint32_t first, uint32_t rows, const float *values,
                         struct diag *d);
/* Told after every block how many weights are done since the start of the tensor. */
typedef void fold_progress(void *user, uint64_t weights);

/* Where a tensor goes. values and progress may be NULL. */
struct fold_target {
    fold_sink *sink;
    fold_values *values;
    fold_progress *progress;
    void *user;
};

struct fold *fold_new(struct source *source, const struct plan *plan, unsigned threads,
                      struct diag *d);
void fold_free(struct fold *fold); /* also NULL */

/* rows: the whole ROWS section, of which this writes the tensor's runs. */
bool fold_tensor(struct fold *fold, const struct plan_tensor *tensor, float *rows,
                 const struct fold_target *target, struct fold_error *error, struct diag *d);

#endif
