/* The architectures that are understood, one row each: what both kinds of files call them, and in
 * what they differ from Llama. */
#ifndef PACK_SOURCE_FAMILIES_H
#define PACK_SOURCE_FAMILIES_H

#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/checkpoint/source_roles.h"

struct source_family {
    const char *name[NAMINGS]; /* NULL: such files have another row's name */
    uint32_t features;         /* SOURCE_FEATURE of what all of them have */
    bool interleaved;          /* GGUF files have rows of ORDER_ROTARY in pairs */
    bool windowed;             /* sliding_window counts where use_sliding_window is missing */
    bool varied;               /* the shapes of layers may differ: DeciLM's lists of them */
    bool kv_optional;          /* num_key_value_heads may be missing: as many as heads */
};

/* NULL, with a sentence of all names that are understood. `file` is for it. */
const struct source_family *source_family(enum source_naming naming, const char *name,
                                          const char *file, struct diag *d);

#endif
