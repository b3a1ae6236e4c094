/* The CPU engine inside: a pass in progress, and the operations that have files of their own. */
#ifndef CPU_BACKEND_INSIDE_H
#define CPU_BACKEND_INSIDE_H

#include <stdatomic.h>

#include "cpu/cache.h"
#include "cpu/kernels.h"
#include "cpu/mixture.h"
#include "cpu/pace.h"
#include "cpu/pool.h"
#include "hal/hal.h"

struct cpu_model {
    struct cpu_kernels kernels;
};

struct cpu_program {
    struct pool_work work; /* a pass, in the form that the pool asks for */
    struct cpu_kernels kernels;
    struct hal_setup setup;
    const struct hal_pass *pass;
    float *scratch; /* [threads] attention scratch; each begins scratch_floats after the one
                       before */
    size_t scratch_floats;
    struct mixture mixture; /* of the layer with experts that the pass is in */
    size_t ahead;           /* gemv_args.ahead */
    struct pace pace[2];    /* for passes of few columns and of many */
    uint32_t threads;       /* of the pass */
    /* Written only while no thread holds units. It has its own cache line, because the fields above
     * are always being read. */
    _Alignas(64) uint32_t cursor; /* the operation in progress */
    int entered;                  /* the pool belongs to this pass */
    int alone;                    /* an operation found the pool taken by another pass */
    uint32_t first;               /* the operation where the pass began or continues */
    uint32_t stopped;             /* the pass was cancelled or out of time */
    uint32_t reached;             /* the operation before which it stopped */
    uint32_t failed;              /* the engine that computes the matrices failed */
    _Atomic uint32_t bad;         /* a value left the range of snap() */
};

static inline uint32_t op_columns(const struct hal_op *op, const struct hal_pass *pass) {
    return op->flags & HAL_TAIL ? pass->columns - pass->logits_from : pass->columns;
}

static inline uint8_t *slot_column(const struct cpu_program *p, uint32_t slot, uint32_t column) {
    return p->setup.slot[slot] + (size_t)column * p->setup.program->stride[slot];
}

static inline float *float_column(const struct cpu_program *p, uint32_t slot, uint32_t column) {
    return (float *)(void *)slot_column(p, slot, column);
}

/* Quantized columns as they are in a slot of the operation. */
static inline uint8_t *act_column(const struct cpu_program *p, uint32_t slot, uint32_t width,
                                  uint32_t column) {
    return p->setup.slot[slot] + (size_t)column * act_stride(padded_cols(width));
}

/* The operation's weight i. */
static inline const struct blob_tensor *op_tensor(const struct cpu_program *p,
                                                  const struct hal_op *op, uint32_t i) {
    return &p->setup.model->tensors[hal_weight(p->setup.program, op, i)];
}

static inline uint32_t tensor_panels(const struct blob_tensor *t) {
    return padded_rows(t->rows) / PANEL_ROWS;
}

static inline struct hal_choice *choices_of(const struct cpu_program *p, uint32_t column) {
    return (struct hal_choice *)(void *)slot_column(p, SLOT_CHOICES, column);
}

/* cpu/attention.c: a unit of HAL_HEADS is a column. HAL_ATTEND has attend_units units; thread:
 * whose scratch is used. Like all that computes, they return what left the range of snap(), or
 * 0. */
uint32_t heads_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t column);
uint32_t attend_units(const struct cpu_program *p, const struct hal_heads *shape);
uint32_t attend_unit(const struct cpu_program *p, const struct hal_op *op, uint32_t unit,
                     uint32_t thread);

/* cpu/expert_ops.c: the operations of a layer's experts. experts_begin is for every operation,
 * before its first unit, while no thread holds one. A unit of HAL_SPREAD, HAL_ACT and HAL_MIX is a
 * column; HAL_EXPERTS has experts_units, of which a run is computed together. */
void experts_begin(struct cpu_program *p, const struct hal_op *op);
uint32_t experts_spread(const struct cpu_program *p, const struct hal_op *op, uint32_t column);
uint32_t experts_act(const struct cpu_program *p, const struct hal_op *op, uint32_t unit);
uint32_t experts_mix(const struct cpu_program *p, const struct hal_op *op, uint32_t column);
uint32_t experts_units(const struct cpu_program *p, const struct hal_op *op);
uint32_t experts_run(const struct cpu_program *p, const struct hal_op *op, struct team_run run);
/* What a thread will multiply first of HAL_EXPERTS. */
struct pool_ahead experts_ahead(const struct cpu_program *p, const struct hal_op *op,
                                uint32_t thread);

#endif
