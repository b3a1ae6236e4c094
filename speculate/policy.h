/* The draft policy: how many ids to propose, and which. It changes no output: whatever it says, the
 * target chooses every id.
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
 * A round's proposals are the draft's ids and, beside some of them, the id that came second there:
 * a branch of one id, which needs no draft step of its own. Or they are the lookup's ids. */
#ifndef SPECULATE_POLICY_H
#define SPECULATE_POLICY_H

#include <stdint.h>

#include "speculate/round.h"
#include "speculate/trial.h"

enum { POLICY_BINS = 8, POLICY_COLUMNS = PROPOSE_MAX + 1 };

/* Nanoseconds; 0 where not known. */
struct costs {
    float verify_ns[POLICY_COLUMNS + 1]; /* a pass of so many columns */
    float draft_ns;                      /* a draft step */
    int timed;                           /* a pass of one column was timed at open, and no round has
                                            shown it yet */
};

/* A running average of yes and no. */
struct chance {
    float is;
    uint32_t seen; /* as far as it matters */
};

struct draft_policy {
    uint32_t fixed;                      /* 1 .. PROPOSE_MAX: always that many and no branches; 0:
                                            chosen */
    float verify_ns[POLICY_COLUMNS + 1]; /* of a pass by columns, running averages; 0: not seen
                                            yet */
    float cost_ns[POLICY_COLUMNS + 1];   /* the same, made up where not seen */
    uint32_t rounds, seen_at[POLICY_COLUMNS + 1]; /* verified, and the last of them with so many
                                                     columns */
    uint8_t seen[POLICY_COLUMNS + 1]; /* passes of so many columns, as far as it matters */
    float share;                      /* what a draft step costs of a plain pass, by what both
                                            read; 0: not known */
    float draft_ns;                   /* of a draft step; 0: not seen yet */
    uint32_t steps;                   /* of those seen, as far as it matters */
    float credit;                     /* in plain passes */
    float prompt_ns;                  /* of the model's prompt, for one id; 0: not known */
    float shown_ns;                   /* of showing the draft one id of many; 0: not seen yet */
    float round_cost, round_tokens;   /* of the last rounds: what they should have taken by these
                                            costs */
    struct chance hit[PROPOSERS][POLICY_BINS]; /* chance of being the target's choice, the ids
                                                  before being so */
    struct chance second[POLICY_BINS];         /* the same for the id that came second */
    struct chance reach[PROPOSE_MAX]; /* the same for the draft's by place, for ids that are not
                                          drafted yet */
    struct chance found;              /* and for the lookup's first id, whatever it was found by */
    struct trial trial;               /* rounds without drafting before the next probe */
    int probing; /* this round is a probe: one id, from a draft that has seen the last ids only */
    int again;   /* the last probe was right: another one now */
    float probe_ns; /* of showing the draft those ids */
};

void policy_open(struct draft_policy *policy, uint32_t fixed);

/* What is known before the first round; what rounds take changes it. share: bytes that a pass of
 * the draft reads, of those of the model's; 0 where that says nothing. */
void policy_costs(struct draft_policy *policy, const struct costs *costs, float share);

/* The bin by the margin of a guess, 0 at least, and by the ids that an earlier place shares with
 * the end of the context. */
uint8_t policy_bin_margin(float margin);
uint8_t policy_bin_match(uint32_t ids);

/* A round begins: how many ids may be drafted in it, 0 .. PROPOSE_MAX, 0 in a pause. Sets
 * policy->probing. unseen: ids that the draft would have to be shown first. */
uint32_t policy_start(struct draft_policy *policy, uint32_t unseen);

/* Of so many ids that the draft has not seen, how many of the last it should be shown: all, or what
 * may be lost on them. */
uint32_t policy_show_limit(const struct draft_policy *policy, uint32_t ids);

/* Whether the draft should make one more id after `made` of them, the last of which is accepted
 * with this chance. */
int policy_wants_another(const struct draft_policy *policy, uint32_t made, float chance);

/* The chance of a drafted id of this bin, below POLICY_BINS, to be accepted, those before it being
 * so. */
float policy_chance(const struct draft_policy *policy, uint8_t bin);

/* Choose among the ids made, at most `most` of PROPOSE_MAX: fill in by, proposed, branches and
 * branch. policy_choose_lookup says whether drafting would do no better; if not,
 * policy_choose_draft may overrule it. */
int policy_choose_lookup(const struct draft_policy *policy, struct round *round, uint32_t most);
void policy_choose_draft(const struct draft_policy *policy, struct round *round, uint32_t most);

/* chosen [count]: what the target chose behind the context. */
void policy_learn(struct draft_policy *policy, const struct round *round, const int32_t *chosen,
                  uint32_t count);

#endif
