#include "speculate/speculate.h"

#include <assert.h>
#include <string.h>

#include "runtime/config.h"
#include "speculate/lookup.h"

/* STEP_COLUMNS: most ids that a draft step evaluates. A round whose ids were all accepted leaves
 * two for the next step; more than two means that the draft is catching up. */
enum { STEP_COLUMNS = 2 };

static uint64_t now(const struct speculation_input *in) { return port_now(in->port); }

/* The most proposals that fit into the context, into the target's widest pass, and into what the
 * generation may still make. */
static uint32_t room(const struct speculation_input *in) {
    uint32_t most = in->context - in->count - 1, left = in->left - 1;
    if (most > in->target->chunk - 1) most = in->target->chunk - 1;
    if (most > left) most = left;
    return most < PROPOSE_MAX ? most : PROPOSE_MAX;
}

/* Whether the draft was last shown only the ids that a round leaves over. An id that it reads as
 * several pieces counts as one. A draft with a mask has not seen the accepted ids before. */
static int is_step(const struct draft *d) {
    uint32_t left_over = d->mask < 0 ? STEP_COLUMNS : PROPOSE_MAX + 1;
    return d->caught_up <= left_over + d->split;
}

/* Shows the draft ids[.. count) and `masks` masks. What the draft evaluates after a prompt, a pause
 * or a slide of its window counts as catching up and not as a step. The prompt, which comes first,
 * is also counted by itself. */
static apus_status follow(struct speculation *sp, const struct speculation_input *in,
                          struct round *r, uint32_t count, uint32_t masks) {
    uint64_t began = now(in);
    apus_status status = draft_follow(&sp->draft, in->ids, count, masks, in->stop);
    if (!is_step(&sp->draft)) {
        uint64_t ns = now(in) - began;
        r->catch_up_ns += ns;
        r->caught_up += sp->draft.caught_up;
        if (!sp->shown) r->prompt_ns += ns;
    }
    if (status != APUS_PARTIAL) sp->shown = 1;
    return status;
}

/* Chooses how much of the context the draft will see: at first as much as may be lost on it, and
 * the rest once its proposals have saved that much time. */
static void choose_shown(struct speculation *sp, const struct speculation_input *in) {
    struct draft *d = &sp->draft;
    uint32_t left_out = d->whole < in->count ? in->count - d->whole : 0;
    if (left_out > d->positions) left_out = d->positions;
    if (sp->policy.probing) {
        draft_skip(d, in->ids, in->count, DRAFT_PROBE);
    } else if (left_out && policy_show_limit(&sp->policy, left_out) == left_out) {
        if (d->whole < in->start) sp->shown = 0;
        draft_rewind(d, in->ids, d->whole);
    } else {
        draft_skip(d, in->ids, in->count, policy_show_limit(&sp->policy, in->count - d->source));
    }
}

/* The draft's guess at the next id of the round, in this row of its last pass. */
static apus_status guess_next(struct speculation *sp, const struct speculation_input *in,
                              struct draft_tokens *t, uint32_t row) {
    struct guess guess;
    uint32_t at = in->count + t->count;
    apus_status status = draft_guess(&sp->draft, in->sampler, at, row, in->scratch, &guess);
    if (status) return status;
    in->ids[at] = t->id[t->count] = guess.id;
    t->second[t->count] = guess.other;
    t->bin[t->count++] = policy_bin_margin(guess.margin);
    return APUS_OK;
}

/* Lets a draft with a mask guess all ids of the round in one step. If some were made ahead, those
 * are the round's. */
static apus_status draft_at_once(struct speculation *sp, const struct speculation_input *in,
                                 struct round *r, uint32_t most) {
    struct draft_tokens *t = &r->tokens[BY_DRAFT];
    if (t->count) return APUS_OK;
    if (!r->width) r->width = draft_width(sp, most);
    apus_status status = follow(sp, in, r, in->count, r->width - 1);
    if (status) return status == APUS_E_NUMERIC ? APUS_OK : status;
    r->steps += is_step(&sp->draft) ? 1u : 0u;
    while (t->count < r->width && !guess_next(sp, in, t, t->count)) {}
    return APUS_OK;
}

/* Makes draft steps for as long as one more pays. Where the draft cannot evaluate an id, its
 * proposals end, but the round goes on. */
static apus_status draft_ids(struct speculation *sp, const struct speculation_input *in,
                             struct round *r, uint32_t most) {
    struct draft_tokens *t = &r->tokens[BY_DRAFT];
    float chance = 1.0f;
    if (sp->draft.mask >= 0) return draft_at_once(sp, in, r, most);
    for (uint32_t i = 0; i < t->count; i++) chance *= policy_chance(&sp->policy, t->bin[i]);
    while (!t->count || (t->count < most && policy_wants_another(&sp->policy, t->count, chance))) {
        apus_status status = follow(sp, in, r, in->count + t->count, 0);
        if (status == APUS_E_NUMERIC) break;
        if (status) return status;
        if (guess_next(sp, in, t, 0)) break;
        r->steps += is_step(&sp->draft) ? 1u : 0u;
        chance *= policy_chance(&sp->policy, t->bin[t->count - 1]);
    }
    return APUS_OK;
}

/* Begins with what the draft is shown and with what it made ahead; 0: it is not to propose. */
static uint32_t begin_draft(struct speculation *sp, const struct speculation_input *in,
                            struct round *r, uint32_t most) {
    uint32_t limit = most; /* ids that were made ahead have already been paid for */
    if (in->prompt_ns > 0.0f) sp->policy.prompt_ns = in->prompt_ns;
    if (!sp->overlap.ahead.count || sp->policy.fixed)
        limit = policy_start(&sp->policy, in->count - sp->draft.source);
    if (limit < most) most = limit;
    if (!most) return 0;
    if (!sp->overlap.ahead.count) choose_shown(sp, in);
    overlap_take(sp, in, r);
    r->stage = ROUND_DRAFTS;
    return r->most = most;
}

static apus_status propose_draft(struct speculation *sp, const struct speculation_input *in,
                                 struct round *r, uint32_t most) {
    const uint64_t began = now(in), caught_up_ns = r->catch_up_ns;
    if (r->stage == ROUND_NEW && !begin_draft(sp, in, r, most)) return APUS_OK;
    apus_status status = draft_ids(sp, in, r, r->most);
    r->draft_ns += now(in) - began - (r->catch_up_ns - caught_up_ns);
    if (!status && r->tokens[BY_DRAFT].count) policy_choose_draft(&sp->policy, r, r->most);
    return status;
}

/* Fills in the round's proposals, `most` at most. */
static apus_status propose(struct speculation *sp, const struct speculation_input *in,
                           struct round *r, uint32_t most) {
    struct draft_tokens *found = &r->tokens[BY_LOOKUP];
    if (r->stage == ROUND_DRAFTS) return propose_draft(sp, in, r, most);
    if (sp->lookup && most) lookup_propose(in->ids, in->count, most, found);
    if (!most || (found->count && policy_choose_lookup(&sp->policy, r, most))) {
        speculate_drop(sp, in->ids, in->count);
        return APUS_OK;
    }
    return sp->draft.sequence.model ? propose_draft(sp, in, r, most) : APUS_OK;
}

/* Begins one pass for the last id, the proposals and their branches. The draft may go on meanwhile,
 * but not where steps are counted. */
static void begin_pass(struct speculation *sp, const struct speculation_input *in, struct round *r,
                       struct hal_stop stop) {
    struct sequence *t = in->target;
    struct sequence_branch branch[PROPOSE_MAX];
    const struct draft_tokens *tokens = &r->tokens[r->by];
    memcpy(in->ids + in->count, tokens->id, r->proposed * sizeof *in->ids);
    for (uint32_t i = 0; i < r->branches; i++)
        branch[i] = (struct sequence_branch){tokens->second[r->branch[i]], r->branch[i]};
    r->columns = 1 + r->proposed + r->branches;
    int overlap = sp->draft.sequence.model && !stop.steps && overlap_start(sp, in, r);
    sequence_begin(t, in->ids + t->evaluated, 1 + r->proposed, branch, r->branches, stop);
    if (overlap) overlap_draft(sp, in, r);
}

static apus_status verify(struct speculation *sp, const struct speculation_input *in,
                          struct round *r) {
    const struct hal_stop stop = {in->stop.cancel, 0, in->stop.steps};
    if (hal_stop_no_step(&stop)) return APUS_PARTIAL;
    const uint64_t began = now(in);
    if (r->stage == ROUND_VERIFIES)
        sequence_resume(in->target, stop);
    else
        begin_pass(sp, in, r, stop);
    r->stage = ROUND_VERIFIES;
    apus_status status = sequence_end(in->target);
    r->verify_ns += now(in) - began;
    return status;
}

apus_status speculate_round(struct speculation *sp, const struct speculation_input *in,
                            struct round *r) {
    assert(in->count && in->count < in->context && in->left);
    assert(in->target->evaluated == in->count - 1 && in->start <= in->count);
    apus_status status = APUS_OK;
    if (r->stage < ROUND_PROPOSED) {
        status = propose(sp, in, r, room(in));
        if (!status) r->stage = ROUND_PROPOSED;
    }
    if (!status) status = verify(sp, in, r);
    if (status == APUS_PARTIAL && hal_stop_no_step(&in->stop)) return status;
    r->stage = ROUND_NEW;
    /* The draft has been shown proposals that were not verified, and other ids may take their
     * places. */
    if (status) speculate_drop(sp, in->ids, in->count);
    return status;
}

void speculate_settle(struct speculation *sp, const struct speculation_input *in, uint32_t end,
                      int right) {
    assert(end <= in->count);
    if (sp->draft.sequence.model) overlap_settle(sp, in, end, right);
}

void speculate_learn(struct speculation *sp, struct round *r, const int32_t *chosen,
                     uint32_t count) {
    assert(count <= 1 + PROPOSE_MAX);
    overlap_learn(sp, r);
    /* A pass that ran beside the draft does not tell what a pass alone takes. */
    if (r->overlapped && !sp->overlap.mode) r->verify_ns = 0;
    policy_learn(&sp->policy, r, chosen, count);
}

void speculate_drop(struct speculation *sp, const int32_t *ids, uint32_t count) {
    sp->overlap.ahead.count = 0;
    if (sp->draft.sequence.model) draft_rewind(&sp->draft, ids, count);
}

void speculate_rewind(struct speculation *sp, const int32_t *ids, uint32_t position) {
    uint32_t whole = sp->draft.whole;
    speculate_drop(sp, ids, position < whole ? position : whole);
}
