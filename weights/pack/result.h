/* What is said of a blob that was made. */
#ifndef PACK_RESULT_H
#define PACK_RESULT_H

#include "weights/pack/pack_options.h"
#include "weights/pack/report.h"

/* On standard output, as lines or with --json as an object. resumed: the tensors that an earlier
 * run had finished; calibrated: whether a text said which errors matter. */
void result_say(const struct settings *settings, const struct report *report, uint32_t resumed,
                bool calibrated);

#endif
