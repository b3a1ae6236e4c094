/* One round of speculation: propose, then verify all proposals in one pass of the target.
 *
 * Exactness needs nothing from the proposals. The target's logits are the same bits whatever else
 * is in the pass, so the ids that runtime/generate.c chooses from them are those that plain
 * decoding would choose; a proposal only decides whether a row of logits is of use. */
#include <assert.h>

#include "runtime/session.h"

/* STEP_COLUMNS: a round whose ids were all accepted leaves two for the next step; more is catching
 * up. PROMPT_MANY: of so many ids one knows what each takes. */
enum { LOOKUP_SHORTEST = 3, LOOKUP_LONGEST = 16, STEP_COLUMNS = 2, PROMPT_MANY = 16 };

static uint64_t now(const apus_session *s) { return port_now(&s->model->port); }

/* Most proposals that there is room for: the context, the target's widest pass, and what the
 * generation may still make. */
static uint32_t room(const apus_session *s) {
    const struct generation *g = &s->generation;
    uint32_t most = s->context - s->count - 1,
             left = g->sampler.config.max_tokens ? g->sampler.config.max_tokens - g->made - 1
                                                 : PROPOSE_MAX;
    if (most > s->target.chunk - 1) most = s->target.chunk - 1;
    if (most > left) most = left;
    return most < PROPOSE_MAX ? most : PROPOSE_MAX;
}

/* What followed the longest earlier occurrence of the last ids. It may run into itself: a
 * repetition goes on. */
static void look_up(const apus_session *s, struct round *r, uint32_t most) {
    struct chain *c = &r->chain[BY_LOOKUP];
    uint32_t at = 0, n = lookup_find(s->ids, s->count, LOOKUP_SHORTEST, LOOKUP_LONGEST, &at);
    if (!n) return;
    for (; c->count < most; c->count++, at++) {
        c->id[c->count] = at < s->count ? s->ids[at] : c->id[at - s->count];
        c->bin[c->count] = length_bin_match(n + c->count);
    }
}

/* Ids that became several pieces are still ids of a round. */
static uint32_t is_step(const struct draft *d) { return d->caught_up <= STEP_COLUMNS + d->split; }

/* Shows the draft ids[.. count). What it evaluates after a prompt, a pause or a slide of its window
 * is no step; the prompt, which comes first, is counted by itself. */
static apus_status follow(apus_session *s, struct round *r, uint32_t count) {
    struct generation *g = &s->generation;
    uint64_t began = now(s);
    apus_status status =
        draft_follow(&s->draft, s->ids, count, session_stop(s, g->sampler.config.deadline_ns));
    if (!is_step(&s->draft)) {
        uint64_t ns = now(s) - began;
        r->catch_up_ns += ns;
        r->caught_up += s->draft.caught_up;
        *(g->drafted ? &g->draft_ns : &g->draft_prompt_ns) += ns;
    }
    g->drafted = 1;
    return status;
}

/* How much of the context the draft will see: what may be lost on it at first, and the rest once it
 * has earned that. */
static void choose_shown(apus_session *s) {
    struct draft *d = &s->draft;
    uint32_t left_out = d->whole < s->count ? s->count - d->whole : 0, held = d->positions;
    if (s->length.looking) {
        draft_skip(d, s->ids, s->count, DRAFT_LOOK);
    } else if (left_out && length_show(&s->length, left_out < held ? left_out : held) ==
                               (left_out < held ? left_out : held)) {
        if (d->whole < s->generation.start) s->generation.drafted = 0;
        draft_rewind(d, s->ids, d->whole);
    } else {
        draft_skip(d, s->ids, s->count, length_show(&s->length, s->count - d->source));
    }
}

static apus_status propose_draft(apus_session *s, struct round *r, uint32_t most) {
    struct chain *c = &r->chain[BY_DRAFT];
    uint32_t limit = most; /* what is ahead costs nothing more */
    if (s->prompt_tokens >= PROMPT_MANY)
        s->length.prompt_ns = (float)s->prompt_ns / (float)s->prompt_tokens;
    if (!s->overlap.ahead.count || s->length.fixed)
        limit = length_most(&s->length, s->count - s->draft.source);
    if (limit < most) most = limit;
    if (!most) return APUS_OK;
    float chance = 1.0f;
    uint64_t began = now(s);
    if (!s->overlap.ahead.count) choose_shown(s);
    overlap_take(s, r);
    for (uint32_t i = 0; i < c->count; i++) chance *= length_chance(&s->length, c->bin[i]);
    while (!c->count || (c->count < most && length_worth(&s->length, c->count, chance))) {
        struct guess guess;
        uint32_t at = s->count + c->count;
        apus_status status = follow(s, r, at);
        if (status == APUS_E_NUMERIC) break; /* the draft's trouble is not the target's */
        if (status) return status;
        if (draft_guess(&s->draft, &s->generation.sampler, at, s->sample_scratch, &guess)) break;
        s->ids[at] = c->id[c->count] = guess.id;
        r->steps += is_step(&s->draft);
        r->other[c->count] = guess.other;
        c->bin[c->count] = length_bin_margin(guess.margin);
        chance *= length_chance(&s->length, c->bin[c->count++]);
    }
    r->draft_ns = now(s) - began - r->catch_up_ns;
    return APUS_OK;
}

/* Fills in the round's proposals, `most` at most. */
static apus_status propose(apus_session *s, struct round *r, uint32_t most) {
    if (s->lookup && most) look_up(s, r, most);
    if (!most || (r->chain[BY_LOOKUP].count && length_lookup(&s->length, r, most))) {
        overlap_drop(s);
        return APUS_OK;
    }
    if (!s->draft.track.model) return APUS_OK;
    apus_status status = propose_draft(s, r, most);
    if (!status && r->chain[BY_DRAFT].count) length_draft(&s->length, r, most);
    return status;
}

/* One pass for the last id, the chain and its branches. The draft may go on meanwhile. */
static apus_status verify(apus_session *s, struct round *r) {
    struct track *t = &s->target;
    struct track_branch branch[PROPOSE_MAX];
    uint64_t began = now(s);
    memcpy(s->ids + s->count, r->chain[r->by].id, r->proposed * sizeof *s->ids);
    for (uint32_t i = 0; i < r->branches; i++)
        branch[i] = (struct track_branch){r->other[r->branch[i]], r->branch[i]};
    r->columns = 1 + r->proposed + r->branches;
    int overlap = s->draft.track.model && overlap_wanted(s, r);
    track_begin(t, s->ids + t->evaluated, 1 + r->proposed, branch, r->branches, session_stop(s, 0));
    if (overlap) overlap_draft(s, r);
    apus_status status = track_end(t);
    r->verify_ns = now(s) - began;
    return status;
}

apus_status verify_round(apus_session *s, struct round *r, uint64_t deadline_ns) {
    struct track *t = &s->target;
    uint32_t most = room(s);
    memset(r, 0, sizeof *r);
    if (t->logits_at == s->count - 1)
        return evaluate(s, 1,
                        deadline_ns); /* a prompt's last row is there: the first id comes at once */
    if (session_cancelled(s)) return APUS_PARTIAL;
    track_rewind(t, s->count - 1);
    assert(t->evaluated == s->count - 1); /* apus_begin does without what is unfinished */
    apus_status status = propose(s, r, most);
    if (!status) {
        status = verify(s, r);
        if (status && status != APUS_PARTIAL) s->count = t->evaluated;
    }
    if (status == APUS_PARTIAL) session_cancelled(s);
    if (status)
        overlap_drop(s); /* the draft has been shown proposals that nobody verified:
                                    something else may come in their places */
    return status;
}
