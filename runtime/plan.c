/* The arena: one walk says where everything lies; apus_measure takes its end, apus_open its offsets. docs/memory.md. */
#include "hal/fenv.h"
#include "runtime/session.h"

struct request {
    apus_config config; /* defaults filled in */
    struct track_config target;
};

struct layout {
    size_t ids, fresh, tokenize, sample, text, target;
    size_t tokenize_bytes, text_bytes;
    struct track_layout target_parts;
    size_t bytes;
};

static apus_status read_request(struct request *r, const apus_config *config) {
    apus_status s = config_read(&r->config, sizeof r->config, config);
    if (s) return s;
    apus_config *c = &r->config;
    if (!c->model) return APUS_E_ARGUMENT;
    uint32_t most = c->model->hal.model->max_positions;
    if (!c->context) c->context = most < 4096 ? most : 4096;
    if (!c->threads) c->threads = 1;
    if (!c->chunk) c->chunk = 128;
    if (!c->prompt_bytes) c->prompt_bytes = 16 * c->context + 4096;
    if (c->context > most || c->threads > 64 || c->chunk > HAL_COLUMNS_MAX) return APUS_E_ARGUMENT;
    if (c->chunk > c->context) c->chunk = c->context;
    r->target = (struct track_config){c->model, c->context, c->chunk, c->threads, NULL};
    return APUS_OK;
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
    if (s) return s;
    take(&at, sizeof(apus_session));
    l->ids = take(&at, (uint64_t)r->config.context * sizeof(int32_t));
    l->fresh = take(&at, (uint64_t)r->config.context * sizeof(int32_t));
    l->tokenize_bytes = apus_tokenize_scratch(&model->blob, r->config.prompt_bytes);
    l->tokenize = take(&at, l->tokenize_bytes);
    l->sample = take(&at, sample_scratch_bytes(model->hal.model->vocab));
    l->text_bytes = text_out_bytes(&model_blob(model)->vocab);
    l->text = take(&at, l->text_bytes);
    l->target = take(&at, l->target_parts.bytes);
    l->bytes = at;
    return APUS_OK;
}

APUS_API apus_status apus_measure(const apus_config *config, apus_memory *memory) {
    struct request r;
    struct layout l;
    if (!memory) return APUS_E_ARGUMENT;
    apus_status s = read_request(&r, config);
    if (!s) s = lay_out(&r, &l);
    if (!s) *memory = (apus_memory){l.bytes, 64, 0};
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
    text_out_open(&s->text, &model_blob(s->model)->vocab, base + l.text, l.text_bytes);

    uint64_t fenv = fenv_enter();
    status = track_open(&s->target, &r.target, &l.target_parts, base + l.target);
    fenv_leave(fenv);
    if (!status) *session = s;
    return status;
}

APUS_API void apus_close(apus_session *session) {
    if (session) track_close(&session->target);
}
