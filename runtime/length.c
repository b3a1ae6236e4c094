#include "runtime/length.h"

#include <string.h>

/* Weight of the newest observation: about the last 16 count. */
#define NEWEST 0x1p-4f

enum { PAUSE_FIRST = 16, PAUSE_MOST = 128 };

static void learn(float *average, float seen) { *average = *average == 0.0f ? seen : *average + (seen - *average) * NEWEST; }

static uint32_t bin_of(float confidence) {
    uint32_t b = (uint32_t)(confidence * LENGTH_BINS);
    return b < LENGTH_BINS ? b : LENGTH_BINS - 1;
}

void length_open(struct length *l, uint32_t fixed) {
    memset(l, 0, sizeof *l);
    l->fixed = fixed;
    l->pause = PAUSE_FIRST;
    for (uint32_t p = 0; p < PROPOSERS; p++) {
        /* A draft that knows itself is accepted about as often as it is sure. */
        for (uint32_t b = 0; b < LENGTH_BINS; b++) l->hit[p][b] = ((float)b + 0.5f) / LENGTH_BINS;
        for (uint32_t i = 0; i < PROPOSE_MAX; i++) l->reach[p][i] = 0.7f;
    }
}

/* Of a verification of n columns: as measured, or between the neighbours that were; beyond them 5 % a column. */
static float verify_cost(const struct length *l, uint32_t n) {
    uint32_t below = n, above = n;
    while (below > 0 && l->verify_ns[below] == 0.0f) below--;
    while (above <= LENGTH_COLUMNS && l->verify_ns[above] == 0.0f) above++;
    if (below && above <= LENGTH_COLUMNS) {
        if (below == above) return l->verify_ns[n];
        return l->verify_ns[below] + (l->verify_ns[above] - l->verify_ns[below]) * (float)(n - below) / (float)(above - below);
    }
    if (below) return l->verify_ns[below] * (1.0f + 0.05f * (float)(n - below));
    return above <= LENGTH_COLUMNS ? l->verify_ns[above] : 0.0f;
}

uint32_t length_most(struct length *l, enum proposer by) {
    if (l->fixed) return l->fixed;
    if (length_worth(l, by, 0, 1.0f)) {
        l->paused = 0;
        return PROPOSE_MAX;
    }
    if (++l->paused <= l->pause) return 0;
    l->paused = 0;
    if (l->pause < PAUSE_MOST) l->pause *= 2;
    return 1; /* a look whether it would pay by now */
}

int length_worth(const struct length *l, enum proposer by, uint32_t made, float chance) {
    if (l->fixed) return made < l->fixed;
    if (made >= PROPOSE_MAX) return 0;
    float step = by == BY_DRAFT ? l->draft_ns : 0.0f;
    float cost = step + verify_cost(l, made + 2) - verify_cost(l, made + 1);
    float token = l->token_ns == 0.0f ? verify_cost(l, 1) : l->token_ns;
    return token == 0.0f ? made < 4 : chance * l->reach[by][made] * token > cost;
}

float length_chance(const struct length *l, enum proposer by, float confidence) { return l->hit[by][bin_of(confidence)]; }

void length_learn(struct length *l, const struct round *r) {
    if (r->verify_ns) learn(&l->verify_ns[r->columns], (float)r->verify_ns);
    if (r->round_ns) learn(&l->token_ns, (float)r->round_ns / (float)(r->accepted + 1));
    if (r->steps && r->draft_ns) learn(&l->draft_ns, (float)r->draft_ns / (float)r->steps);
    for (uint32_t i = 0; i < r->proposed && i <= r->accepted; i++) {
        float got = i < r->accepted ? 1.0f : 0.0f;
        float *hit = &l->hit[r->by][bin_of(r->confidence[i])], *reach = &l->reach[r->by][i];
        *hit += (got - *hit) * NEWEST;
        *reach += (got - *reach) * NEWEST;
        if (i < r->accepted) l->pause = PAUSE_FIRST;
    }
}
