/* Speculation as a session sees it: proposals for the next ids, and one pass of the target that
 * verifies them.
 *
 * Exactness needs nothing from the proposals. The target's logits are the same bits whatever else
 * is in the pass, so the ids that are chosen from them are those that plain decoding would choose;
 * a proposal only decides whether a row of logits is of use. */
#ifndef SPECULATE_SPECULATE_H
#define SPECULATE_SPECULATE_H

#include "speculate/draft.h"
#include "speculate/overlap.h"
#include "speculate/policy.h"
#include "speculate/round.h"

struct speculation {
    struct draft draft; /* draft.sequence.model is NULL where there is no draft */
    struct draft_policy policy;
    struct overlap overlap;
    int lookup; /* whether what followed the same ids earlier in the context is proposed */
    int shown;  /* the draft has been shown what was before this generation */
};

/* What the session lends for a call. */
struct speculation_input {
    struct sequence *target;
    const apus_port *port;
    int32_t *ids;            /* [context]: the context's ids, and after them room for proposals */
    uint32_t count, context; /* ids now, 1 .. context - 1 when a round begins, and at most */
    uint32_t start;          /* where this generation begins in ids */
    uint32_t left;           /* ids that the generation may still make, at least 1; UINT32_MAX: no
                                limit */
    float prompt_ns;         /* what the target took for one id of its prompt; 0: not known */
    const struct sampler *sampler;
    void *scratch;        /* memory for the sampler */
    struct hal_stop stop; /* stops drafting; a verification is stopped by its cancel alone */
};

/* Proposes ids that may follow ids[count - 1] and lets the target verify them. The target then has
 * a row of logits after ids[count - 1], one after each proposal and one after each branch of
 * *round. Before the call it has evaluated ids[.. count - 1). APUS_PARTIAL: it was stopped;
 * otherwise the statuses are those of sequence_end. On any status but APUS_OK the draft has
 * forgotten what it proposed, unless round->stage is not ROUND_NEW: then no steps were left, and a
 * call with the same input and round goes on. */
apus_status speculate_round(struct speculation *sp, const struct speculation_input *in,
                            struct round *round);

/* After the target has chosen: the round's accepted proposals end before ids[end], and the last id
 * chosen follows. right: everything that was proposed was accepted, and the generation goes on. */
void speculate_settle(struct speculation *sp, const struct speculation_input *in, uint32_t end,
                      int right);

/* Learns from a round and from chosen [count], the ids that the target chose after the context. */
void speculate_learn(struct speculation *sp, struct round *round, const int32_t *chosen,
                     uint32_t count);

/* Forgets what was drafted ahead: the context goes on in another way after ids[.. count). */
void speculate_drop(struct speculation *sp, const int32_t *ids, uint32_t count);

/* The context's ids from `position` on have changed. ids [position]: those that stay. */
void speculate_rewind(struct speculation *sp, const int32_t *ids, uint32_t position);

/* Call this when a generation begins. */
static inline void speculate_begin(struct speculation *sp) { sp->shown = 0; }

/* How many ids, at least 1 and at most `most`, a draft with a mask is asked for in one pass. */
static inline uint32_t draft_width(const struct speculation *sp, uint32_t most) {
    uint32_t width = policy_width(&sp->policy, most), columns = sp->draft.sequence.chunk;
    if (width > columns) width = columns;
    return width ? width : 1;
}

/* Whether anything could be proposed. */
static inline int speculates(const struct speculation *sp) {
    return sp->draft.sequence.model || sp->lookup;
}

#endif
