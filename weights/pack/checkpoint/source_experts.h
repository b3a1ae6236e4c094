/* The matrices of experts in a checkpoint: each alone, or all of a layer in one tensor of three
 * dimensions, with GATE and UP one after another or row by row, and with inputs as rows. To the
 * rest of the packer every expert has three matrices of its own. */
#ifndef PACK_SOURCE_EXPERTS_H
#define PACK_SOURCE_EXPERTS_H

#include "weights/pack/checkpoint/source_inside.h"

/* Room for the experts of all layers. */
bool experts_open(struct source *source, struct diag *d);
void experts_close(struct source *source);

/* Files a stored tensor of a layer, by its name after the layer's number. *found: whether the name
 * is one of an expert's. The layer exists. */
bool experts_assign(struct source *source, enum source_naming names, const char *name,
                    uint32_t layer, const struct stored_tensor *stored, bool *found,
                    struct diag *d);
/* Whether all layers have what the configuration asks for. file: for sentences. */
bool experts_check(const struct source *source, const char *file, struct diag *d);

/* Reads rows of an expert's tensor. `read` gives rows of what is stored, as floats. */
typedef bool experts_read_stored(struct source *source, const struct stored_tensor *stored,
                                 uint64_t first, uint64_t rows, float *out, struct diag *d);
bool experts_read(struct source *source, const struct source_tensor *tensor, uint64_t first,
                  uint64_t rows, float *out, experts_read_stored *read, struct diag *d);

#endif
