/* apus-pack --header: a blob, or two, as a C header for images whose memory is static. */
#ifndef PACK_HEADER_H
#define PACK_HEADER_H

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/pack_options.h"

/* Writes settings->header about the blob settings->source, whole or not at all. False with a
 * sentence. The header says how to use it. */
bool header_write(const struct settings *settings, struct diag *d);

#endif
