#include "weights/pack/quantize/conversion.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weights/pack/quantize/balance.h"
#include "weights/pack/quantize/panels.h"
#include "weights/pack/quantize/parallel.h"
#include "weights/pack/quantize/rotate.h"

static const size_t BLOCK_FLOATS = 8u << 20;          /* about the most floats of a block, for
                                                         tensors that are not held as a whole */
static const float LEAST = 0x1p-50f, MOST = 0x1p+49f; /* range of a folded weight, so that its row
                                                         scale stays inside a blob's range */

/* The scratch memory of one thread. */
struct scratch {
    float *strip;      /* [widest][STRIP] */
    float *mix;        /* [m][STRIP] */
    int8_t *q, *scale; /* [QUANTIZE_ROWS][widest], [QUANTIZE_ROWS][widest / 64] */
    float *room;       /* for the quantizer */
    size_t room_floats;
    uint64_t sparse_quads; /* of the tensor's rows that this thread had */
};

struct row_result {
    double squares, error_squares, max;
    enum { ROW_FINE, ROW_VALUE, ROW_REACH } state;
};

struct conversion {
    struct source *source;
    const struct plan *plan;
    unsigned threads;
    struct rotation residual, head, ffn;
    uint32_t widest; /* the widest of all padded widths, the residual stream's included */
    struct scratch *scratch;
    float *gain;    /* [dim] */
    float *balance; /* [widest] c of balance.h for this layer and part */
    uint32_t balanced_layer, balanced_part;
    float *values;  /* [block rows][padded columns] */
    uint8_t *bytes; /* the block's panels */
    size_t values_room, bytes_room;
    struct row_result *result;
    size_t result_room;
    /* the block in work */
    const struct plan_tensor *tensor;
    uint32_t kp, block_first, block_rows;
    float *row_scale; /* the scale of the block's first row */
    bool wants_values;
};

static void *grown(void *old, size_t *room, size_t count, size_t size) {
    if (count <= *room) return old;
    free(old);
    void *room_for_all = malloc(count * size);
    *room = room_for_all ? count : 0;
    return room_for_all;
}

struct conversion *convert_new(struct source *source, const struct plan *plan, unsigned threads,
                               struct diag *d) {
    struct conversion *conversion = calloc(1, sizeof *conversion);
    if (!conversion || !(conversion->scratch = calloc(threads, sizeof *conversion->scratch)))
        goto memory;
    conversion->source = source, conversion->plan = plan, conversion->threads = threads;
    conversion->widest = padded_cols(plan->model.dim);
    for (uint32_t i = 0; i < plan->model.tensors; i++) {
        uint32_t kp = padded_cols(plan->tensors[i].record.cols);
        if (kp > conversion->widest) conversion->widest = kp;
    }
    if (!rotation_init(&conversion->residual, plan_rotation(plan), true, false) ||
        !rotation_init(&conversion->head, plan->model.head_dim, false, true) ||
        !rotation_init(&conversion->ffn, GROUP, false, false) ||
        !(conversion->gain = malloc(plan->model.dim * sizeof(float))) ||
        !(conversion->balance = malloc(conversion->widest * sizeof(float))))
        goto memory;
    conversion->balanced_layer = BLOB_ABSENT;
    size_t m =
        conversion->residual.m > conversion->head.m ? conversion->residual.m : conversion->head.m;
    for (unsigned i = 0; i < threads; i++) {
        struct scratch *s = &conversion->scratch[i];
        s->strip = malloc((size_t)conversion->widest * STRIP * sizeof(float));
        s->mix = malloc(m * STRIP * sizeof(float));
        s->q = malloc((size_t)conversion->widest * QUANTIZE_ROWS);
        s->scale = malloc((size_t)conversion->widest / GROUP * QUANTIZE_ROWS);
        if (!s->strip || !s->mix || !s->q || !s->scale) goto memory;
    }
    return conversion;
memory:
    convert_free(conversion);
    diag_fail(d, "out of memory");
    return NULL;
}

void convert_free(struct conversion *conversion) {
    if (!conversion) return;
    for (unsigned i = 0; conversion->scratch && i < conversion->threads; i++) {
        free(conversion->scratch[i].strip);
        free(conversion->scratch[i].mix);
        free(conversion->scratch[i].q);
        free(conversion->scratch[i].scale);
        free(conversion->scratch[i].room);
    }
    rotation_free(&conversion->residual);
    rotation_free(&conversion->head);
    rotation_free(&conversion->ffn);
    free(conversion->scratch);
    free(conversion->gain);
    free(conversion->balance);
    free(conversion->values);
    free(conversion->bytes);
    free(conversion->result);
    free(conversion);
}

/* The rotation of this kind, or NULL for none. If the model is not rotated, only the transform
 * before DOWN remains, because every engine computes that one. */
static const struct rotation *mixing(const struct conversion *conversion, enum plan_mix mix) {
    if (mix == MIX_FFN) return &conversion->ffn;
    if (!conversion->plan->model.rotated || mix == MIX_NONE || mix == MIX_SIGNS) return NULL;
    return mix == MIX_HEAD ? &conversion->head : &conversion->residual;
}

/* The factor of a row of Q, or of its bias, that RoPE rotates; 1 of other rows. */
static float rotated_factor(const struct conversion *conversion, const struct plan_tensor *tensor,
                            uint32_t row) {
    uint32_t half = conversion->plan->model.head_dim / 2;
    return row % half < conversion->plan->pairs ? tensor->rotated_factor : 1;
}

/* The sign of a row, or of its bias, where the rotation is not applied but for its signs. */
static float row_sign(const struct conversion *conversion, const struct plan_tensor *tensor,
                      uint32_t row) {
    const bool signs = tensor->columns == MIX_SIGNS && conversion->plan->model.rotated;
    return signs && rotation_negative(row % conversion->residual.n) ? -1 : 1;
}

/* Takes the mean from n values, `stride` apart. */
static void take_mean(float *x, size_t stride, uint32_t n) {
    double sum = 0;
    for (uint32_t i = 0; i < n; i++) sum += (double)x[i * stride];
    for (uint32_t i = 0; i < n; i++) x[i * stride] = (float)((double)x[i * stride] - sum / n);
}

/* Multiplies 16 rows by gain and factor, and mixes along them. */
static void mix_rows(void *user, size_t item, unsigned worker) {
    struct conversion *conversion = user;
    struct scratch *s = &conversion->scratch[worker];
    const bool centered = conversion->tensor->center == CENTER_ROWS;
    uint32_t kp = conversion->kp, cols = conversion->tensor->record.cols,
             first = (uint32_t)item * STRIP;
    uint32_t count =
        conversion->block_rows - first < STRIP ? conversion->block_rows - first : STRIP;
    const struct rotation *rotation = mixing(conversion, conversion->tensor->rows);
    float *w = conversion->values + (size_t)first * kp, row_factor[STRIP];
    for (uint32_t r = 0; r < count; r++) {
        s->sparse_quads += sparsity_quads(w + (size_t)r * kp, cols);
        if (centered) take_mean(w + (size_t)r * kp, 1, cols);
    }
    for (uint32_t r = 0; r < STRIP; r++) {
        row_factor[r] = r < count && conversion->tensor->balance == BALANCE_ROWS
                            ? conversion->balance[conversion->block_first + first + r]
                            : 1;
        const uint32_t row = conversion->block_first + first + r;
        row_factor[r] *= rotated_factor(conversion, conversion->tensor, row) *
                         row_sign(conversion, conversion->tensor, row);
    }
    for (uint32_t c = 0; c < kp; c++) {
        float factor = (conversion->tensor->gain && c < cols ? conversion->gain[c] : 1) *
                       conversion->tensor->factor;
        if (conversion->tensor->balance == BALANCE_COLUMNS && c < cols)
            factor /= conversion->balance[c];
        for (uint32_t r = 0; r < STRIP; r++)
            s->strip[(size_t)c * STRIP + r] =
                r < count ? w[(size_t)r * kp + c] * factor * row_factor[r] : 0;
    }
    if (rotation) {
        uint32_t end = rotation == &conversion->ffn ? kp : cols;
        for (uint32_t c = 0; c < end; c += rotation->n)
            rotation_apply(rotation, s->strip + (size_t)c * STRIP, s->mix);
    }
    for (uint32_t r = 0; r < count; r++)
        for (uint32_t c = 0; c < kp; c++) w[(size_t)r * kp + c] = s->strip[(size_t)c * STRIP + r];
}

/* Mixes along 16 columns, block of rows by block of rows. */
static void mix_columns(void *user, size_t item, unsigned worker) {
    struct conversion *conversion = user;
    struct scratch *s = &conversion->scratch[worker];
    const struct rotation *rotation = mixing(conversion, conversion->tensor->columns);
    for (uint32_t c = 0; conversion->tensor->center == CENTER_COLUMNS && c < STRIP; c++)
        take_mean(conversion->values + item * STRIP + c, conversion->kp, conversion->block_rows);
    for (uint32_t first = 0; rotation && first < conversion->block_rows; first += rotation->n) {
        float *w = conversion->values + (size_t)first * conversion->kp + item * STRIP;
        for (uint32_t r = 0; r < rotation->n; r++)
            memcpy(s->strip + (size_t)r * STRIP, w + (size_t)r * conversion->kp,
                   STRIP * sizeof(float));
        rotation_apply(rotation, s->strip, s->mix);
        for (uint32_t r = 0; r < rotation->n; r++)
            memcpy(w + (size_t)r * conversion->kp, s->strip + (size_t)r * STRIP,
                   STRIP * sizeof(float));
    }
}

/* Whether the row's values are finite, and small enough for the squares below and for a row
 * scale. */
static bool row_is_fine(const float *w, uint32_t kp) {
    bool fine = true;
    for (uint32_t c = 0; c < kp; c++) fine &= fabsf(w[c]) <= MOST;
    return fine;
}

static struct row_result measure(const float *w, uint32_t cols, const struct quantized_row *row) {
    struct row_result result = {
        .state = quantized_reach(row, cols) < (uint64_t)1 << 31 ? ROW_FINE : ROW_REACH};
    for (uint32_t c = 0; c < cols; c++) {
        double difference = (double)w[c] - (double)quantized_value(row, c);
        result.squares += (double)w[c] * (double)w[c];
        result.error_squares += difference * difference;
        if (fabs(difference) > result.max) result.max = fabs(difference);
    }
    return result;
}

static void put_values(const struct quantized_row *row, uint32_t kp, float *w) {
    for (uint32_t c = 0; c < kp; c++) w[c] = quantized_value(row, c);
}

/* Makes integers of the rows of a few panels, then bytes, and then floats again if the values are
 * asked for. */
static void quantize_rows(void *user, size_t item, unsigned worker) {
    struct conversion *conversion = user;
    struct scratch *s = &conversion->scratch[worker];
    const struct quantizer *quantizer = &conversion->tensor->quantizer;
    uint32_t kp = conversion->kp, cols = conversion->tensor->record.cols,
             first = (uint32_t)item * QUANTIZE_ROWS;
    uint32_t count = conversion->block_rows - first < QUANTIZE_ROWS ? conversion->block_rows - first
                                                                    : QUANTIZE_ROWS;
    float *w = conversion->values + (size_t)first * kp;
    struct quantized_row row[QUANTIZE_ROWS];
    for (uint32_t r = 0; r < count; r++) {
        row[r] = (struct quantized_row){.q = s->q + (size_t)r * kp,
                                        .scale = s->scale + (size_t)r * (kp / GROUP)};
        bool fine = row_is_fine(w + (size_t)r * kp, kp);
        if (!fine) memset(w + (size_t)r * kp, 0, kp * sizeof *w);
        conversion->result[first + r].state = fine ? ROW_FINE : ROW_VALUE;
    }
    quantizer->rows(quantizer, w, count, cols, s->room, row);
    for (uint32_t r = 0; r < count; r++) {
        conversion->row_scale[first + r] = row[r].row_scale;
        if (conversion->result[first + r].state == ROW_FINE)
            conversion->result[first + r] = measure(w + (size_t)r * kp, cols, &row[r]);
        if (conversion->wants_values) put_values(&row[r], kp, w + (size_t)r * kp);
    }
    size_t bytes = panel_bytes(quantizer->type, cols);
    for (uint32_t r = 0; r < count; r += PANEL_ROWS)
        layout_panel(quantizer->type, cols, row + r,
                     count - r < PANEL_ROWS ? count - r : PANEL_ROWS,
                     conversion->bytes + (first + r) / PANEL_ROWS * bytes);
}

/* The place in the source of element `at` of heads that were made wider; UINT32_MAX for one of the
 * zeros that were added after each half of a head. */
static uint32_t narrow(const struct plan *plan, uint32_t at) {
    uint32_t wide = plan->model.head_dim / 2, half = plan->head_size / 2;
    return at % wide < half ? at / wide * half + at % wide : UINT32_MAX;
}

/* Moves the elements at x from their narrow places to the wide ones, in place. count: in the wide
 * order. */
static void widen(const struct plan *plan, float *x, uint32_t count) {
    for (uint32_t at = count; at-- > 0;) {
        uint32_t from = narrow(plan, at);
        x[at] = from == UINT32_MAX ? 0 : x[from]; /* from <= at, and the elements after at have been
                                                     moved already */
    }
}

/* Reads rows of heads that are made wider: one by one, those that the source has. */
static bool read_wide_rows(struct conversion *conversion, uint64_t first, uint32_t rows,
                           struct diag *d) {
    const struct source_tensor *from = conversion->tensor->from;
    memset(conversion->values, 0, (size_t)rows * conversion->kp * sizeof(float));
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t there = narrow(conversion->plan, (uint32_t)first + r);
        float *row = conversion->values + (size_t)r * conversion->kp;
        if (there != UINT32_MAX && !source_read_rows(conversion->source, from, there, 1, row, d))
            return false;
    }
    return true;
}

/* Reads single rows of the source, as the plan picked them. */
static bool read_picked_rows(struct conversion *conversion, uint64_t first, uint32_t rows,
                             struct diag *d) {
    const struct source_tensor *from = conversion->tensor->from;
    memset(conversion->values, 0, (size_t)rows * conversion->kp * sizeof(float));
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t there = conversion->tensor->picked[first + r];
        if (!source_read_rows(conversion->source, from, there, 1,
                              conversion->values + (size_t)r * conversion->kp, d))
            return false;
    }
    return true;
}

/* Reads rows first .. first + rows - 1 into values, [rows][kp]. Rows and columns after the source's
 * own are zero. */
static bool read_block(struct conversion *conversion, uint64_t first, uint32_t rows,
                       struct diag *d) {
    if (conversion->tensor->heads == HEADS_ROWS) return read_wide_rows(conversion, first, rows, d);
    if (conversion->tensor->picked) return read_picked_rows(conversion, first, rows, d);
    const struct source_tensor *from = conversion->tensor->from;
    uint64_t there = first >= from->rows         ? 0
                     : from->rows - first < rows ? from->rows - first
                                                 : rows;
    size_t cols = (size_t)from->cols, kp = conversion->kp;
    if (there && !source_read_rows(conversion->source, from, first, there, conversion->values, d))
        return false;
    for (uint64_t r = there; r-- > 0;) {
        if (kp != cols)
            memmove(conversion->values + r * kp, conversion->values + r * cols,
                    cols * sizeof(float));
        memset(conversion->values + r * kp + cols, 0, (kp - cols) * sizeof(float));
    }
    memset(conversion->values + there * kp, 0, (rows - there) * kp * sizeof(float));
    uint32_t wide =
        conversion->tensor->heads == HEADS_COLUMNS ? conversion->tensor->record.cols : 0;
    for (uint64_t r = 0; wide && r < there; r++)
        widen(conversion->plan, conversion->values + r * kp, wide);
    return true;
}

static bool sum_up(const struct conversion *conversion, uint64_t first, double *squares,
                   struct convert_error *error, struct diag *d) {
    const char *name = conversion->tensor->from->name;
    for (uint32_t r = 0; r < conversion->block_rows; r++) {
        const struct row_result *result = &conversion->result[r];
        if (result->state == ROW_VALUE)
            return diag_fail(
                d,
                "tensor %s: row %llu has weights beyond 2^49 once norms and rotation are folded in",
                name, (unsigned long long)first + r);
        if (result->state == ROW_REACH)
            return diag_fail(d,
                             "tensor %s: row %llu does not fit 32-bit sums: 127 times its "
                             "integers' magnitudes reach 2^31",
                             name, (unsigned long long)first + r);
        *squares += result->squares;
        error->mean_square += result->error_squares;
        if (result->max > error->max) error->max = result->max;
    }
    return true;
}

/* Adds the products of the source's rows, or of those that were picked, with the norm's bias to
 * run. */
static bool add_shift(struct conversion *conversion, const struct plan_tensor *tensor, float *run,
                      struct diag *d) {
    const struct source_tensor *from = tensor->from;
    float *shift = conversion->gain, *row = conversion->scratch[0].strip; /* not in use yet */
    if (!source_read_rows(conversion->source, tensor->shift, 0, 1, shift, d)) return false;
    uint64_t rows = tensor->picked ? tensor->record.rows : from->rows;
    for (uint64_t r = 0; r < rows; r++) {
        double sum = 0;
        uint64_t there = tensor->picked ? tensor->picked[r] : r;
        if (!source_read_rows(conversion->source, from, there, 1, row, d)) return false;
        for (uint32_t c = 0; c < from->cols; c++) sum += (double)row[c] * (double)shift[c];
        run[r] = (float)((double)run[r] + sum);
    }
    return true;
}

/* Makes a run of row floats: `from`, if it is not NULL, with the products with the norm's bias, all
 * of it changed as the tensor's rows are. */
static bool convert_run(struct conversion *conversion, const struct plan_tensor *tensor,
                        const struct source_tensor *from, const struct source_tensor *shift,
                        float *run, struct diag *d) {
    uint32_t rows = tensor->record.rows;
    assert(!from || !tensor->picked);
    memset(run, 0, rows * sizeof *run); /* it may have been made before, for a measurement */
    if (from && !source_read_rows(conversion->source, from, 0, 1, run, d)) return false;
    if (shift && !add_shift(conversion, tensor, run, d)) return false;
    if (tensor->center == CENTER_COLUMNS) take_mean(run, 1, rows);
    if (tensor->heads == HEADS_ROWS) widen(conversion->plan, run, rows);
    const struct rotation *rotation = mixing(conversion, tensor->columns);
    float *strip = conversion->scratch[0].strip;
    for (uint32_t first = 0; rotation && first < rows; first += rotation->n) {
        for (uint32_t i = 0; i < rotation->n * STRIP; i++)
            strip[i] = i % STRIP ? 0 : run[first + i / STRIP];
        rotation_apply(rotation, strip, conversion->scratch[0].mix);
        for (uint32_t i = 0; i < rotation->n; i++) run[first + i] = strip[(size_t)i * STRIP];
    }
    for (uint32_t i = 0; i < rows; i++) {
        run[i] *= tensor->run_factor * rotated_factor(conversion, tensor, i) *
                  row_sign(conversion, tensor, i);
        if (tensor->balance == BALANCE_ROWS) run[i] *= conversion->balance[i];
        if (!(fabsf(run[i]) <= MOST))
            return diag_fail(d, "tensor %s: value %u is beyond 2^49",
                             from ? from->name : tensor->record.name, i);
        if (fabsf(run[i]) < LEAST) run[i] = 0;
    }
    return true;
}

/* How many rows are converted together: all if columns are mixed or centred over all rows;
 * otherwise as many as a block holds, but whole heads. */
static uint32_t rows_per_block(const struct conversion *conversion,
                               const struct plan_tensor *tensor) {
    const struct rotation *columns = mixing(conversion, tensor->columns);
    uint32_t unit = columns ? columns->n : PANEL_ROWS;
    /* Columns are mixed over the residual width, which is all rows. */
    if (unit % PANEL_ROWS || tensor->center == CENTER_COLUMNS) return tensor->record.rows;
    uint32_t rows = (uint32_t)(BLOCK_FLOATS / conversion->kp) / unit * unit;
    if (rows < unit) rows = unit;
    return rows < tensor->record.rows ? rows : tensor->record.rows;
}

static bool one_block(struct conversion *conversion, uint64_t first, uint32_t rows,
                      struct diag *d) {
    conversion->block_first = (uint32_t)first, conversion->block_rows = rows;
    if (!read_block(conversion, first, rows, d)) return false;
    size_t strips = (rows + STRIP - 1) / STRIP;
    parallel_for(conversion->threads, strips, mix_rows, conversion);
    if (mixing(conversion, conversion->tensor->columns) ||
        conversion->tensor->center == CENTER_COLUMNS)
        parallel_for(conversion->threads, conversion->kp / STRIP, mix_columns, conversion);
    parallel_for(conversion->threads, (rows + QUANTIZE_ROWS - 1) / QUANTIZE_ROWS, quantize_rows,
                 conversion);
    return true;
}

/* Prepares every thread's scratch memory for a tensor. */
static bool quantizer_rooms(struct conversion *conversion, size_t floats) {
    bool good = true;
    for (unsigned i = 0; i < conversion->threads; i++) {
        struct scratch *s = &conversion->scratch[i];
        s->sparse_quads = 0;
        s->room = grown(s->room, &s->room_floats, floats, sizeof(float));
        good &= s->room != NULL || floats == 0;
    }
    return good;
}

bool convert_gains(struct source *source, const struct plan *plan, float *rows, struct diag *d) {
    for (uint32_t i = 0; i < plan->gain_count; i++) {
        const struct plan_gain *gain = &plan->gains[i];
        float *to = rows + gain->at;
        if (!source_read_rows(source, gain->from, 0, 1, to, d)) return false;
        for (uint64_t c = 0; c < gain->from->cols; c++) {
            to[c] = (float)(to[c] * gain->factor);
            if (c % (plan->model.head_dim / 2) < plan->pairs) to[c] *= gain->rotated_factor;
            if (!(fabsf(to[c]) <= MOST))
                return diag_fail(d, "tensor %s: value %llu is beyond 2^49", gain->from->name,
                                 (unsigned long long)c);
            if (fabsf(to[c]) < LEAST) to[c] = 0;
        }
    }
    return true;
}

bool convert_tensor(struct conversion *conversion, const struct plan_tensor *tensor, float *rows,
                    const struct convert_target *target, struct convert_error *error,
                    struct diag *d) {
    const struct blob_tensor *record = &tensor->record;
    double squares = 0;
    memset(error, 0, sizeof *error);
    conversion->tensor = tensor, conversion->kp = padded_cols(record->cols),
    conversion->wants_values = target->values != NULL;
    uint32_t per_block = rows_per_block(conversion, tensor);
    size_t panel = panel_bytes(record->type, record->cols);
    conversion->values = grown(conversion->values, &conversion->values_room,
                               (size_t)per_block * conversion->kp, sizeof(float));
    conversion->bytes = grown(conversion->bytes, &conversion->bytes_room,
                              padded_rows(per_block) / PANEL_ROWS * panel, 1);
    conversion->result =
        grown(conversion->result, &conversion->result_room, per_block, sizeof *conversion->result);
    if (!conversion->values || !conversion->bytes || !conversion->result ||
        !quantizer_rooms(conversion, tensor->quantizer.room_floats))
        return diag_fail(d, "out of memory for tensor %s", record->name);
    if (tensor->balance != BALANCE_NONE && (conversion->balanced_layer != tensor->layer ||
                                            conversion->balanced_part != tensor->part)) {
        if (!balance_layer(conversion->source, conversion->plan, tensor->layer, tensor->part,
                           conversion->values, conversion->values_room, conversion->balance, d))
            return false;
        conversion->balanced_layer = tensor->layer, conversion->balanced_part = tensor->part;
    }
    for (int run = 0; run < ROW_RUNS; run++)
        if (plan_has_run(tensor, (enum row_run)run) &&
            !convert_run(conversion, tensor, tensor->run[run],
                         run == RUN_BIAS ? tensor->shift : NULL,
                         rows + tensor_run(record, (enum row_run)run), d))
            return false;
    if (tensor->gain &&
        !source_read_rows(conversion->source, tensor->gain, 0, 1, conversion->gain, d))
        return false;
    for (uint32_t first = 0; first < record->rows; first += per_block) {
        uint32_t count = record->rows - first < per_block ? record->rows - first : per_block;
        conversion->row_scale = rows + record->row_scales + first;
        if (!one_block(conversion, first, count, d) ||
            !sum_up(conversion, first, &squares, error, d))
            return false;
        if (!target->sink(target->user, conversion->bytes,
                          (size_t)weight_bytes(record->type, count, record->cols), d))
            return false;
        if (target->values && !target->values(target->user, first, count, conversion->values, d))
            return false;
        if (target->progress)
            target->progress(target->user, (uint64_t)(first + count) * record->cols);
    }
    uint64_t quads = 0;
    for (unsigned i = 0; i < conversion->threads; i++) quads += conversion->scratch[i].sparse_quads;
    error->sparse = (double)quads / ((double)record->rows * ((record->cols + 3) / 4));
    error->squares = squares;
    error->relative_rms = squares > 0 ? sqrt(error->mean_square / squares) : 0;
    error->mean_square /= (double)record->rows * record->cols;
    return true;
}

void convert_error_add(struct convert_error *all, uint32_t parts, const struct convert_error *one) {
    const double errors = all->relative_rms * all->relative_rms * all->squares +
                          one->relative_rms * one->relative_rms * one->squares;
    all->squares += one->squares;
    all->relative_rms = all->squares > 0 ? sqrt(errors / all->squares) : 0;
    all->mean_square = (all->mean_square * parts + one->mean_square) / (parts + 1);
    all->sparse = (all->sparse * parts + one->sparse) / (parts + 1);
    if (one->max > all->max) all->max = one->max;
}
