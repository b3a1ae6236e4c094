/* The CPU engine: one loop over a program's operations. Each operation is cut into units that the
 * pool's threads share.
 *
 * The thread that completes the last unit of an operation opens the next operation. An operation of
 * a single unit (norm, heads, quant and act of one column) is not opened for all threads: that
 * thread runs it itself on the way. That halves the number of times that threads meet in a decode
 * pass. */
#include <assert.h>
#include <stdatomic.h>
#include <string.h>

#include "cpu/backend_inside.h"
#include "hal/fenv.h"
#include "hal/place.h"

/* ---------------------------------------------------------------------------- the operations -- */

static uint32_t embed_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    const struct hal_model *m = p->setup.model;
    const struct blob_tensor *e = op_tensor(p, op, 0);
    uint32_t id = (uint32_t)p->pass->column[0][column].id;
    const int8_t *row = (const int8_t *)m->weights + e->offset + (size_t)id * padded_cols(e->cols);
    return p->kernels.embed(row, m->rows[e->row_scales + id], op->width,
                            float_column(p, op->out[0], column));
}

static uint32_t join_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    float *y = float_column(p, op->in[0], column);
    const float r = p->kernels.rms(y, op->width, 1.0f / (float)op->width, op->eps);
    return p->kernels.join(float_column(p, op->out[0], column), y,
                           p->setup.model->rows + op->gain[0], r, op->width, op->block);
}

static uint32_t gemv_panels(const struct cpu_program *p, const struct hal_op *op) {
    uint32_t panels = 0;
    for (uint32_t i = 0; i < op->weights.count; i++) panels += tensor_panels(op_tensor(p, op, i));
    return panels;
}

static uint32_t gemv_run(const struct cpu_program *p, const struct hal_op *op,
                         struct team_run run) {
    const struct hal_model *m = p->setup.model;
    uint32_t bad = 0, base = 0;
    for (uint32_t i = 0; i < op->weights.count; i++) {
        const struct blob_tensor *t = op_tensor(p, op, i);
        uint32_t count = tensor_panels(t);
        uint32_t from = run.begin > base ? run.begin - base : 0,
                 to = run.end > base ? run.end - base : 0;
        if (to > count) to = count;
        if (from < to) {
            uint32_t kp = padded_cols(t->cols);
            struct gemv_args a = {.panels = m->weights + t->offset,
                                  .row_scale = m->rows + t->row_scales,
                                  .bias = t->bias == BLOB_ABSENT ? NULL : m->rows + t->bias,
                                  .kp = kp,
                                  .columns = op_columns(op, p->pass),
                                  .x = p->setup.slot[op->in[0]],
                                  .x_stride = act_stride(kp),
                                  .y = float_column(p, op->out[i], 0),
                                  .y_stride = p->setup.program->stride[op->out[i]] / sizeof(float),
                                  .add = op->flags & HAL_ADD ? 1 : 0,
                                  .ahead = p->ahead};
            bad |= p->kernels.gemv[t->type](&a, from, to);
        }
        base += count;
    }
    return bad;
}

/* Whether another engine computes the operation under the cursor. The operation is then a single
 * unit. */
static int taken(const struct cpu_program *p, const struct hal_op *op) {
    const uint8_t *takes = p->setup.matrices.takes;
    return op->kind == HAL_GEMV && takes && takes[op - p->setup.program->ops];
}

static uint32_t taken_op(struct cpu_program *p, const struct hal_op *op) {
    const struct hal_matrices *m = &p->setup.matrices;
    uint32_t bad = 0;
    p->failed = m->multiply(m->user, op, op_columns(op, p->pass), &bad) != APUS_OK;
    return bad;
}

/* ------------------------------------------------------------------------------------ a pass -- */

/* Into how many units an operation can be cut. */
static uint32_t op_units(const struct cpu_program *p, const struct hal_op *op) {
    uint32_t columns = op_columns(op, p->pass);
    if (!columns) return 0;
    switch (op->kind) {
    case HAL_GEMV:
        return gemv_panels(p, op);
    case HAL_ATTEND:
        return attend_units(p, &op->shape);
    case HAL_EMBED:
    case HAL_NORM:
    case HAL_HEADS:
    case HAL_QUANT:
    case HAL_JOIN:
    case HAL_ROUTE:
    case HAL_SPREAD:
    case HAL_MIX:
        return columns;
    case HAL_ACT:
        return op->flags & HAL_PAIRS ? p->mixture.columns : columns;
    case HAL_EXPERTS:
        return experts_units(p, op);
    }
    assert(!"a kind of operation");
    return 0;
}

static uint32_t run_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t unit,
                         uint32_t thread) {
    uint32_t from = op->flags & HAL_TAIL ? p->pass->logits_from : 0;
    switch (op->kind) {
    case HAL_EMBED:
        return embed_unit(p, op, unit);
    case HAL_NORM:
        return p->kernels.norm(float_column(p, op->in[0], from + unit), op->width,
                               1.0f / (float)op->width, op->eps,
                               act_column(p, op->out[0], op->width, unit));
    case HAL_HEADS:
        return heads_unit(p, op, unit);
    case HAL_ATTEND:
        return attend_unit(p, op, unit, thread);
    case HAL_QUANT:
        return p->kernels.quant(float_column(p, op->in[0], unit), op->width,
                                act_column(p, op->out[0], op->width, unit));
    case HAL_JOIN:
        return join_unit(p, op, unit);
    case HAL_ACT:
        if (op->flags & HAL_PAIRS) return experts_act(p, op, unit);
        return p->kernels.act[op->activation](
            float_column(p, op->in[0], unit), op->ins > 1 ? float_column(p, op->in[1], unit) : NULL,
            op->width, act_column(p, op->out[0], op->width, unit));
    case HAL_ROUTE:
        return mixture_choose(float_column(p, op->in[0], unit), &op->mixture, choices_of(p, unit));
    case HAL_SPREAD:
        return experts_spread(p, op, unit);
    case HAL_MIX:
        return experts_mix(p, op, unit);
    case HAL_GEMV: /* gemv_run, experts_run: their units are computed together */
    case HAL_EXPERTS:
        break;
    }
    assert(!"a kind of operation that runs by units");
    return 1;
}

static uint32_t run_units(const struct cpu_program *p, const struct hal_op *op, struct team_run run,
                          uint32_t thread) {
    uint32_t bad = 0;
    if (op->kind == HAL_GEMV) return gemv_run(p, op, run);
    if (op->kind == HAL_EXPERTS) return experts_run(p, op, run);
    for (uint32_t unit = run.begin; unit < run.end; unit++) bad |= run_unit(p, op, unit, thread);
    return bad;
}

/* The most units of one run: as much as should take about 50 microseconds of reading or
 * multiplying, so that no thread holds more when it loses its processor. The sizes are chosen: with
 * a quarter of them and with four times as much, two busy processors of Zen 4 (SmolLM2-135M at 8
 * bits) were within 3 % of this, which is noise. It was not measured on a quiet machine. One unit
 * of attention may take as long by itself; in other operations a column takes little time. */
static uint32_t run_units_most(const struct cpu_program *p, const struct hal_op *op) {
    enum { BYTES = 1 << 20, PRODUCTS = 10 << 20, COLUMNS = 8 };
    if (op->kind == HAL_ATTEND) return 1;
    if (op->kind != HAL_GEMV && op->kind != HAL_EXPERTS) return COLUMNS;
    const size_t panel = (size_t)PANEL_ROWS * padded_cols(op->width),
                 products =
                     panel * (op->kind == HAL_EXPERTS ? p->mixture.most : op_columns(op, p->pass));
    const size_t most = products > PRODUCTS / BYTES * panel ? PRODUCTS / products : BYTES / panel;
    return most ? (uint32_t)most : 1;
}

/* Whether an operation is for the pass's threads: there must be some, and no other pass may have
 * them. */
static int shared(struct cpu_program *p, uint32_t units) {
    if (units < 2 || p->threads < 2) return 0;
    if (!p->entered) p->entered = pool_enter(p->setup.pool);
    if (!p->entered) p->alone = 1;
    return p->entered;
}

/* Whether the pass ends before this operation. Every pass does at least one operation more than
 * where it began. */
static int is_stopped(const struct cpu_program *p, const struct hal_op *op) {
    const struct hal_stop *stop = &p->pass->stop;
    const apus_port *port = p->setup.port;
    const int half = op->kind == HAL_NORM || op->kind == HAL_ACT ||
                     (op->kind == HAL_QUANT && op->in[0] == SLOT_X);
    if (!half || p->cursor == p->first) return 0;
    if (port && port->watchdog) port->watchdog(port->user);
    if (stop->cancel && __atomic_load_n(stop->cancel, __ATOMIC_RELAXED) & HAL_CANCEL) return 1;
    if (hal_stop_step(stop)) return 1;
    return stop->deadline_ns && port && port->now_ns &&
           port->now_ns(port->user) >= stop->deadline_ns;
}

/* Moves the cursor to the next operation that is worth all threads, and runs the others on the
 * way. */
static struct pool_operation pass_next(void *arg) {
    struct cpu_program *p = arg;
    const struct hal_program *program = p->setup.program;
    struct pool_operation open = {0, 0, 0}; /* the pass is over */
    uint32_t bad = 0;
    for (p->cursor++; p->cursor < program->count; p->cursor++) {
        const struct hal_op *op = &program->ops[p->cursor];
        if (is_stopped(p, op)) {
            p->stopped = 1;
            p->reached = p->cursor;
            break;
        }
        experts_begin(p, op);
        uint32_t units = op_units(p, op);
        if (units && taken(p, op)) {
            bad |= taken_op(p, op);
            if (p->failed) break;
        } else if (shared(p, units)) {
            open = (struct pool_operation){p->cursor, units, run_units_most(p, op)};
            break;
        } else {
            bad |= run_units(p, op, (struct team_run){0, units}, 0);
        }
    }
    if (bad) atomic_fetch_or(&p->bad, bad);
    return open;
}

static void pass_units(void *arg, uint32_t item, struct team_run run, uint32_t thread) {
    struct cpu_program *p = arg;
    uint32_t bad = run_units(p, &p->setup.program->ops[item], run, thread);
    if (bad) atomic_fetch_or(&p->bad, bad);
}

/* The weights that a thread will multiply first in the next product. It fetches them while it waits
 * for the other threads. */
static struct pool_ahead pass_ahead(void *arg, uint32_t item, uint32_t thread) {
    const struct cpu_program *p = arg;
    const struct hal_program *program = p->setup.program;
    for (uint32_t cursor = item + 1; cursor < program->count; cursor++) {
        const struct hal_op *op = &program->ops[cursor];
        if (op->kind == HAL_SPREAD) break; /* it is not known yet which experts follow */
        if (op->kind == HAL_EXPERTS) return experts_ahead(p, op, thread);
        if (op->kind != HAL_GEMV || !op_columns(op, p->pass)) continue;
        if (taken(p, op)) break;
        struct team_run run = team_stretch(gemv_panels(p, op), p->threads, thread);
        for (uint32_t i = 0; i < op->weights.count; i++) {
            const struct blob_tensor *t = op_tensor(p, op, i);
            const size_t bytes = panel_bytes(t->type, t->cols);
            const uint32_t panels = tensor_panels(t);
            if (run.begin < panels) {
                uint32_t end = run.end < panels ? run.end : panels;
                return (struct pool_ahead){p->setup.model->weights + t->offset + run.begin * bytes,
                                           (end - run.begin) * bytes};
            }
            run.begin -= panels;
            run.end -= panels;
        }
        break;
    }
    return (struct pool_ahead){NULL, 0};
}

static apus_status cpu_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    enum { FEW = 16 };
    struct cpu_program *p = memory;
    assert(hal_pass_good(pass, p->setup.kv_slots) && pass->columns <= p->setup.columns_max);
    assert(!pass->resume || p->stopped);
    struct pace *pace = &p->pace[pass->columns > FEW];
    const apus_port *port = p->setup.port;
    const int timed = port && port->now_ns && pace->arms > 1;
    uint64_t fenv = fenv_enter(), began = timed ? port->now_ns(port->user) : 0, stalled_ns = 0;
    p->pass = pass;
    p->threads = pace_threads(pace);
    p->entered = p->alone = 0;
    p->stopped = p->failed = 0;
    atomic_store(&p->bad, 0);
    p->first = pass->resume ? p->reached : 0;
    p->cursor = p->first - 1;
    struct pool_operation first = pass_next(p);
    if (first.units) pool_run(p->setup.pool, p->threads, &p->work, first, &stalled_ns);
    if (p->entered) pool_leave(p->setup.pool);
    if (timed && !p->alone && !p->stopped && !p->first)
        pace_learn(pace, pass->columns, port->now_ns(port->user) - began, stalled_ns);
    fenv_leave(fenv);
    *ticket = 0;
    return APUS_OK;
}

/* The pass was computed inside submit. */
static apus_status cpu_wait(void *memory, uint64_t ticket) {
    struct cpu_program *p = memory;
    (void)ticket;
    if (p->failed) return APUS_E_ENGINE;
    if (atomic_load(&p->bad)) return APUS_E_NUMERIC;
    return p->stopped ? APUS_PARTIAL : APUS_OK;
}

/* ------------------------------------------------------------------------------------- setup -- */

static void cpu_probe(const apus_port *port, hal_say *say, void *user) {
    (void)port;
    switch (apus_cpu_best()) {
    case APUS_CPU_AVX512:
        say(user, "cpu", 1, "AVX-512 with VNNI: the fastest kernels");
        break;
    case APUS_CPU_AVXVNNI:
        say(user, "cpu", 1,
            "AVX2 and AVX-VNNI; AVX-512 with VNNI would be faster and is not on this processor");
        break;
    case APUS_CPU_AVX2:
        say(user, "cpu", 1, "AVX2; AVX-512 with VNNI would be faster and is not on this processor");
        break;
    case APUS_CPU_NEON:
        say(user, "cpu", 1, "NEON with dot products");
        break;
    case APUS_CPU_BEST:
    case APUS_CPU_REF:
#if defined(__aarch64__)
        say(user, "cpu", 1, "plain C; NEON with dot products is not on this processor");
#else
        say(user, "cpu", 1, "plain C; AVX2 is not on this processor");
#endif
        break;
    }
}

static int cpu_takes(const struct hal_model *model, const struct hal_op *op,
                     const uint32_t *weight) {
    switch (op->kind) {
    case HAL_EMBED:
        return weight_traits(model->tensors[*weight].type)->form == WEIGHT_ROWS;
    case HAL_GEMV:
    case HAL_EXPERTS:
        return op->weights.count <= HAL_OP_SLOTS &&
               hal_multiplies(WEIGHT_ON_CPU, model, op, weight);
    case HAL_NORM:
    case HAL_HEADS:
    case HAL_ATTEND:
    case HAL_QUANT:
    case HAL_JOIN:
    case HAL_ACT:
    case HAL_ROUTE:
    case HAL_SPREAD:
    case HAL_MIX:
        return 1;
    }
    return 0;
}

static apus_status cpu_model_measure(const struct hal_model_setup *setup, struct hal_need *need) {
    struct cpu_kernels table;
    apus_status s = cpu_kernels_fill(&table, setup->cpu);
    if (s) return s;
    *need = (struct hal_need){place_up(sizeof(struct cpu_model), PLACE_LINE), 0};
    return APUS_OK;
}

static apus_status cpu_model_open(void *memory, const struct hal_model_setup *setup) {
    assert((uintptr_t)memory % PLACE_LINE == 0);
    struct cpu_model *m = memory;
    return cpu_kernels_fill(&m->kernels, setup->cpu);
}

static void cpu_model_close(void *memory) { (void)memory; }

static const char *cpu_model_detail(const void *memory) {
    return apus_cpu_name(((const struct cpu_model *)memory)->kernels.cpu);
}

/* Near prefetches help where the weights come from memory and hinder where a part of them comes
 * from the last-level cache. Zen 4, two threads, 32 MiB of that cache, without against with
 * prefetches: models of 72 and 110 MB -4 to -18 % of a decode pass, 385 MB -1 to -3 %, 498 MB 0,
 * 3.7 GB +3 to +9 %. */
static size_t ahead_for(const struct cpu_program *p) {
    enum { CACHES = 8 };
    const struct hal_program *program = p->setup.program;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < program->count; i++) {
        const struct hal_op *op = &program->ops[i];
        const int reads = op->kind == HAL_GEMV || op->kind == HAL_EXPERTS;
        for (uint32_t k = 0; reads && k < op->weights.count; k++)
            bytes += op_tensor(p, op, k)->bytes;
    }
    return bytes <= CACHES * cpu_last_cache() ? 0 : GEMV_AHEAD;
}

/* Where the parts of a program's memory lie. One walk serves measuring and preparing. */
struct cpu_parts {
    uint64_t scratch, runs, pairs, bytes;
};

static size_t scratch_floats(const struct hal_setup *setup) {
    uint32_t slots = 0;
    for (uint32_t v = 0; v < HAL_VIEWS; v++)
        if (setup->kv_slots[v] > slots) slots = setup->kv_slots[v];
    return attend_scratch_floats(slots);
}

/* The most experts of a layer, and the most of them that a column chooses. */
static struct hal_mixture widest_mixture(const struct hal_setup *setup) {
    struct hal_mixture widest = {0, 0, MIXING_CHOSEN};
    for (uint32_t i = setup->layers.first; i < setup->layers.end; i++) {
        const struct blob_variant *v =
            layer_variant(&setup->model->layers[i], setup->model->variants);
        if (v->experts > widest.experts) widest.experts = v->experts;
        if (v->active > widest.active) widest.active = v->active;
    }
    return widest;
}

static struct cpu_parts lay_out(const struct hal_setup *setup) {
    const struct hal_mixture widest = widest_mixture(setup);
    struct cpu_parts at;
    struct place walk = {0};
    place_next(&walk, 1, sizeof(struct cpu_program));
    at.runs = place_next(&walk, widest.experts, sizeof(struct mixture_run));
    at.pairs = place_next(&walk, (uint64_t)setup->columns_max * widest.active, sizeof(uint32_t));
    at.scratch = place_next(&walk, setup->threads, scratch_floats(setup) * sizeof(float));
    at.bytes = walk.end;
    return at;
}

static apus_status cpu_prepare_measure(const struct hal_setup *setup, struct hal_need *need) {
    *need = (struct hal_need){lay_out(setup).bytes, 0};
    return APUS_OK;
}

static apus_status cpu_prepare(void *memory, const struct hal_setup *setup) {
    assert((uintptr_t)memory % PLACE_LINE == 0 && hal_setup_good(setup));
    struct cpu_program *p = memory;
    struct cpu_parts at = lay_out(setup);
    memset(p, 0, sizeof *p);
    p->setup = *setup;
    p->kernels = ((const struct cpu_model *)setup->model_memory)->kernels;
    p->ahead = ahead_for(p);
    p->scratch = place_at(memory, at.scratch);
    p->scratch_floats = scratch_floats(setup);
    p->mixture.run = place_at(memory, at.runs);
    p->mixture.pair = place_at(memory, at.pairs);
    p->work = (struct pool_work){pass_next, pass_units, pass_ahead, p};
    const uint32_t lent = setup->pool ? setup->pool->threads : 1,
                   threads = lent < setup->threads ? lent : setup->threads;
    for (size_t i = 0; i < sizeof p->pace / sizeof *p->pace; i++) pace_open(&p->pace[i], threads);
    return APUS_OK;
}

static void cpu_release(void *memory) { (void)memory; }

const struct hal_engine hal_cpu_engine = {
    .name = "cpu",
    .probe = cpu_probe,
    .takes = cpu_takes,
    .model_measure = cpu_model_measure,
    .model_open = cpu_model_open,
    .model_close = cpu_model_close,
    .model_detail = cpu_model_detail,
    .prepare_measure = cpu_prepare_measure,
    .prepare = cpu_prepare,
    .release = cpu_release,
    .submit = cpu_submit,
    .wait = cpu_wait,
};
