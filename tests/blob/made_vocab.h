/* A tokenizer's tables of twenty pieces for the made blob: bos, eos, the bytes a .. q, and "ab". */
#ifndef TESTS_MADE_VOCAB_H
#define TESTS_MADE_VOCAB_H

#include <stddef.h>
#include <stdint.h>

enum { MADE_BOS = 0, MADE_EOS = 1, MADE_A = 2, MADE_AB = 19, MADE_PIECES = 20 };

size_t made_vocab_bytes(void);
void made_vocab_write(uint8_t *data); /* 4-aligned */

#endif
