/* The plan of a blob: every record, offset and size, decided from the source's configuration before
 * any weight is read. */
#ifndef PACK_PLAN_H
#define PACK_PLAN_H

#include "weights/pack/quantize/packed_roles.h"
#include "weights/pack/quantize/quantize.h"
#include "weights/pack/quantize/sparsity.h"
#include "weights/pack/checkpoint/source.h"

/* The default budget for dense and for sparse tensors, an eighth of a bit above the least; or what
 * more bits for all V take, if that is more. */
#define PLAN_BITS        4.25
#define PLAN_SPARSE_BITS 3.0

#define PLAN_LOG2_E 1.4426950408889634

/* The types between which the cost of 4 bits is measured (sensitivity.h); also what all matrices of
 * layers have before a budget is spent (budget.h), and without one. */
static inline enum weight_type plan_less(bool sparse) { return sparse ? WEIGHT_W4S : WEIGHT_W4T; }
static inline enum weight_type plan_more(bool sparse) { return sparse ? WEIGHT_W8S : WEIGHT_W8; }

struct plan_choice {
    unsigned layer_bits; /* 8 or 4; 0: 8 below a billion parameters, 4 from there on */
    double bits;         /* if layer_bits is 4: what budget.h may spend, as plan_layer_bits counts;
                            0: PLAN_BITS */
    uint32_t positions;  /* the most positions; 0: 32 768 */
    bool rotate;
    const struct sparsity *sparsity; /* which matrices keep two of every four weights; NULL: none */
    bool prune;                      /* they do so because the user wants it */
    const char *name;                /* of the model; NULL: the source's */
    const char *origin;              /* name of the file or directory, without its path, for the
                                provenance */
    const char *calibration;         /* a few words for the provenance */
    uint64_t dropped;                /* bytes of the calibration text that no token has */
    const uint32_t *head_ids; /* [head_rows] the ids that the head keeps rows for, ascending; they
                                 outlive the plan */
    uint32_t head_rows;       /* 0: all */
};

struct plan_tensor {
    struct blob_tensor record;
    const struct source_tensor *from, *gain, *run[ROW_RUNS]; /* gain and runs may be NULL */
    const struct source_tensor *shift; /* the bias of the norm before it, which adds the tensor's
                                          products with it to its own bias; or NULL */
    const uint32_t *picked; /* [record.rows] which rows of the source these are; NULL: the first */
    enum plan_mix rows, columns;
    enum plan_center center;
    float factor, run_factor; /* all weights, and all runs, are multiplied by it */
    float rotated_factor;     /* and the rows of heads that RoPE rotates by this; 1 for all but Q */
    enum plan_heads heads;
    enum plan_balance balance;
    uint32_t layer;
    enum expert_role expert_role; /* where there are parts */
    uint32_t parts; /* experts whose rows follow one another, each converted by itself; 0: it is
                       one matrix */
    uint32_t part;  /* plan_part: which of them this is */
    struct quantizer quantizer;
};

/* Gains of a norm, or sinks, copied to ROWS and multiplied by a factor. */
struct plan_gain {
    const struct source_tensor *from;
    uint32_t at;
    double factor;
    float rotated_factor; /* as struct plan_tensor has it */
};

struct plan {
    struct blob_model model;   /* text offsets included */
    struct blob_draft draft;   /* follows model in a blob if model.draft is 1 */
    uint32_t head_size;        /* the source's; model.head_dim is this rounded up to a multiple of
                                16 */
    struct scale_config scale; /* the source's */
    uint32_t pairs;            /* of a head's elements that RoPE rotates */
    float attention[BLOB_ROPE_TABLES_MAX]; /* rope_attention of the source's two */
    uint32_t rope_tables;                  /* of the blob's */
    struct blob_layer *layers;
    struct blob_variant *variants; /* [variant_count], directly behind the layers, as in a blob */
    uint32_t variant_count;
    struct plan_gain
        *gains; /* [gain_count] of q's and k's heads, behind the sublayers, and sinks: up to five
                   for each layer */
    uint32_t gain_count;
    struct plan_tensor *tensors; /* in file order: embedding, layers, head */
    char *text;
    uint64_t text_bytes, row_floats, weight_bytes;
    unsigned layer_bits;
    double bits;      /* the budget if layer_bits is 4, otherwise 0 */
    char notes[2048]; /* what was decided while planning: sentences with "; " between them, which
                         also go into the provenance */
};

static inline bool plan_has_run(const struct plan_tensor *tensor, enum row_run run) {
    return tensor->run[run] || (run == RUN_BIAS && tensor->shift);
}

/* Makes a plan in which all tensors of layers have 4 or 8 bits, as layer_bits says. A model with
 * sparse matrices is not rotated. */
bool plan_make(struct plan *plan, const struct source *source, const struct plan_choice *choice,
               struct diag *d);
void plan_free(struct plan *plan); /* also one all zero */

/* The width of the rotation of the residual stream, which is applied in blocks of it: dim, or where
 * engines repeat its transform (docs/numerics.md 8) the blocks of that. */
uint32_t plan_rotation(const struct plan *plan);

bool plan_has_experts(const struct plan *plan); /* whether some layer has */

/* One expert's part of a tensor with parts, as a tensor: its rows, their floats and its source. A
 * tensor without parts is its own part 0. */
uint32_t plan_parts(const struct plan_tensor *tensor);
struct plan_tensor plan_part(const struct source *source, const struct plan_tensor *tensor,
                             uint32_t part);

/* Computes offsets, sizes and quantizers again after the types of tensors have changed. */
void plan_place(struct plan *plan);

/* The bits of `rows` x `cols` weights as a budget counts them: integers of 4 to 6 bits and a scale
 * of 8 bits for every group of 64, or integers of 8 bits; of sparse types half the integers, and 3
 * bits for every four columns. The scale of a row and the padding of groups and panels do not
 * count. */
uint64_t plan_counted_bits(enum weight_type type, uint32_t rows, uint32_t cols);
/* The sum of these over all tensors of the layers, divided by the number of their weights. */
double plan_layer_bits(const struct plan *plan);
/* The bits of all tensors' bytes, row scales included, divided by the number of weights. */
double plan_bits_per_weight(const struct plan *plan);

#endif
