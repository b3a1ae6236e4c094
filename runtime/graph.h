/* A blob's layers as a program (hal/program.h). */
#ifndef RUNTIME_GRAPH_H
#define RUNTIME_GRAPH_H

#include "hal/program.h"

/* Most operations a model of `layers` layers has. */
static inline uint32_t graph_ops_max(uint32_t layers) { return 3 + layers * 10; }

/* Writes the operations (graph_ops_max of them at most) and fills the strides of every slot. */
void graph_build(const struct hal_model *model, struct hal_op *ops, struct hal_program *program);

#endif
