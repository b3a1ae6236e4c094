/* Proposals without a model: the ids that followed the same ids earlier in the context. */
#ifndef SPECULATE_LOOKUP_H
#define SPECULATE_LOOKUP_H

#include <stdint.h>

#include "speculate/round.h"

/* Finds the longest run of at most `longest` ids at the end of ids[0 .. count) that also occurs
 * earlier there, and the latest such place. Returns the run's length, or 0 if it is below
 * `shortest` (1 .. longest); *at becomes the index of the id that followed. At worst it makes count
 * * longest comparisons. */
uint32_t lookup_find(const int32_t *ids, uint32_t count, uint32_t shortest, uint32_t longest,
                     uint32_t *at);

/* Fills *tokens up to `most` ids (at most DRAFT_TOKENS_MAX) with those that followed the longest
 * earlier occurrence. Adds none where there is no such occurrence. */
void lookup_propose(const int32_t *ids, uint32_t count, uint32_t most, struct draft_tokens *tokens);

#endif
