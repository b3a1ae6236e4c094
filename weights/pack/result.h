/* Says what blob was made. */
#ifndef PACK_RESULT_H
#define PACK_RESULT_H

#include "weights/pack/pack_options.h"
#include "weights/pack/report.h"

/* Writes to standard output, as lines or with --json as an object. resumed: how many tensors an
 * earlier run had finished; calibrated: whether the weights were calibrated. */
void result_say(const struct settings *settings, const struct report *report, uint32_t resumed,
                bool calibrated);

#endif
