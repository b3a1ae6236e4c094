/* From a checkpoint to a blob: what apus-pack does once its command line is read. */
#ifndef PACK_PACK_H
#define PACK_PACK_H

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/pack_options.h"

/* Writes settings->out, and the report where asked for; a line about the result goes to standard
 * output unless quiet. False with a sentence and nothing left behind. The same source and settings
 * give the same bytes, whatever the threads. */
bool pack(const struct settings *settings, struct diag *d);

#endif
