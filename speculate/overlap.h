/* Drafting while the target verifies on another engine: the next round's proposals are made as if
 * this round's were all accepted. No proposal changes what is written, and neither do these.
 *
 * This pays where the draft steps that it saves take longer than what it adds to the verification,
 * for both share the machine's memory. Unless the configuration says, rounds of both kinds are
 * measured, and the better kind is kept. */
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

/* Between sequence_begin and sequence_end of the target: drafts for as long as it works and there
 * is room. */
void overlap_draft(struct speculation *sp, const struct speculation_input *in, struct round *round);

/* As speculate_settle says: keeps what was made ahead if `right` and the id that was chosen last
 * is the one that was guessed, else takes it back from the draft. */
void overlap_settle(struct speculation *sp, const struct speculation_input *in, uint32_t end,
                    int right);

/* A new round's drafted ids begin with what is ahead. */
void overlap_take(struct speculation *sp, const struct speculation_input *in, struct round *round);

void overlap_learn(struct speculation *sp, const struct round *round);

#endif
