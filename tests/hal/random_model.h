/* A model of random weights straight as an engine sees it, without a blob around it. */
#ifndef TESTS_HAL_RANDOM_MODEL_H
#define TESTS_HAL_RANDOM_MODEL_H

#include "hal/program.h"

struct random_shape {
    uint32_t layers, dim, vocab, head_dim, positions;
    struct blob_layer layer[8];     /* heads, kv_heads, ffn; tensors are filled in */
    uint32_t w4;                    /* layers' weights but V in W4 */
    uint32_t mixed;                 /* W4T, W5 and W6 among them */
    uint32_t sparse;                /* W4S and W8S among them */
    uint32_t table;                 /* layers' weights but V in W4T */
    uint32_t bias;                  /* on every matrix */
    struct blob_variant variant[8]; /* those that layers name; sinks other than BLOB_ABSENT are
                                       filled in */
    uint32_t gains;                 /* variants whose heads of q and k have gains, a bit for each;
                                       for all heads together where `whole` says so */
    uint32_t rotated;               /* whether norms behind sublayers have a transform */
};

/* Everything malloc'ed; random_model_free gives it back. The same seed gives the same model. */
struct hal_model random_model(const struct random_shape *shape, uint32_t seed);
void random_model_free(struct hal_model *model);

#endif
