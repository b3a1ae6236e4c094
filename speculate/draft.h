/* A draft model that proposes for the target.
 *
 * It keeps a sequence of its own, which is the context's ids but for what it cannot read. Where it
 * has no embedding for an id, it is shown the shorter pieces that it has for the id's bytes;
 * control tokens that it lacks are left out. The suffix of a fill-in-the-middle prompt whose
 * markers it lacks is left out too, so that it sees the prefix and the generated text, as in plain
 * completion. Of a context longer than its own it sees the first id and the last part. Its choices
 * use the target's positions, so that both draw the same random numbers.
 *
 * A draft with a mask (struct blob_draft) guesses several ids in one pass: behind the ids come
 * masks, and behind the n-th mask stands its guess at the n-th id after the next one. The masks'
 * rows of the cache are taken back after the pass, so the ids that were accepted are shown as
 * themselves in the next one. */
#ifndef SPECULATE_DRAFT_H
#define SPECULATE_DRAFT_H

#include "runtime/sample.h"
#include "runtime/sequence.h"
#include "speculate/pair.h"
#include "speculate/round.h"

/* DRAFT_POSITIONS_MIN: the least positions of any draft. DRAFT_PROBE: how many ids the draft is
 * shown in a probe, which only asks whether drafting would pay by now. Both are chosen, not
 * measured. */
enum { DRAFT_POSITIONS_MIN = 64, DRAFT_PROBE = 32 };

struct draft {
    struct sequence sequence; /* sequence.model is NULL where there is no draft */
    const struct vocab *target_vocab;
    int32_t *ids;       /* [positions] the ids of its sequence */
    uint32_t *place;    /* [positions] the index in the context of each of ids, ascending; pieces of
                           one id have the same index */
    uint32_t positions; /* how many ids it can hold */
    uint32_t count;     /* ids in its sequence */
    uint32_t source;    /* ids of the context that it has been shown */
    uint32_t vocab;     /* ids below this number are in both vocabularies */
    int32_t mask;       /* the id of its mask, which is never shown otherwise nor proposed; -1: it
                           guesses one id in a pass */
    uint32_t rows;      /* guesses of the last pass: 1, and one behind each mask */
    struct pair_renamed renamed; /* the ids below `vocab` that mean something else to the draft */
    int32_t suffix, middle; /* fill-in-the-middle markers of the target that the draft lacks, or
                               -1 */
    int in_suffix;          /* the next id is between the two markers */
    uint32_t whole;         /* ids of the context before the first one that draft_skip left out;
                               UINT32_MAX: it left out none */
    int slid;               /* ids after its first one have been dropped */
    int broken;             /* it cannot evaluate what it has been shown */
    uint32_t caught_up;     /* positions that the last draft_follow evaluated */
    uint32_t split;         /* how many more ids than those of the context it was shown then,
                               because some were shown as several pieces */
};

/* draft->sequence is open and empty; positions is at least DRAFT_POSITIONS_MIN. The markers suffix
 * and middle are looked up in the target's vocabulary. */
void draft_open(struct draft *draft, const struct blob *target, const struct pair_renamed *renamed,
                int32_t *ids, uint32_t *place, uint32_t positions);

/* The context's ids from `position` on have changed. context [position]: those that stay. */
void draft_rewind(struct draft *draft, const int32_t *context, uint32_t position);

/* Leaves out those ids of context[0 .. count) that the draft has not been shown yet, except for the
 * last `keep`. So it can be asked at little cost. The ids that it has seen stay before them. */
void draft_skip(struct draft *draft, const int32_t *context, uint32_t count, uint32_t keep);

/* Shows the draft context[source .. count) and evaluates it, in the last pass with `masks` masks
 * behind it (only if it has one; below HAL_LOGITS_MAX, DRAFT_POSITIONS_MIN / 2, and the columns of
 * a pass). APUS_PARTIAL: as from sequence_pass; a call with as many masks goes on. After
 * APUS_E_NUMERIC every call gives APUS_E_NUMERIC again until draft_rewind takes back some of those
 * ids. */
apus_status draft_follow(struct draft *draft, const int32_t *context, uint32_t count,
                         uint32_t masks, struct hal_stop stop);

/* Call this after a draft_follow that gave APUS_OK, for row 0 and then, if there were masks, for
 * the rows behind them in order. Gives the draft's guess at the id at index `place` of the context,
 * or APUS_E_ORDER where it has none, and then none in later rows. scratch:
 * sample_scratch_bytes(draft->vocab). */
apus_status draft_guess(struct draft *draft, const struct sampler *sampler, uint32_t place,
                        uint32_t row, void *scratch, struct guess *guess);

#endif
