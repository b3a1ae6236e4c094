#include "runtime/length.h"

#include <string.h>

/* Weight of the newest: about the last 16 costs, 32 rounds and 32 ids of a kind count. */
#define NEWEST_COST  0x1p-4f
#define NEWEST_ROUND 0x1p-5f
#define REACH_FIRST  0.7f
#define FOUND_FIRST  0.7f
/* Passes since a number of columns was last seen; a single column, which all is compared with, is
 * seen again: a few times soon, then rarely. */
enum { FORGOTTEN = 64, PLAIN_SOON = 12, PLAIN_LATER = 384, FEW = 4 };

/* In plain passes: at first, by every token, and the bounds. So 64 tokens cost 3 % too much at
 * most, what is not foreseen included. */
#define CREDIT_FIRST 0.8f
#define CREDIT_TOKEN 0.015f
#define CREDIT_LEAST (-2.0f)
#define CREDIT_MOST  8.0f
/* Of that, what showing the draft old ids may take; and what one of them is thought to take of a
 * step where the model's prompt does not say. */
#define SHOW_PART 0.5f
#define SHOW_STEP 0.25f
enum { SHOW_LEAST = 16 };

enum { LAST_IDS = 32, BELIEF = 3 /* what is believed at first counts as much as so many */ };

/* Looks take one part in LOOK_SHARE of the time at most. */
enum { PAUSE_FIRST = 16, PAUSE_MOST = 128, LOOK_SHARE = 100, FIRST_STEPS = 3 };

static void move(float *average, float seen, float weight) {
    *average += (seen - *average) * weight;
}

static void learn(struct chance *c, int yes) {
    if (c->seen < LAST_IDS - BELIEF) c->seen++;
    move(&c->is, yes ? 1.0f : 0.0f, 1.0f / (float)(BELIEF + c->seen));
}

/* Times are disturbed upwards only, by other processes, by pages that come from disk: averages go
 * down faster than up. The first replaces what was known before: that may be of another time or,
 * timed in a loop, of another state of the caches. */
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

static void learn_step(struct length *l, float ns) {
    uint32_t steps = l->steps;
    if (steps <= FIRST_STEPS) l->steps++;
    if (steps >= FIRST_STEPS)
        learn_ns(&l->draft_ns, ns, steps - FIRST_STEPS);
    else if (!steps || ns < l->draft_ns)
        l->draft_ns = ns;
}

/* A cost that was seen once, in a bad moment, would keep its number of columns from being tried
 * again: those not seen for a while are forgotten. */
static void learn_pass(struct length *l, uint32_t columns, float ns) {
    l->rounds++;
    learn_ns(&l->verify_ns[columns], ns, l->seen[columns]);
    l->seen_at[columns] = l->rounds;
    if (l->seen[columns] < FEW) l->seen[columns]++;
    for (uint32_t n = 2; n <= LENGTH_COLUMNS; n++)
        if (l->rounds - l->seen_at[n] > FORGOTTEN) l->verify_ns[n] = 0.0f;
}

/* A pass of n columns costs no more than one of more columns was seen to. Between those seen: a
 * straight line; beyond them as steep as the last stretch, at least 5 % a column. */
static void draw_curve(struct length *l) {
    const float *seen = l->verify_ns;
    float *cost = l->cost_ns, least = 0.0f;
    uint32_t above = 0, last = 0;
    for (uint32_t n = LENGTH_COLUMNS; n > 0; n--) {
        cost[n] = 0.0f;
        if (seen[n] == 0.0f) continue;
        if (least == 0.0f || seen[n] < least) least = seen[n];
        cost[n] = least;
        if (!last) last = n;
        for (uint32_t i = n + 1; i < above; i++)
            cost[i] = cost[n] + (cost[above] - cost[n]) * (float)(i - n) / (float)(above - n);
        above = n;
    }
    if (!last) return;
    for (uint32_t n = 1; n < above; n++) cost[n] = cost[above];
    float slope = cost[above] * 0.05f, steep = last > 1 ? cost[last] - cost[last - 1] : 0.0f;
    if (steep > slope) slope = steep;
    for (uint32_t n = last + 1; n <= LENGTH_COLUMNS; n++) cost[n] = cost[n - 1] + slope;
}

static float plain_ns(const struct length *l) {
    return l->verify_ns[1] == 0.0f ? 0.0f : l->cost_ns[1];
}

/* A draft step, as far as one can know. */
static float step_ns(const struct length *l) {
    return l->steps ? l->draft_ns : l->share * plain_ns(l);
}

/* Most columns of a pass: twice those of the widest that was seen, since what more of them cost is
 * a guess. */
static uint32_t widest(const struct length *l) {
    uint32_t n = LENGTH_COLUMNS;
    while (n > 1 && l->verify_ns[n] == 0.0f) n--;
    return 2 * n;
}

static int can_lose(const struct length *l, float ns) {
    return plain_ns(l) == 0.0f || ns <= l->credit * plain_ns(l);
}

/* What a token costs now: never more than without proposals. By the same costs that proposals are
 * weighed with, not by the clock: on a busy machine rounds take longer than those say, and
 * proposals would seem to save what they do not. */
static float token_ns(const struct length *l) {
    float plain = plain_ns(l),
          now = l->round_tokens == 0.0f ? plain : l->round_cost / l->round_tokens;
    return plain != 0.0f && plain < now ? plain : now;
}

void length_open(struct length *l, uint32_t fixed) {
    /* SmolLM2 at 8 bits beside itself at 4 bits, 16 texts (docs/speculation.md). */
    static const float draft[LENGTH_BINS] = {0.40f, 0.43f, 0.67f, 0.77f,
                                             0.86f, 0.90f, 0.97f, 0.98f};
    static const float lookup[LENGTH_BINS] = {0.20f, 0.45f, 0.70f, 0.75f,
                                              0.80f, 0.85f, 0.90f, 0.95f};
    static const float second[LENGTH_BINS] = {0.38f, 0.32f, 0.14f, 0.10f,
                                              0.08f, 0.06f, 0.02f, 0.01f};
    memset(l, 0, sizeof *l);
    l->fixed = fixed;
    l->pause = PAUSE_FIRST;
    l->credit = CREDIT_FIRST;
    for (uint32_t b = 0; b < LENGTH_BINS; b++) {
        l->hit[BY_DRAFT][b].is = draft[b];
        l->hit[BY_LOOKUP][b].is = lookup[b];
        l->second[b].is = second[b];
    }
    for (uint32_t i = 0; i < PROPOSE_MAX; i++) l->reach[i].is = REACH_FIRST;
    l->found.is = FOUND_FIRST;
}

void length_costs(struct length *l, const struct costs *costs, float share) {
    l->share = share;
    memcpy(l->verify_ns, costs->verify_ns, sizeof l->verify_ns);
    l->seen[1] = l->verify_ns[1] > 0.0f && !costs->timed;
    if (costs->draft_ns > 0.0f) {
        l->draft_ns = costs->draft_ns;
        l->steps = FIRST_STEPS;
    }
    draw_curve(l);
}

uint8_t length_bin_margin(float margin) {
    static const float from[LENGTH_BINS] = {0.0f, 0.25f, 0.5f, 1.0f, 1.5f, 2.0f, 3.0f, 5.0f};
    uint8_t b = 0;
    while (b + 1 < LENGTH_BINS && margin >= from[b + 1]) b++;
    return b;
}

uint8_t length_bin_match(uint32_t ids) {
    return (uint8_t)(ids / 2 < LENGTH_BINS ? ids / 2 : LENGTH_BINS - 1);
}

/* Whether this round should say what a token costs without proposals. What was timed at open does
 * not: too much depends on it. What one round said is seen again, which can wait where proposals
 * clearly pay. */
static int plain_is_due(const struct length *l) {
    uint32_t since = l->rounds - l->seen_at[1], seen = l->seen[1];
    if (!seen || since >= PLAIN_LATER) return 1;
    if (seen >= FEW) return 0;
    return since >= (uint32_t)PLAIN_SOON << (token_ns(l) > 0.6f * l->cost_ns[1] ? 0 : 2 * seen - 1);
}

/* An id of many takes the draft as much of a step as it took the model of a pass. */
static float shown_ns(const struct length *l) {
    float part =
        l->prompt_ns == 0.0f || plain_ns(l) == 0.0f ? SHOW_STEP : l->prompt_ns / plain_ns(l);
    return l->shown_ns == 0.0f ? step_ns(l) * (part < 1.0f ? part : 1.0f) : l->shown_ns;
}

uint32_t length_most(struct length *l, uint32_t unseen) {
    l->looking = 0;
    if (l->fixed) return l->fixed;
    if (plain_is_due(l)) return 0;
    float show = shown_ns(l) * (float)(unseen < SHOW_LEAST ? unseen : SHOW_LEAST);
    if (length_worth(l, 0, 1.0f) &&
        can_lose(l, show + step_ns(l) + l->cost_ns[2] - l->cost_ns[1])) {
        l->paused = 0;
        return PROPOSE_MAX;
    }
    float look = (l->look_ns == 0.0f ? 3.0f * step_ns(l) : l->look_ns) + step_ns(l) +
                 l->cost_ns[2] - l->cost_ns[1];
    l->paused++;
    if (!can_lose(l, look)) return 0;
    if (!l->again && (l->paused <= l->pause || (float)l->paused * token_ns(l) < look * LOOK_SHARE))
        return 0;
    if (!l->again && l->pause < PAUSE_MOST) l->pause *= 2;
    l->paused = 0;
    l->looking = 1;
    return 1; /* a look whether it would pay by now */
}

int length_worth(const struct length *l, uint32_t made, float chance) {
    if (l->fixed) return made < l->fixed;
    if (made >= PROPOSE_MAX || made + 2 > widest(l) || (made && l->steps < FIRST_STEPS)) return 0;
    float step = step_ns(l), token = token_ns(l);
    if (!can_lose(l, (float)(made + 1) * step + l->cost_ns[made + 2] - l->cost_ns[1])) return 0;
    if (l->steps && l->steps < FIRST_STEPS)
        return 1; /* the least of the first steps says what one costs: the very first bring pages
                     in */
    return chance * l->reach[made].is * token > step + l->cost_ns[made + 2] - l->cost_ns[made + 1];
}

uint32_t length_show(const struct length *l, uint32_t ids) {
    float each = shown_ns(l), most = l->credit * SHOW_PART * plain_ns(l);
    if (l->fixed || plain_ns(l) == 0.0f || (float)ids * each <= most) return ids;
    uint32_t n = most > 0.0f ? (uint32_t)(most / each) : 0;
    if (n < SHOW_LEAST) n = SHOW_LEAST;
    return n < ids ? n : ids;
}

/* What is believed of ids that are sure to some degree, as far as few of them have been seen, is
 * worth what ids have been worth at all. */
static float believed(const struct length *l, enum proposer by, const struct chance *c) {
    float known = (float)c->seen / (LAST_IDS - BELIEF);
    float general =
        by == BY_DRAFT ? l->reach[0].is * (1.0f / REACH_FIRST) : l->found.is * (1.0f / FOUND_FIRST);
    return c->is * (general < 1.0f ? known + (1.0f - known) * general : 1.0f);
}

float length_chance(const struct length *l, uint8_t bin) {
    return believed(l, BY_DRAFT, &l->hit[BY_DRAFT][bin]);
}

int length_lookup(const struct length *l, struct round *r, uint32_t most) {
    const struct chain *c = &r->chain[BY_LOOKUP];
    float token = token_ns(l), chance = 1.0f, tokens = 1.0f;
    if (l->fixed && most > l->fixed) most = l->fixed;
    if (!l->fixed && l->verify_ns[1] == 0.0f) most = 0;
    if (!l->fixed && most >= widest(l)) most = widest(l) - 1;
    if (most > c->count) most = c->count;
    r->by = BY_LOOKUP;
    r->proposed = 0;
    for (; r->proposed < most; r->proposed++) {
        uint32_t n = r->proposed;
        chance *= believed(l, BY_LOOKUP, &l->hit[BY_LOOKUP][c->bin[n]]);
        if (!l->fixed && (chance * token <= l->cost_ns[n + 2] - l->cost_ns[n + 1] ||
                          !can_lose(l, l->cost_ns[n + 2] - l->cost_ns[1])))
            break;
        tokens += chance;
    }
    return r->proposed && (l->fixed || l->cost_ns[r->proposed + 1] <= token * tokens);
}

/* The likeliest of the seconds that are not used yet, and its chance. */
static uint32_t best_second(const struct round *r, const float second[PROPOSE_MAX], uint32_t used) {
    uint32_t best = PROPOSE_MAX;
    for (uint32_t i = 0; i < r->chain[BY_DRAFT].count; i++)
        if (r->other[i] >= 0 && !(used >> i & 1) &&
            (best == PROPOSE_MAX || second[i] > second[best]))
            best = i;
    return best;
}

/* From the likeliest id to the least likely one; an id is never likelier than the one it follows.
 * The best beginning of that order goes. */
void length_draft(const struct length *l, struct round *r, uint32_t most) {
    const struct chain *c = &r->chain[BY_DRAFT];
    float chance[PROPOSE_MAX], second[PROPOSE_MAX], before = 1.0f, token = token_ns(l), gain = 0.0f,
                                                    best = 0.0f;
    float spent = l->steps < FIRST_STEPS ? (float)(r->draft_ns + r->catch_up_ns)
                                         : (float)r->steps * l->draft_ns;
    uint32_t used = 0, chain = 0, branches = 0;
    r->by = BY_DRAFT;
    r->branches = 0;
    r->proposed = c->count < most ? c->count : most;
    if (l->fixed) return;
    if (most >= widest(l)) most = widest(l) - 1;
    r->proposed = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        second[i] = before * believed(l, BY_DRAFT, &l->second[c->bin[i]]);
        before = chance[i] = before * length_chance(l, c->bin[i]);
    }
    for (uint32_t n = 1; n <= most; n++) {
        uint32_t s = best_second(r, second, used);
        if (!can_lose(l, spent + l->cost_ns[n + 1] - l->cost_ns[1])) break;
        if (chain < c->count && (s == PROPOSE_MAX || chance[chain] >= second[s])) {
            gain += chance[chain++] * token;
        } else if (s != PROPOSE_MAX) {
            gain += second[s] * token;
            used |= 1u << s;
            r->branch[branches++] = (uint8_t)s;
        } else {
            break;
        }
        float profit = gain - (l->cost_ns[n + 1] - l->cost_ns[1]);
        if (profit > best) best = profit, r->proposed = chain, r->branches = branches;
    }
}

/* What is known of a chain's ids: those up to the first that the target did not choose. Places
 * behind it slowly follow the last one, so that none keeps out of reach because it once looked
 * bad. */
static void learn_chain(struct length *l, const struct round *r, enum proposer by,
                        const int32_t *chosen, uint32_t count) {
    const struct chain *c = &r->chain[by];
    uint32_t i = 0;
    for (int got = 1; got && i < c->count && i < count; i++) {
        got = chosen[i] == c->id[i];
        learn(&l->hit[by][c->bin[i]], got);
        if (by == BY_LOOKUP) {
            if (i == 0) learn(&l->found, got);
            continue;
        }
        learn(&l->reach[i], got);
        if (r->other[i] >= 0) learn(&l->second[c->bin[i]], chosen[i] == r->other[i]);
        if (got) l->pause = PAUSE_FIRST;
    }
    if (by == BY_LOOKUP || !i) return;
    for (uint32_t j = i; j < PROPOSE_MAX; j++)
        move(&l->reach[j].is, l->reach[i - 1].is, NEWEST_ROUND);
}

/* Whether a draft that were always right would be worth its steps. */
static int could_pay(const struct length *l) {
    return token_ns(l) > step_ns(l) + l->cost_ns[2] - l->cost_ns[1];
}

/* What showing the draft old ids took, but for what other work on the machine added to it. */
static float learn_shown(struct length *l, const struct round *r) {
    float ns = (float)r->catch_up_ns, usual = 2.0f * l->shown_ns * (float)r->caught_up;
    if (l->looking && r->catch_up_ns) learn_ns(&l->look_ns, ns, FEW);
    if (r->caught_up >= SHOW_LEAST) learn_ns(&l->shown_ns, ns / (float)r->caught_up, FEW);
    return usual > 0.0f && usual < ns ? usual : ns;
}

/* By the costs that are believed, not by the clock: see token_ns. */
static void settle(struct length *l, const struct round *r, uint32_t count, float shown_ns) {
    float plain = plain_ns(l);
    if (plain == 0.0f) return;
    float ns = (float)r->steps * l->draft_ns + shown_ns +
               (r->columns ? l->cost_ns[r->columns] - plain : 0.0f);
    l->credit += (CREDIT_TOKEN + 1.0f) * (float)count - 1.0f - ns / plain;
    if (l->credit > CREDIT_MOST) l->credit = CREDIT_MOST;
    if (l->credit < CREDIT_LEAST) l->credit = CREDIT_LEAST;
}

void length_learn(struct length *l, const struct round *r, const int32_t *chosen, uint32_t count) {
    if (r->verify_ns) learn_pass(l, r->columns, (float)r->verify_ns);
    if (r->steps && r->draft_ns) learn_step(l, (float)r->draft_ns / (float)r->steps);
    float shown_ns = learn_shown(l, r);
    l->again = l->looking && could_pay(l) && r->chain[BY_DRAFT].count && count &&
               chosen[0] == r->chain[BY_DRAFT].id[0];
    l->looking = 0;
    draw_curve(l);
    if (count) settle(l, r, count, shown_ns);
    if (r->columns && count) {
        float weight = l->round_tokens == 0.0f ? 1.0f : NEWEST_ROUND;
        move(&l->round_cost, l->cost_ns[r->columns] + (float)r->steps * l->draft_ns, weight);
        move(&l->round_tokens, (float)count, weight);
    }
    for (uint32_t by = 0; by < PROPOSERS; by++) learn_chain(l, r, (enum proposer)by, chosen, count);
}
