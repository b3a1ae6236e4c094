/* Text for calibration: the files named, or what ships with the packer, as windows of token ids. */
#ifndef PACK_CALIBRATION_TEXT_H
#define PACK_CALIBRATION_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"

struct calibration_text {
    int32_t *ids; /* [windows][length] */
    uint32_t windows, length;
    uint64_t hash;    /* of the texts' bytes */
    uint64_t dropped; /* of them, those that no token has */
};

/* files: names with commas between them; NULL: the project's own text. vocab: the blob's section.
 * At most `windows` windows of `length` ids, evenly over all text; fewer and shorter where there is
 * less. windows is 0 where the tokenizer has no id for any of the project's own text; of files,
 * that fails. */
bool calibration_text_read(struct calibration_text *text, const char *files, const void *vocab,
                           size_t vocab_bytes, uint32_t windows, uint32_t length, struct diag *d);
void calibration_text_free(struct calibration_text *text);

#endif
