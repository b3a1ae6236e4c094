/* A blob's layers as a program (hal/program.h). */
#ifndef RUNTIME_GRAPH_H
#define RUNTIME_GRAPH_H

#include "hal/program.h"

/* The number of operations and the stride of every slot; program->ops is left NULL. */
void graph_measure(const struct hal_model *model, struct hal_program *program);

/* The same with the operations, into ops [program->count of graph_measure]. */
/* Of some layers. graph_build and graph_measure: of all. */
void graph_build_part(const struct hal_model *model, struct hal_range layers, struct hal_op *ops,
                      struct hal_program *program);
void graph_build(const struct hal_model *model, struct hal_op *ops, struct hal_program *program);

#endif
