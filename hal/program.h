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

/* Ranges of slots that a column sees, at most. */
enum { HAL_RANGES_MAX = 8 };

struct hal_op {
    enum hal_op_kind kind;
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

/* What varies from pass to pass.
 *
 * A column sees the slots of its ranges, which ascend and do not meet, and by its mask any of 16
 * slots from `tail` on, which lie outside its ranges: its ancestors in a tree that the pass
 * evaluates. It sees its own slot. All rows of a pass are written before any are read. So:
 *
 *   a text in slots from 0 on       one range, [0, slot + 1)
 *   a window of w positions         one range, [slot + 1 - w, slot + 1)
 *   the same in a ring of slots     two ranges where it wraps; the ring has w + columns - 1 slots
 *                                   at least, or a pass overwrites what its first columns see
 *   several texts in one cache      each its own ranges, wherever they lie
 *   a tree behind a text            the text's ranges, and the mask */
struct hal_column {
    int32_t id;
    uint32_t position; /* for RoPE */
    uint32_t slot;     /* where its K and V rows go */
    uint32_t range;    /* the first of its ranges in the pass's */
    uint32_t ranges;   /* 0 .. HAL_RANGES_MAX */
    uint32_t tail;     /* of the mask */
    uint32_t mask;     /* bit i, i < HAL_TREE_MAX: slot tail + i is visible */
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
    const struct kv_range *range; /* [ranges]; columns may share them */
    uint32_t ranges;
    struct hal_stop stop;
    int resume; /* != 0: the program's last pass was stopped. Its first `columns` columns, which are
                   the same, go on where it came to */
};

/* Column i of a line of text, at position and slot `at`, with range i of the pass. */
static inline void hal_line(struct hal_column *column, struct kv_range *range, uint32_t i,
                            int32_t id, uint32_t at) {
    range[i] = (struct kv_range){0, at + 1};
    column[i] = (struct hal_column){id, at, at, i, 1, 0, 0};
}

/* hal/visible.c. Whether the column, of this pass, sees the slot. */
int hal_sees(const struct hal_pass *pass, const struct hal_column *column, uint32_t slot);
/* Whether a pass keeps to what is said above, in a cache of so many slots. Engines assert it; a
 * release build does not look. */
int hal_pass_good(const struct hal_pass *pass, uint32_t kv_slots);

static inline size_t hal_qi_stride(uint32_t head_dim) {
    return (size_t)place_up(head_dim, PLACE_LINE);
}

#endif
