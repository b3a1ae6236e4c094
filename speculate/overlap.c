#include "speculate/overlap.h"

#include <assert.h>
#include <string.h>

#include "runtime/config.h"
#include "speculate/speculate.h"

/* An id with less than one chance in 16 of being used is not worth its share of the memory's
 * bandwidth. NEWEST is the weight of the newest round in the averages. Both are chosen, not
 * measured, as the numbers below are. */
#define CHANCE_LEAST 0x1p-4f
#define NEWEST       0x1p-3f
/* A trial is TRIAL rounds long. After it, while overlapping pays, one round in PLAIN_EVERY does not
 * overlap, so that the cost of plain rounds stays known. A pause is PAUSE_FIRST to PAUSE_MOST
 * rounds long. */
enum { TRIAL = 8, PLAIN_EVERY = 16, PAUSE_FIRST = 32, PAUSE_MOST = 512 };

void overlap_open(struct overlap *o, int mode) {
    memset(o, 0, sizeof *o);
    o->mode = mode;
    trial_open(&o->trial, PAUSE_FIRST, PAUSE_MOST);
}

int overlap_start(struct speculation *sp, const struct speculation_input *in,
                  const struct round *r) {
    struct overlap *o = &sp->overlap;
    if (o->mode < 0 || r->by != BY_DRAFT || !r->proposed) return 0;
    /* On the target's engine the draft would have to wait for the pass to end. */
    if (sequence_engine(&sp->draft.sequence)->engine == sequence_engine(in->target)->engine)
        return 0;
    if (!sequence_engine(in->target)->engine->done) return 0;
    if (o->mode > 0) return 1;
    /* Without the cost of the pass alone, nothing can be compared. */
    if (sp->policy.verify_ns[r->columns] == 0.0f) return 0;
    if (o->paused) {
        if (!trial_is_due(&o->trial)) return 0;
        trial_failed(&o->trial); /* the next pause is longer, unless this trial pays */
        o->paused = 0;
        o->rounds = 0;
        o->gain_ns = o->cost_ns = 0.0f;
    }
    if (o->rounds < TRIAL || o->rounds % PLAIN_EVERY) return 1;
    o->rounds++;
    return 0;
}

/* The most ids that can be made ahead: as many as the context and the generation can still hold
 * after the round's proposals. */
static uint32_t room(const struct speculation *sp, const struct speculation_input *in,
                     const struct round *r) {
    assert(r->proposed < in->context - in->count && r->proposed < in->left);
    uint32_t most = in->context - in->count - r->proposed, left = in->left - r->proposed,
             fixed = sp->policy.fixed;
    if (left < most) most = left;
    if (fixed && most > fixed + 1) most = fixed + 1;
    return most < DRAFT_TOKENS_MAX ? most : DRAFT_TOKENS_MAX;
}

static void push(struct draft_tokens *t, int32_t id, int32_t second, uint8_t bin) {
    assert(t->count < DRAFT_TOKENS_MAX);
    t->id[t->count] = id;
    t->second[t->count] = second;
    t->bin[t->count++] = bin;
}

/* Guesses the id at in->ids[at] and pushes it. */
static apus_status guess_ahead(struct speculation *sp, const struct speculation_input *in,
                               struct round *r, uint32_t at, uint32_t row) {
    struct guess guess;
    apus_status status = draft_guess(&sp->draft, in->sampler, at, row, in->scratch, &guess);
    if (status) return status;
    in->ids[at] = guess.id;
    push(&sp->overlap.ahead, guess.id, guess.other, policy_bin_margin(guess.margin));
    r->ahead++;
    return APUS_OK;
}

/* Of a draft with a mask, all ids that find room, in one pass behind those that it has made. */
static void draft_ahead_at_once(struct speculation *sp, const struct speculation_input *in,
                                struct round *r, uint32_t first, uint32_t most) {
    uint32_t at = first + sp->overlap.ahead.count,
             width = draft_width(sp, most - sp->overlap.ahead.count);
    if (draft_follow(&sp->draft, in->ids, at, width - 1, in->stop)) return;
    for (uint32_t row = 0; row < width; row++)
        if (guess_ahead(sp, in, r, at + row, row)) break;
}

void overlap_draft(struct speculation *sp, const struct speculation_input *in, struct round *r) {
    assert(sp->draft.sequence.model);
    struct draft_tokens *a = &sp->overlap.ahead;
    const struct draft_tokens *made = &r->tokens[BY_DRAFT];
    uint32_t first = in->count + r->proposed, most = room(sp, in, r);
    uint64_t began = port_now(in->port);
    float chance = 1.0f;
    a->count = 0;
    for (uint32_t i = 0; i < made->count; i++) {
        chance *= policy_chance(&sp->policy, made->bin[i]);
        if (i >= r->proposed && a->count < most)
            push(a, made->id[i], made->second[i], made->bin[i]);
    }
    while (a->count < most && chance > CHANCE_LEAST && sequence_is_busy(in->target)) {
        uint32_t at = first + a->count;
        /* Every failure ends the drafting here. A cancel takes effect when the pass is done; any
         * other failure occurs again in the next round. */
        if (sp->draft.mask >= 0) {
            draft_ahead_at_once(sp, in, r, first, most);
            break;
        }
        if (draft_follow(&sp->draft, in->ids, at, 0, in->stop)) break;
        if (guess_ahead(sp, in, r, at, 0)) break;
        chance *= policy_chance(&sp->policy, a->bin[a->count - 1]);
    }
    r->overlapped = 1;
    r->overlap_ns = port_now(in->port) - began;
}

void overlap_settle(struct speculation *sp, const struct speculation_input *in, uint32_t end,
                    int right) {
    assert(end <= in->count && in->count <= in->context);
    struct draft_tokens *a = &sp->overlap.ahead;
    if (right && a->count && in->count == end + 1 && in->ids[end] == a->id[0]) {
        a->count--;
        memmove(a->id, a->id + 1, a->count * sizeof *a->id);
        memmove(a->second, a->second + 1, a->count * sizeof *a->second);
        memmove(a->bin, a->bin + 1, a->count * sizeof *a->bin);
        /* The draft may have been shown ids that found no room in `ahead`. */
        draft_rewind(&sp->draft, in->ids, in->count + (a->count ? a->count - 1 : 0));
        return;
    }
    a->count = 0;
    draft_rewind(&sp->draft, in->ids, end);
}

void overlap_take(struct speculation *sp, const struct speculation_input *in, struct round *r) {
    struct draft_tokens *a = &sp->overlap.ahead, *to = &r->tokens[BY_DRAFT];
    while (to->count < a->count && to->count < PROPOSE_MAX) {
        uint32_t i = to->count;
        in->ids[in->count + i] = a->id[i];
        push(to, a->id[i], a->second[i], a->bin[i]);
    }
    r->kept = to->count;
    a->count = 0;
}

void overlap_learn(struct speculation *sp, const struct round *r) {
    struct overlap *o = &sp->overlap;
    if (!r->overlapped || o->mode) return;
    float alone = sp->policy.verify_ns[r->columns], weight = o->rounds ? NEWEST : 1.0f;
    o->cost_ns += ((float)r->verify_ns - alone - o->cost_ns) * weight;
    o->gain_ns += ((float)o->ahead.count * sp->policy.draft_ns - o->gain_ns) * weight;
    o->rounds++;
    if (o->rounds < TRIAL) return;
    if (o->gain_ns > o->cost_ns) {
        trial_paid(&o->trial);
        return;
    }
    o->paused = 1;
    trial_wait_anew(&o->trial);
}
