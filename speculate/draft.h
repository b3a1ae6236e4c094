/* A draft model that proposes for the target.
 *
 * It keeps its own sequence: the context's ids, those that it has no embedding for as the shorter
 * pieces that it has for their bytes, without control tokens that it lacks, without the suffix of a
 * fill-in-the-middle prompt whose markers it lacks (it sees prefix and generated text, as in plain
 * completion), and only the last part of a context longer than its own. Its choices use the
 * target's positions, so that both draw the same random numbers. */
#ifndef SPECULATE_DRAFT_H
#define SPECULATE_DRAFT_H

#include "runtime/sample.h"
#include "runtime/sequence.h"
#include "speculate/pair.h"
#include "speculate/round.h"

/* DRAFT_POSITIONS_MIN: of any draft. DRAFT_PROBE: ids that it is shown where it is only asked
 * whether it would pay by now. Both are chosen, not measured. */
enum { DRAFT_POSITIONS_MIN = 64, DRAFT_PROBE = 32 };

struct draft {
    struct sequence sequence; /* sequence.model NULL: no draft */
    const struct vocab *target_vocab;
    int32_t *ids;       /* [positions] its sequence */
    uint32_t *place;    /* [positions] index in the context of each of them, ascending; the same
                               for the pieces of one id */
    uint32_t positions; /* it can hold */
    uint32_t count;     /* ids in its sequence */
    uint32_t source;    /* ids of the context that it has been shown */
    uint32_t vocab;     /* ids below are in both vocabularies */
    struct pair_renamed renamed; /* of those, the ids that mean something else to the draft */
    int32_t suffix, middle; /* fill-in-the-middle markers of the target that the draft lacks, or
                               -1 */
    int in_suffix;          /* between the two */
    uint32_t whole;         /* ids of the context before the first that draft_skip left out;
                               UINT32_MAX: it left out none */
    int slid;               /* ids behind its first are missing */
    int broken;             /* it cannot evaluate what it has been shown */
    uint32_t caught_up;     /* positions that the last draft_follow evaluated, */
    uint32_t split;         /* and how many more it was shown than ids of the context, as pieces of
                               them */
};

/* draft->sequence is open and empty; positions: DRAFT_POSITIONS_MIN at least. The markers suffix
 * and middle are looked up in the target's vocabulary. */
void draft_open(struct draft *draft, const struct blob *target, const struct pair_renamed *renamed,
                int32_t *ids, uint32_t *place, uint32_t positions);

/* The context's ids from `position` on have changed. context [position]: those that stay. */
void draft_rewind(struct draft *draft, const int32_t *context, uint32_t position);

/* Leaves out what it has not been shown yet of context[0 .. count) but for the last `keep` ids: so
 * it can be asked at little cost. What it has seen stays in front. */
void draft_skip(struct draft *draft, const int32_t *context, uint32_t count, uint32_t keep);

/* Shows the draft context[source .. count) and evaluates it. APUS_PARTIAL as sequence_pass says it.
 * After APUS_E_NUMERIC it says so again until some of that is taken back. */
apus_status draft_follow(struct draft *draft, const int32_t *context, uint32_t count,
                         struct hal_stop stop);

/* After a draft_follow that gave APUS_OK: the draft's guess at the id at index `place` of the
 * context; APUS_E_ORDER where it has none. scratch: sample_scratch_bytes(draft->vocab). */
apus_status draft_guess(const struct draft *draft, const struct sampler *sampler, uint32_t place,
                        void *scratch, struct guess *guess);

#endif
