#include "weights/pack/quantize/calibrate.h"

#include <stdlib.h>
#include <string.h>

#include "weights/pack/quantize/activations.h"
#include "weights/pack/quantize/expert_pairs.h"
#include "weights/pack/quantize/feedback.h"
#include "weights/pack/quantize/hessian.h"
#include "weights/pack/quantize/matmul.h"

/* Many short windows see more places of the text than a few long ones with as many tokens.
 * SmolLM2-135M with 4 bits in all layers, KL on code and English: 6144 tokens gave 0.071 and 0.190
 * as 12 windows of 512, 0.063 and 0.183 as 48 of 128, 0.059 and 0.165 as 96 of 64. */
const struct calibrate_effort CALIBRATE_QUICK = {"quick", 12, 12, 64, 0.1f, true};
const struct calibrate_effort CALIBRATE_FULL = {"full", 12, 384, 64, 0.04f, false};

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
    /* of the layer's experts */
    struct expert_pairs pairs;
    float *router; /* [tokens][experts] the products with the router */
    float *some;   /* [tokens][widest] the inputs of one expert, or its outputs */
    uint32_t *reached, reached_count; /* of all layers */
    /* the tensor in work */
    uint32_t tensor, layer, part;
    int which; /* enum layer_tensor, or one of these */
};
enum { EMBED = -1, HEAD = LT_COUNT, ROUTER };

/* Finds the layer and the role of a tensor. */
static void place(struct calibrator *c, uint32_t tensor) {
    c->tensor = tensor, c->which = tensor == c->plan->model.embed ? EMBED : HEAD;
    for (uint32_t layer = 0; layer < c->plan->model.layers; layer++) {
        for (int which = 0; which < LT_COUNT; which++)
            if (c->plan->layers[layer].tensor[which] == tensor) c->layer = layer, c->which = which;
        if (layer_variant(&c->plan->layers[layer], c->plan->variants)->router == tensor)
            c->layer = layer, c->which = ROUTER;
    }
}

static const struct blob_variant *variant_of(const struct calibrator *c) {
    return layer_variant(&c->plan->layers[c->layer], c->plan->variants);
}

/* Whether the tensor in work holds experts. */
static bool of_experts(const struct calibrator *c) {
    return c->which >= 0 && c->which < LT_COUNT && variant_of(c)->experts &&
           role_has_experts(&layer_roles[c->which]);
}

/* Room for the layers' experts, where there are any. */
static bool make_experts(struct calibrator *c) {
    uint32_t most = 0, widest = 0;
    for (uint32_t i = 0; i < c->plan->variant_count; i++) {
        const struct blob_variant *v = &c->plan->variants[i];
        if (v->experts > most) most = v->experts;
        c->reached_count += v->experts;
    }
    if (!most) return true;
    widest = c->activations.widest;
    c->router = floats(c->tokens, most), c->some = floats(c->tokens, widest);
    c->reached = calloc(c->reached_count, sizeof *c->reached);
    return c->router && c->some && c->reached;
}

uint32_t *calibrate_reached(const struct calibrator *c, uint32_t *count) {
    *count = c->reached_count;
    return c->reached;
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
    if (!make_experts(c)) goto memory;
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
    expert_pairs_free(&c->pairs);
    free(c->router);
    free(c->some);
    free(c->reached);
    free(c->hessian);
    free(c->hessian_room.weight);
    free(c->hessian_room.order);
    free(c);
}

float *calibrate_stream(struct calibrator *c, size_t *bytes) {
    *bytes = c->tokens * c->plan->model.dim * sizeof(float);
    return c->activations.x;
}

/* The ffn inputs and outputs of an expert's pairs. */
static float *pairs_at(const struct calibrator *c, float *of) {
    return of + c->pairs.first[c->part] * c->plan->layers[c->layer].ffn;
}

/* The inputs of the part in work, [*tokens][padded columns]. The head's and the router's are the
 * last norm's output. */
static const float *input(const struct calibrator *c, size_t *tokens) {
    *tokens = c->tokens;
    if (c->which == HEAD || c->which == ROUTER) return c->activations.a;
    if (!of_experts(c)) return activations_input(&c->activations, (enum layer_tensor)c->which);
    *tokens = c->pairs.first[c->part + 1] - c->pairs.first[c->part];
    if (layer_roles[c->which].input == FROM_ACT) return pairs_at(c, c->activations.first);
    return c->some;
}

/* Whether the factor is that of the tensor before it. GATE and UP of experts go by all inputs of
 * the router: those of one expert are few, and are a part of them. */
static bool shares_input(const struct calibrator *c) {
    if (of_experts(c)) return layer_roles[c->which].input == FROM_FFN_NORM;
    return c->which < LT_COUNT &&
           activations_share_input(c->plan, c->layer, (enum layer_tensor)c->which);
}

static void make_input(struct calibrator *c) {
    const struct activations *a = &c->activations;
    if (c->which == HEAD || c->which == ROUTER) {
        forward_norm(&c->forward, a->x, a->a);
    } else if (!of_experts(c)) {
        activations_before(a, &c->forward, c->plan, c->layer, (enum layer_tensor)c->which);
    } else if (layer_roles[c->which].input == FROM_FFN_NORM) {
        const size_t ffn = c->plan->layers[c->layer].ffn;
        float *out = activations_output(a, c->plan, c->layer, (enum layer_tensor)c->which);
        if (c->part == 0) memset(out, 0, c->pairs.pairs * ffn * sizeof *out);
        expert_pairs_gather(&c->pairs, c->part, a->a, padded_cols(c->plan->model.dim), c->some);
    }
    if (c->which == ROUTER)
        memset(c->router, 0, c->tokens * variant_of(c)->experts * sizeof *c->router);
}

static bool make_factor(struct calibrator *c, uint32_t n, struct diag *d) {
    size_t tokens;
    const float *in = input(c, &tokens);
    struct forward f = c->forward;
    f.windows = 1, f.length = (uint32_t)tokens;
    if (!forward_is_finite(&f, in, n))
        return diag_fail(d,
                         "calibration: the inputs of tensor %s are not finite; --no-calibrate "
                         "packs without looking",
                         c->plan->tensors[c->tensor].record.name);
    memset(c->hessian, 0, (size_t)n * n * sizeof *c->hessian);
    hessian_add(c->forward.threads, in, tokens, n, c->hessian, c->forward.room);
    c->has_factor = hessian_factor(c->forward.threads, c->hessian, n, c->effort->damping,
                                   &c->hessian_room, &c->factor, c->forward.room);
    return true;
}

bool calibrate_before(struct calibrator *c, uint32_t tensor, uint32_t part,
                      struct quantizer *quantizer, struct diag *d) {
    place(c, tensor);
    c->part = part;
    const struct blob_tensor *record = &c->plan->tensors[tensor].record;
    if (c->which == EMBED || (c->which == HEAD && c->effort->quick)) return true;
    make_input(c);
    if (!shares_input(c) && !make_factor(c, padded_cols(record->cols), d)) return false;
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

static const float *bias_of(const struct calibrator *c, uint32_t rows) {
    uint32_t at = tensor_run(&c->plan->tensors[c->tensor].record, RUN_BIAS);
    return at == BLOB_ABSENT ? NULL : c->rows + at + c->part * rows;
}

/* Adds what an expert gives to its tokens, for a block of rows. */
static void add_expert(struct calibrator *c, uint32_t first, uint32_t rows, const float *out) {
    const uint32_t dim = c->plan->model.dim;
    const float *bias = bias_of(c, dim);
    for (size_t i = c->pairs.first[c->part]; i < c->pairs.first[c->part + 1]; i++, out += rows) {
        float *x = c->activations.x + (size_t)c->pairs.token[i] * dim + first;
        for (uint32_t r = 0; r < rows; r++)
            x[r] += (out[r] + (bias ? bias[first + r] : 0)) * c->pairs.weight[i];
    }
}

bool calibrate_rows(struct calibrator *c, uint32_t first, uint32_t rows, const float *values,
                    struct diag *d) {
    (void)d;
    const struct blob_tensor *record = &c->plan->tensors[c->tensor].record;
    size_t n = padded_cols(record->cols), tokens, out_row = record->rows;
    if (c->which == EMBED) embed(c, first, rows, values);
    if (c->which == EMBED || c->which == HEAD) return true;
    const bool down = of_experts(c) && layer_roles[c->which].output == TO_RESIDUAL;
    const float *in = input(c, &tokens);
    float *out = c->which == ROUTER ? c->router
                                    : activations_output(&c->activations, c->plan, c->layer,
                                                         (enum layer_tensor)c->which);
    if (down) {
        out = c->some, out_row = rows;
        memset(out, 0, tokens * rows * sizeof *out);
    } else if (of_experts(c)) {
        out_row = c->plan->layers[c->layer].ffn;
        out = pairs_at(c, out);
    }
    matmul_threads(c->forward.threads, MATMUL_ALL, tokens, rows, n, (struct matrix){in, n, 1},
                   (struct matrix){values, 1, n}, down ? out : out + first, out_row, false,
                   c->forward.room);
    if (down) add_expert(c, first, rows, out);
    return true;
}

/* Which experts the tokens choose. */
static bool choose_experts(struct calibrator *c, struct diag *d) {
    const struct blob_variant *v = variant_of(c);
    const float *bias = bias_of(c, v->experts);
    for (size_t t = 0; bias && t < c->tokens; t++)
        for (uint32_t e = 0; e < v->experts; e++) c->router[t * v->experts + e] += bias[e];
    if (!expert_pairs_choose(&c->pairs, v, c->router, c->tokens))
        return diag_fail(d, "out of memory for calibration");
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->layer; i++)
        at += layer_variant(&c->plan->layers[i], c->plan->variants)->experts;
    for (uint32_t e = 0; e < v->experts; e++)
        c->reached[at + e] = (uint32_t)(c->pairs.first[e + 1] - c->pairs.first[e]);
    return true;
}

/* Adds the experts' biases of GATE or UP to their pairs' products. */
static void add_biases(struct calibrator *c, enum layer_tensor which, float *to) {
    const struct blob_layer *layer = &c->plan->layers[c->layer];
    const uint32_t at = tensor_run(&c->plan->tensors[layer->tensor[which]].record, RUN_BIAS);
    if (at == BLOB_ABSENT) return;
    for (uint32_t e = 0; e < variant_of(c)->experts; e++) {
        struct forward f = c->forward;
        const size_t first = c->pairs.first[e];
        f.windows = 1, f.length = (uint32_t)(c->pairs.first[e + 1] - first);
        forward_bias(&f, layer->ffn, c->rows + at + (size_t)e * layer->ffn,
                     to + first * layer->ffn);
    }
}

/* The inputs of DOWN, for all pairs. */
static void act_pairs(struct calibrator *c) {
    struct forward f = c->forward;
    add_biases(c, LT_GATE, c->activations.first);
    add_biases(c, LT_UP, c->activations.second);
    f.windows = 1, f.length = (uint32_t)c->pairs.pairs;
    forward_act(&f, (enum blob_activation)variant_of(c)->activation, c->plan->layers[c->layer].ffn,
                c->activations.first, c->activations.second);
}

bool calibrate_after(struct calibrator *c, struct diag *d) {
    if (c->which == ROUTER) return choose_experts(c, d);
    if (of_experts(c) && layer_roles[c->which].output == TO_UP) act_pairs(c);
    if (c->which != EMBED && c->which != HEAD && !of_experts(c))
        activations_after(&c->activations, &c->forward, c->plan, c->rows, c->layer,
                          (enum layer_tensor)c->which);
    return true;
}
