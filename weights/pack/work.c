#include "weights/pack/work.h"

#include "weights/pack/quantize/activations.h"
#include "weights/pack/quantize/float_kernels.h"
#include "weights/pack/quantize/parallel.h"

/* What the work costs, counted in multiply-adds of a matrix product and measured on one thread of
 * Zen 4 with AVX-512, which does 33e9 of them a second (A_SECOND). READ: reading and rotating a
 * weight. WRITE: writing a byte and reading it back. alone: rounding a weight by itself. feedback
 * and column: rounding it with feedback, plus `column` for each of the n columns of its row. */
static const double A_SECOND = 33e9, READ = 350, WRITE = 20;
static const struct rounding {
    double alone, feedback, column;
} ROW = {180, 1460, 1.8}, GROUPED = {590, 2200, 2.9}, ROW_QUICK = {180, 900, 0.6},
  GROUPED_QUICK = {590, 1200, 0.6};

/* Whether the tensor has the same inputs as the tensor before it. */
static bool shares_input(const struct plan *plan, uint32_t tensor) {
    for (uint32_t i = 0; i < plan->model.layers; i++) {
        for (int which = 0; which < LT_COUNT; which++)
            if (plan->layers[i].tensor[which] == tensor &&
                activations_share_input(plan, i, (enum layer_tensor)which))
                return true;
    }
    return false;
}

/* The cost of the inputs' Hessian and its factor. */
static double calibrating(const struct work *work, uint32_t tensor) {
    const double n = padded_cols(work->plan->tensors[tensor].record.cols);
    if (!work->tokens || tensor == work->plan->model.embed || shares_input(work->plan, tensor))
        return 0;
    return n * n * work->tokens / 2 + n * n * n / 3;
}

/* The cost of reading and rounding a tensor and, with calibration, of rounding with feedback and of
 * the tensor's products with its inputs. */
static double quantizing(const struct work *work, uint32_t tensor) {
    const struct blob_tensor *record = &work->plan->tensors[tensor].record;
    const double n = padded_cols(record->cols), weights = record->rows * n;
    const bool head = tensor == work->plan->model.head,
               grouped = weight_traits(record->type)->scale_bits != 0;
    const struct rounding *full = grouped ? &GROUPED : &ROW,
                          *quick = grouped ? &GROUPED_QUICK : &ROW_QUICK,
                          *rounding = work->quick ? quick : full;
    if (!work->tokens || tensor == work->plan->model.embed || (head && work->quick))
        return weights * (READ + rounding->alone);
    double cost = weights * (READ + rounding->feedback + rounding->column * n);
    return head ? cost : cost + weights * work->tokens;
}

/* The speed of this machine's instructions relative to AVX-512. */
static double speed(void) {
    const struct kernels *best = kernels_best();
    if (best == &KERNELS_PLAIN) return 0.1;
#if defined(__x86_64__)
    if (best == &KERNELS_AVX2) return 0.5;
#endif
    return 1;
}

void work_begin(struct work *work, enum progress_form form) {
    progress_begin(&work->progress, form, "apus-pack", "pack");
    static const char *const names[WORK_PHASES] = {"reading the source", "measuring what hurts",
                                                   "calibrating", "quantizing", "writing"};
    for (int i = 0; i < WORK_PHASES; i++) progress_phase(&work->progress, names[i], 0);
    progress_enter(&work->progress, WORK_READING, "%s", "");
}

static double layer_weights(const struct plan *plan) {
    double all = 0;
    for (uint32_t i = 0; i < plan->model.tensors; i++)
        if (i != plan->model.embed && i != plan->model.head)
            all += (double)plan->tensors[i].record.rows * plan->tensors[i].record.cols;
    return all;
}

void work_looked(struct work *work, uint64_t bytes, uint64_t all) {
    progress_enter(&work->progress, WORK_READING, "%.0f of %.0f MB", 1e-6 * (double)bytes,
                   1e-6 * (double)all);
}

void work_plan(struct work *work, const struct work_request *request) {
    double of[WORK_PHASES] = {0}, all = 0;
    const struct sensitivity_cost *measuring = &request->measuring;
    work->plan = request->plan, work->tokens = request->tokens;
    work->measuring = *measuring, work->quick = request->quick;
    if (measuring->layers > 0)
        of[WORK_MEASURING] = layer_weights(work->plan) * (2 * READ + GROUPED.alone + ROW.alone) +
                             measuring->layers + measuring->head;
    for (uint32_t i = request->first; i < work->plan->model.tensors; i++) {
        of[WORK_CALIBRATING] += calibrating(work, i);
        of[WORK_QUANTIZING] += quantizing(work, i);
    }
    of[WORK_WRITING] = (double)work->plan->weight_bytes * WRITE;
    for (int i = WORK_MEASURING; i < WORK_PHASES; i++) {
        progress_resize(&work->progress, i, of[i]);
        all += of[i];
    }
    unsigned cores = parallel_cores(),
             threads = request->threads < cores ? request->threads : cores;
    progress_expect(&work->progress, all / (A_SECOND * speed() * threads));
    progress_step(&work->progress, WORK_READING, 0);
}

/* Each weight is read twice, for 4 bits and for 8. The number of copies of the activations grows
 * with the layers. */
void work_measured(struct work *work, uint64_t weights) {
    double all = layer_weights(work->plan), before = (double)work->weights, now = (double)weights;
    progress_enter(&work->progress, WORK_MEASURING, "%.0f of %.0f M weights", 1e-6 * now,
                   1e-6 * all);
    progress_step(&work->progress, WORK_MEASURING,
                  (now - before) * (2 * READ + GROUPED.alone + ROW.alone) +
                      work->measuring.layers * (now * now - before * before) / (all * all));
    work->weights = weights;
}

void work_measured_all(struct work *work) {
    progress_step(&work->progress, WORK_MEASURING, work->measuring.head);
}

void work_tensor(struct work *work, uint32_t tensor) {
    const struct plan *plan = work->plan;
    work->tensor = tensor, work->weights = 0, work->blocks = quantizing(work, tensor);
    progress_enter(
        &work->progress, calibrating(work, tensor) > 0 ? WORK_CALIBRATING : WORK_QUANTIZING,
        "%s, tensor %u of %u", plan->tensors[tensor].record.name, tensor + 1, plan->model.tensors);
}

void work_calibrated(struct work *work) {
    double cost = calibrating(work, work->tensor);
    if (!(cost > 0)) return;
    progress_step(&work->progress, WORK_CALIBRATING, cost);
    progress_enter(&work->progress, WORK_QUANTIZING, "%s, tensor %u of %u",
                   work->plan->tensors[work->tensor].record.name, work->tensor + 1,
                   work->plan->model.tensors);
}

void work_quantized(struct work *work, uint64_t weights) {
    const struct blob_tensor *record = &work->plan->tensors[work->tensor].record;
    double part = (double)(weights - work->weights) / ((double)record->rows * record->cols);
    progress_step(&work->progress, WORK_QUANTIZING, work->blocks * part);
    work->weights = weights;
}

void work_write(struct work *work) {
    progress_enter(&work->progress, WORK_WRITING, "%.0f MB",
                   1e-6 * (double)work->plan->weight_bytes);
}

void work_end(struct work *work) { progress_end(&work->progress); }
