/* What the fuzz targets of checkpoints do with one that opens: read all that it has. */
#ifndef FUZZ_READ_TENSORS_H
#define FUZZ_READ_TENSORS_H

#include <assert.h>
#include <stdlib.h>

#include "weights/pack/checkpoint/source.h"

/* Reads every tensor of every role, and closes the source, which may be NULL. */
static inline void read_tensors(struct source *source, struct diag *d) {
    for (int role = 0; source && role < SOURCE_ROLES; role++)
        for (uint32_t layer = 0;
             layer < (role < SOURCE_ATTN_NORM ? 1 : source_config(source)->layers); layer++) {
            const struct source_tensor *t = source_tensor(source, (enum source_role)role, layer);
            if (!t) continue;
            /* the input holds the values, so they are few */
            float *values = malloc(t->rows * t->cols * sizeof *values);
            diag_clear(d);
            if (values && !source_read_rows(source, t, 0, t->rows, values, d)) assert(d->text[0]);
            free(values);
        }
    source_close(source);
}

#endif
