/* How much accuracy each tensor of the layers loses at 4 bits: the KL on windows of calibration
 * text when it alone has 4 bits and all others have 8.
 *
 * One pass over the weights measures all of them. A unit is a tensor or, if that would take long,
 * the tensors of one role in neighbouring layers. For every unit there is a copy of the activations
 * in which that unit is rounded to 4 bits; the copy is split off where its unit begins. KL is taken
 * as its second-order term: half the variance of the change of the logits, under the unchanged
 * distribution. Every machine gives the same bytes. */
#ifndef PACK_SENSITIVITY_H
#define PACK_SENSITIVITY_H

#include "weights/pack/quantize/conversion.h"

struct sensitivity_request {
    const struct plan *plan;
    struct conversion *conversion;
    const float *rope;
    float *rows;        /* the ROWS section; written to */
    const int32_t *ids; /* [windows][length], below the vocabulary's rows */
    uint32_t windows, length;
    unsigned threads;
    convert_progress *progress; /* is told how many weights are done; may be NULL */
    void *user;
};

/* How many multiply-adds the measurement will take. */
struct sensitivity_cost {
    double layers, head;
};
struct sensitivity_cost sensitivity_cost(const struct sensitivity_request *request);

/* kl [plan tensors]: in nats a position; 0 for embedding and head. The KL of a unit is divided
 * among its tensors by their numbers of weights. */
bool sensitivity_measure(const struct sensitivity_request *request, double *kl, struct diag *d);

#endif
