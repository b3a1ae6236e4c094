#include "weights/pack/quantize/calibrate.h"

#include <stdlib.h>
#include <string.h>

#include "weights/pack/quantize/activations.h"
#include "weights/pack/quantize/feedback.h"
#include "weights/pack/quantize/hessian.h"
#include "weights/pack/quantize/matmul.h"

/* Many short windows see more kinds of text than a few long ones with as many tokens. For
 * SmolLM2-135M at 4 bits, 1024 tokens gave a KL of 0.190 as 2 windows of 512, 0.150 as 8 of 128 and
 * 0.154 as 16 of 64 (only rounded: 0.285; with CALIBRATE_FULL: 0.098). */
const struct calibrate_effort CALIBRATE_QUICK = {"quick", 12, 12, 64, 0.1f, true};
const struct calibrate_effort CALIBRATE_FULL = {"full", 12, 48, 512, 0.04f, false};

struct calibrator {
    const struct calibrate_effort *effort;
    const struct plan *plan;
    const float *rows;
    int32_t *ids;
    size_t tokens;
    struct forward forward;
    struct activations activations;
    float *hessian;
    struct hessian_room hessian_room;
    struct hessian_factor factor;
    bool has_factor;
    /* the tensor in work */
    uint32_t tensor, layer;
    int which; /* enum layer_tensor, or one of these */
};
enum { EMBED = -1, HEAD = LT_COUNT };

/* Finds the layer and the role of a tensor. */
static void place(struct calibrator *c, uint32_t tensor) {
    c->tensor = tensor, c->which = tensor == c->plan->model.embed ? EMBED : HEAD;
    for (uint32_t layer = 0; layer < c->plan->model.layers; layer++)
        for (int which = 0; which < LT_COUNT; which++)
            if (c->plan->layers[layer].tensor[which] == tensor) c->layer = layer, c->which = which;
}

uint32_t calibrate_windows(const struct calibrate_effort *effort, uint32_t widest) {
    uint64_t windows = 4 * (uint64_t)widest / effort->length;
    return windows < effort->windows_least  ? effort->windows_least
           : windows > effort->windows_most ? effort->windows_most
                                            : (uint32_t)windows;
}

struct calibrator *calibrate_new(const struct calibrate_request *request, struct diag *d) {
    const struct blob_model *model = &request->plan->model;
    struct calibrator *c = calloc(1, sizeof *c);
    if (!c) goto memory;
    c->effort = request->effort, c->plan = request->plan, c->rows = request->rows,
    c->tokens = (size_t)request->windows * request->length;
    if (!activations_make(&c->activations, request->plan, c->tokens)) goto memory;
    uint32_t inputs = c->activations.widest;
    c->hessian = floats(inputs, inputs), c->ids = malloc(c->tokens * sizeof *c->ids);
    c->hessian_room = (struct hessian_room){floats(inputs, 1), malloc(inputs * sizeof(uint32_t))};
    float *room = floats(request->threads, forward_room(request->length, model->head_dim));
    c->forward = (struct forward){.threads = request->threads,
                                  .windows = request->windows,
                                  .length = request->length,
                                  .dim = model->dim,
                                  .head_dim = model->head_dim,
                                  .eps = model->eps,
                                  .rope = request->rope,
                                  .room = room};
    if (!c->hessian || !c->ids || !room || !c->hessian_room.weight || !c->hessian_room.order)
        goto memory;
    memcpy(c->ids, request->ids, c->tokens * sizeof *c->ids);
    return c;
memory:
    calibrate_free(c);
    diag_fail(d, "out of memory for calibration");
    return NULL;
}

void calibrate_free(struct calibrator *c) {
    if (!c) return;
    free(c->forward.room);
    free(c->ids);
    activations_free(&c->activations);
    free(c->hessian);
    free(c->hessian_room.weight);
    free(c->hessian_room.order);
    free(c);
}

float *calibrate_stream(struct calibrator *c, size_t *bytes) {
    *bytes = c->tokens * c->plan->model.dim * sizeof(float);
    return c->activations.x;
}

/* The input of the tensor in work. The head's is the last norm's output. */
static const float *input(const struct calibrator *c) {
    return c->which == HEAD ? c->activations.a
                            : activations_input(&c->activations, (enum layer_tensor)c->which);
}

static bool shares_input(const struct calibrator *c) {
    return c->which != HEAD &&
           activations_share_input(c->plan, c->layer, (enum layer_tensor)c->which);
}

bool calibrate_before(struct calibrator *c, uint32_t tensor, struct quantizer *quantizer,
                      struct diag *d) {
    place(c, tensor);
    const struct blob_tensor *record = &c->plan->tensors[tensor].record;
    uint32_t n = padded_cols(record->cols);
    if (c->which == EMBED || (c->which == HEAD && c->effort->quick)) return true;
    if (c->which == HEAD)
        forward_norm(&c->forward, c->activations.x, c->activations.a);
    else
        activations_before(&c->activations, &c->forward, c->plan, c->layer,
                           (enum layer_tensor)c->which);
    if (!shares_input(c)) {
        if (!forward_is_finite(&c->forward, input(c), n))
            return diag_fail(d,
                             "calibration: the inputs of tensor %s are not finite; --no-calibrate "
                             "packs without looking",
                             record->name);
        memset(c->hessian, 0, (size_t)n * n * sizeof *c->hessian);
        hessian_add(c->forward.threads, input(c), c->tokens, n, c->hessian, c->forward.room);
        c->has_factor = hessian_factor(c->forward.threads, c->hessian, n, c->effort->damping,
                                       &c->hessian_room, &c->factor, c->forward.room);
    }
    if (c->has_factor)
        *quantizer = (c->effort->quick ? quantizer_quick : quantizer_feedback)(
            (enum weight_type)record->type, &c->factor);
    return true;
}

static void embed(struct calibrator *c, uint32_t first, uint32_t rows, const float *values) {
    uint32_t dim = c->plan->model.dim;
    for (size_t t = 0; t < c->tokens; t++) {
        uint32_t id = (uint32_t)c->ids[t];
        if (id >= first && id - first < rows)
            memcpy(c->activations.x + t * dim, values + (size_t)(id - first) * padded_cols(dim),
                   dim * sizeof(float));
    }
}

bool calibrate_rows(struct calibrator *c, uint32_t first, uint32_t rows, const float *values,
                    struct diag *d) {
    (void)d;
    const struct blob_tensor *record = &c->plan->tensors[c->tensor].record;
    size_t n = padded_cols(record->cols);
    if (c->which == EMBED) embed(c, first, rows, values);
    if (c->which == EMBED || c->which == HEAD) return true;
    float *out = activations_output(&c->activations, (enum layer_tensor)c->which);
    matmul_threads(c->forward.threads, MATMUL_ALL, c->tokens, rows, n,
                   (struct matrix){input(c), n, 1}, (struct matrix){values, 1, n}, out + first,
                   record->rows, false, c->forward.room);
    return true;
}

bool calibrate_after(struct calibrator *c, struct diag *d) {
    (void)d;
    if (c->which != EMBED && c->which != HEAD)
        activations_after(&c->activations, &c->forward, c->plan, c->rows, c->layer,
                          (enum layer_tensor)c->which);
    return true;
}
