/* A blob's layers as a program (hal/program.h). Only this file knows the order of the
 * operations. */
#ifndef RUNTIME_GRAPH_H
#define RUNTIME_GRAPH_H

#include "runtime/lives.h"

/* The operations of a layer. The first layer's begin with the embedding, and the last one's end
 * with what gives logits. Their weights are indices into weight[]. */
enum {
    GRAPH_OPS = 14, /* of a layer, at most: with experts */
    GRAPH_WEIGHTS = 8,
    GRAPH_END_OPS = 3, /* before the first layer and after the last */
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

/* The most that a program of so many layers can have. Room is measured with it before the model's
 * records are known to stay as they are. */
static inline uint32_t graph_ops_most(uint32_t layers) {
    return layers * GRAPH_OPS + GRAPH_END_OPS;
}
static inline uint32_t graph_weights_most(uint32_t layers) {
    return layers * GRAPH_WEIGHTS + GRAPH_END_WEIGHTS;
}

/* Counts and strides of the whole model's program. program->ops and weight stay NULL. */
void graph_measure(const struct hal_model *model, struct hal_program *program);
/* The same with the operations, written into ops [count] and weight [weights] of graph_measure. */
void graph_build(const struct hal_model *model, struct hal_op *ops, uint32_t *weight,
                 struct hal_program *program);

/* The program of some layers, as a part of the model's: it points into the same arrays. Where those
 * are NULL, only the counts are set. */
struct hal_program graph_part(const struct hal_model *model, const struct hal_program *program,
                              struct hal_range layers);

/* Which slots of the model's program are in use at the same time. */
void graph_lives(const struct hal_model *model, struct lives *lives);

#endif
