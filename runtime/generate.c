/* A generation: its beginning, and its rounds of one id or more. */
#include <assert.h>

#include "runtime/session.h"
#include "weights/refuse.h"

/* A prompt of at least this many ids is used to measure what one id of a prompt costs. The number
 * was chosen, not measured. */
enum { PROMPT_MANY = 16 };

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
    const struct vocab *vocab = &model_blob(s->model)->vocab;
    const apus_sampling *c = &g.sampler.config;
    const uint8_t *bind = (const uint8_t *)c->bind;
    if (!status && !bind_can_spell(vocab, bind, c->bind_bytes))
        status = refuse(port, APUS_E_TOKEN, "apus_sampling",
                        "bind holds a byte that no token of the vocabulary stands for", NULL);
    if (status) return status;
    /* The ids that the draft made ahead were drawn by other rules. */
    speculate_drop(&s->speculation, s->ids, s->count);
    speculate_begin(&s->speculation);
    g.start = s->count;
    g.passes = s->target.passes;
    g.chosen_bytes = s->target.chosen_bytes;
    hash64_begin(&g.hash);
    s->generation = g;
    bind_begin(&s->bind, vocab, bind, c->bind_bytes, s->tokenize_scratch);
    if (c->bind_bytes) s->generation.sampler.bind = &s->bind;
    text_stream_begin(&s->text, c->stops, c->stops_count, c->bind_bytes);
    return APUS_OK;
}

APUS_API apus_status apus_begin(apus_session *s, const apus_sampling *sampling) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, begin(s, sampling));
}

/* Adds one id to the piece. */
static void put_choice(apus_session *s, const struct choice *choice, apus_piece *piece) {
    const size_t at = piece->count++, many = piece->alternatives;
    assert(at <= PROPOSE_MAX);
    s->piece_ids[at] = choice->id;
    s->piece_log_probs[at] = choice->log_prob;
    s->piece_offsets[at] = s->text.total;
    if (!many) return;
    memcpy(s->piece_likely + at * many, choice->likely, many * sizeof *choice->likely);
    memcpy(s->piece_likely_log_probs + at * many, choice->likely_log_prob,
           many * sizeof *choice->likely_log_prob);
}

/* Chooses the id after the last position from its logits, and adds the id to the context and its
 * text to what is shown. */
static apus_status choose(apus_session *s, const float *logits, apus_piece *piece) {
    struct generation *g = &s->generation;
    const apus_sampling *c = &g->sampler.config;
    const struct vocab *vocab = &model_blob(s->model)->vocab;
    const uint32_t rows = s->target.hal.dims->vocab;
    struct choice choice;
    apus_status status = sample_pick(&g->sampler, logits, rows, s->ids, s->count, s->ids + g->start,
                                     g->made, s->count, s->sample_scratch, &choice);
    if (status) return status;
    const int32_t id = choice.id;
    if (c->want_hash) hash64_add(&g->hash, logits, rows * sizeof(float));
    s->ids[s->count++] = id;
    put_choice(s, &choice, piece);
    bind_take(&s->bind, (uint32_t)id);
    g->made++;
    if (!c->ignore_end && vocab_is_end(vocab, (uint32_t)id))
        piece->stop = APUS_STOP_EOS;
    else if (text_stream_add(&s->text, id))
        piece->stop = APUS_STOP_TEXT;
    else if (c->max_tokens && g->made >= c->max_tokens)
        piece->stop = APUS_STOP_LENGTH;
    else if (s->count == s->context)
        piece->stop = APUS_STOP_CONTEXT;
    return APUS_OK;
}

/* What a round needs of the session as it is now. */
static struct speculation_input speculation_input(apus_session *s) {
    const struct generation *g = &s->generation;
    const apus_sampling *c = &g->sampler.config;
    return (struct speculation_input){
        .target = &s->target,
        .port = &s->model->port,
        .ids = s->ids,
        .count = s->count,
        .context = s->context,
        .start = g->start,
        .left = c->max_tokens ? c->max_tokens - g->made : UINT32_MAX,
        .prompt_ns =
            s->prompt_tokens >= PROMPT_MANY ? (float)s->prompt_ns / (float)s->prompt_tokens : 0.0f,
        .sampler = &g->sampler,
        .scratch = s->sample_scratch,
        .stop = session_stop(s, c->deadline_ns)};
}

/* After a rewind further than the target's rings hold (runtime/sequence.h): the first id comes like
 * the one after a prompt. */
static apus_status catch_up(apus_session *s, struct round *r) {
    const uint64_t deadline = s->generation.sampler.config.deadline_ns;
    const struct hal_stop stop = session_stop(s, deadline);
    const apus_status status = session_evaluate(s, 1, deadline);
    if (status == APUS_PARTIAL && hal_stop_no_step(&stop)) return status;
    r->stage = ROUND_NEW;
    if (status && status != APUS_PARTIAL) speculate_drop(&s->speculation, s->ids, s->count);
    return status;
}

/* The logits of the round are there: rows after ids[count - 1], after its proposals and its
 * branches. A prompt has left its last row already, so the first id comes at once. After a failure
 * of the target the context is cut to what was good. */
static apus_status verified_round(apus_session *s, struct round *r) {
    struct sequence *t = &s->target;
    struct generation *g = &s->generation;
    if (r->stage == ROUND_NEW) {
        memset(r, 0, sizeof *r);
        if (t->logits_at == s->count - 1) return APUS_OK;
        if (t->evaluated == s->count) sequence_again(t);
        if (t->evaluated < s->count - 1) r->stage = ROUND_BEHIND;
    }
    if (r->stage == ROUND_BEHIND) return catch_up(s, r);
    struct speculation_input in = speculation_input(s);
    apus_status status = speculate_round(&s->speculation, &in, r);
    if (r->stage != ROUND_NEW) return status; /* the next call goes on with it */
    g->draft_ns += r->draft_ns + r->catch_up_ns - r->prompt_ns;
    g->draft_prompt_ns += r->prompt_ns;
    if (status && status != APUS_PARTIAL && r->columns) {
        s->count = t->evaluated;
        speculate_drop(&s->speculation, s->ids, s->count);
    }
    return status;
}

/* A cancel or the deadline, if there is one, ends the generation, and with it a round that other
 * calls have begun. */
static apus_stop_reason stopped(apus_session *s) {
    const uint64_t deadline = s->generation.sampler.config.deadline_ns;
    apus_stop_reason reason = APUS_RUNNING;
    if (session_cancelled(s)) reason = APUS_STOP_CANCELLED;
    if (deadline && port_now(&s->model->port) >= deadline) reason = APUS_STOP_DEADLINE;
    if (reason && s->generation.round.stage != ROUND_NEW) {
        s->generation.round.stage = ROUND_NEW;
        speculate_drop(&s->speculation, s->ids, s->count);
    }
    return reason;
}

/* The branch beside place `at` that has this id, or none (round->branches). */
static uint32_t find_branch(const struct round *r, uint32_t at, int32_t id) {
    uint32_t b = 0;
    while (b < r->branches && (r->branch[b] != at || r->tokens[BY_DRAFT].second[at] != id)) b++;
    return b;
}

/* Makes the target's choice after each position of the round, as long as each choice is the id that
 * was proposed there. A branch can only be the last such place. */
static apus_status accept(apus_session *s, struct round *r, apus_piece *piece) {
    struct sequence *t = &s->target;
    uint32_t row = t->logits - 1 - r->proposed - r->branches; /* a prompt leaves only its last
                                                                 row */
    uint32_t count = s->count, branch = r->branches;
    const int32_t *proposed = r->tokens[r->by].id;
    apus_status status;
    for (;;) {
        status = choose(s, sequence_logits(t, row), piece);
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
        status = APUS_OK; /* the ids chosen so far are given first, and the next round fails */
    r->taken = branch < r->branches;
    /* Rows of proposals that were not accepted are dropped. The last chosen id has no row yet. */
    if (r->taken)
        sequence_commit(t, branch);
    else if (r->proposed || r->branches)
        sequence_rewind(t, count + r->accepted);
    struct speculation_input in = speculation_input(s);
    speculate_settle(&s->speculation, &in, count + r->accepted,
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
    g->verify_ns += r->verify_ns;
    g->overlap_ns += r->overlap_ns;
    g->ahead += r->ahead;
    if (r->by == BY_DRAFT) g->kept += r->kept < r->proposed ? r->kept : r->proposed;
    if (speculates(&s->speculation) && r->columns == 1) g->off_rounds++;
    for (uint32_t i = 0; i < r->proposed; i++) g->proposed_at[i]++;
    for (uint32_t i = 0; i < r->accepted; i++) g->accepted_at[i]++;
}

static apus_status next_round(apus_session *s, apus_piece *piece) {
    struct round *round = &s->generation.round;
    if (s->count == s->context) {
        piece->stop = APUS_STOP_CONTEXT;
        return APUS_OK;
    }
    piece->stop = stopped(s);
    if (piece->stop) return APUS_OK;
    apus_status status = verified_round(s, round);
    if (status == APUS_PARTIAL) {
        piece->stop = stopped(s);
        if (!piece->stop && round->stage == ROUND_NEW) piece->stop = APUS_STOP_CANCELLED;
        return piece->stop ? APUS_OK : APUS_PARTIAL;
    }
    if (!status) status = accept(s, round, piece);
    if (status) return status;
    count_round(s, round);
    speculate_learn(&s->speculation, round, piece->ids, (uint32_t)piece->count);
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
    apus_piece out = {.size = sizeof out,
                      .text = "",
                      .ids = s->piece_ids,
                      .log_probs = s->piece_log_probs,
                      .offsets = s->piece_offsets,
                      .alternatives = sample_alternatives(&g->sampler, s->target.hal.dims->vocab),
                      .alternative_ids = s->piece_likely,
                      .alternative_log_probs = s->piece_likely_log_probs};
    uint64_t began = port_now(&s->model->port);
    status = next_round(s, &out);
    if ((status && status != APUS_PARTIAL) || out.stop) {
        g->running = 0;
        if (out.stop != APUS_STOP_TEXT) text_stream_end(&s->text);
    }
    g->ns += port_now(&s->model->port) - began;
    if (status) return status;
    text_stream_take(&s->text, &out.text, &out.bytes);
    config_write(piece, &out, sizeof out);
    return APUS_OK;
}

APUS_API apus_status apus_next(apus_session *s, apus_piece *piece) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, next(s, piece));
}
