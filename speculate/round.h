/* One round of speculation: ids are proposed, and the target verifies all of them in one pass. */
#ifndef SPECULATE_ROUND_H
#define SPECULATE_ROUND_H

#include <stdint.h>

enum { PROPOSE_MAX = 15, DRAFT_TOKENS_MAX = PROPOSE_MAX + 1 };

enum proposer { BY_DRAFT, BY_LOOKUP, PROPOSERS };

/* Ids that follow the context one after another. */
struct draft_tokens {
    uint32_t count; /* of a round's proposals: at most PROPOSE_MAX */
    int32_t id[DRAFT_TOKENS_MAX];
    int32_t second[DRAFT_TOKENS_MAX]; /* from the draft alone: the id that came second in this
                                         place, or -1 */
    uint8_t bin[DRAFT_TOKENS_MAX];    /* how sure the proposer is of the id, as a bin of
                                         policy_bin_* */
};

/* How far a round is that stopped because its call had no steps left. */
enum round_stage {
    ROUND_NEW,
    ROUND_BEHIND,   /* positions before it are evaluated anew */
    ROUND_DRAFTS,   /* the draft has proposed some ids, and goes on */
    ROUND_PROPOSED, /* everything is proposed */
    ROUND_VERIFIES  /* the target's pass has begun */
};

/* What has happened so far in a round. Times are in nanoseconds. */
struct round {
    enum round_stage stage;
    uint32_t most; /* from ROUND_DRAFTS on: ids that the draft may propose */
    struct draft_tokens tokens[PROPOSERS];
    enum proposer by;            /* whose ids go to the target */
    uint32_t proposed;           /* how many of them go: the first ones */
    uint32_t branches;           /* how many of the draft's second ids go too */
    uint8_t branch[PROPOSE_MAX]; /* the places that they stand beside, in the order of their
                                    columns */
    uint32_t accepted;           /* how many of the proposed ids the target chose too */
    uint32_t taken;              /* how many branches the target chose: 0 or 1 */

    uint32_t steps;       /* draft steps */
    uint32_t width;       /* ids that a draft with a mask was asked for in its one step; 0: it was
                             not */
    uint64_t draft_ns;    /* time of the draft steps */
    uint32_t caught_up;   /* positions that the draft evaluated besides its steps (prompt, pause,
                             slide) */
    uint64_t catch_up_ns; /* time of those */
    uint64_t prompt_ns;   /* the part of catch_up_ns in which the draft read the context for the
                             first time in this generation */
    uint32_t columns;     /* columns of the verification; 0: there was none */
    uint64_t verify_ns;
    int overlapped;      /* whether the draft went on during the verification */
    uint32_t ahead;      /* ids that it made meanwhile */
    uint64_t overlap_ns; /* time that it took for those */
    uint32_t kept;       /* how many of the draft's ids were made during the verification of the
                            round before */
};

#endif
