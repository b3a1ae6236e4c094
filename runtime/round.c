/* One round of speculation: propose, then verify all proposals in one pass of the target.
 *
 * Exactness needs nothing from the proposals. The target's logits are the same bits whatever else is in the pass, so the ids that
 * runtime/generate.c chooses from them are those that plain decoding would choose; a proposal only decides whether a row of logits is of use. */
#include "runtime/session.h"

enum { LOOKUP_SHORTEST = 3, LOOKUP_LONGEST = 16 };

static uint64_t now(const apus_session *s) { return port_now(&s->model->port); }

/* Most proposals that there is room for: the context, the target's widest pass, and what the generation may still make. */
static uint32_t room(const apus_session *s) {
    const struct generation *g = &s->generation;
    uint32_t most = s->context - s->count - 1,
             left = g->sampler.config.max_tokens ? g->sampler.config.max_tokens - g->made - 1 : PROPOSE_MAX;
    if (most > s->target.chunk - 1) most = s->target.chunk - 1;
    if (most > left) most = left;
    return most < PROPOSE_MAX ? most : PROPOSE_MAX;
}

/* Copies what followed the longest earlier occurrence of the last ids. */
static void propose_lookup(apus_session *s, struct round *r, uint32_t most) {
    uint32_t at = 0, n = lookup_find(s->ids, s->count, LOOKUP_SHORTEST, LOOKUP_LONGEST, &at);
    if (!n) return;
    r->by = BY_LOOKUP;
    float confidence = (float)n / LOOKUP_LONGEST, chance = 1.0f;
    uint32_t limit = length_most(&s->length, BY_LOOKUP);
    while (r->proposed < most && r->proposed < limit && length_worth(&s->length, BY_LOOKUP, r->proposed, chance)) {
        chance *= length_chance(&s->length, BY_LOOKUP, confidence);
        r->confidence[r->proposed] = confidence;
        s->ids[s->count + r->proposed++] = s->ids[at++]; /* may run into the proposals themselves: a repetition goes on */
    }
}

/* Shows the draft ids[.. count). What it evaluates after a prompt, a pause or a slide of its window is no step. */
static apus_status follow(apus_session *s, struct round *r, uint32_t count) {
    uint64_t began = now(s);
    apus_status status = draft_follow(&s->draft, s->ids, count, &s->cancel);
    if (s->draft.caught_up > PROPOSE_MAX + 1) {
        uint64_t ns = now(s) - began;
        r->draft_prompt_ns += ns;
        s->generation.draft_prompt_ns += ns;
    }
    return status;
}

static apus_status propose_draft(apus_session *s, struct round *r, uint32_t most) {
    uint32_t limit = length_most(&s->length, BY_DRAFT);
    if (limit < most) most = limit;
    if (!most) return APUS_OK;
    r->by = BY_DRAFT;
    float chance = 1.0f;
    uint64_t began = now(s);
    while (r->proposed < most) {
        uint32_t at = s->count + r->proposed;
        float *confidence = &r->confidence[r->proposed];
        apus_status status = follow(s, r, at);
        if (status == APUS_E_NUMERIC) break; /* the draft's trouble is not the target's */
        if (status) return status;
        if (draft_choose(&s->draft, &s->generation.sampler, at, s->sample_scratch, &s->ids[at], confidence)) break;
        r->proposed++;
        r->steps++;
        chance *= length_chance(&s->length, BY_DRAFT, *confidence);
        if (!length_worth(&s->length, BY_DRAFT, r->proposed, chance)) break;
    }
    r->draft_ns = now(s) - began - r->draft_prompt_ns;
    return APUS_OK;
}

/* The draft has been shown proposals that nobody verified: something else may come in their places. */
static void forget_proposals(apus_session *s) {
    if (s->draft.track.model) draft_rewind(&s->draft, s->ids, s->count);
}

apus_status verify_round(apus_session *s, struct round *r, uint64_t deadline_ns) {
    struct track *t = &s->target;
    uint32_t most = room(s);
    memset(r, 0, sizeof *r);
    if (t->logits_at == s->count - 1) return evaluate(s, 1, deadline_ns); /* a prompt's last row is there: the first id comes at once */
    if (t->evaluated + 1 < s->count) {                                    /* a cancelled prompt, or ids that were appended */
        s->count--;
        apus_status status = evaluate(s, 0, deadline_ns);
        if (status == APUS_OK || status == APUS_PARTIAL) s->count++;
        if (status) return status;
    }
    if (session_cancelled(s)) return APUS_PARTIAL;
    track_rewind(t, s->count - 1);
    if (most && s->lookup) propose_lookup(s, r, most);
    if (most && !r->proposed && s->draft.track.model) {
        apus_status status = propose_draft(s, r, most);
        if (status == APUS_PARTIAL) session_cancelled(s);
        if (status) forget_proposals(s);
        if (status) return status;
    }
    uint64_t began = now(s);
    r->columns = r->proposed + 1;
    apus_status status = track_pass(t, s->ids + t->evaluated, r->columns, r->columns, &s->cancel);
    r->verify_ns = now(s) - began;
    if (status == APUS_PARTIAL)
        session_cancelled(s);
    else if (status)
        s->count = t->evaluated;
    if (status) forget_proposals(s);
    return status;
}
