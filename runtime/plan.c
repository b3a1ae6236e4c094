/* The arena: one walk says where everything lies; apus_measure takes its end, apus_open its offsets. docs/memory.md. */
#include "hal/fenv.h"
#include "hal/pool.h"
#include "runtime/costs.h"
#include "runtime/pair.h"
#include "runtime/tokenizer.h"

struct request {
    apus_config config;                /* defaults filled in */
    struct costs costs;                /* what it says of them */
    struct track_config target, draft; /* draft.model NULL: none */
};

struct layout {
    size_t ids, fresh, tokenize, sample, text, pool, target, draft, draft_ids, draft_place;
    size_t tokenize_bytes, text_bytes;
    struct track_layout target_parts, draft_parts;
    size_t bytes;
};

static apus_status read_draft(struct request *r) {
    const apus_config *c = &r->config;
    const char *why = "";
    uint32_t most = c->draft->hal.model->max_positions, positions = c->draft_context;
    if (most < DRAFT_POSITIONS_MIN) why = "the draft holds fewer than the 64 positions that a draft needs";
    if (positions > most || (positions && positions < DRAFT_POSITIONS_MIN)) why = "draft_context is not between 64 and the draft's max_positions";
    if (*why) {
        port_log(&c->model->port, APUS_LOG_ERROR, why);
        return APUS_E_ARGUMENT;
    }
    if (!positions) positions = c->context < DRAFT_POSITIONS_MIN ? DRAFT_POSITIONS_MIN : c->context < most ? c->context : most;
    apus_status status = pair_check(model_blob(c->model), model_blob(c->draft), &why);
    if (status) port_log(&c->model->port, APUS_LOG_ERROR, why);
    r->draft = (struct track_config){c->draft, positions, c->chunk < positions ? c->chunk : positions, c->threads, NULL};
    return status;
}

static apus_status read_request(struct request *r, const apus_config *config) {
    apus_status s = config_read(&r->config, sizeof r->config, config);
    if (s) return s;
    apus_config *c = &r->config;
    if (!c->model) return APUS_E_ARGUMENT;
    uint32_t most = c->model->hal.model->max_positions;
    if (!c->context) c->context = most < 4096 ? most : 4096;
    if (!c->threads) c->threads = c->pool ? hal_pool_threads(c->pool) : 1;
    if (!c->chunk) c->chunk = 128;
    if (!c->prompt_bytes) c->prompt_bytes = 16 * c->context + 4096;
    if (c->context > most || c->threads > HAL_THREADS_MAX || c->chunk > HAL_COLUMNS_MAX)
        return APUS_E_ARGUMENT;
    if (c->prompt_bytes > TOKENIZER_TEXT_MAX) return APUS_E_ARGUMENT; /* the scratch for it has no size */
    if (c->chunk > c->context) c->chunk = c->context;
    if (c->proposals > PROPOSE_MAX) return APUS_E_ARGUMENT;
    if (!c->proposals && !c->model->port.now_ns) c->proposals = 4;
    if (!c->overlap && !c->model->port.now_ns) c->overlap = 1;
    s = costs_read(&r->costs, c->costs);
    if (s) return s;
    r->target = (struct track_config){c->model, c->context, c->chunk, c->threads, NULL};
    r->draft = (struct track_config){0};
    return c->draft ? read_draft(r) : APUS_OK;
}

static size_t take(size_t *at, uint64_t bytes) {
    size_t here = *at;
    *at = (size_t)((here + bytes + 63) & ~(uint64_t)63);
    return here;
}

static apus_status lay_out(const struct request *r, struct layout *l) {
    const apus_model *model = r->config.model;
    size_t at = 0;
    apus_status s = track_measure(&r->target, &l->target_parts);
    l->draft_parts.driver_bytes = 0;
    if (s) return s;
    take(&at, sizeof(apus_session));
    l->ids = take(&at, (uint64_t)r->config.context * sizeof(int32_t));
    l->fresh = take(&at, (uint64_t)r->config.context * sizeof(int32_t));
    l->tokenize_bytes = apus_tokenize_scratch(&model->blob, r->config.prompt_bytes);
    l->tokenize = take(&at, l->tokenize_bytes);
    l->sample = take(&at, sample_scratch_bytes(model->hal.model->vocab));
    l->text_bytes = text_out_bytes(&model_blob(model)->vocab);
    l->text = take(&at, l->text_bytes);
    l->pool = take(&at, r->config.pool ? 0 : hal_pool_bytes(r->config.threads));
    l->target = take(&at, l->target_parts.bytes);
    if (r->draft.model) {
        s = track_measure(&r->draft, &l->draft_parts);
        if (s) return s;
        l->draft_ids = take(&at, r->draft.positions * sizeof(int32_t));
        l->draft_place = take(&at, r->draft.positions * sizeof(uint32_t));
        l->draft = take(&at, l->draft_parts.bytes);
    }
    l->bytes = at;
    return APUS_OK;
}

APUS_API apus_status apus_measure(const apus_config *config, apus_memory *memory) {
    struct request r;
    struct layout l;
    if (!memory) return APUS_E_ARGUMENT;
    apus_status s = read_request(&r, config);
    if (!s) s = lay_out(&r, &l);
    if (!s) *memory = (apus_memory){l.bytes, 64, l.target_parts.driver_bytes + l.draft_parts.driver_bytes};
    return s;
}

APUS_API apus_status apus_open(apus_session **session, const apus_config *config, void *arena, size_t bytes) {
    struct request r;
    struct layout l;
    if (!session) return APUS_E_ARGUMENT;
    apus_status status = read_request(&r, config);
    if (!status) status = lay_out(&r, &l);
    if (status) return status;
    if (!arena || (uintptr_t)arena % 64 || bytes < l.bytes) return APUS_E_SPACE;

    uint8_t *base = arena;
    apus_session *s = arena;
    memset(s, 0, sizeof *s);
    s->model = r.config.model;
    s->context = r.config.context, s->threads = r.config.threads, s->prompt_bytes = r.config.prompt_bytes;
    s->arena_bytes = l.bytes;
    s->ids = (int32_t *)(void *)(base + l.ids);
    s->fresh = (int32_t *)(void *)(base + l.fresh);
    s->tokenize_scratch = base + l.tokenize;
    s->tokenize_bytes = l.tokenize_bytes;
    s->sample_scratch = base + l.sample;
    s->lookup = r.config.lookup;
    length_open(&s->length, r.config.proposals);
    overlap_open(&s->overlap, r.config.overlap);
    text_out_open(&s->text, &model_blob(s->model)->vocab, base + l.text, l.text_bytes);

    uint64_t fenv = fenv_enter();
    if (!r.config.pool) s->pool = hal_pool_open(base + l.pool, &s->model->port, s->threads);
    r.target.pool = r.draft.pool = s->pool ? s->pool : r.config.pool;
    status = track_open(&s->target, &r.target, &l.target_parts, base + l.target);
    if (!status && r.draft.model) {
        status = track_open(&s->draft.track, &r.draft, &l.draft_parts, base + l.draft);
        if (!status)
            draft_open(&s->draft, model_blob(s->model), (int32_t *)(void *)(base + l.draft_ids), (uint32_t *)(void *)(base + l.draft_place),
                       r.draft.positions);
        else
            track_close(&s->target);
    }
    if (!status && !r.config.proposals && (r.config.draft || r.config.lookup)) {
        costs_measure(s, &r.costs);
        length_costs(&s->length, &r.costs, r.config.draft ? costs_share(s) : 0.0f);
    }
    fenv_leave(fenv);
    if (status && s->pool) hal_pool_close(s->pool);
    if (!status) *session = s;
    return status;
}

/* It stays busy: what its port calls while threads and devices are let go, and what is called after it, finds no session. */
APUS_API void apus_close(apus_session *session) {
    if (session_enter(session)) return;
    uint64_t fenv = session->fenv;
    if (session->draft.track.model) track_close(&session->draft.track);
    track_close(&session->target);
    if (session->pool) hal_pool_close(session->pool);
    fenv_leave(fenv);
}
