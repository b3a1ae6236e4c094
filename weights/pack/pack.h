/* Makes a blob from a checkpoint. apus-pack does this after it has read its command line. */
#ifndef PACK_PACK_H
#define PACK_PACK_H

#include "weights/pack/checkpoint/diag.h"
#include "weights/pack/pack_options.h"

/* Writes settings->out, and the report if one is asked for. A line about the result goes to
 * standard output unless settings->quiet. False, with a sentence, on failure; then no file is left
 * behind, except for saved work. The same source and settings give the same bytes with any number
 * of threads. */
bool pack(const struct settings *settings, struct diag *d);

#endif
