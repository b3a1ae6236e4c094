/* A text that ends inside a word: which of its last bytes a tokenizer would take together with what
 * comes. */
#ifndef TEXT_HEAL_H
#define TEXT_HEAL_H

#include <stddef.h>
#include <stdint.h>

#include "weights/vocab.h"

/* Of a longer word the last so many bytes are looked at. */
enum { HEAL_BYTES = 256 };

/* Scratch that heal_keep takes, 8-aligned. */
size_t heal_scratch(const struct vocab *vocab);

/* Sets reached[i], i below bytes (HEAL_BYTES at most), where a piece may begin that goes on behind
 * the text: the text from i on begins a longer piece. Linear in the vocabulary. */
void heal_reached(const struct vocab *vocab, const uint8_t *text, size_t bytes, uint8_t *reached);

/* How many of the first bytes of a text, bytes at most TOKENIZER_TEXT_MAX, have the same ids
 * however the text goes on. flags: of the TEXT part. */
size_t heal_keep(const struct vocab *vocab, const uint8_t *text, size_t bytes, uint32_t flags,
                 void *scratch);

#endif
