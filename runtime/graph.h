/* A blob's layers as a program (hal/program.h). The one place that knows what follows what. */
#ifndef RUNTIME_GRAPH_H
#define RUNTIME_GRAPH_H

#include "runtime/lives.h"

/* The operations of a layer, the embedding before the first layer's, and what gives logits behind
 * the last one's; of their weights, indices into weight[]. */
enum {
    GRAPH_OPS = 10, /* of a layer, at most */
    GRAPH_WEIGHTS = 7,
    GRAPH_END_OPS = 3, /* before the first and behind the last */
    GRAPH_END_WEIGHTS = 2,
    GRAPH_LAYER_OPS = GRAPH_OPS + GRAPH_END_OPS,
    GRAPH_LAYER_WEIGHTS = GRAPH_WEIGHTS + GRAPH_END_WEIGHTS
};
struct graph_layer {
    struct hal_op op[GRAPH_LAYER_OPS];
    uint32_t weight[GRAPH_LAYER_WEIGHTS];
    uint32_t ops, weights;
};
void graph_layer(const struct hal_model *model, uint32_t layer, struct graph_layer *of);

/* What a program of so many layers has at most, for room that is measured before the model's
 * records are known to stay as they are. */
static inline uint32_t graph_ops_most(uint32_t layers) {
    return layers * GRAPH_OPS + GRAPH_END_OPS;
}
static inline uint32_t graph_weights_most(uint32_t layers) {
    return layers * GRAPH_WEIGHTS + GRAPH_END_WEIGHTS;
}

/* Counts and strides of the whole model's program; program->ops and weight are left NULL. */
void graph_measure(const struct hal_model *model, struct hal_program *program);
/* The same with the operations, into ops [count] and weight [weights] of graph_measure. */
void graph_build(const struct hal_model *model, struct hal_op *ops, uint32_t *weight,
                 struct hal_program *program);

/* Of some layers, out of the model's: it leads into the same arrays. Where those are NULL it only
 * counts. */
struct hal_program graph_part(const struct hal_model *model, const struct hal_program *program,
                              struct hal_range layers);

/* Which slots of the model's program live together. */
void graph_lives(const struct hal_model *model, struct lives *lives);

#endif
