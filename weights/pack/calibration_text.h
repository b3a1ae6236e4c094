/* Text for calibration, as windows of token ids: from files that are named, or the text that is
 * part of the packer. */
#ifndef PACK_CALIBRATION_TEXT_H
#define PACK_CALIBRATION_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weights/pack/checkpoint/diag.h"

struct calibration_text {
    int32_t *ids; /* [windows][length] */
    uint32_t windows, length;
    uint64_t hash;    /* hash of the texts' bytes */
    uint64_t dropped; /* how many of the bytes no token stands for */
};

/* Reads the text and cuts it into at most `windows` windows of `length` ids, evenly spread over all
 * of it; fewer and shorter ones if there is less text. files: names separated by commas; NULL: the
 * project's own text. vocab: the blob's section. If the tokenizer has no id for any of the text,
 * text->windows is 0 for the project's own text, and files are refused. */
bool calibration_text_read(struct calibration_text *text, const char *files, const void *vocab,
                           size_t vocab_bytes, uint32_t windows, uint32_t length, struct diag *d);
/* Adds to count [rows of the vocabulary] how often each id occurs in all of the text. */
bool calibration_text_count(const char *files, const void *vocab, size_t vocab_bytes,
                            uint64_t *count, struct diag *d);
void calibration_text_free(struct calibration_text *text);

#endif
