/* Small vocabularies made in the tests. */
#ifndef TESTS_TOKENIZER_MADE_H
#define TESTS_TOKENIZER_MADE_H

#include "text/tokenizer.h"
#include "weights/pack/vocab/vocab_build.h"

/* A byte vocabulary under a word rule: bytes 0..255 are pieces 0..255 (but for 0xF5, which has none
 * and is an unused row), then the merges' results in their order, then "<|end|>" (control),
 * "<|end|>x" (control), "<tool>" (user-defined), " !" (user-defined, second pass). merges: "t h\0th
 * e\0", halves by a space; a '_' is a space. flags: VOCAB_NFC */
void *made_bpe(enum vocab_pre pre, uint32_t flags, const char *merges, size_t *bytes);

/* A SentencePiece vocabulary: <unk> 0, <s> 1, </s> 2, bytes 3..258, then the pieces listed with
 * their scores, '_' for U+2581; then "<user>". */
struct made_piece {
    const char *text;
    float score;
};
void *made_spm(const struct made_piece *pieces, size_t count, uint32_t flags, size_t *bytes);

/* Opens a section, asserting that it is sound. */
struct vocab made_open(const void *section, size_t bytes);

/* Ids of a text, with its exact scratch and a canary behind it. Returns the count; ids: room for
 * all. */
size_t made_ids(const struct vocab *v, const void *text, size_t bytes, uint32_t flags,
                int32_t *ids);

#endif
