#include "weights/pack/quantize/feedback.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "weights/pack/quantize/float_kernels.h"
#include "weights/pack/quantize/matmul.h"
#include "weights/pack/quantize/sparsity.h"

enum { ACROSS = TRIAL_ROWS, STEPS = 9 };
_Static_assert((int)TRIAL_ROWS == (int)QUANTIZE_ROWS, "rows side by side");
static const float LEAST = 0x1p-50f;
static const float SPAN = 115;      /* the largest integer scale of a group before feedback, so that
                                  scales can grow by a tenth */
static const float SPAN_LEAST = 14; /* rows as wide as a blob may have them fit with this */

/* Rows of a tensor lie side by side: element (column, row) is at column * ACROSS + row. */
struct work {
    const struct hessian_factor *factor;
    float *weights; /* [n][ACROSS] */
    float *errors;  /* [n][ACROSS] */
    float *targets; /* [GROUP][ACROSS] */
    float *moved;   /* [n][ACROSS]: unit times errors; the sum of weight times their squares is the
                       whole error */
    float *change;  /* [n][ACROSS] */
    float *room;    /* for matmul */
    struct levels to;
    bool grouped; /* integer scales of groups are chosen too */
    bool sparse;
    float keep[GROUP * ACROSS]; /* of sparse types: 1 or 0 */
    bool quick;
    float span[ACROSS]; /* the largest integer scale of a group, as SPAN */
    float row_scale[ACROSS];
    struct trial_result result;
};

/* Sets targets: the group's weights, plus what the errors of the groups before add to them. */
static void aim(struct work *k, uint32_t first) {
    memcpy(k->targets, k->weights + (size_t)first * ACROSS, (size_t)GROUP * ACROSS * sizeof(float));
    matmul(GROUP, ACROSS, first,
           (struct matrix){k->factor->unit + (size_t)first * k->factor->n, k->factor->n, 1},
           (struct matrix){k->errors, ACROSS, 1}, k->targets, ACROSS, false, k->room);
}

/* Adds to target [ACROSS] what the errors of the group's first columns do to column c. */
static void follow(const struct trial *t, const float *errors, uint32_t columns, uint32_t c,
                   float target[ACROSS]) {
    for (uint32_t i = 0; i < columns; i++) {
        const float unit = t->unit[c * t->n + i];
        for (uint32_t j = 0; j < ACROSS; j++) target[j] += unit * errors[i * ACROSS + j];
    }
}

/* Chooses which columns of a quad are kept. at: their places in the group; columns: how many places
 * of the group are done. */
static void keep_quad(const struct trial *t, const float *errors, const uint32_t at[4],
                      uint32_t columns, float *keep) {
    float target[4][ACROSS];
    for (int i = 0; i < 4; i++) {
        memcpy(target[i], t->targets + at[i] * ACROSS, sizeof target[i]);
        follow(t, errors, columns, at[i], target[i]);
    }
    for (uint32_t j = 0; j < ACROSS; j++) {
        float worth[4];
        bool kept[4];
        uint32_t there = 0;
        for (int i = 0; i < 4; i++) there += t->weights[at[i] * ACROSS + j] != 0;
        for (int i = 0; i < 4; i++)
            worth[i] = t->weights[at[i] * ACROSS + j] == 0 ? 0
                       : there <= 2                        ? 1
                                    : t->weight[at[i]] * (target[i][j] * target[i][j]);
        sparsity_keep(worth, kept);
        for (int i = 0; i < 4; i++) keep[at[i] * ACROSS + j] = kept[i] ? 1 : 0;
    }
}

/* Chooses which columns of a group are kept, in each row. errors [GROUP][ACROSS]: room. */
static void choose_kept(const struct trial *t, const uint32_t *order, float *errors, float *keep) {
    uint32_t place[GROUP];
    bool done[GROUP / 4] = {false};
    for (uint32_t c = 0; c < GROUP; c++) place[order[c] % GROUP] = c;
    for (uint32_t c = 0; c < GROUP; c++) {
        const uint32_t quad = order[c] % GROUP / 4;
        if (!done[quad]) keep_quad(t, errors, place + (size_t)quad * 4, c, keep);
        done[quad] = true;
        float target[ACROSS];
        memcpy(target, t->targets + c * ACROSS, sizeof target);
        follow(t, errors, c, c, target);
        for (uint32_t j = 0; j < ACROSS; j++) {
            const float w = t->weights[c * ACROSS + j];
            errors[c * ACROSS + j] = keep[c * ACROSS + j] > 0 ? w - target[j] : w;
        }
    }
}

/* The largest magnitude of the group's targets that are kept, row by row. */
static void reach(const struct trial *t, float most[ACROSS]) {
    memset(most, 0, ACROSS * sizeof *most);
    for (uint32_t c = 0; c < GROUP; c++)
        for (uint32_t j = 0; j < ACROSS; j++) {
            float x = fabsf(t->targets[c * ACROSS + j]);
            if (t->keep) x *= t->keep[c * ACROSS + j];
            most[j] = x > most[j] ? x : most[j];
        }
}

/* Chooses the integer scale of one group, in each row, that costs least. */
static void choose_scales(struct trial *t, float high, bool quick, const float row_scale[ACROSS],
                          float best[ACROSS], struct trial_result *result) {
    float most[ACROSS], least[ACROSS], integer[ACROSS];
    reach(t, most);
    for (uint32_t j = 0; j < ACROSS; j++) least[j] = INFINITY, best[j] = 0;
    for (int step = -STEPS; step <= STEPS; step++) {
        float part = high - 2 + 0.5f * (float)(step < 0 ? -step : step);
        for (uint32_t j = 0; j < ACROSS; j++) {
            float ideal = row_scale[j] > 0 ? most[j] / (part * row_scale[j]) : 0;
            integer[j] = step == 0 ? 0 : level(step < 0 ? -ideal : ideal, -127, 127);
            t->scale[j] = integer[j] * row_scale[j];
        }
        if (quick)
            kernels_best()->round_apart(t, result->cost);
        else
            kernels_best()->round_group(t, result);
        for (uint32_t j = 0; j < ACROSS; j++)
            if (result->cost[j] < least[j]) least[j] = result->cost[j], best[j] = integer[j];
    }
}

/* Chooses the integers of one group, and its scales if the type has them. */
static void one_group(struct work *k, uint32_t first, struct quantized_row *out, uint32_t rows) {
    size_t n = k->factor->n;
    const uint32_t *order = k->factor->order + first;
    struct trial t = {.unit = k->factor->unit + first * n + first,
                      .weight = k->factor->weight + first,
                      .n = n,
                      .weights = k->weights + (size_t)first * ACROSS,
                      .targets = k->targets,
                      .to = k->to};
    float integer[ACROSS];
    if (k->sparse) {
        choose_kept(&t, order, &k->result.error[0][0], k->keep);
        t.keep = k->keep;
    }
    for (uint32_t j = 0; j < ACROSS; j++) integer[j] = 1;
    if (k->grouped) choose_scales(&t, k->to.high, k->quick, k->row_scale, integer, &k->result);
    for (uint32_t j = 0; j < ACROSS; j++) t.scale[j] = integer[j] * k->row_scale[j];
    kernels_best()->round_group(&t, &k->result);
    memcpy(k->errors + (size_t)first * ACROSS, k->result.error, sizeof k->result.error);
    for (uint32_t j = 0; j < rows; j++) {
        out[j].scale[order[0] / GROUP] = (int8_t)integer[j];
        for (uint32_t c = 0; c < GROUP; c++) out[j].q[order[c]] = (int8_t)k->result.q[c][j];
    }
}

/* The scale of a row whose groups have none: of several scales the one that leaves the least error
 * of rounding, with columns weighted. */
static float only_scale(const float *w, const struct hessian_factor *factor, float most,
                        struct levels to) {
    float best = 0, least = INFINITY;
    for (int step = 0; step <= 12; step++) {
        float scale = most * (1 - (float)step / 64) / to.high, inverse = 1 / scale, cost = 0;
        for (uint32_t c = 0; c < factor->n; c++) {
            float rest = w[(size_t)c * ACROSS] -
                         scale * level(w[(size_t)c * ACROSS] * inverse, to.low, to.high);
            cost += factor->weight[c] * (rest * rest);
        }
        if (cost < least) least = cost, best = scale;
    }
    return best;
}

static void row_scales(struct work *k, uint32_t rows) {
    for (uint32_t r = 0; r < ACROSS; r++) {
        float most = 0;
        for (uint32_t c = 0; r < rows && c < k->factor->n; c++)
            most = fmaxf(most, fabsf(k->weights[(size_t)c * ACROSS + r]));
        float scale = most < LEAST * 127 ? 0
                      : k->grouped       ? most / ((k->to.high - 1) * k->span[r])
                                         : only_scale(k->weights + r, k->factor, most, k->to);
        k->row_scale[r] = scale >= LEAST ? scale : 0;
    }
}

/* Adds to out [n][ACROSS], from row `first` on, what the errors x [GROUP][ACROSS] of the group at
 * `first` move. */
static void move(const struct work *k, uint32_t first, const float *x, float *out) {
    const struct hessian_factor *f = k->factor;
    size_t n = f->n, after = first + GROUP;
    float square[GROUP * GROUP] = {0};
    for (size_t j = 0; j < GROUP; j++) {
        memcpy(square + j * GROUP, f->unit + (first + j) * n + first, j * sizeof *square);
        square[j * GROUP + j] = 1;
    }
    const struct matrix b = {x, ACROSS, 1};
    matmul(GROUP, ACROSS, GROUP, (struct matrix){square, GROUP, 1}, b, out + (size_t)first * ACROSS,
           ACROSS, false, k->room);
    matmul(n - after, ACROSS, GROUP, (struct matrix){f->unit + after * n + first, n, 1}, b,
           out + after * ACROSS, ACROSS, false, k->room);
}

/* For each row, sums weight a b and weight a a over the columns from `first` on. */
static void project(const struct work *k, uint32_t first, const float *a, const float *b,
                    float ab[ACROSS], float aa[ACROSS]) {
    memset(ab, 0, ACROSS * sizeof *ab), memset(aa, 0, ACROSS * sizeof *aa);
    for (size_t c = first; c < k->factor->n; c++)
        for (size_t j = 0; j < ACROSS; j++) {
            float weighted = k->factor->weight[c] * a[c * ACROSS + j];
            ab[j] += weighted * b[c * ACROSS + j], aa[j] += weighted * a[c * ACROSS + j];
        }
}

/* Moves the scale of one group after another to where the whole error is least. The integers and
 * the other scales stay as they are. */
static void fit_group_scales(struct work *k, struct quantized_row *out, uint32_t rows) {
    for (uint32_t first = 0; first < k->factor->n; first += GROUP) {
        const uint32_t *order = k->factor->order + first;
        uint32_t g = order[0] / GROUP;
        float q[GROUP * ACROSS] = {0}, along[ACROSS], size[ACROSS], step[ACROSS] = {0};
        bool any = false;
        for (uint32_t r = 0; r < rows; r++)
            for (uint32_t c = 0; c < GROUP; c++) q[c * ACROSS + r] = out[r].q[order[c]];
        memset(k->change + (size_t)first * ACROSS, 0,
               (size_t)(k->factor->n - first) * ACROSS * sizeof(float));
        move(k, first, q, k->change);
        project(k, first, k->change, k->moved, along, size);
        for (uint32_t r = 0; r < rows; r++) {
            if (!(k->row_scale[r] > 0 && size[r] > 0)) continue;
            float old = out[r].scale[g],
                  best = level(old + along[r] / size[r] / k->row_scale[r], -127, 127);
            step[r] = (old - best) * k->row_scale[r], any = any || step[r] != 0;
            out[r].scale[g] = (int8_t)best;
        }
        for (size_t c = first; any && c < k->factor->n; c++)
            for (size_t j = 0; j < ACROSS; j++)
                k->moved[c * ACROSS + j] += step[j] * k->change[c * ACROSS + j];
    }
}

/* The same for the scale of each row. */
static void fit_row_scales(struct work *k, uint32_t rows) {
    float along[ACROSS], size[ACROSS];
    size_t count = (size_t)k->factor->n * ACROSS;
    memset(k->change, 0, count * sizeof(float)); /* it becomes what the values would move */
    for (uint32_t first = 0; first < k->factor->n; first += GROUP)
        move(k, first, k->weights + (size_t)first * ACROSS, k->change);
    for (size_t i = 0; i < count; i++) k->change[i] -= k->moved[i];
    project(k, 0, k->change, k->moved, along, size);
    for (uint32_t r = 0; r < rows; r++) {
        float scale = size[r] > 0 ? k->row_scale[r] * (1 + along[r] / size[r]) : 0;
        if (scale >= LEAST && scale <= 2 * k->row_scale[r]) k->row_scale[r] = scale;
    }
}

enum care { QUICK, UNFITTED, FITTED };

/* Chooses all integers and scales of the rows, with row scales that fit k->span. */
static void choose_all(struct work *k, enum care care, uint32_t rows, struct quantized_row *out) {
    uint32_t n = (uint32_t)k->factor->n;
    row_scales(k, rows);
    for (uint32_t first = 0; first < n; first += GROUP) {
        aim(k, first);
        one_group(k, first, out, rows);
    }
    if (care == FITTED) {
        memset(k->moved, 0, (size_t)n * ACROSS * sizeof(float));
        for (uint32_t first = 0; first < n; first += GROUP)
            move(k, first, k->errors + (size_t)first * ACROSS, k->moved);
        if (k->grouped) fit_group_scales(k, out, rows);
        fit_row_scales(k, rows);
    }
    for (uint32_t r = 0; r < rows; r++) out[r].row_scale = k->row_scale[r];
}

/* Halves the span of rows whose sums could leave 32 bits, which wide rows of 6 bits can, and says
 * whether there are any. The other rows come out as before. */
static bool narrowed(struct work *k, uint32_t rows, uint32_t cols,
                     const struct quantized_row *out) {
    bool any = false;
    for (uint32_t r = 0; r < rows && k->grouped; r++)
        if (quantized_reach(&out[r], cols) >= (uint64_t)1 << 31 && k->span[r] > SPAN_LEAST)
            k->span[r] /= 2, any = true;
    return any;
}

static void choose(enum care care, const struct quantizer *quantizer, const float *w, uint32_t rows,
                   uint32_t cols, float *room, struct quantized_row *out) {
    const struct hessian_factor *factor = quantizer->context;
    uint32_t n = padded_cols(cols);
    assert(factor->n == n && rows <= ACROSS);
    struct work k = {.factor = factor,
                     .weights = room,
                     .errors = room + (size_t)n * ACROSS,
                     .to = levels_of(quantizer->type),
                     .grouped = weight_traits(quantizer->type)->scale_bits != 0,
                     .sparse = weight_traits(quantizer->type)->sparse,
                     .quick = care == QUICK};
    k.targets = k.errors + (size_t)n * ACROSS, k.moved = k.targets + (size_t)GROUP * ACROSS;
    k.change = k.moved + (size_t)n * ACROSS, k.room = k.change + (size_t)n * ACROSS;
    for (uint32_t c = 0; c < n; c++)
        for (uint32_t r = 0; r < ACROSS; r++)
            k.weights[(size_t)c * ACROSS + r] = r < rows ? w[(size_t)r * n + factor->order[c]] : 0;
    for (uint32_t r = 0; r < ACROSS; r++) k.span[r] = SPAN;
    do choose_all(&k, care, rows, out);
    while (narrowed(&k, rows, cols, out));
}

static void rows_with_feedback(const struct quantizer *quantizer, const float *w, uint32_t rows,
                               uint32_t cols, float *room, struct quantized_row *out) {
    choose(FITTED, quantizer, w, rows, cols, room, out);
}

static void rows_unfitted(const struct quantizer *quantizer, const float *w, uint32_t rows,
                          uint32_t cols, float *room, struct quantized_row *out) {
    choose(UNFITTED, quantizer, w, rows, cols, room, out);
}

static void rows_quickly(const struct quantizer *quantizer, const float *w, uint32_t rows,
                         uint32_t cols, float *room, struct quantized_row *out) {
    choose(QUICK, quantizer, w, rows, cols, room, out);
}

struct quantizer quantizer_feedback(enum weight_type type, const struct hessian_factor *factor) {
    size_t room = (size_t)(4 * factor->n + GROUP) * ACROSS + MATMUL_ROOM;
    return (struct quantizer){
        .type = type, .rows = rows_with_feedback, .context = factor, .room_floats = room};
}

struct quantizer quantizer_quick(enum weight_type type, const struct hessian_factor *factor) {
    struct quantizer quantizer = quantizer_feedback(type, factor);
    quantizer.rows = rows_quickly;
    return quantizer;
}

struct quantizer quantizer_unfitted(enum weight_type type, const struct hessian_factor *factor) {
    struct quantizer quantizer = quantizer_feedback(type, factor);
    quantizer.rows = rows_unfitted;
    return quantizer;
}
