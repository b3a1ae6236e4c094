/* How many ids to propose, and which. Costs nothing in exactness: whatever it says, the output is
 * the target's own.
 *
 * It weighs what one more proposal costs (a draft step, a wider verification) against what it
 * brings (the chance that it and all before it are accepted, times what a token costs now). Costs
 * are running averages of the passes; chances are running averages by place in the round and by how
 * sure the proposer is. Where drafting does not pay it stops, and tries again now and then.
 *
 * What is believed may be wrong, and learning takes rounds. So what may be lost is bounded besides:
 * every round that takes longer than its tokens would plainly is paid from a credit, which is small
 * at first, grows a little with every token and by what rounds save. Nothing is drafted whose
 * failure the credit would not cover.
 *
 * A round's proposals are the draft's chain and, beside some of its ids, the id that came second
 * there: a branch of one id, which needs no draft step of its own. Or they are the chain of the
 * lookup. */
#ifndef RUNTIME_LENGTH_H
#define RUNTIME_LENGTH_H

#include <stdint.h>

#include "runtime/propose.h"

enum { LENGTH_BINS = 8, LENGTH_COLUMNS = PROPOSE_MAX + 1 };

/* Nanoseconds; 0 where not known. */
struct costs {
    float verify_ns[LENGTH_COLUMNS + 1]; /* a pass of so many columns */
    float draft_ns;                      /* a draft step */
    int timed;                           /* a pass of one column was timed at open, and no round has
                                            shown it yet */
};

enum proposer { BY_DRAFT, BY_LOOKUP, PROPOSERS };

/* Ids that follow the context one after another, and how sure their proposer is of each. */
struct chain {
    uint32_t count;
    int32_t id[PROPOSE_MAX];
    uint8_t bin[PROPOSE_MAX]; /* length_bin_* */
};

/* A round, as it comes about. */
struct round {
    struct chain chain[PROPOSERS];
    int32_t other[PROPOSE_MAX];  /* beside the draft's ids: what came second, or -1 */
    enum proposer by;            /* whose ids go to the target: */
    uint32_t proposed;           /* the first so many of its chain */
    uint32_t branches;           /* and so many seconds, */
    uint8_t branch[PROPOSE_MAX]; /* at these places, in the order of their columns */
    uint32_t accepted;           /* of the chain */
    uint32_t taken;              /* of the branches, 0 or 1 */
    uint64_t draft_ns;           /* of `steps` draft steps */
    uint32_t steps;
    uint64_t catch_up_ns; /* of the draft's catching up, */
    uint32_t caught_up;   /* by so many positions */
    uint64_t verify_ns;
    uint32_t columns;    /* of the verification; 0: there was none */
    int overlapped;      /* the draft went on during the verification, */
    uint32_t ahead;      /* by so many ids, */
    uint64_t overlap_ns; /* for so much of it */
    uint32_t kept;       /* ids of the draft's chain that were made so before this round */
};

/* A running average of yes and no. */
struct chance {
    float is;
    uint32_t seen; /* as far as it matters */
};

struct length {
    uint32_t fixed;                      /* 1 .. PROPOSE_MAX: always that many and no branches; 0:
                                            chosen */
    float verify_ns[LENGTH_COLUMNS + 1]; /* of a pass by columns, running averages; 0: not seen
                                            yet */
    float cost_ns[LENGTH_COLUMNS + 1];   /* the same, made up where not seen */
    uint32_t rounds, seen_at[LENGTH_COLUMNS + 1]; /* verified, and the last of them with so many
                                                     columns */
    uint8_t seen[LENGTH_COLUMNS + 1]; /* passes of so many columns, as far as it matters */
    float share;                      /* what a draft step costs of a plain pass, by what both
                                            read; 0: not known */
    float draft_ns;                   /* of a draft step; 0: not seen yet */
    uint32_t steps;                   /* of those seen, as far as it matters */
    float credit;                     /* in plain passes */
    float prompt_ns;                  /* of the model's prompt, for one id; 0: not known */
    float shown_ns;                   /* of showing the draft one id of many; 0: not seen yet */
    float round_cost, round_tokens;   /* of the last rounds: what they should have taken by these
                                            costs */
    struct chance hit[PROPOSERS][LENGTH_BINS]; /* chance of being the target's choice, the ids
                                                  before being so */
    struct chance second[LENGTH_BINS];         /* the same for the id that came second */
    struct chance reach[PROPOSE_MAX]; /* the same for the draft's by place, for ids that are not
                                          drafted yet */
    struct chance found;              /* and for the lookup's first id, whatever it was found by */
    uint32_t pause, paused;           /* rounds without drafting before the next try, and rounds
                                            since the last */
    int looking;                      /* this round is such a try: of one id, from a draft that
                                            has seen the last ids only */
    int again;                        /* it was right: another one now */
    float look_ns;                    /* of showing the draft those ids */
};

void length_open(struct length *length, uint32_t fixed);

/* What is known before the first round; what rounds take changes it. share: bytes that a pass of
 * the draft reads, of those of the model's; 0 where that says nothing. */
void length_costs(struct length *length, const struct costs *costs, float share);

/* By the margin of a guess, and by the ids that an earlier place shares with the end of the
 * context. */
uint8_t length_bin_margin(float margin);
uint8_t length_bin_match(uint32_t ids);

/* Ids to draft at most in the coming round, 0 .. PROPOSE_MAX: 0 in a pause. unseen: ids that the
 * draft would have to be shown first. */
uint32_t length_most(struct length *length, uint32_t unseen);

/* Of so many ids that the draft has not seen, how many of the last it should be shown: all, or what
 * may be lost on them. */
uint32_t length_show(const struct length *length, uint32_t ids);

/* Whether the draft should make one more id after `made` of them, the last of which is accepted
 * with this chance. */
int length_worth(const struct length *length, uint32_t made, float chance);
float length_chance(const struct length *length, uint8_t bin); /* of a drafted id, those before it
                                                                  being accepted */

/* Chooses among the ids made, at most `most`: fills in by, proposed, branches and branch.
 * length_lookup says whether drafting would do no better; if not, length_draft may overrule it. */
int length_lookup(const struct length *length, struct round *round, uint32_t most);
void length_draft(const struct length *length, struct round *round, uint32_t most);

/* chosen [count]: what the target chose behind the context. */
void length_learn(struct length *length, const struct round *round, const int32_t *chosen,
                  uint32_t count);

#endif
