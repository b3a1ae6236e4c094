/* A blob on an engine. */
#ifndef RUNTIME_MODEL_H
#define RUNTIME_MODEL_H

#include "apus/apus.h"
#include "hal/hal.h"
#include "weights/blob.h"

struct apus_model {
    apus_blob blob; /* its records are behind this struct: the file's may change
                       (blob_copy_records) */
    struct hal_model hal;
    apus_port port;
    const struct hal_engine *engine;
    void *memory;   /* the engine's, behind this struct */
    uint32_t split; /* 0, or the first layer that another engine computes: */
    const struct hal_engine *second;
    void *second_memory;
    const struct hal_engine *spare; /* what goes on when that fails: the CPU, with all layers; NULL
                                       where it is the CPU already */
    void *spare_memory;
};

static inline const struct blob *model_blob(const apus_model *model) {
    return blob_of(&model->blob);
}

#endif
