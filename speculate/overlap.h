/* Drafting while the target verifies on another engine: the next round's proposals are made as if
 * this round's were all accepted. Like any proposals, they do not change what is written.
 *
 * This pays where the draft steps that it saves take longer than what it adds to the verification,
 * which it slows down because both share the machine's memory. Unless the configuration says which
 * to do, rounds of both kinds are measured, and the better kind is kept. */
#ifndef SPECULATE_OVERLAP_H
#define SPECULATE_OVERLAP_H

#include "speculate/round.h"
#include "speculate/trial.h"

struct overlap {
    int mode; /* as apus_config.overlap; 0 (measure) only if the port has a clock */
    /* The ids made ahead. The first is the draft's guess at the id that the target itself chooses
     * after this round's proposals. */
    struct draft_tokens ahead;
    float gain_ns;   /* a running average: the draft steps that a round saved the next one */
    float cost_ns;   /* a running average: how much longer a round's verification took */
    uint32_t rounds; /* rounds that overlapped, or were left plain to compare, since the last
                        pause */
    int paused;
    struct trial trial;
};

struct speculation;
struct speculation_input;

void overlap_open(struct overlap *overlap, int mode);

/* Call this after the round's proposals are chosen. Says whether to draft on while they are
 * verified. In a pause it counts the round. */
int overlap_start(struct speculation *sp, const struct speculation_input *in,
                  const struct round *round);

/* Call this between sequence_begin and sequence_end of the target. Drafts for as long as the target
 * computes and there is room. */
void overlap_draft(struct speculation *sp, const struct speculation_input *in, struct round *round);

/* See speculate_settle for the arguments. Keeps what was made ahead if `right` and if the id that
 * was chosen last is the one that was guessed; otherwise takes it back from the draft. */
void overlap_settle(struct speculation *sp, const struct speculation_input *in, uint32_t end,
                    int right);

/* Lets a new round's drafted ids begin with those that were made ahead. */
void overlap_take(struct speculation *sp, const struct speculation_input *in, struct round *round);

void overlap_learn(struct speculation *sp, const struct round *round);

#endif
