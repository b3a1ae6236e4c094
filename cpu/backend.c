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

#include "cpu/cache.h"
#include "cpu/kernels.h"
#include "cpu/mixture.h"
#include "cpu/pace.h"
#include "cpu/pool.h"
#include "hal/fenv.h"
#include "hal/hal.h"
#include "hal/place.h"

struct cpu_model {
    struct cpu_kernels kernels;
};

struct cpu_program {
    struct pool_work work; /* a pass, in the form that the pool asks for */
    struct cpu_kernels kernels;
    struct hal_setup setup;
    const struct hal_pass *pass;
    float *scratch; /* [threads] attention scratch; each begins scratch_floats after the one
                       before */
    size_t scratch_floats;
    struct mixture mixture; /* of the layer with experts that the pass is in */
    size_t ahead;           /* gemv_args.ahead */
    struct pace pace[2];    /* for passes of few columns and of many */
    uint32_t threads;       /* of the pass */
    /* Written only while no thread holds units. It has its own cache line, because the fields above
     * are always being read. */
    _Alignas(64) uint32_t cursor; /* the operation in progress */
    int entered;                  /* the pool belongs to this pass */
    int alone;                    /* an operation found the pool taken by another pass */
    uint32_t first;               /* the operation where the pass began or continues */
    uint32_t stopped;             /* the pass was cancelled or out of time */
    uint32_t reached;             /* the operation before which it stopped */
    uint32_t failed;              /* the engine that computes the matrices failed */
    _Atomic uint32_t bad;         /* a value left the range of snap() */
};

/* ----------------------------------------------------------------------------------- helpers -- */

static uint32_t op_columns(const struct hal_op *op, const struct hal_pass *pass) {
    return op->flags & HAL_TAIL ? pass->columns - pass->logits_from : pass->columns;
}

static uint8_t *slot_column(const struct cpu_program *p, uint32_t slot, uint32_t column) {
    return p->setup.slot[slot] + (size_t)column * p->setup.program->stride[slot];
}

static float *float_column(const struct cpu_program *p, uint32_t slot, uint32_t column) {
    return (float *)(void *)slot_column(p, slot, column);
}

/* Quantized columns as they are in a slot of the operation. */
static uint8_t *act_column(const struct cpu_program *p, uint32_t slot, uint32_t width,
                           uint32_t column) {
    return p->setup.slot[slot] + (size_t)column * act_stride(padded_cols(width));
}

/* The operation's weight i. */
static const struct blob_tensor *tensor(const struct cpu_program *p, const struct hal_op *op,
                                        uint32_t i) {
    return &p->setup.model->tensors[hal_weight(p->setup.program, op, i)];
}

static uint32_t panels_of(const struct blob_tensor *t) { return padded_rows(t->rows) / PANEL_ROWS; }

/* ---------------------------------------------------------------------------- the operations -- */

static uint32_t embed_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    const struct hal_model *m = p->setup.model;
    const struct blob_tensor *e = tensor(p, op, 0);
    uint32_t id = (uint32_t)p->pass->column[0][column].id;
    const int8_t *row = (const int8_t *)m->weights + e->offset + (size_t)id * padded_cols(e->cols);
    return p->kernels.embed(row, m->rows[e->row_scales + id], op->width,
                            float_column(p, op->out[0], column));
}

/* A row of the table as it would be without rotation. */
static const float *no_rotation(uint32_t head_dim, float *cos_sin) {
    for (uint32_t i = 0; i < head_dim; i++) cos_sin[i] = i < head_dim / 2 ? 1 : 0;
    return cos_sin;
}

/* One head of q (which = 0) or k (1). */
static uint32_t mixed_head(const struct cpu_program *p, const struct hal_op *op, uint32_t which,
                           float *x, const float *cos_sin, int8_t *out, float *scale) {
    const uint32_t hd = op->shape.head_dim, at = op->gain[which];
    const float *gain = at == BLOB_ABSENT ? NULL : p->setup.model->rows + at;
    const float r = gain ? p->kernels.rms(x, hd, 1.0f / (float)hd, op->eps) : 0;
    return p->kernels.head(x, gain, r, cos_sin, hd, out, scale);
}

static uint32_t heads_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    const struct hal_column *col = &p->pass->column[op->view][column];
    const uint32_t hd = op->shape.head_dim;
    _Alignas(64) float unrotated[BLOB_HEAD_DIM_MAX];
    const float *cos_sin = op->flags & HAL_UNROTATED
                               ? no_rotation(hd, unrotated)
                               : p->setup.model->rope + (size_t)col->position * hd;
    uint8_t *qi = slot_column(p, op->out[0], column);
    float *scales = (float *)(void *)(qi + op->shape.heads * hal_qi_stride(hd));
    float *q = float_column(p, op->in[0], column), *k = float_column(p, op->in[1], column),
          *v = float_column(p, op->in[2], column);
    uint32_t bad = 0;
    for (uint32_t h = 0; h < op->shape.heads; h++) {
        int8_t *out = (int8_t *)qi + h * hal_qi_stride(hd);
        bad |= mixed_head(p, op, 0, q + h * hd, cos_sin, out, &scales[h]);
    }
    const struct kv_cache cache = hal_cache(&p->setup, op->layer);
    for (uint32_t h = 0; h < op->shape.kv_heads; h++) {
        _Alignas(64) int8_t row[BLOB_HEAD_DIM_MAX];
        float scale;
        bad |= mixed_head(p, op, 1, k + h * hd, cos_sin, row, &scale);
        kv_store(&cache, h, col->slot, KV_K, row, scale);
        bad |= p->kernels.head(v + h * hd, NULL, 0, NULL, hd, row, &scale);
        kv_store(&cache, h, col->slot, KV_V, row, scale);
    }
    return bad;
}

/* The queries of one kv head in a pass are columns x (heads / kv_heads), column by column. A unit
 * is a run of at most `batch` of them. */
static uint32_t attend_batch(const struct cpu_program *p, const struct hal_heads *shape) {
    uint32_t queries = p->pass->columns * (shape->heads / shape->kv_heads);
    uint32_t wanted =
        p->threads == 1 ? 1 : (2 * p->threads + shape->kv_heads - 1) / shape->kv_heads;
    uint32_t batch = (queries + wanted - 1) / wanted;
    return batch > ATTEND_QUERIES ? ATTEND_QUERIES : batch;
}

static uint32_t attend_units(const struct cpu_program *p, const struct hal_heads *shape) {
    uint32_t queries = p->pass->columns * (shape->heads / shape->kv_heads),
             batch = attend_batch(p, shape);
    return shape->kv_heads * ((queries + batch - 1) / batch);
}

/* Whether two columns see so much of the same part of the cache that their queries go into one
 * batch: apart from SLACK slots, at least half of what the wider one sees. A batch computes with
 * every slot that any of its queries sees. SLACK is one block of attention's slots: a difference of
 * that size is not worth a separate batch. Both bounds are chosen, not measured. */
static int alike(const struct hal_pass *pass, const struct hal_column *a,
                 const struct hal_column *b) {
    enum { SLACK = 128 };
    uint32_t of_a = 0, of_b = 0, both = 0;
    for (uint32_t k = 0; k < b->ranges; k++)
        of_b += pass->range[b->range + k].end - pass->range[b->range + k].begin;
    for (uint32_t i = 0; i < a->ranges; i++) {
        const struct kv_range r = pass->range[a->range + i];
        of_a += r.end - r.begin;
        for (uint32_t k = 0; k < b->ranges; k++) {
            const struct kv_range s = pass->range[b->range + k];
            const uint32_t begin = r.begin > s.begin ? r.begin : s.begin,
                           end = r.end < s.end ? r.end : s.end;
            if (begin < end) both += end - begin;
        }
    }
    return 2 * both + SLACK >= (of_a > of_b ? of_a : of_b);
}

static uint32_t attend_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t unit,
                            uint32_t thread) {
    uint32_t hd = op->shape.head_dim, group = op->shape.heads / op->shape.kv_heads;
    uint32_t queries = p->pass->columns * group, batch = attend_batch(p, &op->shape),
             per_head = (queries + batch - 1) / batch;
    uint32_t kv_head = unit / per_head, first = unit % per_head * batch;
    const struct kv_cache cache = hal_cache(&p->setup, op->layer);
    struct attend_args a = {.kv = kv_head_of(&cache, kv_head),
                            .slots = cache.slots,
                            .head_dim = hd,
                            .scratch = p->scratch + thread * p->scratch_floats};
    const struct hal_column *leader = NULL;
    const float *sinks = op->sinks == BLOB_ABSENT ? NULL : p->setup.model->rows + op->sinks;
    uint32_t bad = 0, end = queries - first < batch ? queries : first + batch;
    for (uint32_t i = first; i < end; i++) {
        uint32_t column = i / group, head = kv_head * group + i % group;
        const struct hal_column *col = &p->pass->column[op->view][column];
        if (a.queries && leader != col && !alike(p->pass, leader, col)) {
            bad |= p->kernels.attend[cache.type](&a);
            a.queries = 0;
        }
        if (!a.queries) leader = col;
        const uint8_t *qi = slot_column(p, op->in[0], column);
        const float *scales =
            (const float *)(const void *)(qi + op->shape.heads * hal_qi_stride(hd));
        a.query[a.queries++] =
            (struct attend_query){(const int8_t *)qi + head * hal_qi_stride(hd),
                                  scales[head],
                                  p->pass->range + col->range,
                                  col->ranges,
                                  col->tail,
                                  col->mask,
                                  float_column(p, op->out[0], column) + head * hd,
                                  sinks ? sinks + head : NULL};
    }
    return bad | p->kernels.attend[cache.type](&a);
}

static uint32_t gemv_panels(const struct cpu_program *p, const struct hal_op *op) {
    uint32_t panels = 0;
    for (uint32_t i = 0; i < op->weights.count; i++) panels += panels_of(tensor(p, op, i));
    return panels;
}

static uint32_t gemv_run(const struct cpu_program *p, const struct hal_op *op,
                         struct team_run run) {
    const struct hal_model *m = p->setup.model;
    uint32_t bad = 0, base = 0;
    for (uint32_t i = 0; i < op->weights.count; i++) {
        const struct blob_tensor *t = tensor(p, op, i);
        uint32_t count = panels_of(t);
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

/* --------------------------------------------------------------------------------- experts -- */

/* A quantized vector of a pair. */
static uint8_t *pair_column(const struct cpu_program *p, const struct hal_op *op, uint32_t slot,
                            uint32_t pair) {
    return act_column(p, slot, op->width, pair);
}

/* The floats of a pair, `rows` of them. */
static float *pair_floats(const struct cpu_program *p, uint32_t slot, uint32_t rows,
                          uint32_t pair) {
    return float_column(p, slot, 0) + (size_t)pair * padded_rows(rows);
}

static struct hal_choice *choices_of(const struct cpu_program *p, uint32_t column) {
    return (struct hal_choice *)(void *)slot_column(p, SLOT_CHOICES, column);
}

static uint32_t spread_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    const uint32_t active = op->mixture.active;
    const uint8_t *from = act_column(p, op->in[0], op->width, column);
    for (uint32_t i = 0; i < active; i++)
        memcpy(pair_column(p, op, op->out[0], p->mixture.pair[column * active + i]), from,
               act_stride(padded_cols(op->width)));
    return 0;
}

/* The pairs are shared among units by their place, not by their column. */
static uint32_t act_pairs_unit(const struct cpu_program *p, const struct hal_op *op,
                               uint32_t unit) {
    const uint32_t active = op->mixture.active;
    uint32_t bad = 0;
    for (uint32_t pair = unit * active; pair < (unit + 1) * active; pair++)
        bad |= p->kernels.act[op->activation](pair_floats(p, op->in[0], op->width, pair),
                                              pair_floats(p, op->in[1], op->width, pair), op->width,
                                              pair_column(p, op, op->out[0], pair));
    return bad;
}

static uint32_t mix_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t column) {
    const uint32_t active = op->mixture.active;
    const struct hal_choice *choice = choices_of(p, column);
    uint32_t bad = 0;
    for (uint32_t i = 0; i < active; i++) {
        const uint32_t pair = p->mixture.pair[column * active + i];
        bad |=
            p->kernels.mix(float_column(p, op->out[0], column),
                           pair_floats(p, op->in[0], op->width, pair), choice[i].weight, op->width);
    }
    return bad;
}

/* The operation's products, in the form of cpu/mixture.h. Returns how many they are. */
static uint32_t expert_products(const struct cpu_program *p, const struct hal_op *op,
                                struct mixture_product product[HAL_OP_SLOTS]) {
    const struct hal_model *m = p->setup.model;
    for (uint32_t i = 0; i < op->weights.count; i++) {
        const struct blob_tensor *t = tensor(p, op, i);
        const uint32_t kp = padded_cols(t->cols), rows = hal_rows(op, t);
        product[i] = (struct mixture_product){
            .gemv = p->kernels.gemv[t->type],
            .args = {.panels = m->weights + t->offset,
                     .row_scale = m->rows + t->row_scales,
                     .bias = t->bias == BLOB_ABSENT ? NULL : m->rows + t->bias,
                     .kp = kp,
                     .x = p->setup.slot[op->in[0]],
                     .x_stride = act_stride(kp),
                     .y = float_column(p, op->out[i], 0),
                     .y_stride = padded_rows(rows),
                     .ahead = p->ahead},
            .rows = rows,
            .panel_bytes = panel_bytes(t->type, t->cols)};
    }
    return op->weights.count;
}

static uint32_t experts_units(const struct cpu_program *p, const struct hal_op *op) {
    struct mixture_product product[HAL_OP_SLOTS];
    return mixture_units(&p->mixture, product, expert_products(p, op, product));
}

static uint32_t experts_run(const struct cpu_program *p, const struct hal_op *op,
                            struct team_run run) {
    struct mixture_product product[HAL_OP_SLOTS];
    return mixture_multiply(&p->mixture, product, expert_products(p, op, product), run.begin,
                            run.end);
}

/* Before the first unit of an operation, while no thread holds one. */
static void op_begins(struct cpu_program *p, const struct hal_op *op) {
    if (op->kind == HAL_SPREAD)
        mixture_lay_out(&p->mixture, &op->mixture, p->setup.slot[SLOT_CHOICES],
                        p->setup.program->stride[SLOT_CHOICES], p->pass->columns);
    for (uint32_t i = 0; op->kind == HAL_EXPERTS && p->pass->chosen_bytes && i < op->weights.count;
         i++)
        *p->pass->chosen_bytes += p->mixture.runs * hal_expert_bytes(op, tensor(p, op, i));
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
    case HAL_ACT:
        if (op->flags & HAL_PAIRS) return act_pairs_unit(p, op, unit);
        return p->kernels.act[op->activation](
            float_column(p, op->in[0], unit), op->ins > 1 ? float_column(p, op->in[1], unit) : NULL,
            op->width, act_column(p, op->out[0], op->width, unit));
    case HAL_ROUTE:
        return mixture_choose(float_column(p, op->in[0], unit), &op->mixture, choices_of(p, unit));
    case HAL_SPREAD:
        return spread_unit(p, op, unit);
    case HAL_MIX:
        return mix_unit(p, op, unit);
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
    if ((op->kind != HAL_NORM && op->kind != HAL_ACT) || p->cursor == p->first) return 0;
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
        op_begins(p, op);
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

static struct pool_ahead experts_ahead(const struct cpu_program *p, const struct hal_op *op,
                                       uint32_t thread) {
    struct mixture_product product[HAL_OP_SLOTS];
    struct pool_ahead ahead = {NULL, 0};
    const uint32_t products = expert_products(p, op, product);
    const struct team_run run =
        team_stretch(mixture_units(&p->mixture, product, products), p->threads, thread);
    if (run.begin < run.end)
        ahead.at = mixture_ahead(&p->mixture, product, products, run.begin, run.end, &ahead.bytes);
    return ahead;
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
            const struct blob_tensor *t = tensor(p, op, i);
            const size_t bytes = panel_bytes(t->type, t->cols);
            const uint32_t panels = panels_of(t);
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
        for (uint32_t k = 0; reads && k < op->weights.count; k++) bytes += tensor(p, op, k)->bytes;
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
