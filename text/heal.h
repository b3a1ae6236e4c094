/* For a text that ends inside a word: which of its last bytes a tokenizer would join with what
 * comes next. */
#ifndef TEXT_HEAL_H
#define TEXT_HEAL_H

#include <stddef.h>
#include <stdint.h>

#include "weights/vocab.h"

/* Of a longer word, only this many bytes at its end are looked at. */
enum { HEAL_BYTES = 256 };

/* Scratch that heal_keep takes, 8-aligned. */
size_t heal_scratch(const struct vocab *vocab);

/* Sets reached[i], for i below bytes (at most HEAL_BYTES), where a piece may begin that continues
 * after the text's end: the text from i on is the beginning of a longer piece. Linear in the
 * vocabulary. */
void heal_reached(const struct vocab *vocab, const uint8_t *text, size_t bytes, uint8_t *reached);

/* How many of the first bytes of a text (bytes at most TOKENIZER_TEXT_MAX) have the same ids
 * however the text continues. flags: of the TEXT part. */
size_t heal_keep(const struct vocab *vocab, const uint8_t *text, size_t bytes, uint32_t flags,
                 void *scratch);

#endif
