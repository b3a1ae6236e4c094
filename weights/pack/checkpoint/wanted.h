/* Recognizes what people give as a source that is none, and says what it is and what to give
 * instead. */
#ifndef PACK_WANTED_H
#define PACK_WANTED_H

#include "weights/pack/checkpoint/diag.h"

/* Whether a file may be a GGUF file. False, with a sentence, if its first bytes or its name show
 * that it is of another kind. A file that is not recognized or cannot be read is left to its
 * reader. */
bool wanted_file(const char *path, struct diag *d);
/* The same for a file that has to be a safetensors file. */
bool wanted_shard(const char *path, struct diag *d);

/* Call this for a directory without config.json. False, with a sentence about what lies in it. */
bool wanted_config(const char *directory, struct diag *d);
/* The same for a directory without safetensors. */
bool wanted_weights(const char *directory, struct diag *d);

#endif
