/* A model as a program: a list of operations over slots, built once by runtime/graph.c, prepared
 * once by an engine, replayed every pass. docs/numerics.md 5 is what each operation computes. A
 * program may be of some layers only: then X is taken from its slot unless the first layer is among
 * them, and left there unless the last one is, which the logits belong to. */
#ifndef HAL_PROGRAM_H
#define HAL_PROGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "hal/kv.h"
#include "hal/place.h"
#include "weights/format.h"

enum hal_op_kind {
    HAL_EMBED,  /* ids -> X */
    HAL_NORM,   /* X -> A: RMSNorm and quantize */
    HAL_GEMV,   /* A -> out[i] through weight[i], i < count; with HAL_ADD into X instead */
    HAL_HEADS,  /* Q, K, V: bias, RoPE, Hadamard, quantize -> QI and the cache rows of the pass */
    HAL_ATTEND, /* QI and the cache -> Q (as float again) */
    HAL_QUANT,  /* Q -> A */
    HAL_ACT     /* G, U -> A: SiLU, product, Hadamard, quantize */
};

enum hal_slot {
    SLOT_X, /* float [dim]: the residual stream */
    SLOT_A, /* quantized column of the operation's width (hal/act.h) */
    SLOT_Q, /* float [heads * head_dim], then the attention's output */
    SLOT_K, /* float [kv_heads * head_dim] */
    SLOT_V,
    SLOT_QI, /* per query head int8 [head_dim] at a stride of hal_qi_stride, then float scale
                    [heads] */
    SLOT_G,  /* float [ffn] */
    SLOT_U,
    SLOT_LOGITS, /* float [vocab], of the columns that want them only */
    HAL_SLOTS
};

enum {
    HAL_ADD = 1u, /* the output is added to X */
    HAL_TAIL = 2u /* runs for the columns that want logits only, and writes them from column 0 on */
};

enum { HAL_COLUMNS_MAX = 512, HAL_LOGITS_MAX = 16, HAL_TREE_MAX = 16, HAL_OP_MATRICES = 3 };

struct hal_op {
    uint8_t kind;  /* enum hal_op_kind */
    uint8_t count; /* of weights */
    uint8_t flags;
    uint8_t out[HAL_OP_MATRICES]; /* enum hal_slot */
    uint16_t layer;
    uint32_t width;                   /* columns of the input vector */
    uint32_t weight[HAL_OP_MATRICES]; /* tensor indices */
};

/* Layers first .. end - 1. */
struct hal_range {
    uint32_t first, end;
};

/* Bytes from one column to the next in each slot, a multiple of 64. */
struct hal_program {
    const struct hal_op *ops;
    uint32_t count;
    size_t stride[HAL_SLOTS];
};

/* The model as engines see it: the blob's own tables (weights/format.h), checked. */
struct hal_model {
    const struct blob_model *model;
    const struct blob_layer *layers;
    const struct blob_tensor *tensors;
    const float *rows;
    const float *rope;
    const uint8_t *weights;
};

/* What varies from pass to pass. */
struct hal_column {
    int32_t id;
    uint32_t position; /* for RoPE */
    uint32_t slot;     /* where its K and V rows go */
    uint32_t prefix;   /* slots 0 .. prefix - 1 are visible */
    uint32_t tail;     /* first slot of this pass */
    uint32_t mask;     /* bit i: slot tail + i is visible; 0 in linear passes, where prefix = slot +
                          1 */
};
/* What stops a pass between two operations, looked at every half layer or where an engine can: */
struct hal_stop {
    const uint32_t *cancel; /* NULL, or read as an atomic: any of the bits HAL_CANCEL */
    uint64_t deadline_ns;   /* 0, or passed on the port's clock */
};
enum { HAL_CANCEL = 3u };

struct hal_pass {
    uint32_t columns;     /* 1 .. columns_max */
    uint32_t logits_from; /* columns logits_from .. columns - 1 want logits; at most HAL_LOGITS_MAX
                             of them; = columns for none */
    const struct hal_column *column;
    struct hal_stop stop;
    int resume; /* != 0: the program's last pass was stopped. Its first `columns` columns, which are
                   the same, go on where it came to */
};

static inline size_t hal_qi_stride(uint32_t head_dim) {
    return (size_t)place_up(head_dim, PLACE_LINE);
}

#endif
