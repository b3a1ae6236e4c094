/* Calibration: windows of text go through the model as it is packed, tensor by tensor in file
 * order, so that each is rounded for the inputs that the runtime will give it: those of the tensors
 * already rounded, activations at 8 bits.
 *
 * For every tensor: calibrate_before, then its blocks of rows through calibrate_rows, then
 * calibrate_after. All activations of one layer are held as floats; the largest model in sight
 * needs about 2 GB. The bytes that come out depend on the model, the text and the options alone. */
#ifndef PACK_CALIBRATE_H
#define PACK_CALIBRATE_H

#include "weights/pack/quantize/pack_plan.h"

struct calibrator;

/* How much work goes into it. SmolLM2-135M: docs/accuracy.md has what each gives and takes. */
struct calibrate_effort {
    const char *name;
    uint32_t windows_least, windows_most; /* in between: four tokens for each channel of the widest
                                             input */
    uint32_t length;                      /* of a window, in tokens */
    float damping;                        /* hessian.h: more where tokens are fewer */
    bool quick;                           /* quantizer_quick, a head that is only rounded, and a
                                             budget spent in a fixed order */
};
extern const struct calibrate_effort CALIBRATE_QUICK, CALIBRATE_FULL;

struct calibrate_request {
    const struct plan *plan;
    const float *rope, *rows; /* of the blob's sections; rows fills while tensors are packed */
    const struct calibrate_effort *effort;
    const int32_t *ids;       /* [windows][length], below the vocabulary's rows */
    uint32_t windows, length; /* length at most the plan's positions */
    unsigned threads;
};

/* Windows worth their time for a model whose widest input has `widest` channels. */
uint32_t calibrate_windows(const struct calibrate_effort *effort, uint32_t widest);

/* The residual stream, all that a layer hands to the next: [tokens][dim] floats, to be saved and
 * set between two layers. */
float *calibrate_stream(struct calibrator *calibrator, size_t *bytes);

struct calibrator *calibrate_new(const struct calibrate_request *request, struct diag *d);
void calibrate_free(struct calibrator *calibrator); /* also NULL */

/* The quantizer for a tensor; plain rounding for the embedding and where the inputs say nothing
 * (all zero). */
bool calibrate_before(struct calibrator *calibrator, uint32_t tensor, struct quantizer *quantizer,
                      struct diag *d);
bool calibrate_rows(struct calibrator *calibrator, uint32_t first, uint32_t rows,
                    const float *values, struct diag *d);
bool calibrate_after(struct calibrator *calibrator, struct diag *d);

#endif
