/* Which of the layers that an engine is asked for it really computes. An engine says which
 * operations and types of weights it takes (hal_engine.takes); the CPU computes the rest. */
#ifndef RUNTIME_ASSIGN_H
#define RUNTIME_ASSIGN_H

#include "hal/hal.h"
#include "weights/blob.h"

/* Whether the engine takes every operation of the layer. The embedding belongs to the first layer,
 * and what gives logits belongs to the last. */
int assign_taken(const struct hal_engine *engine, const struct hal_model *model, uint32_t layer);

/* The longest run of layers that the engine takes, out of those asked for; the first one if several
 * are longest; first = end if it takes none. The records may be of a file that has changed since
 * the blob was opened: whatever they say, nothing outside of the file is read, and the caller asks
 * again once it has a copy. The CPU gets all that it is asked for, because no other engine would
 * take what it does not. */
struct hal_range assign_run(const struct hal_engine *engine, const struct hal_model *model,
                            const struct blob *blob, struct hal_range asked);

#endif
