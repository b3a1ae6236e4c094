/* The choice of the next id: docs/numerics.md 7, exact to the bit. It is a pure function of logits,
 * context, position and settings. So every pass that leads to the same position chooses the same
 * id. */
#ifndef RUNTIME_SAMPLE_H
#define RUNTIME_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "text/bind.h"

struct sampler {
    apus_sampling config;         /* as given, with zeros for what was left out; stops point into
                                     the caller's memory */
    float inverse_temperature;    /* 0: greedy */
    float inverse_penalty;        /* 0: no repetition penalty */
    uint32_t repeat_last;         /* 1 .. 1024 */
    uint32_t top_p;               /* rint(top_p * 2^20), or 0: off */
    uint32_t min_p;               /* rint(min_p * 2^24), or 0: off */
    const struct text_bind *bind; /* which ids may come next after the text so far; NULL: all */
};

/* Checks the settings, stop texts included, against the ranges of apus.h (NaN is outside of all)
 * and fills *sampler. On failure returns APUS_E_ARGUMENT, says why to port (NULL: to nobody) and
 * does not change *sampler. Rounds to nearest in any float environment of the caller. */
apus_status sampler_open(struct sampler *sampler, const apus_sampling *sampling,
                         const apus_port *port);

/* The value of an id that takes no part: one that the callback has removed, or that the model's
 * head has no row for. It is compared by value. */
#define LOGIT_NONE (-__builtin_inff())

/* Bytes of scratch that sample_pick takes; the scratch is 8-aligned. */
size_t sample_scratch_bytes(uint32_t vocab);

/* A chosen id, and the likeliest ids in its place. Log-probabilities are natural logarithms of
 * probabilities under the raw logits at temperature 1. */
struct choice {
    int32_t id;
    float log_prob;
    int32_t likely[APUS_ALTERNATIVES_MAX]; /* [sample_alternatives], the likeliest first */
    float likely_log_prob[APUS_ALTERNATIVES_MAX];
};

/* How many alternatives a choice has: as the settings say, at most vocab. */
static inline uint32_t sample_alternatives(const struct sampler *sampler, uint32_t vocab) {
    return sampler->config.alternatives < vocab ? sampler->config.alternatives : vocab;
}

/* Chooses the next id. logits [vocab]: raw, at most 2^50 in magnitude or LOGIT_NONE, at least one
 * not that; not changed. context
 * [context_count]: every id before this choice, prompt and generation, all in 0 .. vocab - 1. made
 * [made_count]: the ids of this generation, for the callback. position: the index that the chosen
 * id will have. The time is linear in vocab. APUS_E_NUMERIC, with *choice untouched, where callback
 * and bind left no id, or where the callback left a NaN or a value above 2^50. */
apus_status sample_pick(const struct sampler *sampler, const float *logits, uint32_t vocab,
                        const int32_t *context, size_t context_count, const int32_t *made,
                        size_t made_count, uint64_t position, void *scratch, struct choice *choice);

/* A draft's guess from its own logits: the choice that sample_pick would make without callback and
 * bind, the second id (-1: the rules left no other), and the margin between the two, in units of
 * logits over temperature and with the noise (greedy: of logits). */
struct guess {
    int32_t id, other;
    float margin;
};
#define GUESS_SURE 0x1p20f /* the margin where there is no second id */
apus_status sample_guess(const struct sampler *sampler, const float *logits, uint32_t vocab,
                         const int32_t *context, size_t context_count, uint64_t position,
                         void *scratch, struct guess *guess);

#endif
