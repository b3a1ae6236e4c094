/* Sources that are none, by what they are, with what to give instead. */
#ifndef PACK_WANTED_H
#define PACK_WANTED_H

#include "weights/pack/checkpoint/diag.h"

/* Whether a file may be a GGUF file: false with a sentence for one of another kind, by its first
 * bytes or its name. What is not known, or cannot be read, is left to its reader. */
bool wanted_file(const char *path, struct diag *d);
/* The same of one that is to be a safetensors file. */
bool wanted_shard(const char *path, struct diag *d);

/* For a directory without config.json: false, with a sentence about what lies in it. */
bool wanted_config(const char *directory, struct diag *d);
/* For one without safetensors. */
bool wanted_weights(const char *directory, struct diag *d);

#endif
