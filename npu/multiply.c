/* One operation: copies x into a buffer that the array reads, submits all matrices that share x at
 * once, waits, and multiplies the sums that come back by their two scales.
 *
 * Nothing is created here unless a command fails. Then the context is closed and opened again, once
 * in the life of a program, and the operation runs again from the x that the host still has. If it
 * fails again, the program is lost: it computes nothing any more, and the engine that replaces it
 * computes the whole pass again. */
#include <assert.h>
#include <string.h>

#include "hal/act.h"
#include "hal/scalar.h"
#include "npu/model.h"

/* How long a command may take. It is far longer than any command should take, and more than twice
 * the two seconds after which the driver itself gives a command up. Chosen, not measured, because
 * no device was at hand. */
enum { WAIT_MS = 5000 };

/* Some columns of an operation, which one submission computes. */
struct task {
    struct npu_program *program;
    const struct hal_op *op;
    uint32_t first, count; /* columns */
    uint32_t columns, bucket, tokens, depth;
    uint64_t sums_at[HAL_OP_SLOTS], sum_bytes;
};

static const struct npu_tensor *tensor(const struct task *t, uint32_t i) {
    return &t->program->model->tensor[hal_weight(t->program->setup.program, t->op, i)];
}

static void begin(struct task *t) {
    t->bucket = gemv_bucket(t->count);
    t->columns = gemv_bucket_columns(t->bucket);
    t->tokens = gemv_tokens(t->columns);
    t->depth = 0;
    t->sum_bytes = 0;
    for (uint32_t i = 0; i < t->op->weights.count; i++) {
        const struct gemv_shape *s = &tensor(t, i)->shape;
        if (gemv_depth(s) > t->depth) t->depth = gemv_depth(s);
        t->sums_at[i] = t->sum_bytes;
        t->sum_bytes += gemv_sum_bytes(s, t->columns);
    }
}

/* One of the operation's quantized columns, counted from the first of the task. */
static const uint8_t *column_of(const struct task *t, uint32_t column) {
    return t->program->setup.slot[t->op->in[0]] +
           (t->first + column) * act_stride(padded_cols(t->op->width));
}

/* Writes x in the order in which the tiles take it. Columns and rows past those of the operation
 * are 0. */
static void write_x(const struct task *t) {
    const struct npu_program *p = t->program;
    uint32_t width = padded_cols(t->op->width);
    memset(p->x.host, 0, (size_t)t->depth * t->tokens);
    for (uint32_t c = 0; c < t->count; c++) {
        const int8_t *from = (const int8_t *)column_of(t, c);
        int8_t *to = (int8_t *)p->x.host;
        for (uint32_t k = 0; k < width; k++) to[gemv_x_index(k, c, t->tokens)] = from[k];
    }
}

static enum npu_result run(const struct task *t, uint32_t *failed) {
    struct npu_program *p = t->program;
    struct npu_model *m = p->model;
    struct npu_run runs[HAL_OP_SLOTS];
    uint64_t ticket;
    *failed = 0;
    for (uint32_t i = 0; i < t->op->weights.count; i++) {
        const struct npu_tensor *n = tensor(t, i);
        const struct npu_code *code = &n->code[t->bucket];
        runs[i] = (struct npu_run){&m->code,
                                   code->offset,
                                   code->words,
                                   {n->copied ? &m->copies : &m->weights, &p->x, &p->sums},
                                   {n->offset, 0, t->sums_at[i]}};
    }
    if (m->provider->buffer_sync(m->device, &p->x, 0, (uint64_t)t->depth * t->tokens,
                                 NPU_TO_DEVICE))
        return NPU_NO_DEVICE;
    enum npu_result r =
        m->provider->commands_start(p->context, runs, t->op->weights.count, &ticket);
    if (!r) r = m->provider->commands_wait(p->context, ticket, WAIT_MS, failed);
    if (!r && m->provider->buffer_sync(m->device, &p->sums, 0, t->sum_bytes, NPU_FROM_DEVICE))
        r = NPU_NO_DEVICE;
    return r;
}

static void log_failure(const struct task *t, enum npu_result result, uint32_t failed,
                        const char *then) {
    static const char *const how[] = {"", "the driver refused a call",
                                      "the device reports an error", "it did not answer in time",
                                      "the command was aborted"};
    const struct npu_model *m = t->program->model;
    struct words w;
    words_begin(&w, m->facts.name);
    words_add(&w, ": ");
    words_add(&w, how[result]);
    words_add(&w, ", in matrix ");
    words_number(&w, failed);
    words_add(&w, " of a layer's operation; ");
    words_add(&w, then);
    words_log(&w, &m->port, APUS_LOG_WARN);
}

/* Closes the context, and opens a new one if this program has not done so before. Returns whether
 * there is one. */
static int recreate(struct npu_program *p) {
    const struct npu_model *m = p->model;
    m->provider->context_close(p->context);
    p->context_open = 0;
    if (p->recreated) return 0;
    p->recreated = 1;
    p->context_open = m->provider->context_open(p->context, p->model->device, &m->overlay,
                                                m->facts.columns, HAL_OP_SLOTS) == 0;
    return p->context_open;
}

static apus_status run_safely(const struct task *t) {
    uint32_t failed;
    enum npu_result r = run(t, &failed);
    if (!r) return APUS_OK;
    int again = recreate(t->program);
    log_failure(t, r, failed,
                again ? "trying again with a new context" : "the NPU is not used any more");
    if (again && !(r = run(t, &failed))) return APUS_OK;
    if (again) {
        log_failure(t, r, failed, "the NPU is not used any more");
        recreate(t->program);
    }
    t->program->lost = 1;
    return APUS_E_ENGINE;
}

/* docs/numerics.md 4, from the integer sum to the float result. */
static void write_out(const struct task *t, uint32_t i, uint32_t *bad) {
    const struct npu_program *p = t->program;
    const struct blob_tensor *w = &p->setup.model->tensors[hal_weight(p->setup.program, t->op, i)];
    const float *row_scale = p->setup.model->rows + w->row_scales;
    const float *bias = w->bias == BLOB_ABSENT ? NULL : p->setup.model->rows + w->bias;
    const int32_t *sums = (const int32_t *)(const void *)(p->sums.host + t->sums_at[i]);
    uint32_t rows = padded_rows(w->rows), slot = t->op->out[i], wrong = 0;
    for (uint32_t c = 0; c < t->count; c++) {
        const float scale = act_scale_of(column_of(t, c), padded_cols(t->op->width));
        float *y = (float *)(void *)(p->setup.slot[slot] +
                                     (t->first + c) * p->setup.program->stride[slot]);
        for (uint32_t r = 0; r < rows; r++) {
            int32_t acc = sums[(size_t)(r / PANEL_ROWS) * PANEL_ROWS * t->columns +
                               gemv_sum_index(r % PANEL_ROWS, c, t->columns)];
            float v = (float)acc * row_scale[r];
            v = num_snap(v * scale, &wrong);
            if (bias) v = num_snap(v + bias[r], &wrong);
            y[r] = t->op->flags & HAL_ADD ? num_snap(y[r] + v, &wrong) : v;
        }
    }
    *bad |= wrong;
}

apus_status npu_multiply(void *program, const struct hal_op *op, uint32_t columns, uint32_t *bad) {
    struct task t = {.program = program, .op = op};
    uint32_t most = GEMV_COLUMNS_MAX;
    assert(op->kind == HAL_GEMV && columns >= 1 && columns <= t.program->setup.columns_max);
    assert(t.program->takes[op - t.program->setup.program->ops]);
    if (t.program->lost) return APUS_E_ENGINE;
    for (uint32_t i = 0; i < op->weights.count; i++)
        if (tensor(&t, i)->columns_max < most) most = tensor(&t, i)->columns_max;
    for (t.first = 0; t.first < columns; t.first += most) {
        t.count = columns - t.first < most ? columns - t.first : most;
        begin(&t);
        write_x(&t);
        apus_status s = run_safely(&t);
        if (s) return s;
        for (uint32_t i = 0; i < op->weights.count; i++) write_out(&t, i, bad);
    }
    return APUS_OK;
}
