/* A blob on an engine. */
#ifndef RUNTIME_MODEL_H
#define RUNTIME_MODEL_H

#include "apus/apus.h"
#include "hal/hal.h"
#include "weights/blob.h"

/* An engine with the model's layers that it computes. */
struct model_engine {
    const struct hal_engine *engine;
    void *memory; /* its own, behind struct apus_model */
    struct hal_range layers;
    uint32_t asked; /* which of the engines that were asked for; MODEL_OWN: none of them, the CPU */
};
#define MODEL_OWN UINT32_MAX
/* The CPU may come before and behind each that was asked for, and once more with all layers. */
enum { MODEL_ENGINES = 3 * APUS_ENGINES_MAX + 1 };

struct apus_model {
    apus_blob blob; /* its records are behind this struct: the file's may change
                       (blob_copy_records) */
    struct hal_model hal;
    struct hal_program program; /* of all layers; its arrays are behind this struct */
    apus_port port;
    struct model_engine engine[MODEL_ENGINES]; /* those that compute a pass, one after the other;
                                                  then what goes on with all layers when one of them
                                                  fails, the CPU, unless they are the CPU already */
    uint32_t engines, parts;                   /* how many, and how many of them compute a pass */
};

static inline const struct blob *model_blob(const apus_model *model) {
    return blob_of(&model->blob);
}

#endif
