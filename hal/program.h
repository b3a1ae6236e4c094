/* A model as a program: a list of operations over slots. runtime/graph.c builds it once, an engine
 * prepares it, and every pass replays it. docs/numerics.md 5 says what each operation computes.
 *
 * An operation says everything that an engine needs to know about it: the slots that it reads and
 * writes, the weights, the shape. Only the graph knows what the operations before and after it are
 * for. Which slots may share memory follows from what is read and written (runtime/lives.h).
 *
 * A program may have some layers only. If the first layer is not among them, X is taken from its
 * slot. If the last one is not among them, X is left there; the logits belong to the last layer. */
#ifndef HAL_PROGRAM_H
#define HAL_PROGRAM_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "hal/kv.h"
#include "hal/place.h"
#include "weights/format.h"

/* What an operation writes into one column of a slot: */
enum hal_form {
    FORM_FLOATS,    /* [width] */
    FORM_ROWS,      /* floats [rows of weight i] into out[i] */
    FORM_QUANTIZED, /* of the operation's width (hal/act.h) */
    FORM_QUERIES,   /* of its heads, as SLOT_QI has them */
    FORM_CHOICES    /* struct hal_choice [mixture.active] */
};

/* One row for each kind: its name and what it writes. Each engine has its own table or switch by
 * kind and takes the kinds that are in it.
 *
 * EMBED   -> the row of the weight that the column's id names
 * NORM    float [width] -> RMSNorm with eps
 * GEMV    quantized -> the products with weight i and its bias in out[i]; with HAL_ADD added to
 *         what is there
 * HEADS   q, k, v: RMSNorm of q's and k's heads, or with HAL_WHOLE of all of them together, where
 *         there are gains, RoPE, Hadamard, quantize -> queries, and the pass's rows of the layer's
 *         cache. q, k, v overwritten
 * ATTEND  queries and the layer's cache -> [heads * head_dim]
 * QUANT   float [width] -> the same rounded
 * JOIN    float [width] -> RMSNorm with gains, and Hadamard in blocks; with HAL_ADD added to what
 *         is there. It is overwritten
 * ACT     g, u (or u alone): the activation, Hadamard -> the same rounded. g, u overwritten
 *
 * Layers with experts have these besides. A pair is a column with one of the experts that it chose;
 * the order of a pass's pairs in a slot is the engine's own.
 *
 * ROUTE   float [experts] -> the experts of the column, and the weight of each
 * SPREAD  quantized, choices -> the same for each of the column's pairs
 * EXPERTS pairs of quantized -> their products with the rows of their experts of weight i, and the
 *         biases, in out[i]
 * ACT     with HAL_PAIRS: the same for pairs
 * MIX     pairs of float [width], choices -> their sum, by weight, added to what is there */
#define HAL_OPERATIONS(OP)                                                                         \
    OP(EMBED, "embed", FORM_FLOATS)                                                                \
    OP(NORM, "norm", FORM_QUANTIZED)                                                               \
    OP(GEMV, "gemv", FORM_ROWS)                                                                    \
    OP(HEADS, "heads", FORM_QUERIES)                                                               \
    OP(ATTEND, "attend", FORM_FLOATS)                                                              \
    OP(QUANT, "quant", FORM_QUANTIZED)                                                             \
    OP(JOIN, "join", FORM_FLOATS)                                                                  \
    OP(ACT, "act", FORM_QUANTIZED)                                                                 \
    OP(ROUTE, "route", FORM_CHOICES)                                                               \
    OP(SPREAD, "spread", FORM_QUANTIZED)                                                           \
    OP(EXPERTS, "experts", FORM_ROWS)                                                              \
    OP(MIX, "mix", FORM_FLOATS)

enum hal_op_kind {
#define OP(kind, ...) HAL_##kind,
    HAL_OPERATIONS(OP)
#undef OP
};
enum { HAL_OP_KINDS = HAL_MIX + 1 }; /* for tables by kind */

struct hal_op_traits {
    const char *name;
    enum hal_form form;
};

static inline const struct hal_op_traits *hal_op_traits(enum hal_op_kind kind) {
    static const struct hal_op_traits traits[HAL_OP_KINDS] = {
#define OP(kind, name, form) [HAL_##kind] = {name, form},
        HAL_OPERATIONS(OP)
#undef OP
    };
    assert((int)kind < (int)HAL_OP_KINDS);
    return &traits[kind];
}

enum hal_slot {
    SLOT_X, /* float [dim]: the residual stream */
    SLOT_A, /* quantized (hal/act.h) */
    SLOT_Q, /* float [heads * head_dim], then the attention's output */
    SLOT_K, /* float [kv_heads * head_dim] */
    SLOT_V,
    SLOT_QI, /* per query head int8 [head_dim] at a stride of hal_qi_stride, then float scale
                    [heads] */
    SLOT_G,  /* float [ffn]; of pairs, and before HAL_JOIN, also [dim] */
    SLOT_U,
    SLOT_ROUTER,  /* float [experts] */
    SLOT_CHOICES, /* struct hal_choice [active], by expert */
    SLOT_PAIRS,   /* quantized, of pairs */
    SLOT_LOGITS, /* float [vocab], only of the columns that want them; of a head with fewer rows the
                    first ones hold these, in order, and the others anything */
    HAL_SLOTS
};

enum {
    HAL_ADD = 1u, /* the output is added to what its slots hold */
    HAL_TAIL =
        2u, /* runs only for the columns that want logits, and writes them from column 0 on */
    HAL_PAIRS = 4u, /* writes a vector for each pair, vector after vector, whatever the stride */
    HAL_WHOLE = 8u  /* HAL_HEADS: one norm of all heads together */
};

enum { HAL_COLUMNS_MAX = 512, HAL_LOGITS_MAX = 16, HAL_TREE_MAX = 16, HAL_OP_SLOTS = 3 };

/* A run of program->weight. */
struct hal_weights {
    uint32_t first, count;
};

/* The shape of a layer's attention. */
struct hal_heads {
    uint32_t heads, kv_heads, head_dim;
};

/* A layer with experts (weights/format.h); active 0: it has none. */
struct hal_mixture {
    uint32_t experts, active;
    enum blob_mixing mixing;
};

/* An expert that a column chose, and its weight in the sum. */
struct hal_choice {
    uint32_t expert;
    float weight;
};

/* The most ranges of slots that a column sees. */
enum { HAL_RANGES_MAX = 8 };

struct hal_op {
    enum hal_op_kind kind;
    uint8_t flags;
    uint8_t ins, outs;                           /* how many slots it reads and writes */
    uint8_t in[HAL_OP_SLOTS], out[HAL_OP_SLOTS]; /* enum hal_slot */
    uint16_t layer;             /* the layer that it belongs to: its cache is used, and passes are
                                   cut between layers; the embedding belongs to the first layer,
                                   what gives logits to the last */
    uint32_t width;             /* of the vectors that it reads; for HAL_EMBED, of those that it
                                   writes */
    struct hal_weights weights; /* HAL_EMBED, HAL_GEMV */
    struct hal_heads shape;     /* HAL_HEADS, HAL_ATTEND */
    uint32_t view;              /* likewise: the layer's */
    uint32_t sinks;             /* HAL_ATTEND: the first of float [heads] in rows, or BLOB_ABSENT */
    float eps;                  /* HAL_NORM, HAL_HEADS, HAL_JOIN */
    uint32_t gain[2];           /* HAL_HEADS: of q's heads and of k's, floats in ROWS, [head_dim],
                                   or that for each head with HAL_WHOLE; or BLOB_ABSENT. HAL_JOIN:
                                   the first, of float [width] */
    uint32_t block;             /* HAL_JOIN: a power of two that divides the width */
    enum blob_rotation rotation;     /* HAL_HEADS */
    enum blob_activation activation; /* HAL_ACT */
    struct hal_mixture mixture; /* HAL_ROUTE, HAL_SPREAD, HAL_EXPERTS, HAL_MIX, HAL_ACT of pairs */
};

/* Layers first .. end - 1. */
struct hal_range {
    uint32_t first, end;
};

struct hal_program {
    const struct hal_op *ops; /* [count], by layer; NULL while a model is measured */
    const uint32_t *weight;   /* [weights] indices of tensors; likewise */
    uint32_t count, weights;
    size_t stride[HAL_SLOTS]; /* bytes from one column to the next in each slot, a multiple of 64 */
};

/* How many vectors the operation writes for a column: one, or one for each of its pairs. */
static inline uint32_t hal_vectors(const struct hal_op *op) {
    return op->flags & HAL_PAIRS ? op->mixture.active : 1;
}

/* The tensor of an operation's weight i, i < op->weights.count. */
static inline uint32_t hal_weight(const struct hal_program *program, const struct hal_op *op,
                                  uint32_t i) {
    assert(i < op->weights.count);
    return program->weight[op->weights.first + i];
}

/* The rows of a weight that one vector is multiplied with: all, or those of an expert. */
static inline uint32_t hal_rows(const struct hal_op *op, const struct blob_tensor *weight) {
    return op->flags & HAL_PAIRS ? weight->rows / op->mixture.experts : weight->rows;
}

/* The bytes of an expert's rows of a weight, with their scales and biases. */
static inline uint64_t hal_expert_bytes(const struct hal_op *op, const struct blob_tensor *weight) {
    const uint64_t floats = weight->bias == BLOB_ABSENT ? 1 : 2;
    return weight->bytes / op->mixture.experts + floats * hal_rows(op, weight) * sizeof(float);
}

/* Layers whose attention sees equally far are one view of the model. View 0 sees all positions,
 * each other one as far as one of the windows that the model's layers have. */
enum { HAL_VIEWS = 1 + BLOB_WINDOWS_MAX };

/* The model as engines see it: the checked tables of the blob (weights/format.h). */
struct hal_model {
    const struct blob_model *dims;
    const struct blob_layer *layers;
    const struct blob_tensor *tensors;
    const float *rows;
    const float *rope;    /* [rope_tables][max_positions][2][head_dim / 2] */
    uint32_t rope_tables; /* 1 .. BLOB_ROPE_TABLES_MAX */
    const uint8_t *weights;
    const struct blob_variant *variants;
    uint32_t window[HAL_VIEWS]; /* how far each view sees; 0: everything, which view 0 does, or no
                                   such view */
};

/* Cosines and sines [2][head_dim / 2] of a position, of table 0 .. rope_tables - 1. */
static inline const float *hal_rope(const struct hal_model *model, uint32_t table,
                                    uint32_t position) {
    const struct blob_model *m = model->dims;
    assert(table < model->rope_tables && position < m->max_positions);
    return model->rope + ((size_t)table * m->max_positions + position) * m->head_dim;
}

/* runtime/model.c and tests fill in the windows: every other window than 0 of a layer, once. */
void hal_set_windows(struct hal_model *model);
/* The view to which a layer belongs. */
uint32_t hal_view_of(const struct hal_model *model, uint32_t layer);

/* Whether an engine multiplies all weights of the operation. The mask is one like WEIGHT_ON_CPU. */
static inline int hal_multiplies(uint32_t engine, const struct hal_model *model,
                                 const struct hal_op *op, const uint32_t *weight) {
    for (uint32_t i = 0; i < op->weights.count; i++)
        if (!(weight_traits(model->tensors[weight[i]].type)->engines & engine)) return 0;
    return 1;
}

/* What varies from pass to pass.
 *
 * Layers of different views may keep their rows in different places, so a pass has a table of
 * columns for each view. They tell the same ids and positions, and differ in slots and in what is
 * seen.
 *
 * A column sees the slots of its ranges, which ascend and do not overlap, and by its mask any of 16
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
/* What stops a pass between two operations. Engines look at it every half layer, or where they
 * can: */
struct hal_stop {
    const uint32_t *cancel; /* NULL, or read as an atomic: any of the bits HAL_CANCEL */
    uint64_t deadline_ns;   /* 0, or the pass stops when the port's clock has passed it */
    uint32_t *steps;        /* NULL, or how many of these places are left before the pass stops,
                               which counts down; by one thread at a time */
};
enum { HAL_CANCEL = 3u };

/* At a place where a pass may stop, or at its end: whether no steps are left. */
static inline int hal_stop_step(const struct hal_stop *stop) {
    return stop->steps && (!*stop->steps || !--*stop->steps);
}
static inline int hal_stop_no_step(const struct hal_stop *stop) {
    return stop->steps && !*stop->steps;
}

struct hal_pass {
    uint32_t columns;     /* 1 .. columns_max */
    uint32_t logits_from; /* columns logits_from .. columns - 1 want logits; at most HAL_LOGITS_MAX
                             of them; = columns for none */
    const struct hal_column *column[HAL_VIEWS]; /* [columns] for each view; NULL for views that the
                                                   model does not have. Views may share a table */
    const struct kv_range *range;               /* [ranges]; columns may share them */
    uint32_t ranges;
    struct hal_stop stop;
    uint64_t *chosen_bytes; /* NULL, or what the experts that were chosen take is added to it: each
                               once a pass and layer, with scales and biases */
    int resume; /* != 0: the program's last pass was stopped. Its first `columns` columns, which are
                   the same as then, continue where they were stopped */
};

/* Column i of a line of text, at position and slot `at`. It uses range i of the pass. */
static inline void hal_line(struct hal_column *column, struct kv_range *range, uint32_t i,
                            int32_t id, uint32_t at) {
    assert(i < HAL_COLUMNS_MAX);
    range[i] = (struct kv_range){0, at + 1};
    column[i] = (struct hal_column){id, at, at, i, 1, 0, 0};
}

/* hal/visible.c. Whether this column of the pass sees the slot. */
int hal_sees(const struct hal_pass *pass, const struct hal_column *column, uint32_t slot);
/* Whether a pass obeys the rules above in caches of kv_slots[view] slots. Engines assert it; a
 * release build does not check. */
int hal_pass_good(const struct hal_pass *pass, const uint32_t kv_slots[HAL_VIEWS]);

static inline size_t hal_qi_stride(uint32_t head_dim) {
    return (size_t)place_up(head_dim, PLACE_LINE);
}

#endif
