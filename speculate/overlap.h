/* Drafting while the target verifies elsewhere: the next round's proposals, made as if this round's
 * were all accepted. Costs nothing in exactness, as no proposal does.
 *
 * It pays where the steps it saves are longer than the verification gets: both share the machine's
 * memory. Unless the configuration says, rounds of both kinds are measured, and the better kind is
 * kept. */
#ifndef SPECULATE_OVERLAP_H
#define SPECULATE_OVERLAP_H

#include "speculate/round.h"
#include "speculate/trial.h"

struct overlap {
    int mode; /* as apus_config.overlap; 0 only with a clock */
    /* Made ahead. The first is the draft's guess at what the target chooses itself behind its
     * proposals. */
    struct draft_tokens ahead;
    float gain_ns;   /* of a round, a running average: draft steps that it saved the next one; */
    float cost_ns;   /* likewise: what its verification took more */
    uint32_t rounds; /* overlapped since the last pause */
    int paused;
    struct trial trial;
};

struct speculation;
struct speculation_input;

void overlap_open(struct overlap *overlap, int mode);

/* After the round's proposals are chosen: whether to draft on while they are verified. Counts the
 * round where it is one that waits. */
int overlap_start(struct speculation *sp, const struct speculation_input *in,
                  const struct round *round);

/* Drafts for as long as the target works, if there is room. */
void overlap_draft(struct speculation *sp, const struct speculation_input *in, struct round *round);

/* speculate_settle: keeps what was made ahead if `right` and the id that was chosen last is the one
 * guessed, else takes it back from the draft. */
void overlap_settle(struct speculation *sp, const struct speculation_input *in, uint32_t end,
                    int right);

/* A new round's drafted ids begin with what is ahead. */
void overlap_take(struct speculation *sp, const struct speculation_input *in, struct round *round);

void overlap_learn(struct speculation *sp, const struct round *round);

#endif
