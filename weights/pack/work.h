/* The phases of packing, each with its cost, which follows from the shapes of the tensors. They
 * give one estimate of the time left (apps/kit/progress.h). Costs are counted in multiply-adds of a
 * matrix product. */
#ifndef PACK_WORK_H
#define PACK_WORK_H

#include <stdbool.h>

#include "apps/kit/progress.h"
#include "weights/pack/quantize/pack_plan.h"
#include "weights/pack/quantize/sensitivity.h"

enum work_phase {
    WORK_READING,
    WORK_MEASURING,
    WORK_CALIBRATING,
    WORK_QUANTIZING,
    WORK_WRITING,
    WORK_PHASES
};

struct work {
    struct progress progress;
    const struct plan *plan;
    uint32_t tokens, tensor;
    bool quick;
    uint64_t weights; /* weights that are done, of the tensor in work or of all that are measured */
    double blocks;    /* the cost of quantizing the tensor in work */
    struct sensitivity_cost measuring;
};

struct work_request {
    const struct plan *plan;
    uint32_t tokens;                   /* tokens of the calibration text; 0: weights are only
                                          rounded */
    uint32_t first;                    /* the tensor to begin with */
    struct sensitivity_cost measuring; /* zeros: nothing is measured */
    bool quick;                        /* as in calibrate.h */
    unsigned threads;
};

/* Call this when the source is being opened and its size is not known. */
void work_begin(struct work *work, enum progress_form form);

/* Call this while the source's bytes are read for the key: `bytes` of `all` are done. */
void work_looked(struct work *work, uint64_t bytes, uint64_t all);

/* Call this when the plan is made, and again after the types of tensors have changed. */
void work_plan(struct work *work, const struct work_request *request);

/* Call this while sensitivity is measured: `weights` weights are done. */
void work_measured(struct work *work, uint64_t weights);
void work_measured_all(struct work *work); /* the head is done too */

/* Call these when a tensor begins, when the calibration before its rows is done, and when `weights`
 * of its weights are quantized. */
void work_tensor(struct work *work, uint32_t tensor);
void work_calibrated(struct work *work);
void work_quantized(struct work *work, uint64_t weights);

/* Call this when all tensors are written. What is left is the front of the file, reading back, and
 * waiting for the disk. */
void work_write(struct work *work);

void work_end(struct work *work);

#endif
