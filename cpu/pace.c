#include "cpu/pace.h"

#include <assert.h>
#include <string.h>

/* Each number is chosen. Their effect together was measured beside twenty other programs on two
 * processors (the shipped pair's target, 12 rounds of 256 tokens in turns): the default decodes
 * 0.95 times as fast as one thread, and 64 threads decode 1.03 times as fast. */

/* A segment is long enough to hold several time slices of the scheduler, which are 3 ms and less
 * where few programs want a processor, and 30 ms where many do. What a pass takes beyond the least
 * time shows how long they are: a segment lasts TURNS times that, from SEGMENT_NS to
 * SEGMENT_MOST_NS. Passes longer than SHORT_NS count as long. */
#define SEGMENT_NS      16e6f
#define SEGMENT_MOST_NS 128e6f
#define TURNS           4.0f
#define SHORT_NS        1e6f
/* An arm remembers about the last MEMORY_NS of its own time. When it is tried again, what it took
 * the last time counts STALE times. */
#define MEMORY_NS 160e6f
#define STALE     0.5f
/* The pause between trials: it doubles from PAUSE_FIRST_NS to PAUSE_LAST_NS, and is at least LOSSES
 * times what a trial of that arm is expected to lose, so that trials cost little. */
#define PAUSE_FIRST_NS SEGMENT_NS
#define PAUSE_LAST_NS  (32 * SEGMENT_NS)
#define LOSSES         20.0f
/* Fewer threads may be better if passes take TROUBLE times the least time seen, or if the caller is
 * parked for the part STALL of their time. */
#define TROUBLE 1.25f
#define STALL   0.1f
/* These multiply the cost of the best number of threads. To take its place, fewer threads must cost
 * less than FEWER times that, and more threads less than MORE times. A trial that costs more than
 * HOPELESS times that ends after a quarter of a segment, if some work was done in it. */
#define FEWER    0.9f
#define MORE     1.0f
#define HOPELESS 1.25f
/* The least time seen of a width grows by this part of itself with each pass. */
#define AGE (1.0f / 16384.0f)
/* When a pass takes less than RECORD times the least time before, the costs that are remembered are
 * raised accordingly. */
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

/* The least time of the pass's width. It is forgotten slowly, because passes take longer with a
 * growing context. When a pass takes far less than any before, the times that were remembered are a
 * greater multiple of the least. */
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

/* The time of an arm divided by the least time; 0: not known. */
static float cost_of(const struct pace *p, uint32_t arm) {
    return p->least[arm] > 0.0f ? p->took[arm] / p->least[arm] : 0.0f;
}

static int beats(const struct pace *p, uint32_t arm, uint32_t other) {
    return cost_of(p, arm) < cost_of(p, other) * (arm < other ? MORE : FEWER);
}

/* Adds the segment to what its arm remembers. */
static void remember(struct pace *p, int trial) {
    const float keep = MEMORY_NS / (MEMORY_NS + p->now_took) * (trial ? STALE : 1.0f);
    p->took[p->arm] = p->took[p->arm] * keep + p->now_took;
    p->least[p->arm] = p->least[p->arm] * keep + p->now_least;
}

/* The neighbour of the best arm to try next. */
static uint32_t neighbour(struct pace *p) {
    if (p->best == 0) p->up = 0;
    if (p->best + 1 == p->arms) p->up = 1;
    return p->up ? p->best - 1 : p->best + 1;
}

/* What trying an arm would lose, if the trial is as short as it can be: a quarter of a segment, or
 * a pass. */
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

/* Whether long passes go well with all threads. Then nothing is tried; when that ends, a trial
 * begins at once. */
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
    if (!ns) return; /* the clock does not advance */
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
