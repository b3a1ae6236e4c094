/* Drafting while the target verifies elsewhere: the next round's proposals, made as if this round's
 * were all accepted. Costs nothing in exactness, as no proposal does.
 *
 * It pays where the steps it saves are longer than the verification gets: both share the machine's
 * memory. Unless the configuration says, rounds of both kinds are measured, and the better kind is
 * kept. */
#ifndef RUNTIME_OVERLAP_H
#define RUNTIME_OVERLAP_H

#include "runtime/length.h"

enum { AHEAD_MAX = PROPOSE_MAX + 1 };

/* Ids that the draft made ahead. The first is its guess at what the target chooses itself behind
 * its proposals. */
struct ahead {
    uint32_t count;
    int32_t id[AHEAD_MAX], other[AHEAD_MAX];
    uint8_t bin[AHEAD_MAX];
};

struct overlap {
    int mode; /* as apus_config.overlap; 0 only with a clock */
    struct ahead ahead;
    float gain_ns, cost_ns; /* of a round, running averages: draft steps that it saved the next one;
                               what its verification took more */
    uint32_t rounds;        /* overlapped since the last pause */
    uint32_t pause, left;   /* rounds of the coming pause, and of this one */
};

struct apus_session;
struct round;

void overlap_open(struct overlap *overlap, int mode);

/* After the round's proposals are chosen: whether to draft on while they are verified. */
int overlap_wanted(struct apus_session *session, const struct round *round);
/* Drafts for as long as the target works, if there is room. */
void overlap_draft(struct apus_session *session, struct round *round);

/* After the target has chosen: `end` is where the round's accepted proposals end in the context,
 * and the last id chosen follows. Keeps what was made ahead if `right` and that id is the one
 * guessed, else takes it back from the draft. */
void overlap_settle(struct apus_session *session, uint32_t end, int right);
/* The context goes another way: takes it back. */
void overlap_drop(struct apus_session *session);
/* The draft's chain of a new round begins with what is ahead. */
void overlap_take(struct apus_session *session, struct round *round);

void overlap_learn(struct apus_session *session, const struct round *round);

#endif
