#include "cpu/pace.h"

#include <assert.h>
#include <string.h>

/* Each number is chosen. What they come to together was measured with twenty other programs on two
 * processors (the shipped pair's target, 12 rounds of 256 tokens in turns): the default decodes
 * 0.95 times as fast as one thread, 64 threads 1.03 times. */

/* A segment is long enough to hold several turns of a scheduler: 3 ms and less each where few
 * programs want a processor, 30 ms where many do. What a pass takes beyond the least shows it. */
#define SEGMENT_NS      16e6f
#define SEGMENT_MOST_NS 128e6f
#define TURNS           4.0f
#define SHORT_NS        1e6f
/* How much of what an arm took is remembered, by its own time; of what it took when it was tried
 * last, half. */
#define MEMORY_NS 160e6f
#define STALE     0.5f
/* Between trials: from the first pause to the last, and so many times what the last trial lost, so
 * that trials cost little. */
#define PAUSE_FIRST_NS SEGMENT_NS
#define PAUSE_LAST_NS  (32 * SEGMENT_NS)
#define LOSSES         20.0f
/* Passes that take this much more than the least seen, or of which the caller is parked for such a
 * share, may be better off with fewer threads. */
#define TROUBLE 1.25f
#define STALL   0.1f
/* Of the best number's cost: what fewer threads must stay below to take its place, and more; and
 * above what a trial ends after a quarter of a segment in which some work was done. */
#define FEWER    0.9f
#define MORE     1.0f
#define HOPELESS 1.25f
/* By how much of itself the least seen grows with each pass. */
#define AGE (1.0f / 16384.0f)
/* A pass below this much of the least makes what was remembered cost more. */
#define RECORD 0.8f

void pace_open(struct pace *p, uint32_t threads) {
    assert(threads >= 1);
    memset(p, 0, sizeof *p);
    for (uint32_t n = threads; p->arms<PACE_ARMS; n = n> 4 ? n * 3 / 4 : n - 1) {
        p->threads[p->arms++] = n;
        if (n == 1) break;
    }
    p->pause_ns = PAUSE_FIRST_NS;
    p->segment_ns = SEGMENT_NS;
}

/* The least of a width is forgotten slowly: with a growing context passes take longer. When a pass
 * takes less than any before, what the others took is more of it. */
static float least_of(struct pace *p, uint32_t columns, float ns) {
    uint32_t width = 0;
    while (columns >>= 1) width++;
    float *least = &p->least_ns[width < PACE_WIDTHS ? width : PACE_WIDTHS - 1];
    if (*least > 0.0f && ns >= *least) return *least *= 1.0f + AGE;
    const float scale = *least > 0.0f ? ns / *least : 1.0f;
    for (uint32_t i = 0; scale < RECORD && i < p->arms; i++) p->least[i] *= scale;
    if (scale < RECORD) p->now_least *= scale;
    return *least = ns;
}

/* Time over the least; 0: not known. */
static float cost_of(const struct pace *p, uint32_t arm) {
    return p->least[arm] > 0.0f ? p->took[arm] / p->least[arm] : 0.0f;
}

static int beats(const struct pace *p, uint32_t arm, uint32_t other) {
    return cost_of(p, arm) < cost_of(p, other) * (arm < other ? MORE : FEWER);
}

/* The segment's arm remembers it. */
static void remember(struct pace *p, int trial) {
    const float keep = MEMORY_NS / (MEMORY_NS + p->now_took) * (trial ? STALE : 1.0f);
    p->took[p->arm] = p->took[p->arm] * keep + p->now_took;
    p->least[p->arm] = p->least[p->arm] * keep + p->now_least;
}

/* The neighbour to try next. */
static uint32_t neighbour(struct pace *p) {
    if (p->best == 0) p->up = 0;
    if (p->best + 1 == p->arms) p->up = 1;
    return p->up ? p->best - 1 : p->best + 1;
}

/* What it would lose to try an arm for as long as a trial lasts at least: a quarter of a segment,
 * or a pass. */
static float loss(const struct pace *p, uint32_t arm) {
    const float low = cost_of(p, p->best), high = cost_of(p, arm);
    const float mean = p->now_least / (float)p->passes * high, quarter = p->segment_ns / 4;
    return high > low ? (mean > quarter ? mean : quarter) * (1.0f - low / high) : 0.0f;
}

static void after_trial(struct pace *p) {
    uint32_t other = p->arm;
    if (beats(p, p->arm, p->best)) {
        other = p->best;
        p->best = p->arm;
        p->pause_ns = PAUSE_FIRST_NS;
    } else {
        p->up = !p->up;
        if (p->pause_ns < PAUSE_LAST_NS) p->pause_ns *= 2;
    }
    const float lost = loss(p, other) * LOSSES;
    p->arm = p->best;
    p->wait_ns = p->pause_ns > lost ? p->pause_ns : lost;
}

/* Long passes that go well with all threads: nothing is tried, but at once when that ends. */
static int calm(const struct pace *p) {
    return !p->best && p->now_took < TROUBLE * p->now_least && p->stalled < STALL * p->now_took &&
           p->now_took > SHORT_NS * (float)p->passes;
}

static void after_best(struct pace *p) {
    if (calm(p)) {
        p->wait_ns = 0.0f;
        return;
    }
    for (uint32_t other = p->best ? p->best - 1 : 0; other < p->arms && other <= p->best + 1;
         other++)
        if (other != p->best && cost_of(p, other) > 0.0f && beats(p, other, p->best)) {
            p->best = p->arm = other;
            p->wait_ns = p->pause_ns;
            return;
        }
    p->wait_ns -= p->now_took;
    if (p->arms > 1 && p->wait_ns <= 0.0f) p->arm = neighbour(p);
}

void pace_learn(struct pace *p, uint32_t columns, uint64_t ns, uint64_t stalled_ns) {
    assert(columns >= 1);
    const int trial = p->arm != p->best;
    if (!ns) return; /* a clock that stands still */
    const float least = least_of(p, columns, (float)ns), turns = ((float)ns - least) * TURNS;
    if (turns > p->segment_ns) p->segment_ns = turns < SEGMENT_MOST_NS ? turns : SEGMENT_MOST_NS;
    p->now_least += least;
    p->now_took += (float)ns;
    p->stalled += (float)stalled_ns;
    p->passes++;
    const int hopeless = trial && p->now_least > SEGMENT_NS / 8 &&
                         p->now_took > p->segment_ns / 4 &&
                         p->now_took > p->now_least * cost_of(p, p->best) * HOPELESS;
    if (!hopeless && p->now_took < p->segment_ns) return;
    remember(p, trial);
    if (trial)
        after_trial(p);
    else
        after_best(p);
    p->now_took = p->now_least = p->stalled = 0.0f;
    p->passes = 0;
    p->segment_ns = p->segment_ns * 0.5f > SEGMENT_NS ? p->segment_ns * 0.5f : SEGMENT_NS;
}
