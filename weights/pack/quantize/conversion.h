/* Converts one tensor of a source after another: it is read, norms are folded in, it is rotated,
 * quantized and laid out (docs/numerics.md section 8).
 *
 * Tensors that are mixed only along their rows are converted in blocks of rows. O and DOWN, which R
 * mixes across all rows, are held as floats as a whole; this is the most memory that the packer
 * needs. */
#ifndef CONVERT_H
#define CONVERT_H

#include "weights/pack/quantize/pack_plan.h"

struct conversion;

/* How far the stored weights are from the weights before quantizing. */
struct convert_error {
    double mean_square;  /* the mean of the differences' squares */
    double relative_rms; /* the root of: the sum of the differences' squares divided by the sum of
                            the weights' squares */
    double max;
    double squares; /* the sum of the weights' squares */
    double sparse;  /* of every four weights of the source along a row, at least two are 0: in which
                       part of all fours */
};
/* Adds the error of one more part to that of `parts` parts of the same size. */
void convert_error_add(struct convert_error *all, uint32_t parts, const struct convert_error *one);

/* Takes a tensor's bytes in order. */
typedef bool convert_sink(void *user, const void *data, size_t bytes, struct diag *d);
/* Takes a block of rows as the floats that the stored integers stand for: values [rows][padded
 * columns]. */
typedef bool convert_values(void *user, uint32_t first, uint32_t rows, const float *values,
                            struct diag *d);
/* Is told after every block how many weights of the tensor are done. */
typedef void convert_progress(void *user, uint64_t weights);

/* Who takes a tensor's bytes and values. values and progress may be NULL. */
struct convert_target {
    convert_sink *sink;
    convert_values *values;
    convert_progress *progress;
    void *user;
};

struct conversion *convert_new(struct source *source, const struct plan *plan, unsigned threads,
                               struct diag *d);
void convert_free(struct conversion *conversion); /* also NULL */

/* Writes the gains of heads to rows, the whole ROWS section. Calibration reads them. */
bool convert_gains(struct source *source, const struct plan *plan, float *rows, struct diag *d);

/* rows: the whole ROWS section; the tensor's row scales and runs are written to it. */
bool convert_tensor(struct conversion *conversion, const struct plan_tensor *tensor, float *rows,
                    const struct convert_target *target, struct convert_error *error,
                    struct diag *d);

#endif
