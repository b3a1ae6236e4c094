/* How many ids to propose. Costs nothing in exactness: whatever it says, the output is the target's own.
 *
 * It weighs what one more proposal costs (a draft step, a wider verification) against what it brings (the chance that it and all before it
 * are accepted, times what a token costs now). Costs are measured as the passes run; chances are running averages, by place in the round
 * and by the draft's own confidence. Where drafting does not pay it stops, and tries again now and then. */
#ifndef RUNTIME_LENGTH_H
#define RUNTIME_LENGTH_H

#include <stdint.h>

#include "runtime/propose.h"

enum { LENGTH_BINS = 8, LENGTH_COLUMNS = PROPOSE_MAX + 1 };

/* Who proposed. */
enum proposer { BY_DRAFT, BY_LOOKUP, PROPOSERS };

struct length {
    uint32_t fixed;                       /* 1 .. PROPOSE_MAX: always that many; 0: chosen */
    float verify_ns[LENGTH_COLUMNS + 1];  /* of a pass by columns, running averages; 0: not seen yet */
    float draft_ns;                       /* of a draft step; 0: not seen yet */
    float token_ns;                       /* of a token lately, all in */
    float hit[PROPOSERS][LENGTH_BINS];    /* chance of acceptance by confidence */
    float reach[PROPOSERS][PROPOSE_MAX];  /* chance of acceptance by place, the ones before it accepted */
    uint32_t pause, paused;               /* rounds without proposals before the next try, and rounds since the last */
};

void length_open(struct length *length, uint32_t fixed);

/* Most proposals of the coming round, 0 .. PROPOSE_MAX: 0 in a pause. */
uint32_t length_most(struct length *length, enum proposer by);

/* Whether proposal number `made` (0 for the first) should be made, given the chance that all before it are accepted. */
int length_worth(const struct length *length, enum proposer by, uint32_t made, float chance);

/* Chance of acceptance of a proposal made with this confidence (0 .. 1). */
float length_chance(const struct length *length, enum proposer by, float confidence);

/* What a round showed. */
struct round {
    enum proposer by;
    uint32_t proposed, accepted;
    float confidence[PROPOSE_MAX];
    uint64_t draft_ns;    /* of `steps` draft steps */
    uint32_t steps;
    uint64_t draft_prompt_ns; /* of the draft's catching up */
    uint64_t verify_ns;
    uint32_t columns;     /* of the verification */
    uint64_t round_ns;    /* all in, but for catching up */
};
void length_learn(struct length *length, const struct round *round);

#endif
