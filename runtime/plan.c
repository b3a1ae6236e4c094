/* The arena. One walk says where everything lies: apus_measure takes its end, apus_open its
 * offsets. See docs/memory.md. */
#include <assert.h>

#include "hal/fenv.h"
#include "hal/place.h"
#include "hal/pool.h"
#include "hal/words.h"
#include "runtime/refuse_size.h"
#include "runtime/session.h"
#include "runtime/stats.h"
#include "text/heal.h"
#include "text/tokenizer.h"
#include "speculate/costs.h"
#include "weights/refuse.h"

struct request {
    apus_config config;                   /* defaults filled in */
    struct costs costs;                   /* the costs that the configuration gives */
    struct sequence_config target, draft; /* draft.model NULL: none */
    struct pair_renamed renamed;          /* which ids differ between target and draft */
};

/* Offsets in the arena (hal/place.h has the drawing). */
struct layout {
    uint64_t ids, fresh, tokenize, sample, text, pool, target, draft, draft_ids, draft_place;
    size_t tokenize_bytes, text_bytes;
    struct sequence_layout target_parts, draft_parts;
    uint64_t bytes;
};

static const char where[] = "apus_config";

static apus_status read_draft(struct request *r) {
    const apus_config *c = &r->config;
    const apus_port *port = &c->model->port;
    const char *why = "";
    assert(c->draft && c->chunk && c->threads);
    uint32_t most = c->draft->hal.dims->max_positions, positions = c->draft_context;
    apus_status status = refuse_outside(port, where, "the draft's max_positions", most,
                                        DRAFT_POSITIONS_MIN, BLOB_POSITIONS_MAX);
    if (!status && positions)
        status = refuse_outside(port, where, "draft_context", positions, DRAFT_POSITIONS_MIN, most);
    if (status) return status;
    if (!positions)
        positions = c->context < DRAFT_POSITIONS_MIN ? DRAFT_POSITIONS_MIN
                    : c->context < most              ? c->context
                                                     : most;
    status = pair_check(model_blob(c->model), model_blob(c->draft), &r->renamed, &why);
    if (status) port_log(port, APUS_LOG_ERROR, why);
    r->draft = (struct sequence_config){
        c->draft, positions, c->chunk < positions ? c->chunk : positions, c->threads, KV_8, NULL};
    return status;
}

/* 0 is allowed for every field and means the default. */
static apus_status check_ranges(const apus_config *c) {
    const struct {
        const char *field;
        uint32_t found, high;
    } range[] = {{"context", c->context, c->model->hal.dims->max_positions},
                 {"threads", c->threads, HAL_THREADS_MAX},
                 {"chunk", c->chunk, HAL_COLUMNS_MAX},
                 {"prompt_bytes", c->prompt_bytes,
                  TOKENIZER_TEXT_MAX}, /* a longer prompt's scratch would have no size that can be
                                          counted */
                 {"proposals", c->proposals, PROPOSE_MAX}};
    apus_status s = APUS_OK;
    for (size_t i = 0; !s && i < sizeof range / sizeof *range; i++)
        s = refuse_outside(&c->model->port, where, range[i].field, range[i].found, 0,
                           range[i].high);
    return s;
}

/* The type of the cache. */
static apus_status read_kv_type(const apus_config *c, enum kv_type *type) {
    const struct {
        const char *refusal;
        uint32_t found;
    } bits[] = {{"kv_bits is #, must be 0, 4 or 8", c->kv_bits},
                {"v_bits is #, must be 0, 4 or 8", c->v_bits}};
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++)
        if (bits[i].found && bits[i].found != 4 && bits[i].found != 8)
            return refuse(&c->model->port, APUS_E_ARGUMENT, where, bits[i].refusal,
                          CHECK_NUMBERS(bits[i].found));
    const uint32_t k = c->kv_bits ? c->kv_bits : 8, v = c->v_bits ? c->v_bits : k;
    *type = k == 8 ? (v == 8 ? KV_8 : KV_K8V4) : (v == 8 ? KV_K4V8 : KV_4);
    return APUS_OK;
}

static apus_status read_request(struct request *r, const apus_config *config) {
    apus_config *c = &r->config;
    config_ahead(c, config, sizeof *c, _Alignof(apus_config));
    const apus_port *port = c->model ? &c->model->port : NULL;
    enum kv_type kv_type = KV_8;
    apus_status s = config_read(c, config, STRUCT(apus_config), port);
    if (s || !c->model) return s ? s : APUS_E_ARGUMENT;
    s = check_ranges(c);
    if (!s) s = read_kv_type(c, &kv_type);
    if (s) return s;
    uint32_t most = c->model->hal.dims->max_positions;
    if (!c->context) c->context = most < 4096 ? most : 4096;
    if (!c->threads) c->threads = c->pool ? hal_pool_threads(c->pool) : 1;
    if (!c->chunk) c->chunk = 128;
    if (!c->prompt_bytes) c->prompt_bytes = 16 * c->context + 4096;
    if (c->chunk > c->context) c->chunk = c->context;
    if (!c->proposals && !c->model->port.now_ns) c->proposals = 4;
    if (!c->overlap && !c->model->port.now_ns) c->overlap = 1;
    s = costs_read(&r->costs, c->costs, port);
    if (s) return s;
    r->target = (struct sequence_config){c->model, c->context, c->chunk, c->threads, kv_type, NULL};
    r->draft = (struct sequence_config){0};
    return c->draft ? read_draft(r) : APUS_OK;
}

static apus_status lay_out(const struct request *r, struct layout *l) {
    const apus_model *model = r->config.model;
    assert(r->target.chunk >= 1 && r->target.chunk <= r->target.positions);
    struct place walk = {0};
    apus_status s = sequence_measure(&r->target, &l->target_parts);
    l->draft_parts.driver_bytes = 0;
    if (s) return s;
    place_next(&walk, 1, sizeof(apus_session));
    l->ids = place_next(&walk, r->config.context, sizeof(int32_t));
    l->fresh = place_next(&walk, r->config.context, sizeof(int32_t));
    l->tokenize_bytes = apus_tokenize_scratch(&model->blob, r->config.prompt_bytes);
    const size_t heal_bytes =
        heal_scratch(&model_blob(model)->vocab); /* text that generation is bound to (bytes) is
                                                    tokenized here, too */
    if (l->tokenize_bytes < heal_bytes) l->tokenize_bytes = heal_bytes;
    l->tokenize = place_next(&walk, 1, l->tokenize_bytes);
    l->sample = place_next(&walk, 1, sample_scratch_bytes(model->hal.dims->vocab));
    l->text_bytes = text_stream_bytes(&model_blob(model)->vocab);
    l->text = place_next(&walk, 1, l->text_bytes);
    l->pool = place_next(&walk, 1, r->config.pool ? 0 : hal_pool_bytes(r->config.threads));
    l->target = place_next(&walk, 1, l->target_parts.bytes);
    if (r->draft.model) {
        s = sequence_measure(&r->draft, &l->draft_parts);
        if (s) return s;
        l->draft_ids = place_next(&walk, r->draft.positions, sizeof(int32_t));
        l->draft_place = place_next(&walk, r->draft.positions, sizeof(uint32_t));
        l->draft = place_next(&walk, 1, l->draft_parts.bytes);
    }
    l->bytes = walk.end;
    return refuse_size(&model->port, where, l->bytes);
}

APUS_API apus_status apus_measure(const apus_config *config, apus_memory *memory) {
    struct request r;
    struct layout l;
    apus_status s = read_request(&r, config);
    if (!s) s = config_check(memory, STRUCT(apus_memory), &r.config.model->port);
    if (!s) s = lay_out(&r, &l);
    if (s) return s;
    apus_memory need = {sizeof need, 64, l.bytes,
                        l.target_parts.driver_bytes + l.draft_parts.driver_bytes};
    config_write(memory, &need, sizeof need);
    return APUS_OK;
}

static void log_renamed(const struct request *r) {
    struct words w;
    words_begin(
        &w,
        "draft and target have different names for special tokens, which are never proposed: ids");
    for (uint32_t i = 0; i < r->renamed.count; i++) {
        words_add(&w, i ? ", " : " ");
        words_number(&w, r->renamed.ids[i]);
    }
    words_log(&w, &r->config.model->port, APUS_LOG_INFO);
}

APUS_API apus_status apus_open(apus_session **session, const apus_config *config, void *arena,
                               size_t bytes) {
    struct request r;
    struct layout l;
    apus_memory need = {.alignment = 64};
    apus_status status = read_request(&r, config);
    if (!status) status = refuse_null(&r.config.model->port, "apus_open", "session", session);
    if (!status) status = lay_out(&r, &l);
    if (status) return status;
    need.bytes = l.bytes;
    status = refuse_memory(&r.config.model->port, "apus_open", arena, bytes, &need);
    if (status) return status;

    apus_session *s = arena;
    memset(s, 0, sizeof *s);
    s->model = r.config.model;
    s->steps_most = r.config.steps;
    s->context = r.config.context, s->threads = r.config.threads,
    s->prompt_bytes = r.config.prompt_bytes;
    s->arena_bytes = l.bytes;
    if (r.config.state_key) {
        s->keyed = 1;
        memcpy(s->state_key, r.config.state_key, sizeof s->state_key);
    }
    s->ids = place_at(arena, l.ids);
    s->fresh = place_at(arena, l.fresh);
    s->tokenize_scratch = place_at(arena, l.tokenize);
    s->tokenize_bytes = l.tokenize_bytes;
    s->sample_scratch = place_at(arena, l.sample);
    struct speculation *sp = &s->speculation;
    sp->lookup = r.config.lookup;
    policy_open(&sp->policy, r.config.proposals);
    overlap_open(&sp->overlap, r.config.overlap);
    text_stream_open(&s->text, &model_blob(s->model)->vocab, place_at(arena, l.text), l.text_bytes);

    uint64_t fenv = fenv_enter();
    if (!r.config.pool)
        s->pool = hal_pool_open(place_at(arena, l.pool), &s->model->port, s->threads);
    r.target.pool = r.draft.pool = s->pool ? s->pool : r.config.pool;
    status = sequence_open(&s->target, &r.target, &l.target_parts, place_at(arena, l.target));
    if (!status && r.draft.model) {
        status =
            sequence_open(&sp->draft.sequence, &r.draft, &l.draft_parts, place_at(arena, l.draft));
        if (!status)
            draft_open(&sp->draft, model_blob(s->model), &r.renamed, place_at(arena, l.draft_ids),
                       place_at(arena, l.draft_place), r.draft.positions);
        else
            sequence_close(&s->target);
    }
    sp->policy.parallel = !status && r.draft.model && sp->draft.mask >= 0;
    if (!status && !r.config.proposals && (r.config.draft || r.config.lookup)) {
        struct sequence *draft = r.config.draft ? &sp->draft.sequence : NULL;
        costs_measure(&r.costs, &s->target, draft, &s->model->port);
        policy_costs(&sp->policy, &r.costs, draft ? costs_share(&s->target, draft) : 0.0f);
    }
    fenv_leave(fenv);
    if (status && s->pool) hal_pool_close(s->pool);
    if (!status && r.draft.model && r.renamed.count) log_renamed(&r);
    if (!status) *session = s;
    return status;
}

/* The session stays busy. So what its port calls while threads and devices are released, and any
 * call after this one, finds no session. */
APUS_API void apus_close(apus_session *session) {
    if (session_enter(session)) return;
    uint64_t fenv = session->fenv;
    if (session->speculation.draft.sequence.model)
        sequence_close(&session->speculation.draft.sequence);
    sequence_close(&session->target);
    if (session->pool) hal_pool_close(session->pool);
    for (size_t i = 0; i < sizeof session->state_key; i++)
        ((volatile uint8_t *)session->state_key)[i] = 0;
    fenv_leave(fenv);
}
