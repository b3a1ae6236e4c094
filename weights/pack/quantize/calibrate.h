/* Calibration. Windows of text go through the model while it is packed, tensor by tensor in file
 * order. So each tensor is rounded for the inputs that the runtime will give it: they come from the
 * tensors already rounded, with activations at 8 bits.
 *
 * For every part of a tensor call calibrate_before, then calibrate_rows for each block of its rows;
 * after the last part calibrate_after. All activations of one layer are held as floats; the largest
 * model considered needs about 2 GB. The blob's bytes depend only on the model, the text and the
 * options. */
#ifndef PACK_CALIBRATE_H
#define PACK_CALIBRATE_H

#include "weights/pack/quantize/pack_plan.h"

struct calibrator;

/* How much work goes into calibration. docs/accuracy.md says for SmolLM2-135M what each effort
 * gains and how long it takes. */
struct calibrate_effort {
    const char *name;
    uint32_t windows_least, windows_most; /* between them: as many as give four tokens for each
                                             channel of the widest input */
    uint32_t length;                      /* tokens of a window */
    float damping;                        /* see hessian.h; fewer tokens need more */
    bool quick;                           /* quantizer_quick is used, the head is only rounded, and
                                             the budget is spent in a fixed order */
};
extern const struct calibrate_effort CALIBRATE_QUICK, CALIBRATE_FULL;

struct calibrate_request {
    const struct plan *plan;
    const float *rope, *rows; /* the blob's sections; rows is filled while tensors are packed */
    const struct calibrate_effort *effort;
    const int32_t *ids;       /* [windows][length], below the vocabulary's rows */
    uint32_t windows, length; /* length at most the plan's positions */
    unsigned threads;
};

/* How many windows are worth their time for a model whose widest input has `widest` channels. */
uint32_t calibrate_windows(const struct calibrate_effort *effort, uint32_t widest);

/* The residual stream, [tokens][dim] floats. It is all that one layer hands to the next, so between
 * two layers it can be saved and restored. */
float *calibrate_stream(struct calibrator *calibrator, size_t *bytes);

struct calibrator *calibrate_new(const struct calibrate_request *request, struct diag *d);
void calibrate_free(struct calibrator *calibrator); /* also NULL */

/* How many tokens of the calibration chose each expert, layer after layer: [experts of all
 * layers]. */
uint32_t *calibrate_reached(const struct calibrator *calibrator, uint32_t *count);

/* part: of the tensor (plan_part), 0 where there is one. calibrate_before sets the tensor's
 * quantizer. It leaves plain rounding for the embedding, and for tensors whose inputs say nothing
 * (they are all zero, or no token chose the expert). */
bool calibrate_before(struct calibrator *calibrator, uint32_t tensor, uint32_t part,
                      struct quantizer *quantizer, struct diag *d);
bool calibrate_rows(struct calibrator *calibrator, uint32_t first, uint32_t rows,
                    const float *values, struct diag *d);
bool calibrate_after(struct calibrator *calibrator, struct diag *d);

#endif
