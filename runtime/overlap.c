#include "runtime/overlap.h"

#include "runtime/session.h"

/* With fewer than one chance in 16 of being used, an id is not worth its share of the memory's
 * bandwidth. */
#define CHANCE_LEAST 0x1p-4f
#define NEWEST       0x1p-3f
/* A trial is TRIAL rounds long; after it, and while overlapping pays, one round in PLAIN_EVERY goes
 * without, so that its cost stays known. */
enum { TRIAL = 8, PLAIN_EVERY = 16, PAUSE_FIRST = 32, PAUSE_MOST = 512 };

void overlap_open(struct overlap *o, int mode) {
    memset(o, 0, sizeof *o);
    o->mode = mode;
    o->pause = PAUSE_FIRST;
}

int overlap_wanted(apus_session *s, const struct round *r) {
    struct overlap *o = &s->overlap;
    if (o->mode < 0 || r->by != BY_DRAFT || !r->proposed) return 0;
    /* it would wait behind the pass */
    if (track_engine(&s->draft.track)->engine == track_engine(&s->target)->engine) return 0;
    if (!track_engine(&s->target)->engine->done) return 0;
    if (o->mode > 0) return 1;
    if (s->length.verify_ns[r->columns] == 0.0f)
        return 0; /* what such a pass takes alone is not
                                                              known yet */
    if (o->left) {
        if (!--o->left) o->rounds = 0, o->gain_ns = o->cost_ns = 0.0f;
        return 0;
    }
    if (o->rounds < TRIAL || o->rounds % PLAIN_EVERY) return 1;
    o->rounds++;
    return 0;
}

/* Most ids ahead of the round's proposals: what the context and the generation still hold behind
 * them. */
static uint32_t room(const apus_session *s, const struct round *r) {
    const struct generation *g = &s->generation;
    uint32_t most = s->context - s->count - r->proposed, fixed = s->length.fixed;
    if (g->sampler.config.max_tokens) {
        uint32_t left = g->sampler.config.max_tokens - g->made - r->proposed;
        if (left < most) most = left;
    }
    if (fixed && most > fixed + 1) most = fixed + 1;
    return most < AHEAD_MAX ? most : AHEAD_MAX;
}

static void push(struct ahead *a, int32_t id, int32_t other, uint8_t bin) {
    a->id[a->count] = id;
    a->other[a->count] = other;
    a->bin[a->count++] = bin;
}

void overlap_draft(apus_session *s, struct round *r) {
    struct ahead *a = &s->overlap.ahead;
    const struct chain *c = &r->chain[BY_DRAFT];
    uint32_t first = s->count + r->proposed, most = room(s, r);
    uint64_t began = port_now(&s->model->port);
    struct hal_stop stop = session_stop(s, s->generation.sampler.config.deadline_ns);
    float chance = 1.0f;
    a->count = 0;
    for (uint32_t i = 0; i < c->count; i++) {
        chance *= length_chance(&s->length, c->bin[i]);
        if (i >= r->proposed && a->count < most) push(a, c->id[i], r->other[i], c->bin[i]);
    }
    while (a->count < most && chance > CHANCE_LEAST && track_works(&s->target)) {
        struct guess guess;
        uint32_t at = first + a->count;
        /* A cancel acts when the pass is done; other trouble comes again. */
        if (draft_follow(&s->draft, s->ids, at, stop)) break;
        if (draft_guess(&s->draft, &s->generation.sampler, at, s->sample_scratch, &guess)) break;
        s->ids[at] = guess.id;
        push(a, guess.id, guess.other, length_bin_margin(guess.margin));
        chance *= length_chance(&s->length, a->bin[a->count - 1]);
        r->ahead++;
    }
    r->overlapped = 1;
    r->overlap_ns = port_now(&s->model->port) - began;
}

void overlap_drop(apus_session *s) {
    s->overlap.ahead.count = 0;
    if (s->draft.track.model) draft_rewind(&s->draft, s->ids, s->count);
}

void overlap_settle(apus_session *s, uint32_t end, int right) {
    struct ahead *a = &s->overlap.ahead;
    if (right && a->count && s->count == end + 1 && s->ids[end] == a->id[0]) {
        a->count--;
        memmove(a->id, a->id + 1, a->count * sizeof *a->id);
        memmove(a->other, a->other + 1, a->count * sizeof *a->other);
        memmove(a->bin, a->bin + 1, a->count * sizeof *a->bin);
        /* it may have been shown ids that found no room */
        draft_rewind(&s->draft, s->ids, s->count + (a->count ? a->count - 1 : 0));
        return;
    }
    a->count = 0;
    draft_rewind(&s->draft, s->ids, end);
}

void overlap_take(apus_session *s, struct round *r) {
    struct ahead *a = &s->overlap.ahead;
    struct chain *c = &r->chain[BY_DRAFT];
    for (; c->count < a->count && c->count < PROPOSE_MAX; c->count++) {
        s->ids[s->count + c->count] = c->id[c->count] = a->id[c->count];
        r->other[c->count] = a->other[c->count];
        c->bin[c->count] = a->bin[c->count];
    }
    r->kept = c->count;
    a->count = 0;
}

void overlap_learn(apus_session *s, const struct round *r) {
    struct overlap *o = &s->overlap;
    if (!r->overlapped || o->mode) return;
    float alone = s->length.verify_ns[r->columns], weight = o->rounds ? NEWEST : 1.0f;
    o->cost_ns += ((float)r->verify_ns - alone - o->cost_ns) * weight;
    o->gain_ns += ((float)o->ahead.count * s->length.draft_ns - o->gain_ns) * weight;
    o->rounds++;
    if (o->rounds < TRIAL || o->gain_ns > o->cost_ns) {
        if (o->rounds >= TRIAL) o->pause = PAUSE_FIRST;
        return;
    }
    o->left = o->pause;
    if (o->pause < PAUSE_MOST) o->pause *= 2;
}
