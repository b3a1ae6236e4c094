/* The architectures that are understood, one row each: their names in both kinds of files, and how
 * they differ from Llama. */
#ifndef PACK_SOURCE_FAMILIES_H
#define PACK_SOURCE_FAMILIES_H

#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/checkpoint/source_roles.h"

struct source_family {
    const char *name[NAMINGS]; /* NULL: files of this kind use another row's name */
    uint32_t features;         /* SOURCE_FEATURE of what all models of the architecture have */
    bool interleaved;          /* GGUF files have the rows of ORDER_ROTARY tensors interleaved */
    bool windowed;             /* sliding_window counts if use_sliding_window is missing */
    bool varied;               /* the shapes of layers may differ, by DeciLM's lists */
    bool kv_optional;          /* num_key_value_heads may be missing; then there are as many as
                                  heads */
};

/* NULL, with a sentence that lists all names that are understood. `file` is the name for that
 * sentence. */
const struct source_family *source_family(enum source_naming naming, const char *name,
                                          const char *file, struct diag *d);

#endif
