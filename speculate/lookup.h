/* Proposals without a model: what followed the same ids earlier in the context. */
#ifndef SPECULATE_LOOKUP_H
#define SPECULATE_LOOKUP_H

#include <stdint.h>

#include "speculate/round.h"

/* The longest run of at most `longest` last ids that occurs earlier in ids[0 .. count); its latest
 * occurrence. Returns the run's length (0: below `shortest`, which is 1 .. longest), *at the index
 * of what followed. Time: count * longest comparisons at worst. */
uint32_t lookup_find(const int32_t *ids, uint32_t count, uint32_t shortest, uint32_t longest,
                     uint32_t *at);

/* Fills *tokens up to `most` ids, DRAFT_TOKENS_MAX at most: those that followed the longest earlier
 * occurrence. */
void lookup_propose(const int32_t *ids, uint32_t count, uint32_t most, struct draft_tokens *tokens);

#endif
