/* A generation: begin, rounds of one id, the figures. */
#include "runtime/refuse.h"
#include "runtime/session.h"

APUS_API const char *apus_stop_reason_text(apus_stop_reason reason) {
    static const char *const text[] = {"",          "eos",      "length", "stop",
                                       "cancelled", "deadline", "context"};
    return (uint32_t)reason < sizeof text / sizeof *text ? text[reason] : "";
}

static apus_status begin(apus_session *s, const apus_sampling *sampling) {
    struct generation g = {.running = 1};
    const apus_port *port = &s->model->port;
    apus_status status = sampler_open(&g.sampler, sampling, port);
    if (!status && !s->count)
        status = refuse(port, APUS_E_ORDER, "apus_begin",
                        "the context is empty: call apus_prompt first", NULL);
    if (!status && s->unfinished)
        status =
            refuse(port, APUS_E_ORDER, "apus_begin",
                   "the prompt was stopped: go on with apus_prompt or apus_append first", NULL);
    if (status) return status;
    overlap_drop(s); /* what is ahead was drawn by other rules */
    g.start = s->count;
    g.passes = s->target.passes;
    hash64_begin(&g.hash);
    s->generation = g;
    text_out_begin(&s->text, g.sampler.config.stops, g.sampler.config.stops_count);
    return APUS_OK;
}

APUS_API apus_status apus_begin(apus_session *s, const apus_sampling *sampling) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, begin(s, sampling));
}

static int is_end(const struct vocab *vocab, int32_t id) {
    for (uint32_t i = 0; i < vocab->header->ends_count; i++)
        if (vocab->ends[i] == (uint32_t)id) return 1;
    return 0;
}

/* Chooses the id behind the last position from its logits, adds it to the context and its text to
 * what is shown. */
static apus_status choose(apus_session *s, const float *logits, apus_piece *piece) {
    struct generation *g = &s->generation;
    const apus_sampling *c = &g->sampler.config;
    const struct vocab *vocab = &model_blob(s->model)->vocab;
    int32_t id;
    float log_prob;
    apus_status status =
        sample_pick(&g->sampler, logits, s->target.hal.model->vocab, s->ids, s->count,
                    s->ids + g->start, g->made, s->count, s->sample_scratch, &id, &log_prob);
    if (status) return status;
    if (c->want_hash) hash64_add(&g->hash, logits, s->target.hal.model->vocab * sizeof(float));
    s->ids[s->count++] = id;
    s->piece_ids[piece->count] = id;
    s->piece_log_probs[piece->count++] = log_prob;
    g->made++;
    if (!c->ignore_end && is_end(vocab, id))
        piece->stop = APUS_STOP_EOS;
    else if (text_out_add(&s->text, id))
        piece->stop = APUS_STOP_TEXT;
    else if (c->max_tokens && g->made >= c->max_tokens)
        piece->stop = APUS_STOP_LENGTH;
    else if (s->count == s->context)
        piece->stop = APUS_STOP_CONTEXT;
    return APUS_OK;
}

/* The branch beside place `at` that is this id, or none: round->branches. */
static uint32_t find_branch(const struct round *r, uint32_t at, int32_t id) {
    uint32_t b = 0;
    while (b < r->branches && (r->branch[b] != at || r->other[at] != id)) b++;
    return b;
}

/* The target's choice behind each position of the round, for as long as it is what was proposed
 * there; a branch is the last such place. */
static apus_status accept(apus_session *s, struct round *r, apus_piece *piece) {
    struct track *t = &s->target;
    uint32_t row = t->logits - 1 - r->proposed - r->branches; /* after a prompt the last row alone
                                                                 is wanted */
    uint32_t count = s->count, branch = r->branches;
    const int32_t *proposed = r->chain[r->by].id;
    apus_status status;
    for (;;) {
        status = choose(s, track_logits(t, row), piece);
        if (status || piece->stop || branch < r->branches) break;
        int32_t id = s->ids[s->count - 1];
        if (r->accepted < r->proposed && id == proposed[r->accepted]) {
            row++, r->accepted++;
        } else {
            branch = find_branch(r, r->accepted, id);
            if (branch == r->branches) break;
            row = r->proposed + 1 + branch;
        }
    }
    if (status && piece->count)
        status = APUS_OK; /* what was chosen before it is given first; the
                                                     next round begins with the failure */
    r->taken = branch < r->branches;
    /* Rows of proposals that were not accepted go; the last id chosen has no row yet. */
    if (r->taken)
        track_keep(t, branch);
    else if (r->proposed || r->branches)
        track_rewind(t, count + r->accepted);
    if (s->draft.track.model)
        overlap_settle(s, count + r->accepted,
                       r->accepted == r->proposed && !r->taken && !piece->stop);
    return status;
}

static void count_round(apus_session *s, const struct round *r) {
    struct generation *g = &s->generation;
    g->rounds++;
    g->proposed += r->proposed;
    g->accepted += r->accepted;
    g->branches += r->branches;
    g->branches_taken += r->taken;
    g->draft_ns += r->draft_ns;
    g->verify_ns += r->verify_ns;
    g->overlap_ns += r->overlap_ns;
    g->ahead += r->ahead;
    if (r->by == BY_DRAFT) g->kept += r->kept < r->proposed ? r->kept : r->proposed;
    if ((s->draft.track.model || s->lookup) && r->columns == 1) g->off_rounds++;
    for (uint32_t i = 0; i < r->proposed; i++) g->proposed_at[i]++;
    for (uint32_t i = 0; i < r->accepted; i++) g->accepted_at[i]++;
}

static apus_status next_round(apus_session *s, apus_piece *piece) {
    struct generation *g = &s->generation;
    uint64_t deadline = g->sampler.config.deadline_ns;
    struct round round;
    if (s->count == s->context) {
        piece->stop = APUS_STOP_CONTEXT;
        return APUS_OK;
    }
    if (deadline && port_now(&s->model->port) >= deadline) {
        piece->stop = APUS_STOP_DEADLINE;
        return APUS_OK;
    }
    apus_status status = verify_round(s, &round, deadline);
    if (status == APUS_PARTIAL) {
        piece->stop = deadline && port_now(&s->model->port) >= deadline ? APUS_STOP_DEADLINE
                                                                        : APUS_STOP_CANCELLED;
        return APUS_OK;
    }
    if (!status) status = accept(s, &round, piece);
    if (status) return status;
    count_round(s, &round);
    overlap_learn(s, &round);
    /* says nothing of a pass that has the machine for itself */
    if (round.overlapped && !s->overlap.mode) round.verify_ns = 0;
    length_learn(&s->length, &round, piece->ids, (uint32_t)piece->count);
    return APUS_OK;
}

static apus_status next(apus_session *s, apus_piece *piece) {
    const apus_port *port = &s->model->port;
    struct generation *g = &s->generation;
    apus_status status = config_check(piece, STRUCT(apus_piece), port);
    if (!status && !g->running)
        status = refuse(port, APUS_E_ORDER, "apus_next",
                        "no generation runs: apus_begin starts one", NULL);
    if (status) return status;
    apus_piece out = {
        .size = sizeof out, .text = "", .ids = s->piece_ids, .log_probs = s->piece_log_probs};
    uint64_t began = port_now(&s->model->port);
    status = next_round(s, &out);
    if (status || out.stop) {
        g->running = 0;
        if (out.stop != APUS_STOP_TEXT) text_out_end(&s->text);
    }
    g->ns += port_now(&s->model->port) - began;
    if (status) return status;
    text_out_take(&s->text, &out.text, &out.bytes);
    config_write(piece, &out, sizeof out);
    return APUS_OK;
}

APUS_API apus_status apus_next(apus_session *s, apus_piece *piece) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, next(s, piece));
}

APUS_API apus_status apus_stats(const apus_session *s, apus_session_stats *stats) {
    apus_status status = session_look(s);
    if (!status) status = config_check(stats, STRUCT(apus_session_stats), &s->model->port);
    if (status) return status;
    const struct generation *g = &s->generation;
    const struct track_engine *e = track_engine(&s->target);
    apus_session_stats now = {.size = sizeof now,
                              .positions = s->target.evaluated,
                              .reused = s->reused,
                              .prompt_tokens = s->prompt_tokens,
                              .prompt_ns = s->prompt_ns,
                              .new_tokens = g->made,
                              .next_ns = g->ns,
                              .passes = g->sampler.config.size ? s->target.passes - g->passes : 0,
                              .logits_hash = g->sampler.config.want_hash ? hash64_end(&g->hash) : 0,
                              .weight_bytes = blob_pass_bytes(model_blob(s->model)),
                              .arena_bytes = s->arena_bytes,
                              .engine = e->engine->name,
                              .cpu = e->engine->model_detail(e->model_memory),
                              .threads = s->threads,
                              .context = s->context,
                              .rounds = g->rounds,
                              .proposed = g->proposed,
                              .accepted = g->accepted,
                              .off_rounds = g->off_rounds,
                              .branches = g->branches,
                              .branches_taken = g->branches_taken,
                              .draft_ns = g->draft_ns,
                              .draft_prompt_ns = g->draft_prompt_ns,
                              .verify_ns = g->verify_ns,
                              .overlap_ns = g->overlap_ns,
                              .ahead = g->ahead,
                              .ahead_kept = g->kept,
                              .second_engine = s->target.parts > 1 ? e[1].engine->name : NULL,
                              .second_from = s->target.parts > 1 ? e[1].layers.first : 0};
    memcpy(now.proposed_at, g->proposed_at, sizeof now.proposed_at);
    memcpy(now.accepted_at, g->accepted_at, sizeof now.accepted_at);
    config_write(stats, &now, sizeof now);
    return APUS_OK;
}
