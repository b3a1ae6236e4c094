/* Reads Mistral's tekken.json: a block of special tokens, and after it tiktoken's ranks. */
#ifndef PACK_VOCAB_TEKKEN_H
#define PACK_VOCAB_TEKKEN_H

#include <jansson.h>

#include "weights/pack/vocab/vocab_build.h"

/* The parts of Tekken's pattern, of which o200k's consists too. */
#define TEKKEN_UPPER    "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define TEKKEN_LOWER    "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define TEKKEN_LETTERS  "[^\\r\\n\\p{L}\\p{N}]?" TEKKEN_UPPER "*" TEKKEN_LOWER "+"
#define TEKKEN_CAPITALS "[^\\r\\n\\p{L}\\p{N}]?" TEKKEN_UPPER "+" TEKKEN_LOWER "*"
#define TEKKEN_SYMBOLS  "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define TEKKEN_PATTERN  TEKKEN_LETTERS "|" TEKKEN_CAPITALS "|\\p{N}" TEKKEN_SYMBOLS

bool vocab_read_tekken(struct builder *b, json_t *root, const struct vocab_request *r,
                       struct diag *d);

#endif
