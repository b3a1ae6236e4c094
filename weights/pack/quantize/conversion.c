#include "weights/pack/quantize/conversion.h"

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
    float *balance; /* [widest] c of balance.h for the layer balanced_layer */
    uint32_t balanced_layer;
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
    struct conversion *fold = calloc(1, sizeof *fold);
    if (!fold || !(fold->scratch = calloc(threads, sizeof *fold->scratch))) goto memory;
    fold->source = source, fold->plan = plan, fold->threads = threads;
    fold->widest = padded_cols(plan->model.dim);
    for (uint32_t i = 0; i < plan->model.tensors; i++) {
        uint32_t kp = padded_cols(plan->tensors[i].record.cols);
        if (kp > fold->widest) fold->widest = kp;
    }
    if (!rotation_init(&fold->residual, plan->model.dim, true, false) ||
        !rotation_init(&fold->head, plan->model.head_dim, false, true) ||
        !rotation_init(&fold->ffn, GROUP, false, false) ||
        !(fold->gain = malloc(plan->model.dim * sizeof(float))) ||
        !(fold->balance = malloc(fold->widest * sizeof(float))))
        goto memory;
    fold->balanced_layer = BLOB_ABSENT;
    size_t m = fold->residual.m > fold->head.m ? fold->residual.m : fold->head.m;
    for (unsigned i = 0; i < threads; i++) {
        struct scratch *s = &fold->scratch[i];
        s->strip = malloc((size_t)fold->widest * STRIP * sizeof(float));
        s->mix = malloc(m * STRIP * sizeof(float));
        s->q = malloc((size_t)fold->widest * QUANTIZE_ROWS);
        s->scale = malloc((size_t)fold->widest / GROUP * QUANTIZE_ROWS);
        if (!s->strip || !s->mix || !s->q || !s->scale) goto memory;
    }
    return fold;
memory:
    convert_free(fold);
    diag_fail(d, "out of memory");
    return NULL;
}

void convert_free(struct conversion *fold) {
    if (!fold) return;
    for (unsigned i = 0; fold->scratch && i < fold->threads; i++) {
        free(fold->scratch[i].strip);
        free(fold->scratch[i].mix);
        free(fold->scratch[i].q);
        free(fold->scratch[i].scale);
        free(fold->scratch[i].room);
    }
    rotation_free(&fold->residual);
    rotation_free(&fold->head);
    rotation_free(&fold->ffn);
    free(fold->scratch);
    free(fold->gain);
    free(fold->balance);
    free(fold->values);
    free(fold->bytes);
    free(fold->result);
    free(fold);
}

/* The rotation of this kind, or NULL for none. If the model is not rotated, only the transform
 * before DOWN remains, because every engine computes that one. */
static const struct rotation *mixing(const struct conversion *fold, enum plan_mix mix) {
    if (mix == MIX_FFN) return &fold->ffn;
    if (!fold->plan->model.rotated || mix == MIX_NONE) return NULL;
    return mix == MIX_HEAD ? &fold->head : &fold->residual;
}

/* Multiplies 16 rows by gain and factor, and mixes along them. */
static void mix_rows(void *user, size_t item, unsigned worker) {
    struct conversion *fold = user;
    struct scratch *s = &fold->scratch[worker];
    uint32_t kp = fold->kp, cols = fold->tensor->record.cols, first = (uint32_t)item * STRIP;
    uint32_t count = fold->block_rows - first < STRIP ? fold->block_rows - first : STRIP;
    const struct rotation *rotation = mixing(fold, fold->tensor->rows);
    float *w = fold->values + (size_t)first * kp, row_factor[STRIP];
    for (uint32_t r = 0; r < STRIP; r++)
        row_factor[r] = r < count && fold->tensor->balance == BALANCE_ROWS
                            ? fold->balance[fold->block_first + first + r]
                            : 1;
    for (uint32_t c = 0; c < kp; c++) {
        float factor = (fold->tensor->gain && c < cols ? fold->gain[c] : 1) * fold->tensor->factor;
        if (fold->tensor->balance == BALANCE_COLUMNS && c < cols) factor /= fold->balance[c];
        for (uint32_t r = 0; r < STRIP; r++)
            s->strip[(size_t)c * STRIP + r] =
                r < count ? w[(size_t)r * kp + c] * factor * row_factor[r] : 0;
    }
    if (rotation) {
        uint32_t end = rotation == &fold->ffn ? kp : cols;
        for (uint32_t c = 0; c < end; c += rotation->n)
            rotation_apply(rotation, s->strip + (size_t)c * STRIP, s->mix);
    }
    for (uint32_t r = 0; r < count; r++)
        for (uint32_t c = 0; c < kp; c++) w[(size_t)r * kp + c] = s->strip[(size_t)c * STRIP + r];
}

/* Mixes along 16 columns, block of rows by block of rows. */
static void mix_columns(void *user, size_t item, unsigned worker) {
    struct conversion *fold = user;
    struct scratch *s = &fold->scratch[worker];
    const struct rotation *rotation = mixing(fold, fold->tensor->columns);
    for (uint32_t first = 0; first < fold->block_rows; first += rotation->n) {
        float *w = fold->values + (size_t)first * fold->kp + item * STRIP;
        for (uint32_t r = 0; r < rotation->n; r++)
            memcpy(s->strip + (size_t)r * STRIP, w + (size_t)r * fold->kp, STRIP * sizeof(float));
        rotation_apply(rotation, s->strip, s->mix);
        for (uint32_t r = 0; r < rotation->n; r++)
            memcpy(w + (size_t)r * fold->kp, s->strip + (size_t)r * STRIP, STRIP * sizeof(float));
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
    struct conversion *fold = user;
    struct scratch *s = &fold->scratch[worker];
    const struct quantizer *quantizer = &fold->tensor->quantizer;
    uint32_t kp = fold->kp, cols = fold->tensor->record.cols,
             first = (uint32_t)item * QUANTIZE_ROWS;
    uint32_t count =
        fold->block_rows - first < QUANTIZE_ROWS ? fold->block_rows - first : QUANTIZE_ROWS;
    float *w = fold->values + (size_t)first * kp;
    struct quantized_row row[QUANTIZE_ROWS];
    for (uint32_t r = 0; r < count; r++) {
        row[r] = (struct quantized_row){.q = s->q + (size_t)r * kp,
                                        .scale = s->scale + (size_t)r * (kp / GROUP)};
        bool fine = row_is_fine(w + (size_t)r * kp, kp);
        if (!fine) memset(w + (size_t)r * kp, 0, kp * sizeof *w);
        fold->result[first + r].state = fine ? ROW_FINE : ROW_VALUE;
    }
    quantizer->rows(quantizer, w, count, cols, s->room, row);
    for (uint32_t r = 0; r < count; r++) {
        fold->row_scale[first + r] = row[r].row_scale;
        if (fold->result[first + r].state == ROW_FINE)
            fold->result[first + r] = measure(w + (size_t)r * kp, cols, &row[r]);
        if (fold->wants_values) put_values(&row[r], kp, w + (size_t)r * kp);
    }
    size_t bytes = panel_bytes(quantizer->type, cols);
    for (uint32_t r = 0; r < count; r += PANEL_ROWS)
        layout_panel(quantizer->type, cols, row + r,
                     count - r < PANEL_ROWS ? count - r : PANEL_ROWS,
                     fold->bytes + (first + r) / PANEL_ROWS * bytes);
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
static bool read_wide_rows(struct conversion *fold, uint64_t first, uint32_t rows, struct diag *d) {
    const struct source_tensor *from = fold->tensor->from;
    memset(fold->values, 0, (size_t)rows * fold->kp * sizeof(float));
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t there = narrow(fold->plan, (uint32_t)first + r);
        float *row = fold->values + (size_t)r * fold->kp;
        if (there != UINT32_MAX && !source_read_rows(fold->source, from, there, 1, row, d))
            return false;
    }
    return true;
}

/* Reads rows first .. first + rows - 1 into values, [rows][kp]. Rows and columns after the source's
 * own are zero. */
static bool read_block(struct conversion *fold, uint64_t first, uint32_t rows, struct diag *d) {
    if (fold->tensor->heads == HEADS_ROWS) return read_wide_rows(fold, first, rows, d);
    const struct source_tensor *from = fold->tensor->from;
    uint64_t there = first >= from->rows         ? 0
                     : from->rows - first < rows ? from->rows - first
                                                 : rows;
    size_t cols = (size_t)from->cols, kp = fold->kp;
    if (there && !source_read_rows(fold->source, from, first, there, fold->values, d)) return false;
    for (uint64_t r = there; r-- > 0;) {
        if (kp != cols)
            memmove(fold->values + r * kp, fold->values + r * cols, cols * sizeof(float));
        memset(fold->values + r * kp + cols, 0, (kp - cols) * sizeof(float));
    }
    memset(fold->values + there * kp, 0, (rows - there) * kp * sizeof(float));
    uint32_t wide = fold->tensor->heads == HEADS_COLUMNS ? fold->tensor->record.cols : 0;
    for (uint64_t r = 0; wide && r < there; r++) widen(fold->plan, fold->values + r * kp, wide);
    return true;
}

static bool sum_up(const struct conversion *fold, uint64_t first, double *squares,
                   struct convert_error *error, struct diag *d) {
    const char *name = fold->tensor->from->name;
    for (uint32_t r = 0; r < fold->block_rows; r++) {
        const struct row_result *result = &fold->result[r];
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

/* Reads a run of row floats and mixes it as the tensor's columns are mixed. */
static bool convert_run(struct conversion *fold, const struct plan_tensor *tensor,
                        const struct source_tensor *from, float *run, struct diag *d) {
    uint32_t rows = tensor->record.rows;
    if (!source_read_rows(fold->source, from, 0, 1, run, d)) return false;
    if (tensor->heads == HEADS_ROWS) widen(fold->plan, run, rows);
    const struct rotation *rotation = mixing(fold, tensor->columns);
    float *strip = fold->scratch[0].strip;
    for (uint32_t first = 0; rotation && first < rows; first += rotation->n) {
        for (uint32_t i = 0; i < rotation->n * STRIP; i++)
            strip[i] = i % STRIP ? 0 : run[first + i / STRIP];
        rotation_apply(rotation, strip, fold->scratch[0].mix);
        for (uint32_t i = 0; i < rotation->n; i++) run[first + i] = strip[(size_t)i * STRIP];
    }
    for (uint32_t i = 0; i < rows; i++) {
        run[i] *= tensor->factor;
        if (!(fabsf(run[i]) <= MOST))
            return diag_fail(d, "tensor %s: value %u is beyond 2^49", from->name, i);
        if (fabsf(run[i]) < LEAST) run[i] = 0;
    }
    return true;
}

/* How many rows are converted together: all if columns are mixed over all rows; otherwise as many
 * as a block holds, but whole heads. */
static uint32_t rows_per_block(const struct conversion *fold, const struct plan_tensor *tensor) {
    const struct rotation *columns = mixing(fold, tensor->columns);
    uint32_t unit = columns ? columns->n : PANEL_ROWS;
    /* Columns are mixed over the residual width, which is all rows. */
    if (unit % PANEL_ROWS) return tensor->record.rows;
    uint32_t rows = (uint32_t)(BLOCK_FLOATS / fold->kp) / unit * unit;
    if (rows < unit) rows = unit;
    return rows < tensor->record.rows ? rows : tensor->record.rows;
}

static bool one_block(struct conversion *fold, uint64_t first, uint32_t rows, struct diag *d) {
    fold->block_first = (uint32_t)first, fold->block_rows = rows;
    if (!read_block(fold, first, rows, d)) return false;
    size_t strips = (rows + STRIP - 1) / STRIP;
    parallel_for(fold->threads, strips, mix_rows, fold);
    if (mixing(fold, fold->tensor->columns))
        parallel_for(fold->threads, fold->kp / STRIP, mix_columns, fold);
    parallel_for(fold->threads, (rows + QUANTIZE_ROWS - 1) / QUANTIZE_ROWS, quantize_rows, fold);
    return true;
}

static bool quantizer_rooms(struct conversion *fold, size_t floats) {
    bool good = true;
    for (unsigned i = 0; i < fold->threads; i++) {
        struct scratch *s = &fold->scratch[i];
        s->room = grown(s->room, &s->room_floats, floats, sizeof(float));
        good &= s->room != NULL || floats == 0;
    }
    return good;
}

bool convert_tensor(struct conversion *fold, const struct plan_tensor *tensor, float *rows,
                    const struct convert_target *target, struct convert_error *error,
                    struct diag *d) {
    const struct blob_tensor *record = &tensor->record;
    double squares = 0;
    memset(error, 0, sizeof *error);
    fold->tensor = tensor, fold->kp = padded_cols(record->cols),
    fold->wants_values = target->values != NULL;
    if (tensor->gain && !source_read_rows(fold->source, tensor->gain, 0, 1, fold->gain, d))
        return false;
    for (int run = 0; run < ROW_RUNS; run++)
        if (tensor->run[run] && !convert_run(fold, tensor, tensor->run[run],
                                             rows + tensor_run(record, (enum row_run)run), d))
            return false;
    uint32_t per_block = rows_per_block(fold, tensor);
    size_t panel = panel_bytes(record->type, record->cols);
    fold->values =
        grown(fold->values, &fold->values_room, (size_t)per_block * fold->kp, sizeof(float));
    fold->bytes =
        grown(fold->bytes, &fold->bytes_room, padded_rows(per_block) / PANEL_ROWS * panel, 1);
    fold->result = grown(fold->result, &fold->result_room, per_block, sizeof *fold->result);
    if (!fold->values || !fold->bytes || !fold->result ||
        !quantizer_rooms(fold, tensor->quantizer.room_floats))
        return diag_fail(d, "out of memory for tensor %s", record->name);
    if (tensor->balance != BALANCE_NONE && fold->balanced_layer != tensor->layer) {
        if (!balance_layer(fold->source, fold->plan, tensor->layer, fold->values, fold->values_room,
                           fold->balance, d))
            return false;
        fold->balanced_layer = tensor->layer;
    }
    for (uint32_t first = 0; first < record->rows; first += per_block) {
        uint32_t count = record->rows - first < per_block ? record->rows - first : per_block;
        fold->row_scale = rows + record->row_scales + first;
        if (!one_block(fold, first, count, d) || !sum_up(fold, first, &squares, error, d))
            return false;
        if (!target->sink(target->user, fold->bytes,
                          (size_t)weight_bytes(record->type, count, record->cols), d))
            return false;
        if (target->values && !target->values(target->user, first, count, fold->values, d))
            return false;
        if (target->progress)
            target->progress(target->user, (uint64_t)(first + count) * record->cols);
    }
    error->relative_rms = squares > 0 ? sqrt(error->mean_square / squares) : 0;
    error->mean_square /= (double)record->rows * record->cols;
    return true;
}
