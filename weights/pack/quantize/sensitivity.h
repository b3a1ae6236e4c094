/* How much each tensor of the layers hurts at 4 bits: the KL that it alone costs on windows of
 * calibration text, all others at 8 bits.
 *
 * One pass over the weights measures all: for every unit (a tensor, or where that would take long
 * the tensors of one kind in neighbouring layers) a copy of the activations runs along in which
 * that unit is rounded to 4 bits. A copy is split off where its unit begins. KL is its second-order
 * term, half the variance of the change of the logits under the unchanged distribution. Same bytes
 * on every machine. */
#ifndef PACK_SENSITIVITY_H
#define PACK_SENSITIVITY_H

#include "weights/pack/quantize/conversion.h"

struct sensitivity_request {
    const struct plan *plan;
    struct conversion *fold;
    const float *rope;
    float *rows;        /* the ROWS section; written to */
    const int32_t *ids; /* [windows][length], below the vocabulary's rows */
    uint32_t windows, length;
    unsigned threads;
    convert_progress *progress; /* told how many weights have passed; may be NULL */
    void *user;
};

/* The multiply-adds of that, before it is done. */
struct sensitivity_cost {
    double layers, head;
};
struct sensitivity_cost sensitivity_cost(const struct sensitivity_request *request);

/* kl [plan tensors]: nats a position; 0 for embedding and head. A unit's is spread over its tensors
 * by their weights. */
bool sensitivity_measure(const struct sensitivity_request *request, double *kl, struct diag *d);

#endif
