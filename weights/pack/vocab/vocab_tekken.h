/* Reads Mistral's tekken.json: a block of special tokens, and after it tiktoken's ranks. */
#ifndef PACK_VOCAB_TEKKEN_H
#define PACK_VOCAB_TEKKEN_H

#include <jansson.h>

#include "weights/pack/vocab/vocab_build.h"

#define TEKKEN_PATTERN                                                                             \
    "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^" \
    "\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{"                                                      \
    "Lm}"                                                                                          \
    "\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| "                                       \
    "?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

bool vocab_read_tekken(struct builder *b, json_t *root, const struct vocab_request *r,
                       struct diag *d);

#endif
