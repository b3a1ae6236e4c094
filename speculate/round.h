/* One round of speculation: ids are proposed, and the target verifies all of them in one pass. */
#ifndef SPECULATE_ROUND_H
#define SPECULATE_ROUND_H

#include <stdint.h>

enum { PROPOSE_MAX = 15, DRAFT_TOKENS_MAX = PROPOSE_MAX + 1 };

enum proposer { BY_DRAFT, BY_LOOKUP, PROPOSERS };

/* Ids that follow the context one after another. */
struct draft_tokens {
    uint32_t count; /* at most PROPOSE_MAX in a round's proposals */
    int32_t id[DRAFT_TOKENS_MAX];
    int32_t second[DRAFT_TOKENS_MAX]; /* the draft's: what came second in this place, or -1 */
    uint8_t bin[DRAFT_TOKENS_MAX];    /* how sure the proposer is of the id: policy_bin_* */
};

/* A round, as it comes about. */
struct round {
    struct draft_tokens tokens[PROPOSERS];
    enum proposer by;            /* whose ids go to the target: */
    uint32_t proposed;           /* the first so many of them */
    uint32_t branches;           /* and so many of the draft's second ids, */
    uint8_t branch[PROPOSE_MAX]; /* beside these places, in the order of their columns */
    uint32_t accepted;           /* of those proposed */
    uint32_t taken;              /* of the branches: 0 or 1 */

    uint32_t steps;       /* draft steps, */
    uint64_t draft_ns;    /* and their time */
    uint32_t caught_up;   /* positions of the context that the draft was shown, */
    uint64_t catch_up_ns; /* in this time; */
    uint64_t prompt_ns;   /* so much of it was the first showing in this generation */
    uint32_t columns;     /* of the verification; 0: there was none */
    uint64_t verify_ns;
    int overlapped;      /* the draft went on during the verification, */
    uint32_t ahead;      /* by so many ids, */
    uint64_t overlap_ns; /* for so much of its time */
    uint32_t kept;       /* of the draft's ids: made in that way during the round before */
};

#endif
