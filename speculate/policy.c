#include "speculate/policy.h"

#include <assert.h>
#include <string.h>

/* Where nothing else is said, a number here was chosen and not measured by itself. What is measured
 * is how all of them work together: tests/speculate/test_policy.c runs the policy over made-up
 * costs and chances (at most 1.027 of the plain time over 64 tokens in 9600 worlds, 1.010 of the
 * best fixed number's cost in 120 others), bench/speculation/hopeless.py over SmolLM2-135M with
 * drafts that are never right (docs/speculation.md). */

/* NEWEST_*: the weight of the newest value in a running average, so that about the last 16 costs
 * and the last 32 rounds count. *_FIRST: the chances that are believed at first. */
#define NEWEST_COST  0x1p-4f
#define NEWEST_ROUND 0x1p-5f
#define REACH_FIRST  0.7f
#define FOUND_FIRST  0.7f
/* FORGOTTEN: the cost of a number of columns is forgotten when no pass had that number for this
 * many passes. The cost of one column, with which all others are compared, is measured again
 * instead: FEW times after PLAIN_SOON rounds each (later where proposals clearly pay), and then
 * every PLAIN_LATER rounds. */
/* LEAST_SLOPE: what a column more is thought to cost at least, as a part of the cheapest pass. */
#define LEAST_SLOPE 0.05f
enum { FORGOTTEN = 64, PLAIN_SOON = 12, PLAIN_LATER = 384, FEW = 4 };

/* The credit, counted in plain passes: its first value, what every token adds, and its bounds. They
 * are chosen so that 64 tokens take at most 3 % longer than without proposals, including the costs
 * that cannot be foreseen. */
#define CREDIT_FIRST 0.8f
#define CREDIT_TOKEN 0.015f
#define CREDIT_LEAST (-2.0f)
#define CREDIT_MOST  8.0f
/* SHOW_PART: the part of the credit that showing old ids to the draft may take. SHOW_STEP: the part
 * of a draft step that one of those ids is thought to take where the target's prompt has not been
 * timed. SHOW_LEAST: how many ids are shown at least. */
#define SHOW_PART 0.5f
#define SHOW_STEP 0.25f
enum { SHOW_LEAST = 16 };

/* LAST_IDS: how many of the last ids of a kind count in a chance. BELIEF: what is believed at first
 * counts as much as this many ids. */
enum { LAST_IDS = 32, BELIEF = 3 };

/* PAUSE_*: rounds of the first and of the longest pause. PROBE_SHARE: probes take at most one part
 * in this many of the time. FIRST_STEPS: the cost of a draft step is first taken to be the least of
 * this many steps, because the very first ones bring the draft's pages in. */
enum { PAUSE_FIRST = 16, PAUSE_MOST = 128, PROBE_SHARE = 100, FIRST_STEPS = 3 };

static void move(float *average, float seen, float weight) {
    *average += (seen - *average) * weight;
}

static void learn(struct chance *c, int yes) {
    if (c->seen < LAST_IDS - BELIEF) c->seen++;
    move(&c->is, yes ? 1.0f : 0.0f, 1.0f / (float)(BELIEF + c->seen));
}

/* Disturbances (other processes, pages that come from disk) only make times longer, so averages go
 * down faster than up. The first time replaces what was known before, which may come from another
 * moment or, if it was timed in a loop, from another state of the caches. */
static void learn_ns(float *average, float ns, uint32_t seen) {
    const float most = *average * 2.0f;
    if (*average == 0.0f || ns < *average * 0.5f)
        *average = ns;
    else
        move(average, ns < most ? ns : most,
             !seen           ? 1.0f
             : ns < *average ? 4 * NEWEST_COST
                             : NEWEST_COST);
}

static void learn_step(struct draft_policy *p, float ns) {
    uint32_t steps = p->steps;
    if (steps <= FIRST_STEPS) p->steps++;
    if (steps >= FIRST_STEPS)
        learn_ns(&p->draft_ns, ns, steps - FIRST_STEPS);
    else if (!steps || ns < p->draft_ns)
        p->draft_ns = ns;
}

/* A cost that was measured only once, at a bad moment, would keep its number of columns from being
 * tried again. So costs that were not measured for a while are forgotten. */
static void learn_column(const struct draft_policy *p, float *average, uint32_t *seen_at,
                         uint8_t *seen, uint32_t columns, float ns) {
    learn_ns(&average[columns], ns, seen[columns]);
    seen_at[columns] = p->rounds;
    if (seen[columns] < FEW) seen[columns]++;
    for (uint32_t n = 2; n <= POLICY_COLUMNS; n++)
        if (p->rounds - seen_at[n] > FORGOTTEN) average[n] = 0.0f;
}

/* How far a pass of n columns lies to the right of the curve's origin, in columns. One that reads
 * the weights of one column once more, because its columns chose other experts, lies as far right
 * as the columns that cost as much without that. */
static float place_of(const float *growth, uint32_t n) {
    return (float)n + (growth[n] - 1.0f) * (1.0f / LEAST_SLOPE);
}

/* Computes the costs from those that were seen. A pass of n columns costs no more than a pass of
 * more columns was seen to cost. Between two numbers of columns that were seen, the curve is a
 * straight line; beyond the last it is as steep as before it, and rises by at least LEAST_SLOPE of
 * the lowest cost a column. */
static void draw_curve(const float *seen, const float *growth, float *cost) {
    float least = 0.0f;
    uint32_t above = 0, last = 0;
    for (uint32_t n = POLICY_COLUMNS; n > 0; n--) {
        cost[n] = 0.0f;
        if (seen[n] == 0.0f) continue;
        if (least == 0.0f || seen[n] < least) least = seen[n];
        cost[n] = least;
        if (!last) last = n;
        for (uint32_t i = n + 1; i < above; i++)
            cost[i] = cost[n] + (cost[above] - cost[n]) *
                                    (place_of(growth, i) - place_of(growth, n)) /
                                    (place_of(growth, above) - place_of(growth, n));
        above = n;
    }
    if (!last) return;
    for (uint32_t n = 1; n < above; n++) cost[n] = cost[above];
    float slope = cost[above] * LEAST_SLOPE,
          steep = last > 1 ? (cost[last] - cost[last - 1]) /
                                 (place_of(growth, last) - place_of(growth, last - 1))
                           : 0.0f;
    if (steep > slope) slope = steep;
    for (uint32_t n = last + 1; n <= POLICY_COLUMNS; n++)
        cost[n] = cost[n - 1] + slope * (place_of(growth, n) - place_of(growth, n - 1));
}

static float plain_ns(const struct draft_policy *p) {
    return p->verify_ns[1] == 0.0f ? 0.0f : p->cost_ns[1];
}

/* The best estimate of what a draft step costs. */
static float step_ns(const struct draft_policy *p) {
    return p->steps ? p->draft_ns : p->share * plain_ns(p);
}

/* What the draft takes for a round's ids: a step for each, or one step for all. */
static float drafted_ns(const struct draft_policy *p, uint32_t ids) {
    if (!p->parallel) return (float)ids * step_ns(p);
    return ids && p->width_cost_ns[ids] > 0.0f ? p->width_cost_ns[ids] : ids ? step_ns(p) : 0.0f;
}

/* The same for the steps that a round made. */
static float made_ns(const struct draft_policy *p, const struct round *r) {
    return p->parallel ? drafted_ns(p, r->steps ? r->width : 0) : (float)r->steps * p->draft_ns;
}

/* The most columns that a pass may have: twice as many as the widest pass that was seen, because
 * what more columns cost is a guess. */
static uint32_t widest_of(const float *seen) {
    uint32_t n = POLICY_COLUMNS;
    while (n > 1 && seen[n] == 0.0f) n--;
    return 2 * n;
}

static uint32_t widest(const struct draft_policy *p) { return widest_of(p->verify_ns); }

static int can_lose(const struct draft_policy *p, float ns) {
    return plain_ns(p) == 0.0f || ns <= p->credit * plain_ns(p);
}

/* What a token costs now, which is never more than without proposals. It is computed from the costs
 * that proposals are weighed with, not from the clock: on a busy machine rounds take longer than
 * those costs say, and proposals would seem to save more than they do. */
static float token_ns(const struct draft_policy *p) {
    float plain = plain_ns(p),
          now = p->round_tokens == 0.0f ? plain : p->round_cost / p->round_tokens;
    return plain != 0.0f && plain < now ? plain : now;
}

void policy_open(struct draft_policy *p, uint32_t fixed) {
    assert(fixed <= PROPOSE_MAX);
    /* First chances by bin. Those of the draft and of its second ids were measured with
     * SmolLM2-135M at 8 bits as the draft of itself at 4 bits, on 16 texts (docs/speculation.md).
     * For those of the lookup no measurement is on record. */
    static const float draft[POLICY_BINS] = {0.40f, 0.43f, 0.67f, 0.77f,
                                             0.86f, 0.90f, 0.97f, 0.98f};
    static const float lookup[POLICY_BINS] = {0.20f, 0.45f, 0.70f, 0.75f,
                                              0.80f, 0.85f, 0.90f, 0.95f};
    static const float second[POLICY_BINS] = {0.38f, 0.32f, 0.14f, 0.10f,
                                              0.08f, 0.06f, 0.02f, 0.01f};
    memset(p, 0, sizeof *p);
    p->fixed = fixed;
    trial_open(&p->trial, PAUSE_FIRST, PAUSE_MOST);
    p->credit = CREDIT_FIRST;
    for (uint32_t b = 0; b < POLICY_BINS; b++) {
        p->hit[BY_DRAFT][b].is = draft[b];
        p->hit[BY_LOOKUP][b].is = lookup[b];
        p->second[b].is = second[b];
    }
    for (uint32_t n = 0; n <= POLICY_COLUMNS; n++) p->growth[n] = p->width_growth[n] = 1.0f;
    for (uint32_t i = 0; i < PROPOSE_MAX; i++) p->reach[i].is = REACH_FIRST;
    p->found.is = FOUND_FIRST;
}

void policy_costs(struct draft_policy *p, const struct costs *costs, float share) {
    assert(share >= 0.0f);
    p->share = share;
    memcpy(p->verify_ns, costs->verify_ns, sizeof p->verify_ns);
    for (uint32_t n = 1; n <= POLICY_COLUMNS; n++) {
        if (costs->growth[n] > 0.0f) p->growth[n] = costs->growth[n];
        if (costs->draft_growth[n] > 0.0f) p->width_growth[n] = costs->draft_growth[n];
    }
    p->seen[1] = p->verify_ns[1] > 0.0f && !costs->timed;
    if (costs->draft_ns > 0.0f) {
        p->draft_ns = p->width_ns[1] = costs->draft_ns;
        p->steps = FIRST_STEPS;
    }
    draw_curve(p->verify_ns, p->growth, p->cost_ns);
    draw_curve(p->width_ns, p->width_growth, p->width_cost_ns);
}

uint8_t policy_bin_margin(float margin) {
    assert(margin >= 0.0f);
    static const float from[POLICY_BINS] = {0.0f, 0.25f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 5.0f};
    uint8_t b = 0;
    while (b + 1 < POLICY_BINS && margin >= from[b + 1]) b++;
    return b;
}

uint8_t policy_bin_match(uint32_t ids) {
    return (uint8_t)(ids / 2 < POLICY_BINS ? ids / 2 : POLICY_BINS - 1);
}

/* Whether this round should go without proposals, to measure what a token costs then. Too much
 * depends on this cost to take it from the timing at open or from a single round. Where proposals
 * clearly pay, measuring it again can wait. */
static int plain_is_due(const struct draft_policy *p) {
    uint32_t since = p->rounds - p->seen_at[1], seen = p->seen[1];
    if (!seen || since >= PLAIN_LATER) return 1;
    if (seen >= FEW) return 0;
    return since >= (uint32_t)PLAIN_SOON << (token_ns(p) > 0.6f * p->cost_ns[1] ? 0 : 2 * seen - 1);
}

/* What one of many ids costs when the draft is shown them. Until that was measured, the id is
 * thought to take the same part of a draft step as an id of the prompt took of a pass of the
 * target. */
static float shown_ns(const struct draft_policy *p) {
    float part =
        p->prompt_ns == 0.0f || plain_ns(p) == 0.0f ? SHOW_STEP : p->prompt_ns / plain_ns(p);
    return p->shown_ns == 0.0f ? step_ns(p) * (part < 1.0f ? part : 1.0f) : p->shown_ns;
}

uint32_t policy_start(struct draft_policy *p, uint32_t unseen) {
    p->probing = 0;
    if (p->fixed) return p->fixed;
    if (plain_is_due(p)) return 0;
    float show = shown_ns(p) * (float)(unseen < SHOW_LEAST ? unseen : SHOW_LEAST);
    int pays = p->parallel ? policy_width(p, PROPOSE_MAX) > 0 : policy_wants_another(p, 0, 1.0f);
    if (pays && can_lose(p, show + step_ns(p) + p->cost_ns[2] - p->cost_ns[1])) {
        trial_wait_anew(&p->trial);
        return PROPOSE_MAX;
    }
    float probe = (p->probe_ns == 0.0f ? 3.0f * step_ns(p) : p->probe_ns) + step_ns(p) +
                  p->cost_ns[2] - p->cost_ns[1];
    int due =
        trial_is_due(&p->trial) && (float)p->trial.waited * token_ns(p) >= probe * PROBE_SHARE;
    if (!can_lose(p, probe) || (!due && !p->again)) return 0;
    if (!p->again) trial_failed(&p->trial);
    trial_wait_anew(&p->trial);
    p->probing = 1;
    return 1;
}

int policy_wants_another(const struct draft_policy *p, uint32_t made, float chance) {
    assert(chance >= 0.0f && chance <= 1.0f);
    if (p->fixed) return made < p->fixed;
    if (made >= PROPOSE_MAX || made + 2 > widest(p) || (made && p->steps < FIRST_STEPS)) return 0;
    float step = step_ns(p), token = token_ns(p);
    if (!can_lose(p, (float)(made + 1) * step + p->cost_ns[made + 2] - p->cost_ns[1])) return 0;
    if (p->steps && p->steps < FIRST_STEPS)
        return 1; /* only the least of the first steps says what a step costs, because the very
                     first ones bring pages in */
    return chance * p->reach[made].is * token > step + p->cost_ns[made + 2] - p->cost_ns[made + 1];
}

uint32_t policy_width(const struct draft_policy *p, uint32_t most) {
    float chance = 1.0f, gain = 0.0f, best = 0.0f;
    uint32_t width = 0, wide = widest_of(p->width_ns);
    if (p->fixed) return p->fixed < most ? p->fixed : most;
    if (p->steps < FIRST_STEPS) wide = 1;
    for (uint32_t n = 1; n <= most && n <= wide && n < widest(p); n++) {
        float ns = drafted_ns(p, n) + p->cost_ns[n + 1] - p->cost_ns[1];
        chance *= p->reach[n - 1].is;
        gain += chance * token_ns(p);
        if (!can_lose(p, ns)) break;
        if (gain - ns > best) best = gain - ns, width = n;
    }
    return width;
}

uint32_t policy_show_limit(const struct draft_policy *p, uint32_t ids) {
    float each = shown_ns(p), most = p->credit * SHOW_PART * plain_ns(p);
    if (p->fixed || plain_ns(p) == 0.0f || (float)ids * each <= most) return ids;
    uint32_t n = most > 0.0f ? (uint32_t)(most / each) : 0;
    if (n < SHOW_LEAST) n = SHOW_LEAST;
    return n < ids ? n : ids;
}

/* The chance that is believed for one bin. While few ids of the bin have been seen, the first guess
 * for it is scaled by how often ids of this proposer have been right at all. */
static float believed(const struct draft_policy *p, enum proposer by, const struct chance *c) {
    float known = (float)c->seen / (LAST_IDS - BELIEF);
    float general =
        by == BY_DRAFT ? p->reach[0].is * (1.0f / REACH_FIRST) : p->found.is * (1.0f / FOUND_FIRST);
    return c->is * (general < 1.0f ? known + (1.0f - known) * general : 1.0f);
}

float policy_chance(const struct draft_policy *p, uint8_t bin) {
    assert(bin < POLICY_BINS);
    return believed(p, BY_DRAFT, &p->hit[BY_DRAFT][bin]);
}

int policy_choose_lookup(const struct draft_policy *p, struct round *r, uint32_t most) {
    assert(most <= PROPOSE_MAX);
    const struct draft_tokens *c = &r->tokens[BY_LOOKUP];
    float token = token_ns(p), chance = 1.0f, tokens = 1.0f;
    if (p->fixed && most > p->fixed) most = p->fixed;
    if (!p->fixed && p->verify_ns[1] == 0.0f) most = 0;
    if (!p->fixed && most >= widest(p)) most = widest(p) - 1;
    if (most > c->count) most = c->count;
    r->by = BY_LOOKUP;
    r->proposed = 0;
    for (; r->proposed < most; r->proposed++) {
        uint32_t n = r->proposed;
        chance *= believed(p, BY_LOOKUP, &p->hit[BY_LOOKUP][c->bin[n]]);
        if (!p->fixed && (chance * token <= p->cost_ns[n + 2] - p->cost_ns[n + 1] ||
                          !can_lose(p, p->cost_ns[n + 2] - p->cost_ns[1])))
            break;
        tokens += chance;
    }
    return r->proposed && (p->fixed || p->cost_ns[r->proposed + 1] <= token * tokens);
}

/* The place of the likeliest second id that is not used yet, or PROPOSE_MAX. */
static uint32_t best_second(const struct round *r, const float second[PROPOSE_MAX], uint32_t used) {
    uint32_t best = PROPOSE_MAX;
    for (uint32_t i = 0; i < r->tokens[BY_DRAFT].count; i++)
        if (r->tokens[BY_DRAFT].second[i] >= 0 && !(used >> i & 1) &&
            (best == PROPOSE_MAX || second[i] > second[best]))
            best = i;
    return best;
}

/* Goes from the likeliest id to the least likely one, and proposes the beginning of that order that
 * gains the most. An id is never likelier than the one it follows. */
void policy_choose_draft(const struct draft_policy *p, struct round *r, uint32_t most) {
    assert(most <= PROPOSE_MAX && r->tokens[BY_DRAFT].count <= PROPOSE_MAX);
    const struct draft_tokens *c = &r->tokens[BY_DRAFT];
    float chance[PROPOSE_MAX], second[PROPOSE_MAX], before = 1.0f, token = token_ns(p), gain = 0.0f,
                                                    best = 0.0f;
    float spent = p->steps < FIRST_STEPS ? (float)(r->draft_ns + r->catch_up_ns) : made_ns(p, r);
    uint32_t used = 0, drafted = 0, branches = 0;
    r->by = BY_DRAFT;
    r->branches = 0;
    r->proposed = c->count < most ? c->count : most;
    if (p->fixed) return;
    if (most >= widest(p)) most = widest(p) - 1;
    r->proposed = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        second[i] = before * believed(p, BY_DRAFT, &p->second[c->bin[i]]);
        before = chance[i] = before * policy_chance(p, c->bin[i]);
    }
    for (uint32_t n = 1; n <= most; n++) {
        uint32_t s = best_second(r, second, used);
        if (!can_lose(p, spent + p->cost_ns[n + 1] - p->cost_ns[1])) break;
        if (drafted < c->count && (s == PROPOSE_MAX || chance[drafted] >= second[s])) {
            gain += chance[drafted++] * token;
        } else if (s != PROPOSE_MAX) {
            gain += second[s] * token;
            used |= 1u << s;
            r->branch[branches++] = (uint8_t)s;
        } else {
            break;
        }
        float profit = gain - (p->cost_ns[n + 1] - p->cost_ns[1]);
        if (profit > best) best = profit, r->proposed = drafted, r->branches = branches;
    }
}

/* Learns from the proposer's ids up to the first one that the target did not choose. The chances of
 * the places after it slowly follow the last one that was learned, so that no place stays out of
 * reach because it once looked bad. */
static void learn_tokens(struct draft_policy *p, const struct round *r, enum proposer by,
                         const int32_t *chosen, uint32_t count) {
    const struct draft_tokens *c = &r->tokens[by];
    uint32_t i = 0;
    for (int got = 1; got && i < c->count && i < count; i++) {
        got = chosen[i] == c->id[i];
        learn(&p->hit[by][c->bin[i]], got);
        if (by == BY_LOOKUP) {
            if (i == 0) learn(&p->found, got);
            continue;
        }
        learn(&p->reach[i], got);
        if (r->tokens[BY_DRAFT].second[i] >= 0)
            learn(&p->second[c->bin[i]], chosen[i] == r->tokens[BY_DRAFT].second[i]);
        if (got) trial_paid(&p->trial);
    }
    if (by == BY_LOOKUP || !i) return;
    for (uint32_t j = i; j < PROPOSE_MAX; j++)
        move(&p->reach[j].is, p->reach[i - 1].is, NEWEST_ROUND);
}

/* Whether a draft that was always right would be worth its steps. */
static int could_pay(const struct draft_policy *p) {
    uint32_t most = p->parallel ? PROPOSE_MAX : 1, n = 1;
    while (n < most &&
           (float)n * token_ns(p) <= drafted_ns(p, n) + p->cost_ns[n + 1] - p->cost_ns[1])
        n++;
    return (float)n * token_ns(p) > drafted_ns(p, n) + p->cost_ns[n + 1] - p->cost_ns[1];
}

/* The time that showing old ids to the draft took. It is limited to twice the usual time, because
 * other work on the machine may have added to it. */
static float learn_shown(struct draft_policy *p, const struct round *r) {
    float ns = (float)r->catch_up_ns, usual = 2.0f * p->shown_ns * (float)r->caught_up;
    if (p->probing && r->catch_up_ns) learn_ns(&p->probe_ns, ns, FEW);
    if (r->caught_up >= SHOW_LEAST) learn_ns(&p->shown_ns, ns / (float)r->caught_up, FEW);
    return usual > 0.0f && usual < ns ? usual : ns;
}

/* Adds to the credit what a round saved, or takes from it what the round lost, by the costs that
 * are believed and not by the clock (see token_ns). */
static void settle(struct draft_policy *p, const struct round *r, uint32_t count, float shown_ns) {
    float plain = plain_ns(p);
    if (plain == 0.0f) return;
    float ns = made_ns(p, r) + shown_ns + (r->columns ? p->cost_ns[r->columns] - plain : 0.0f);
    p->credit += (CREDIT_TOKEN + 1.0f) * (float)count - 1.0f - ns / plain;
    if (p->credit > CREDIT_MOST) p->credit = CREDIT_MOST;
    if (p->credit < CREDIT_LEAST) p->credit = CREDIT_LEAST;
}

/* The steps of a round, all of which took about the same, or the one that made all of its ids. */
static void learn_steps(struct draft_policy *p, const struct round *r) {
    if (!p->parallel || r->width <= 1) {
        learn_step(p, (float)r->draft_ns / (float)r->steps);
        p->width_ns[1] = p->draft_ns;
        p->width_at[1] = p->rounds;
    } else {
        learn_column(p, p->width_ns, p->width_at, p->width_seen, r->width, (float)r->draft_ns);
        if (p->steps < FIRST_STEPS) p->steps++, p->draft_ns = (float)r->draft_ns;
    }
    draw_curve(p->width_ns, p->width_growth, p->width_cost_ns);
}

void policy_learn(struct draft_policy *p, const struct round *r, const int32_t *chosen,
                  uint32_t count) {
    assert(r->columns <= POLICY_COLUMNS);
    if (r->verify_ns) {
        p->rounds++;
        learn_column(p, p->verify_ns, p->seen_at, p->seen, r->columns, (float)r->verify_ns);
    }
    if (r->steps && r->draft_ns) learn_steps(p, r);
    float shown_ns = learn_shown(p, r);
    p->again = p->probing && could_pay(p) && r->tokens[BY_DRAFT].count && count &&
               chosen[0] == r->tokens[BY_DRAFT].id[0];
    p->probing = 0;
    draw_curve(p->verify_ns, p->growth, p->cost_ns);
    if (count) settle(p, r, count, shown_ns);
    if (r->columns && count) {
        float weight = p->round_tokens == 0.0f ? 1.0f : NEWEST_ROUND;
        move(&p->round_cost, p->cost_ns[r->columns] + made_ns(p, r), weight);
        move(&p->round_tokens, (float)count, weight);
    }
    for (uint32_t by = 0; by < PROPOSERS; by++)
        learn_tokens(p, r, (enum proposer)by, chosen, count);
}
