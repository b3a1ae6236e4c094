/* Merging symbols in pairs: the inner loop of every BPE. */
#ifndef TEXT_MERGE_H
#define TEXT_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "weights/vocab.h"

enum { MERGE_FAN = 16, MERGE_LEVELS = 8 };

/* The symbols of one word in order, and the rank of the pair that each of them begins. */
struct merge {
    uint32_t *symbol; /* [count] filled by the caller */
    uint32_t *span;   /* [count] how many symbols this one has merged, itself included; also stored
                         at its last place, to walk back */
    uint32_t *result; /* [count] the result of the pair that begins here */
    uint32_t *rank;   /* [merge_ranks(count)] rank of that pair or VOCAB_NONE; then, level by level,
                         the least rank of each MERGE_FAN places below */
};

/* Words that `rank` needs for count symbols. */
size_t merge_ranks(size_t count);

/* Merges symbol[0 .. count) until no pair is left. The remaining symbols are symbol[i] for i = 0, i
 * += span[i]. count >= 1, below 2^31. It takes count * log(count) steps. */
void merge_run(const struct vocab *vocab, const struct merge *merge, uint32_t count);

#endif
