#include "weights/pack/quantize/sensitivity.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/quantize/activations.h"
#include "weights/pack/quantize/exact.h"
#include "weights/pack/quantize/matmul.h"
#include "weights/pack/quantize/parallel.h"

/* How much text is measured on: WINDOWS windows of LENGTH tokens, of which the head sees the second
 * half, since a position that sees few others is hurt more by V. HEAD_ROWS: rows of the head that
 * are computed at once. */
enum { WINDOWS = 4, LENGTH = 64, HEAD_ROWS = 512 };
/* About the most multiply-adds that a measurement may cost: minutes on two cores. */
static const double MULTIPLICATIONS = 1.6e12;

struct sense {
    const struct sensitivity_request *request;
    struct forward forward; /* its windows are those of all copies used */
    uint32_t windows, tokens, copies, used, layers_at_once, positions;
    struct activations activations; /* copy after copy; in copy 0 no unit is rounded to 4 bits */
    /* The tensor in work: its inputs and outputs, and the copy that belongs to its unit. */
    const float *in;
    float *out;
    size_t n, out_row;
    uint32_t unit;
    bool less;
    /* For the head: [copies * positions][HEAD_ROWS] */
    float *logits;
    double *moments; /* [positions][copies][2] */
    double *mass, *shift;
    uint32_t head_count;
};

static void layer_weights(const struct plan *plan, double *all) {
    *all = 0;
    for (uint32_t i = 0; i < plan->model.tensors; i++)
        if (i != plan->model.embed && i != plan->model.head)
            *all += (double)plan->tensors[i].record.rows * plan->tensors[i].record.cols;
}

/* Units are the tensors of one role in neighbouring layers: in as many layers as keep the cost
 * below MULTIPLICATIONS. */
static void choose_units(struct sense *s) {
    const struct plan *plan = s->request->plan;
    double weights, blocks;
    layer_weights(plan, &weights);
    blocks = MULTIPLICATIONS / (LT_COUNT * (double)s->tokens * weights / 2);
    uint32_t most = blocks < 2                    ? 2
                    : blocks > plan->model.layers ? plan->model.layers
                                                  : (uint32_t)blocks;
    s->layers_at_once = (plan->model.layers + most - 1) / most;
    s->copies = 1 + LT_COUNT * ((plan->model.layers + s->layers_at_once - 1) / s->layers_at_once);
}

static bool make_room(struct sense *s) {
    const struct plan *plan = s->request->plan;
    size_t all = (size_t)s->copies * s->tokens, seen = (size_t)s->copies * s->positions;
    s->logits = floats(seen, HEAD_ROWS), s->moments = calloc(2 * seen, sizeof *s->moments);
    s->mass = calloc(s->positions, sizeof *s->mass),
    s->shift = malloc(s->positions * sizeof *s->shift);
    s->forward.room =
        floats(s->request->threads, forward_room(s->forward.length, plan->model.head_dim));
    return activations_make(&s->activations, plan, all) && s->logits && s->moments && s->mass &&
           s->shift && s->forward.room;
}

static void free_room(struct sense *s) {
    activations_free(&s->activations);
    free(s->logits);
    free(s->moments);
    free(s->mass);
    free(s->shift);
    free(s->forward.room);
}

static bool nowhere(void *user, const void *data, size_t bytes, struct diag *d) {
    (void)user, (void)data, (void)bytes, (void)d;
    return true;
}

static bool take_embedding(void *user, uint32_t first, uint32_t rows, const float *values,
                           struct diag *d) {
    (void)d;
    struct sense *s = user;
    const struct sensitivity_request *r = s->request;
    uint32_t dim = r->plan->model.dim;
    for (uint32_t t = 0; t < s->tokens; t++) {
        uint32_t window = t / s->forward.length, from = r->windows * window / s->windows;
        uint32_t id = (uint32_t)r->ids[(size_t)from * r->length + t % s->forward.length];
        if (id >= first && id - first < rows)
            memcpy(s->activations.x + (size_t)t * dim,
                   values + (size_t)(id - first) * padded_cols(dim), dim * sizeof(float));
    }
    return true;
}

/* Computes the outputs of copies from .. to - 1 for a block of rows. */
static void product(struct sense *s, uint32_t from, uint32_t to, uint32_t first, uint32_t rows,
                    const float *values) {
    size_t at = (size_t)from * s->tokens, count = (size_t)(to - from) * s->tokens;
    matmul_threads(s->request->threads, MATMUL_ALL, count, rows, s->n,
                   (struct matrix){s->in + at * s->n, s->n, 1}, (struct matrix){values, 1, s->n},
                   s->out + at * s->out_row + first, s->out_row, false, s->forward.room);
}

static bool take_rows(void *user, uint32_t first, uint32_t rows, const float *values,
                      struct diag *d) {
    (void)d;
    struct sense *s = user;
    if (s->less) {
        product(s, s->unit, s->unit + 1, first, rows, values);
    } else {
        product(s, 0, s->unit, first, rows, values);
        if (s->unit + 1 < s->used) product(s, s->unit + 1, s->used, first, rows, values);
    }
    return true;
}

static bool run_tensor(struct sense *s, uint32_t layer, enum layer_tensor which, struct diag *d) {
    const struct sensitivity_request *r = s->request;
    struct plan_tensor tensor = r->plan->tensors[r->plan->layers[layer].tensor[which]];
    struct convert_error error;
    const struct convert_target target = {.sink = nowhere, .values = take_rows, .user = s};
    activations_before(&s->activations, &s->forward, r->plan, layer, which);
    s->n = padded_cols(tensor.record.cols), s->in = activations_input(&s->activations, which);
    s->out = activations_output(&s->activations, r->plan, layer, which);
    s->out_row = tensor.record.rows;
    s->unit = 1 + layer / s->layers_at_once * LT_COUNT + (uint32_t)which;
    for (int less = 0; less < 2; less++) {
        const bool sparse = weight_traits(tensor.record.type)->sparse;
        tensor.record.type = less ? plan_less(sparse) : plan_more(sparse);
        tensor.quantizer = quantizer_rounding((enum weight_type)tensor.record.type), s->less = less;
        if (!convert_tensor(r->conversion, &tensor, r->rows, &target, &error, d)) return false;
    }
    return true;
}

static bool run_layer(struct sense *s, uint32_t i, uint64_t *done, struct diag *d) {
    const struct plan *plan = s->request->plan;
    const struct blob_layer *layer = &plan->layers[i];
    if (i % s->layers_at_once == 0) {
        float *x = s->activations.x;
        size_t bytes = (size_t)s->tokens * plan->model.dim * sizeof(float);
        for (int which = 0; which < LT_COUNT; which++)
            memcpy((char *)x + (s->used + (size_t)which) * bytes, x, bytes);
        s->used += LT_COUNT;
        s->forward.windows = s->used * s->windows;
    }
    for (int which = 0; which < LT_COUNT; which++) {
        if (layer->tensor[which] == BLOB_ABSENT) continue;
        if (!run_tensor(s, i, (enum layer_tensor)which, d)) return false;
        activations_after(&s->activations, &s->forward, plan, s->request->rows, i,
                          (enum layer_tensor)which);
        const struct blob_tensor *record = &plan->tensors[layer->tensor[which]].record;
        *done += (uint64_t)record->rows * record->cols;
        if (s->request->progress) s->request->progress(s->request->user, *done);
    }
    return true;
}

/* Adds the moments of the changes at one position under the distribution of copy 0. They are not
 * normalised; shift is the largest logit so far. */
static void add_moments(void *user, size_t position, unsigned worker) {
    (void)worker;
    struct sense *s = user;
    const float *base = s->logits + position * HEAD_ROWS;
    double *moment = s->moments + position * s->copies * 2, most = s->shift[position],
           share[HEAD_ROWS] = {0}, mass = 0;
    for (uint32_t i = 0; i < s->head_count; i++)
        most = (double)base[i] > most ? (double)base[i] : most;
    double keep = s->shift[position] - most < -700 ? 0 : exact_exp(s->shift[position] - most);
    for (uint32_t i = 0; i < s->head_count; i++) {
        double below = (double)base[i] - most;
        share[i] = below < -700 ? 0 : exact_exp(below);
        mass += share[i];
    }
    s->mass[position] = s->mass[position] * keep + mass, s->shift[position] = most;
    for (uint32_t copy = 1; copy < s->copies; copy++) {
        const float *other = base + (size_t)copy * s->positions * HEAD_ROWS;
        double one = 0, two = 0;
        for (uint32_t i = 0; i < s->head_count; i++) {
            double change = (double)other[i] - (double)base[i];
            one += share[i] * change, two += share[i] * change * change;
        }
        moment[copy * 2] = moment[copy * 2] * keep + one,
                      moment[copy * 2 + 1] = moment[copy * 2 + 1] * keep + two;
    }
}

static bool take_head(void *user, uint32_t first, uint32_t rows, const float *values,
                      struct diag *d) {
    (void)d;
    struct sense *s = user;
    size_t seen = (size_t)s->copies * s->positions;
    for (uint32_t at = 0; at < rows; at += HEAD_ROWS) {
        s->head_count = rows - at < HEAD_ROWS ? rows - at : HEAD_ROWS;
        memset(s->logits, 0, seen * HEAD_ROWS * sizeof *s->logits);
        matmul_threads(s->request->threads, MATMUL_ALL, seen, s->head_count, s->n,
                       (struct matrix){s->activations.a, s->n, 1},
                       (struct matrix){values + at * s->n, 1, s->n}, s->logits, HEAD_ROWS, false,
                       s->forward.room);
        const struct plan *plan = s->request->plan;
        const uint32_t bias = plan->tensors[plan->model.head].record.bias;
        for (size_t i = 0; bias != BLOB_ABSENT && i < seen * s->head_count; i++)
            s->logits[i / s->head_count * HEAD_ROWS + i % s->head_count] +=
                s->request->rows[bias + first + at + i % s->head_count];
        parallel_for(s->request->threads, s->positions, add_moments, s);
    }
    return true;
}

static bool run_head(struct sense *s, struct diag *d) {
    const struct sensitivity_request *r = s->request;
    struct convert_error error;
    const struct convert_target target = {.sink = nowhere, .values = take_head, .user = s};
    float *a = s->activations.a;
    s->n = padded_cols(r->plan->model.dim);
    forward_norm(&s->forward, s->activations.x, a);
    if (!forward_is_finite(&s->forward, a, (uint32_t)s->n))
        return diag_fail(d, "the bits budget: activations on the calibration text are not finite; "
                            "--no-calibrate packs without looking");
    const size_t seen = s->forward.length / 2, bytes = seen * s->n * sizeof *a;
    for (size_t i = 0; i < (size_t)s->copies * s->windows; i++)
        memmove(a + i * seen * s->n, a + (i * 2 + 1) * seen * s->n, bytes);
    for (uint32_t p = 0; p < s->positions; p++) s->shift[p] = -1e30;
    return convert_tensor(r->conversion, &r->plan->tensors[r->plan->model.head], r->rows, &target,
                          &error, d);
}

static void share_out(const struct sense *s, double *kl) {
    const struct plan *plan = s->request->plan;
    for (uint32_t unit = 1; unit < s->copies; unit++) {
        double sum = 0, weights = 0;
        for (uint32_t p = 0; p < s->positions; p++) {
            const double *moment = s->moments + ((size_t)p * s->copies + unit) * 2;
            double mean = moment[0] / s->mass[p], variance = moment[1] / s->mass[p] - mean * mean;
            sum += variance > 0 ? variance / 2 : 0;
        }
        uint32_t begin = (unit - 1) / LT_COUNT * s->layers_at_once, which = (unit - 1) % LT_COUNT;
        for (int add = 0; add < 2; add++)
            for (uint32_t i = begin; i < begin + s->layers_at_once && i < plan->model.layers; i++) {
                uint32_t index = plan->layers[i].tensor[which];
                if (index == BLOB_ABSENT) continue;
                double own =
                    (double)plan->tensors[index].record.rows * plan->tensors[index].record.cols;
                if (add)
                    kl[index] = sum / s->positions * own / weights;
                else
                    weights += own;
            }
    }
}

/* False if there is no text to measure on. */
static bool choose_windows(struct sense *s) {
    const struct sensitivity_request *request = s->request;
    uint32_t length = (request->length < LENGTH ? request->length : LENGTH) / 2 * 2;
    if (length == 0 || request->windows == 0) return false;
    s->windows = request->windows < WINDOWS ? request->windows : WINDOWS;
    s->tokens = s->windows * length, s->positions = s->tokens / 2;
    s->forward.length = length;
    choose_units(s);
    return true;
}

struct sensitivity_cost sensitivity_cost(const struct sensitivity_request *request) {
    const struct blob_model *model = &request->plan->model;
    struct sense s = {.request = request, .used = 1};
    double weights;
    if (!choose_windows(&s)) return (struct sensitivity_cost){0, 0};
    layer_weights(request->plan, &weights);
    return (struct sensitivity_cost){s.copies * (double)s.tokens * weights / 2,
                                     s.copies * (double)s.positions *
                                         request->plan->tensors[model->head].record.rows *
                                         model->dim};
}

bool sensitivity_measure(const struct sensitivity_request *request, double *kl, struct diag *d) {
    const struct blob_model *model = &request->plan->model;
    struct sense s = {.request = request, .used = 1};
    memset(kl, 0, model->tensors * sizeof *kl);
    if (!choose_windows(&s)) return true;
    s.forward = (struct forward){.threads = request->threads,
                                 .windows = s.windows,
                                 .length = s.forward.length,
                                 .dim = model->dim,
                                 .head_dim = model->head_dim,
                                 .eps = model->eps,
                                 .rope = request->rope};
    struct convert_error error;
    const struct convert_target embedding = {.sink = nowhere, .values = take_embedding, .user = &s};
    uint64_t done = 0;
    bool good = make_room(&s) || diag_fail(d, "out of memory for the bits budget");
    good = good && convert_tensor(request->conversion, &request->plan->tensors[model->embed],
                                  request->rows, &embedding, &error, d);
    for (uint32_t i = 0; good && i < model->layers; i++) good = run_layer(&s, i, &done, d);
    good = good && run_head(&s, d);
    if (good) share_out(&s, kl);
    free_room(&s);
    return good;
}
