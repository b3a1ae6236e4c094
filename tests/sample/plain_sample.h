/* docs/numerics.md 7 as it is written: everything sorted, nothing skipped. */
#ifndef TESTS_PLAIN_SAMPLE_H
#define TESTS_PLAIN_SAMPLE_H

#include "apus/apus.h"

/* Like sample_pick, from the public settings. 0, or 1 where nothing can be chosen. */
int plain_sample(const apus_sampling *c, const float *logits, uint32_t vocab,
                 const int32_t *context, size_t context_count, const int32_t *made,
                 size_t made_count, uint64_t position, int32_t *id, float *log_prob);

/* Like sample_guess. */
struct guess;
void plain_guess(const apus_sampling *c, const float *logits, uint32_t vocab,
                 const int32_t *context, size_t context_count, uint64_t position,
                 struct guess *guess);

#endif
