/* Which layers an engine computes of those that it is asked for: an engine says which operations
 * and types of weights it takes (hal_engine.takes), and the rest is the CPU's. */
#ifndef RUNTIME_ASSIGN_H
#define RUNTIME_ASSIGN_H

#include "hal/hal.h"
#include "weights/blob.h"

/* Whether the engine takes every operation of the layer, the embedding before the first and what
 * gives logits behind the last among them. */
int assign_taken(const struct hal_engine *engine, const struct hal_model *model, uint32_t layer);

/* The longest run of layers that it takes of those asked for, the first of several; first = end
 * where it takes none. The records may be of a file that has changed since the blob was opened:
 * whatever they say, nothing outside of the file is read, and the caller asks again once it has a
 * copy. The CPU gets all that it is asked for: nobody else would take what it does not. */
struct hal_range assign_run(const struct hal_engine *engine, const struct hal_model *model,
                            const struct blob *blob, struct hal_range asked);

#endif
