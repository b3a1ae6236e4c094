/* Which ids the head of a draft keeps rows for: those that it will be asked for most. */
#ifndef PACK_DRAFT_VOCAB_H
#define PACK_DRAFT_VOCAB_H

#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"

/* `keep` of `rows` ids, ascending, to be freed: added and end tokens, then the ids that are most
 * often in the text, of equal ones the lower. files and vocab as for calibration_text_read. NULL
 * with a sentence on failure, also where keep is less than those tokens or not less than rows. */
uint32_t *draft_vocab_choose(uint32_t rows, uint32_t keep, const char *files, const void *vocab,
                             size_t vocab_bytes, struct diag *d);

#endif
