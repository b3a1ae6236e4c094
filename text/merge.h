/* Merging symbols in pairs: the inner loop of every BPE. */
#ifndef TEXT_MERGE_H
#define TEXT_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "weights/vocab.h"

enum { MERGE_FAN = 16, MERGE_LEVELS = 8 };

/* Symbols of one word in their order, and for each the rank of the pair it begins. */
struct merge {
    uint32_t *symbol; /* [count] the caller fills it */
    uint32_t *span;   /* [count] symbols the one here has swallowed, itself included; also at its
                         last place, to walk back */
    uint32_t *result; /* [count] what the pair beginning here makes */
    uint32_t *rank;   /* [merge_ranks(count)] rank of that pair or VOCAB_NONE; then, level by level,
                         the least of each MERGE_FAN below */
};

/* Words of `rank` for count symbols. */
size_t merge_ranks(size_t count);

/* Merges symbol[0 .. count) until no pair is left. What remains is symbol[i] for i = 0, i +=
 * span[i]. count >= 1, below 2^31. count * log(count) steps. */
void merge_run(const struct vocab *vocab, const struct merge *merge, uint32_t count);

#endif
