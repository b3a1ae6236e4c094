#include "cpu/pace.h"

#include <string.h>

/* A segment is long enough to hold several turns of a scheduler (3 ms and less each). */
#define SEGMENT_NS 16e6f
#define SHORT_NS   1e6f
/* Between trials: from the first pause to the last, and so many times what the last trial lost, so
 * that trials cost little. */
#define PAUSE_FIRST_NS SEGMENT_NS
#define PAUSE_LAST_NS  (64 * SEGMENT_NS)
#define LOSSES         20.0f
/* Passes that take this much more than the least seen, or of which the caller is parked for such a
 * share, may be better off with fewer threads. */
#define TROUBLE 1.25f
#define STALL   0.1f
/* Of the best number's cost: what a trial of fewer threads must stay below, and one of more; and
 * above what any ends after a quarter of a segment. */
#define FEWER    0.9f
#define MORE     1.0f
#define HOPELESS 1.25f
/* A change of the cost by so much, over several passes: something else has come or gone, so that
 * old results are worth little. */
#define CHANGE 1.5f
enum { CHANGE_PASSES = 4 };
/* By how much of a pass's excess the least seen grows. */
#define AGE (1.0f / 1024.0f)

void pace_open(struct pace *p, uint32_t threads) {
    memset(p, 0, sizeof *p);
    for (uint32_t n = threads; p->arms<PACE_ARMS; n = n> 4 ? n * 3 / 4 : n - 1) {
        p->threads[p->arms++] = n;
        if (n == 1) break;
    }
    p->wait_ns = p->pause_ns = PAUSE_FIRST_NS;
}

/* The least of a width is forgotten slowly: with a growing context passes take longer. */
static float least_of(struct pace *p, uint32_t columns, float ns) {
    uint32_t width = 0;
    while (columns >>= 1) width++;
    float *least = &p->least_ns[width < PACE_WIDTHS ? width : PACE_WIDTHS - 1];
    if (*least == 0.0f || ns < *least)
        *least = ns;
    else
        *least += (ns - *least) * AGE;
    return *least;
}

/* The neighbour to try next. */
static uint32_t neighbour(struct pace *p) {
    if (p->best == 0) p->up = 0;
    if (p->best + 1 == p->arms) p->up = 1;
    return p->up ? p->best - 1 : p->best + 1;
}

/* What it would lose to try the number with the higher cost, from a segment with one of the two: a
 * quarter of a segment, or a pass. */
static float loss(const struct pace *p, float low, float high) {
    const float pass = p->took / (float)p->passes, quarter = SEGMENT_NS / 4;
    return (pass > quarter ? pass : quarter) * (1.0f - low / high);
}

static void after_trial(struct pace *p, float cost) {
    const float before = p->cost[p->best];
    float lost;
    if (p->cost[p->arm] < before * (p->up ? MORE : FEWER)) {
        lost = loss(p, p->cost[p->arm], before) * before / p->cost[p->arm];
        p->best = p->arm;
        p->pause_ns = PAUSE_FIRST_NS;
    } else {
        lost = cost > before ? loss(p, before, cost) : 0.0f;
        p->up = !p->up;
        if (p->pause_ns < PAUSE_LAST_NS) p->pause_ns *= 2;
    }
    p->arm = p->best;
    p->wait_ns = p->pause_ns > lost * LOSSES ? p->pause_ns : lost * LOSSES;
}

static void after_best(struct pace *p, float cost, float before, int calm) {
    if (p->passes >= CHANGE_PASSES && before > 0.0f &&
        (cost > before * CHANGE || cost * CHANGE < before))
        p->wait_ns = p->pause_ns = PAUSE_FIRST_NS;
    if (!p->best && calm) return;
    p->wait_ns -= p->took;
    if (p->arms > 1 && p->wait_ns <= 0.0f) p->arm = neighbour(p);
}

void pace_learn(struct pace *p, uint32_t columns, uint64_t ns, uint64_t stalled_ns) {
    const int trial = p->arm != p->best;
    const float took = (float)ns;
    if (!ns) return; /* a clock that stands still */
    p->least += least_of(p, columns, took);
    p->took += took;
    p->stalled += (float)stalled_ns;
    p->passes++;
    const float cost = p->took / p->least, before = p->cost[p->arm];
    const int hopeless = trial && p->took > SEGMENT_NS / 4 && cost > p->cost[p->best] * HOPELESS;
    if (!hopeless && p->took < SEGMENT_NS) return;
    const int calm =
        cost < TROUBLE && p->stalled < STALL * p->took && p->took > SHORT_NS * (float)p->passes;
    p->cost[p->arm] = before > 0.0f ? (before + cost) * 0.5f : cost;
    if (trial)
        after_trial(p, cost);
    else
        after_best(p, cost, before, calm);
    p->took = p->least = p->stalled = 0.0f;
    p->passes = 0;
}
