/* A pass, operation by operation (apus/trace.h). The first n operations of a program are a program
 * too. For each n that program runs from the beginning, and what its last operation wrote is the
 * step. So engines need to know nothing of tracing. */
#include "apus/trace.h"

#include <string.h>

#include "hal/act.h"
#include "hal/fenv.h"
#include "hal/place.h"
#include "hal/pool.h"
#include "runtime/config.h"
#include "runtime/graph.h"
#include "runtime/refuse_size.h"
#include "runtime/sequence.h"
#include "weights/refuse.h"

static const char where[] = "apus_trace";

struct trace {
    apus_trace_config config;
    struct sequence_config opening;
    struct sequence sequence;
    struct sequence_engine whole; /* the engine as it was prepared, with the whole program of the
                                     model */
    void *memory;                 /* in which parts of the program are prepared */
};

struct trace_layout {
    struct sequence_layout sequence;
    uint64_t pool, opening, program, bytes;
};

static apus_status read_config(apus_trace_config *c, const apus_trace_config *config) {
    config_ahead(c, config, sizeof *c, _Alignof(apus_trace_config));
    const apus_port *port = c->model ? &c->model->port : NULL;
    apus_status s = config_read(c, config, STRUCT(apus_trace_config), port);
    if (!s && !c->model) s = APUS_E_ARGUMENT;
    if (!s) s = refuse_null(port, where, "ids", c->ids);
    if (!s) s = refuse_null(port, where, "step", (const void *)(uintptr_t)c->step);
    if (!s) s = refuse_outside(port, where, "threads", c->threads, 0, HAL_THREADS_MAX);
    uint32_t most = s ? 0 : c->model->hal.dims->max_positions;
    if (most > APUS_TRACE_IDS_MAX) most = APUS_TRACE_IDS_MAX;
    if (!s) s = refuse_outside(port, where, "count", c->count, 1, most);
    for (uint32_t i = 0; !s && i < c->count; i++)
        s = refuse_outside(port, where, "an id", (uint32_t)c->ids[i], 0,
                           c->model->hal.dims->vocab - 1);
    if (!s && c->model->parts > 1)
        s = refuse(port, APUS_E_UNSUPPORTED, where,
                   "the model's layers are on # engines, must be 1",
                   CHECK_NUMBERS(c->model->parts));
    if (!s && !c->threads) c->threads = 1;
    return s;
}

static struct sequence_config config_of(const apus_trace_config *c) {
    return (struct sequence_config){
        .model = c->model, .positions = c->count, .chunk = c->count, .threads = c->threads};
}

/* The setup for a program of some layers or operations, in the memory of the sequence that was
 * opened. */
static struct hal_setup setup_of(const struct trace *t, const struct hal_program *program,
                                 struct hal_range layers) {
    const struct sequence *s = &t->sequence;
    struct hal_setup setup = {.model = &s->hal,
                              .program = program,
                              .layers = layers,
                              .port = &s->model->port,
                              .model_memory = t->whole.model_memory,
                              .pool = t->opening.pool,
                              .kv = s->kv,
                              .kv_type = s->kv_type,
                              .columns_max = s->chunk,
                              .threads = t->config.threads};
    memcpy(setup.slot, s->slot, sizeof setup.slot);
    sequence_slots(&t->opening, setup.kv_slots);
    return setup;
}

static apus_status lay_out(const apus_trace_config *c, struct trace_layout *l,
                           uint64_t *driver_bytes) {
    struct sequence_config opening = config_of(c);
    const struct model_engine *e = &c->model->engine[0];
    struct hal_setup setup = {.model = &c->model->hal,
                              .program = &c->model->program,
                              .layers = e->layers,
                              .port = &c->model->port,
                              .model_memory = e->memory,
                              .columns_max = c->count,
                              .threads = c->threads};
    struct hal_need need;
    struct place walk = {0};
    sequence_slots(&opening, setup.kv_slots);
    apus_status s = sequence_measure(&opening, &l->sequence);
    if (!s) s = e->engine->prepare_measure(&setup, &need);
    if (s) return s;
    place_next(&walk, 1, sizeof(struct trace));
    l->pool = place_next(&walk, 1, hal_pool_bytes(c->threads));
    l->opening = place_next(&walk, 1, l->sequence.bytes);
    l->program = place_next(&walk, 1, need.bytes);
    l->bytes = walk.end;
    *driver_bytes = l->sequence.driver_bytes + need.driver_bytes;
    return refuse_size(&c->model->port, where, l->bytes);
}

APUS_API apus_status apus_trace_measure(const apus_trace_config *config, apus_memory *memory) {
    apus_trace_config c;
    struct trace_layout l;
    uint64_t driver_bytes = 0;
    apus_status s = read_config(&c, config);
    if (!s) s = config_check(memory, STRUCT(apus_memory), &c.model->port);
    if (!s) s = lay_out(&c, &l, &driver_bytes);
    if (s) return s;
    apus_memory need = {sizeof need, PLACE_LINE, l.bytes, driver_bytes};
    config_write(memory, &need, sizeof need);
    return APUS_OK;
}

/* How many bytes of a column an operation writes into its output slot i. *floats: as in
 * apus_trace_step. */
static size_t written_bytes(const struct hal_model *model, const struct hal_program *program,
                            const struct hal_op *op, uint32_t i, int *floats) {
    const struct hal_heads *h = &op->shape;
    *floats = 1;
    switch (hal_op_traits(op->kind)->form) {
    case FORM_FLOATS:
        return op->width * sizeof(float);
    case FORM_ROWS:
        return hal_rows(op, &model->tensors[hal_weight(program, op, i)]) * sizeof(float);
    case FORM_QUERIES:
        *floats = 0;
        return h->heads * (hal_qi_stride(h->head_dim) + sizeof(float));
    case FORM_CHOICES:
        *floats = 0;
        return op->mixture.active * sizeof(struct hal_choice);
    case FORM_QUANTIZED:
        break;
    }
    *floats = 0;
    return act_scale_at(padded_cols(op->width)) + sizeof(float);
}

static void show(const struct trace *t, uint32_t index) {
    static const char *const slots[HAL_SLOTS] = {[SLOT_X] = "x",
                                                 [SLOT_A] = "a",
                                                 [SLOT_Q] = "q",
                                                 [SLOT_K] = "k",
                                                 [SLOT_V] = "v",
                                                 [SLOT_G] = "g",
                                                 [SLOT_QI] = "queries",
                                                 [SLOT_U] = "u",
                                                 [SLOT_LOGITS] = "logits",
                                                 [SLOT_ROUTER] = "router",
                                                 [SLOT_CHOICES] = "choices",
                                                 [SLOT_PAIRS] = "pairs"};
    const struct hal_program *program = &t->whole.program;
    const struct hal_op *op = &program->ops[index];
    const struct hal_op_traits *traits = hal_op_traits(op->kind);
    for (uint32_t i = 0; i < op->outs; i++) {
        apus_trace_step step = {.size = sizeof step,
                                .index = index,
                                .layer = op->layer,
                                .operation = traits->name,
                                .slot = slots[op->out[i]],
                                .columns = t->config.count * hal_vectors(op),
                                .stride = program->stride[op->out[i]],
                                .data = t->sequence.slot[op->out[i]]};
        step.bytes = written_bytes(&t->sequence.hal, program, op, i, &step.floats);
        if (traits->form == FORM_QUANTIZED) step.stride = act_stride(padded_cols(op->width));
        if (traits->form == FORM_ROWS && op->flags & HAL_PAIRS)
            step.stride = (size_t)place_up(step.bytes, PLACE_LINE);
        t->config.step(t->config.user, &step);
    }
}

/* Runs one pass of a part of the program, from the beginning. */
static apus_status run_part(struct trace *t, const struct hal_program *program,
                            struct hal_range layers) {
    struct sequence *s = &t->sequence;
    struct hal_setup setup = setup_of(t, program, layers);
    apus_status status = t->whole.engine->prepare(t->memory, &setup);
    if (status) return status;
    s->engine[0].memory = t->memory;
    sequence_rewind(s, 0);
    status = sequence_pass(s, t->config.ids, t->config.count, t->config.count,
                           (struct hal_stop){NULL, 0, NULL});
    if (!status && s->at) status = APUS_E_ENGINE; /* another engine took over */
    t->whole.engine->release(t->memory);
    s->engine[0].memory = t->whole.memory;
    return status;
}

static apus_status run(struct trace *t) {
    const struct apus_model *model = t->config.model;
    const struct hal_program *whole = &t->whole.program;
    for (uint32_t i = 0; i < whole->count; i++) {
        struct hal_program part = *whole;
        struct hal_range layers = {0, model->hal.dims->layers};
        part.count = i + 1;
        if (t->whole.engine->done) { /* the engine has slots of its own; the caller's get only what
                                        a layer leaves behind */
            if (i + 1 < whole->count && whole->ops[i + 1].layer == whole->ops[i].layer) continue;
            layers.end = whole->ops[i].layer + 1u;
            part = graph_part(&model->hal, whole, layers);
        }
        apus_status status = run_part(t, &part, layers);
        if (status && status != APUS_E_NUMERIC) return status;
        show(t, i);
        if (status) return status;
    }
    return APUS_OK;
}

APUS_API apus_status apus_trace(const apus_trace_config *config, void *memory, size_t bytes) {
    apus_trace_config c;
    struct trace_layout l;
    apus_memory need = {.alignment = PLACE_LINE};
    apus_status status = read_config(&c, config);
    if (!status) status = lay_out(&c, &l, &need.driver_bytes);
    if (status) return status;
    need.bytes = l.bytes;
    status = refuse_memory(&c.model->port, where, memory, bytes, &need);
    if (status) return status;

    uint64_t fenv = fenv_enter();
    struct trace *t = memory;
    memset(t, 0, sizeof *t);
    t->config = c;
    t->opening = config_of(&c);
    t->memory = place_at(memory, l.program);
    t->opening.pool = hal_pool_open(place_at(memory, l.pool), &c.model->port, c.threads);
    status = sequence_open(&t->sequence, &t->opening, &l.sequence, place_at(memory, l.opening));
    if (!status) {
        t->whole = t->sequence.engine[0];
        status = run(t);
        sequence_close(&t->sequence);
    }
    hal_pool_close(t->opening.pool);
    fenv_leave(fenv);
    return status;
}
