/* The draft policy: how many ids to propose, and which. It never changes the output, because the
 * target chooses every id.
 *
 * It weighs what one more proposal costs (a draft step and a wider verification) against what the
 * proposal brings (the chance that it and all before it are accepted, times what a token costs
 * now). Costs are running averages of the passes; chances are running averages by place in the
 * round and by how sure the proposer is. Where drafting does not pay, the policy stops it and tries
 * it again now and then.
 *
 * These estimates may be wrong, and learning takes rounds. So the time that may be lost is bounded
 * too: a round that takes longer than its tokens would take without proposals is paid from a
 * credit. The credit is small at first, grows a little with every token, and grows by what rounds
 * save. Nothing is drafted if its failure would cost more than the credit.
 *
 * A round's proposals are either the lookup's ids, or the draft's ids and, beside some of them, the
 * id that came second there: a branch of one id, which needs no draft step of its own. */
#ifndef SPECULATE_POLICY_H
#define SPECULATE_POLICY_H

#include <stdint.h>

#include "speculate/round.h"
#include "speculate/trial.h"

enum { POLICY_BINS = 8, POLICY_COLUMNS = PROPOSE_MAX + 1 };

/* Costs in nanoseconds; 0 where not known. */
struct costs {
    float verify_ns[POLICY_COLUMNS + 1]; /* a pass of the target, by its columns */
    float draft_ns;                      /* a draft step */
    /* The bytes that a pass of so many columns is expected to read, divided by those of one column:
     * 1, and more where columns choose experts. Not less for more columns. */
    float growth[POLICY_COLUMNS + 1], draft_growth[POLICY_COLUMNS + 1];
    int timed; /* a pass of one column was timed at open, and no round has
                                            shown it yet */
};

/* A running average of yes (1) and no (0). */
struct chance {
    float is;
    uint32_t seen; /* how many were averaged, up to the number at which they all count alike */
};

/* Costs are in nanoseconds. */
struct draft_policy {
    uint32_t fixed; /* 1 .. PROPOSE_MAX: propose always that many, without branches; 0: choose */
    float verify_ns[POLICY_COLUMNS + 1]; /* a pass by its columns, running averages; 0: not seen */
    float cost_ns[POLICY_COLUMNS + 1];   /* the same, estimated where not seen */
    float growth[POLICY_COLUMNS + 1], width_growth[POLICY_COLUMNS + 1]; /* struct costs */
    uint32_t rounds;                                                    /* verifications */
    uint32_t seen_at[POLICY_COLUMNS + 1]; /* the last of them that had this many columns */
    uint8_t seen[POLICY_COLUMNS + 1];     /* passes that had this many columns, up to a few */
    float share;    /* a draft step's part of a plain pass, from the bytes that both read; 0: not
                         known */
    float draft_ns; /* a draft step; 0: not seen yet */
    uint32_t steps; /* draft steps seen, up to a few */
    int parallel;   /* the draft guesses all ids of a round in one step */
    /* For such a draft, a step by the ids that it was asked for, as verify_ns .. seen for the
     * target's passes; draft_ns is a step for one id. */
    float width_ns[POLICY_COLUMNS + 1], width_cost_ns[POLICY_COLUMNS + 1];
    uint32_t width_at[POLICY_COLUMNS + 1];
    uint8_t width_seen[POLICY_COLUMNS + 1];
    float credit;       /* in plain passes */
    float prompt_ns;    /* what the target took for one id of its prompt; 0: not known */
    float shown_ns;     /* showing the draft one of many ids; 0: not seen yet */
    float round_cost;   /* an average of the last rounds, computed from these costs */
    float round_tokens; /* the tokens of a round, averaged over the same rounds */
    struct chance hit[PROPOSERS][POLICY_BINS]; /* that the target chooses an id, given that it chose
                                                  those before */
    struct chance second[POLICY_BINS];         /* the same for the id that came second */
    struct chance reach[PROPOSE_MAX]; /* the same by place, for ids that the draft has not made
                                         yet */
    struct chance found; /* the same for the lookup's first id, whatever the length of its match */
    struct trial trial;  /* rounds without drafting before the next probe */
    int probing; /* this round is a probe: one id, from a draft that has only seen the last ids */
    int again;   /* the last probe was right, so the next round is a probe too */
    float probe_ns; /* showing the draft the ids of a probe */
};

void policy_open(struct draft_policy *policy, uint32_t fixed);

/* Takes over what is known before the first round; the rounds then change it. share: the bytes that
 * a pass of the draft reads, divided by those of the target; 0 where that says nothing. */
void policy_costs(struct draft_policy *policy, const struct costs *costs, float share);

/* The bin of an id: for the draft by the margin of its guess (at least 0), for the lookup by how
 * many ids an earlier place shares with the end of the context. */
uint8_t policy_bin_margin(float margin);
uint8_t policy_bin_match(uint32_t ids);

/* Begins a round. Returns how many ids may be drafted in it, 0 .. PROPOSE_MAX, 0 in a pause. Sets
 * policy->probing. unseen: ids that the draft would have to be shown first. */
uint32_t policy_start(struct draft_policy *policy, uint32_t unseen);

/* Of `ids` ids that the draft has not seen, how many of the last ones it should be shown: all, or
 * as many as their cost may be lost. */
uint32_t policy_show_limit(const struct draft_policy *policy, uint32_t ids);

/* Whether the draft should make one more id after `made` of them. chance, 0 .. 1: that the last of
 * those is accepted. */
int policy_wants_another(const struct draft_policy *policy, uint32_t made, float chance);

/* How many ids, at most `most`, a draft that guesses all of them in one step should be asked for.
 * 0: none pays. */
uint32_t policy_width(const struct draft_policy *policy, uint32_t most);

/* The chance that a drafted id of this bin (below POLICY_BINS) is accepted, given that those before
 * it are. */
float policy_chance(const struct draft_policy *policy, uint8_t bin);

/* Choose among the ids made, at most `most` (up to PROPOSE_MAX) of them: they fill in by, proposed,
 * branches and branch. policy_choose_lookup returns whether drafting would do no better; if it
 * returns 0, policy_choose_draft may overrule its choice. */
int policy_choose_lookup(const struct draft_policy *policy, struct round *round, uint32_t most);
void policy_choose_draft(const struct draft_policy *policy, struct round *round, uint32_t most);

/* Learns from a round. chosen [count]: the ids that the target chose after the context. */
void policy_learn(struct draft_policy *policy, const struct round *round, const int32_t *chosen,
                  uint32_t count);

#endif
