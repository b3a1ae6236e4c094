/* The arena: one walk says where everything lies; apus_measure takes its end, apus_open its offsets. docs/memory.md. */
#include "hal/fenv.h"
#include "runtime/graph.h"
#include "runtime/session.h"

struct request {
    apus_config config; /* defaults filled in */
    const apus_model *model;
};

struct layout {
    size_t ids, fresh, column, ops, kv_table, engine, kv, slots, tokenize, sample, text;
    size_t slot[HAL_SLOTS]; /* from slots */
    size_t tokenize_bytes, text_bytes;
    size_t bytes;
};

static apus_status read_request(struct request *r, const apus_config *config) {
    apus_status s = config_read(&r->config, sizeof r->config, config);
    if (s) return s;
    apus_config *c = &r->config;
    if (!c->model) return APUS_E_ARGUMENT;
    r->model = c->model;
    uint32_t most = c->model->hal.model->max_positions;
    if (!c->context) c->context = most < 4096 ? most : 4096;
    if (!c->threads) c->threads = 1;
    if (!c->chunk) c->chunk = 128;
    if (!c->prompt_bytes) c->prompt_bytes = 16 * c->context + 4096;
    if (c->context > most || c->threads > 64 || c->chunk > HAL_COLUMNS_MAX) return APUS_E_ARGUMENT;
    if (c->chunk > c->context) c->chunk = c->context;
    return APUS_OK;
}

static size_t take(size_t *at, uint64_t bytes) {
    size_t here = *at;
    *at = (size_t)((here + bytes + 63) & ~(uint64_t)63);
    return here;
}

/* Q, K, V and QI are dead when G and U live: both groups share their place. */
static size_t place_slots(const struct request *r, const struct hal_program *program, size_t slot[HAL_SLOTS]) {
    static const uint8_t attention[] = {SLOT_Q, SLOT_K, SLOT_V, SLOT_QI}, feed_forward[] = {SLOT_G, SLOT_U};
    uint64_t columns = r->config.chunk;
    size_t end = 0, a, f;
    slot[SLOT_X] = take(&end, columns * program->stride[SLOT_X]);
    slot[SLOT_A] = take(&end, columns * program->stride[SLOT_A]);
    slot[SLOT_LOGITS] = take(&end, HAL_LOGITS_MAX * (uint64_t)program->stride[SLOT_LOGITS]);
    a = f = end;
    for (size_t i = 0; i < sizeof attention; i++) slot[attention[i]] = take(&a, columns * program->stride[attention[i]]);
    for (size_t i = 0; i < sizeof feed_forward; i++) slot[feed_forward[i]] = take(&f, columns * program->stride[feed_forward[i]]);
    return a > f ? a : f;
}

static struct hal_setup engine_setup(const struct request *r, const struct hal_program *program) {
    return (struct hal_setup){.model = &r->model->hal,
                              .program = program,
                              .port = &r->model->port,
                              .model_memory = r->model->memory,
                              .kv_slots = round_up(r->config.context, 16),
                              .columns_max = r->config.chunk,
                              .threads = r->config.threads};
}

static apus_status lay_out(const struct request *r, struct hal_program *program, struct layout *l) {
    const struct hal_model *m = &r->model->hal;
    const struct blob *blob = model_blob(r->model);
    uint32_t layers = m->model->layers, context = r->config.context, kv_slots = round_up(context, 16);
    size_t at = 0;
    graph_measure(m, program);
    struct hal_setup setup = engine_setup(r, program);
    struct hal_need need;
    apus_status s = r->model->engine->prepare_measure(&setup, &need);
    if (s) return s;
    take(&at, sizeof(apus_session));
    l->ids = take(&at, (uint64_t)context * sizeof(int32_t));
    l->fresh = take(&at, (uint64_t)context * sizeof(int32_t));
    l->column = take(&at, r->config.chunk * sizeof(struct hal_column));
    l->ops = take(&at, program->count * sizeof(struct hal_op));
    l->kv_table = take(&at, layers * sizeof(uint8_t *));
    l->engine = take(&at, need.bytes);
    l->slots = take(&at, place_slots(r, program, l->slot));
    l->tokenize_bytes = apus_tokenize_scratch(&r->model->blob, r->config.prompt_bytes);
    l->tokenize = take(&at, l->tokenize_bytes);
    l->sample = take(&at, sample_scratch_bytes(m->model->vocab));
    l->text_bytes = text_out_bytes(&blob->vocab);
    l->text = take(&at, l->text_bytes);
    l->kv = at;
    for (uint32_t i = 0; i < layers; i++) take(&at, (uint64_t)m->layers[i].kv_heads * kv_block_bytes(kv_slots, m->model->head_dim));
    l->bytes = at;
    return APUS_OK;
}

APUS_API apus_status apus_measure(const apus_config *config, apus_memory *memory) {
    struct request r;
    struct hal_program program;
    struct layout l;
    if (!memory) return APUS_E_ARGUMENT;
    apus_status s = read_request(&r, config);
    if (!s) s = lay_out(&r, &program, &l);
    if (!s) *memory = (apus_memory){l.bytes, 64, 0};
    return s;
}

static void place_kv(apus_session *s, uint8_t *at) {
    const struct hal_model *m = &s->hal;
    for (uint32_t i = 0; i < m->model->layers; i++) {
        size_t bytes = m->layers[i].kv_heads * kv_block_bytes(s->kv_slots, m->model->head_dim);
        s->kv[i] = bytes ? at : NULL;
        at += bytes;
    }
}

APUS_API apus_status apus_open(apus_session **session, const apus_config *config, void *arena, size_t bytes) {
    struct request r;
    struct hal_program program;
    struct layout l;
    if (!session) return APUS_E_ARGUMENT;
    apus_status status = read_request(&r, config);
    if (!status) status = lay_out(&r, &program, &l);
    if (status) return status;
    if (!arena || (uintptr_t)arena % 64 || bytes < l.bytes) return APUS_E_SPACE;

    uint8_t *base = arena;
    apus_session *s = arena;
    memset(s, 0, sizeof *s);
    s->model = r.model;
    s->hal = r.model->hal;
    s->context = r.config.context, s->threads = r.config.threads, s->chunk = r.config.chunk, s->prompt_bytes = r.config.prompt_bytes;
    s->logits_at = NO_LOGITS;
    s->arena_bytes = l.bytes;
    s->ids = (int32_t *)(void *)(base + l.ids);
    s->fresh = (int32_t *)(void *)(base + l.fresh);
    s->column = (struct hal_column *)(void *)(base + l.column);
    s->kv = (uint8_t **)(void *)(base + l.kv_table);
    s->kv_slots = round_up(s->context, 16);
    s->engine_memory = base + l.engine;
    s->tokenize_scratch = base + l.tokenize;
    s->tokenize_bytes = l.tokenize_bytes;
    s->sample_scratch = base + l.sample;
    for (uint32_t i = 0; i < HAL_SLOTS; i++) s->slot[i] = base + l.slots + l.slot[i];
    place_kv(s, base + l.kv);
    text_out_open(&s->text, &model_blob(s->model)->vocab, base + l.text, l.text_bytes);
    graph_build(&s->hal, (struct hal_op *)(void *)(base + l.ops), &s->program);

    uint64_t fenv = fenv_enter();
    struct hal_setup setup = engine_setup(&r, &s->program);
    setup.model = &s->hal;
    setup.kv = s->kv;
    memcpy(setup.slot, s->slot, sizeof setup.slot);
    status = s->model->engine->prepare(s->engine_memory, &setup);
    fenv_leave(fenv);
    if (!status) *session = s;
    return status;
}

APUS_API void apus_close(apus_session *session) {
    if (session) session->model->engine->release(session->engine_memory);
}
