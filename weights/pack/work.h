/* The work of packing in phases, each with what it costs by the shapes of the tensors, for one
 * estimate of the time left (apps/kit/progress.h). Costs are multiply-adds as matrix products do
 * them. */
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
    uint64_t weights; /* of the tensor in work, or of those measured, that are done */
    double blocks;    /* what quantizing the tensor in work costs */
    struct sensitivity_cost measuring;
};

struct work_request {
    const struct plan *plan;
    uint32_t tokens;                   /* of the calibration text; 0: weights are only rounded */
    uint32_t first;                    /* tensor to begin with */
    struct sensitivity_cost measuring; /* zeros: nothing is measured */
    bool quick;                        /* calibrate.h */
    unsigned threads;
};

/* The source is being opened; nothing is known of its size. */
void work_begin(struct work *work, enum progress_form form);

/* Its bytes are being looked at: so many of all. */
void work_looked(struct work *work, uint64_t bytes, uint64_t all);

/* Now it is. Again after the types of tensors have changed. */
void work_plan(struct work *work, const struct work_request *request);

/* Which tensors hurt is being measured; so many weights have passed. */
void work_measured(struct work *work, uint64_t weights);
void work_measured_all(struct work *work); /* the head, too */

/* A tensor begins; what calibration does before its rows is done; so many of its weights are. */
void work_tensor(struct work *work, uint32_t tensor);
void work_calibrated(struct work *work);
void work_quantized(struct work *work, uint64_t weights);

/* All tensors are there: the front, reading back, waiting for the disk. */
void work_write(struct work *work);

void work_end(struct work *work);

#endif
