/* A blob on an engine. */
#ifndef RUNTIME_MODEL_H
#define RUNTIME_MODEL_H

#include "apus/apus.h"
#include "hal/hal.h"
#include "weights/blob.h"

/* An engine with the model's layers that it computes. */
struct model_engine {
    const struct hal_engine *engine;
    void *memory; /* the engine's own, after struct apus_model */
    struct hal_range layers;
    uint32_t asked; /* index of the engine that was asked for; MODEL_OWN: nobody asked for it, it is
                       the CPU */
};
#define MODEL_OWN UINT32_MAX
/* The CPU may come before and after each engine that was asked for, and once more with all
 * layers. */
enum { MODEL_ENGINES = 3 * APUS_ENGINES_MAX + 1 };

struct apus_model {
    apus_blob blob; /* its records are copied after this struct, because the file's may change
                       (blob_copy_records) */
    struct hal_model hal;
    struct hal_program program; /* of all layers; its arrays are after this struct */
    apus_port port;
    struct model_engine engine[MODEL_ENGINES]; /* first those that compute a pass, one after the
                                                  other; then the CPU, which continues with all
                                                  layers when one of them fails, unless all of them
                                                  are the CPU already */
    uint32_t engines, parts;                   /* how many, and how many of them compute a pass */
};

static inline const struct blob *model_blob(const apus_model *model) {
    return blob_of(&model->blob);
}

#endif
