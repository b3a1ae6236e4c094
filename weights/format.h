/* The blob as bytes. docs/blob.md says the same in words; docs/numerics.md says what the numbers
 * mean.
 *
 * Numbers are little-endian, and places are offsets. A header of 4096 bytes comes first, then eight
 * sections in the order of enum blob_kind. The first section follows the header directly; each
 * other one begins at the next multiple of 4096 after the one before it. The file ends at the next
 * multiple of 4096 after the last. All padding is zero. So no two sections overlap, no byte lies
 * between them, and every byte of the file is either under a hash or has one allowed value. Every
 * struct here is the byte layout and has no padding inside, which is checked below. */
#ifndef WEIGHTS_FORMAT_H
#define WEIGHTS_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "weights/roles.h"
#include "weights/types.h"

enum {
    BLOB_VERSION = 2,
    BLOB_ALIGN = 4096,
    BLOB_LAYERS_MAX = 1024,
    BLOB_DIM_MAX = 65536, /* dim, ffn, heads * head_dim */
    BLOB_VOCAB_MAX = 1 << 20,
    BLOB_POSITIONS_MAX = 131072, /* what the integer attention sums allow */
    BLOB_HEAD_DIM_MAX = 256,
    BLOB_EXPERTS_MAX = 512, /* of a layer */
    BLOB_ACTIVE_MAX = 32,   /* of them for one token */
    BLOB_WINDOWS_MAX = 3    /* different windows in a model */
};
#define BLOB_ABSENT UINT32_MAX

enum blob_kind {
    BLOB_MODEL = 0,   /* struct blob_model; then a struct blob_draft and its ids, if it says so */
    BLOB_LAYERS = 1,  /* struct blob_layer [layers], then struct blob_variant [], at most one for
                         each layer */
    BLOB_TENSORS = 2, /* struct blob_tensor [tensors] */
    BLOB_ROWS = 3,    /* float []: row scales and biases; each run 16-padded with +0 */
    BLOB_ROPE = 4,    /* float [tables][max_positions][2][head_dim / 2]: cos, then sin; a second
                         table is there if a variant says ROTATION_SECOND */
    BLOB_VOCAB = 5,   /* weights/vocab.h */
    BLOB_TEXT = 6,    /* zero-terminated strings; begins and ends with a zero byte, so offset 0 is
                         the empty string */
    BLOB_WEIGHTS = 7, /* the tensors' bytes, each at a multiple of BLOB_ALIGN */
    BLOB_SECTIONS = 8
};

struct blob_section {
    uint64_t offset; /* from the file's start */
    uint64_t bytes;  /* without padding */
    uint64_t hash;   /* XXH64 of these bytes */
};

struct blob_header {
    char magic[4]; /* "APUS" */
    uint32_t version;
    uint32_t header_bytes; /* 4096 */
    uint32_t sections;     /* BLOB_SECTIONS */
    uint64_t file_bytes;   /* a multiple of 4096; exactly the bytes given to the reader */
    uint64_t model_hash;   /* XXH64 of section[] below as bytes: names the content of the whole
                              blob */
    struct blob_section section[BLOB_SECTIONS];
    uint8_t zero[4096 - 32 - BLOB_SECTIONS * 24];
};

struct blob_model {
    uint32_t layers, dim, vocab, max_positions;
    uint32_t head_dim; /* of every layer with attention: a multiple of 16, 16 .. 256 */
    uint32_t tensors;  /* at most 2 + layers * (LT_COUNT + 1) */
    float eps;         /* of RMSNorm */
    uint32_t rotated;  /* 1: rotated by the packer as docs/numerics.md 8 says; 0: gains folded
                          only */
    uint64_t parameters;
    uint32_t name, architecture, provenance; /* offsets into TEXT */
    uint32_t embed, head;                    /* tensor indices */
    uint32_t draft; /* 1: a struct blob_draft follows this record; 0: the section ends here */
};

/* What models that were made to propose for others may have, in MODEL after struct blob_model. If
 * head_rows is not 0, uint32_t [head_rows] follow: the ids whose logits the rows of the head are,
 * ascending. The logits of other ids are -infinity (docs/numerics.md 5). */
struct blob_draft {
    uint32_t head_rows; /* 1 .. vocab - 1; 0: the head has a row for every id */
    uint32_t mask; /* the id that stands for one to be guessed, where several are guessed in one
                           pass (docs/speculation.md); or BLOB_ABSENT */
    uint32_t zero[2];
};

/* A layer's shape. If heads is 0, the layer has no attention: kv_heads is 0 and Q..O are absent. If
 * ffn is 0, it has no feed-forward part: GATE..DOWN are absent. GATE is absent too where the
 * variant's activation has no gate. All other tensors are present. Two roles may name one tensor
 * (layers that share weights). */
struct blob_layer {
    uint32_t heads, kv_heads;  /* kv_heads divides heads */
    uint32_t ffn;              /* a multiple of 64 */
    uint32_t variant;          /* 0: plain; else 1 + the index of a struct blob_variant */
    uint32_t tensor[LT_COUNT]; /* indices, or BLOB_ABSENT; roles.h has their shapes */
    uint32_t zero;             /* must be 0 */
};

/* What few models' layers have beside the shape. Layers may share one. A field that this version
 * does not compute must have the value of a plain layer, which is 0, or BLOB_ABSENT for a place. */
enum blob_rotation {
    ROTATION_TABLE = 0, /* q and k by the first table of the section ROPE */
    ROTATION_NONE = 1,  /* not at all: cos 1 and sin 0 at every position */
    ROTATION_SECOND = 2 /* by the second table, as layers with a window often are */
};
enum { BLOB_ROTATIONS = ROTATION_SECOND + 1, BLOB_ROPE_TABLES_MAX = 2 };

/* What becomes of GATE's and UP's outputs before DOWN (docs/numerics.md 5). */
enum blob_activation {
    ACTIVATION_SILU = 0,    /* silu(gate) * up */
    ACTIVATION_GELU = 1,    /* gelu(up), in the form with tanh: the layer has no GATE */
    ACTIVATION_CLAMPED = 2, /* gpt-oss's: both are clamped, and up counts one more */
    ACTIVATION_PLAIN = 3    /* silu(gate) * up, which no transform follows: the columns of DOWN are
                               the model's own, so that it may be sparse */
};
enum { BLOB_ACTIVATIONS = ACTIVATION_PLAIN + 1 };
static inline int activation_gated(uint32_t activation) { return activation != ACTIVATION_GELU; }

/* What the products with ROUTER become (docs/numerics.md 5). */
enum blob_mixing {
    MIXING_CHOSEN = 0, /* a softmax over the experts that were chosen */
    MIXING_ALL = 1     /* a softmax over all experts, of which the chosen ones keep their parts */
};
enum { BLOB_MIXINGS = MIXING_ALL + 1 };

/* Where the norms of a layer stand. */
enum blob_norms {
    NORMS_BEFORE = 0, /* before attention and before the feed-forward part */
    NORMS_BEHIND = 1, /* behind them: what they give is normalised, and what they read is not */
    NORMS_AROUND = 2  /* both */
};
enum { BLOB_NORMS = NORMS_AROUND + 1 };

struct blob_variant {
    uint32_t rotation;       /* enum blob_rotation */
    uint32_t window;         /* 0: attention sees all positions; else so many, itself among them */
    uint32_t q_gain, k_gain; /* of a RMSNorm of every head of q or k before RoPE: index of the first
                                of head_dim floats in ROWS, a multiple of 16; or BLOB_ABSENT */
    uint32_t sinks;          /* float [heads] in ROWS, or BLOB_ABSENT */
    uint32_t activation;     /* enum blob_activation */
    /* A layer with experts: GATE, UP and DOWN have `experts` times the rows of their role, those of
     * expert 0 first; dim is a multiple of 16, so that an expert's rows are whole panels. */
    uint32_t router;          /* tensor of experts x dim; BLOB_ABSENT without experts */
    uint32_t experts, active; /* how many there are, and how many a token uses: 1 .. experts; or
                                 both 0 */
    uint32_t mixing;          /* enum blob_mixing */
    uint32_t norms;           /* enum blob_norms; with experts NORMS_BEFORE */
    /* Gains of the norms behind attention and behind the feed-forward part, float [dim] in ROWS.
     * Where the layer has no norms there, both are 0. */
    uint32_t o_gain, down_gain;
    uint32_t whole; /* 1: q_gain and k_gain are of one RMSNorm of all heads together, and have
                       head_dim floats for each head; else 0 */
    uint32_t zero[2];
};

/* Tensors come in the order of their offsets. */
struct blob_tensor {
    char name[48]; /* "embed", "head", "layer.3.ffn_down": 1 .. 47 characters from ! to ~, then
                      zeros to the end */
    uint32_t type; /* enum weight_type (weights/types.h) */
    uint32_t rows, cols;
    uint32_t row_scales; /* index of the first float in ROWS, a multiple of 16; round_up(rows, 16)
                            floats, +0 past rows */
    uint32_t bias;       /* likewise, or BLOB_ABSENT; not of the embedding */
    uint32_t zero;
    uint64_t offset; /* in WEIGHTS, a multiple of BLOB_ALIGN, not before the previous tensor's
                        end */
    uint64_t bytes;  /* weight_bytes(type, rows, cols) */
};

_Static_assert(sizeof(struct blob_header) == 4096, "header layout");
_Static_assert(sizeof(struct blob_model) == 64, "model layout");
_Static_assert(sizeof(struct blob_draft) == 16, "draft layout");
_Static_assert(sizeof(struct blob_layer) == 48, "layer layout");
_Static_assert(sizeof(struct blob_variant) == 64, "variant layout");
_Static_assert(sizeof(struct blob_tensor) == 88, "tensor layout");

/* A layer without a variant has this one. */
static inline const struct blob_variant *plain_variant(void) {
    static const struct blob_variant plain = {
        .q_gain = BLOB_ABSENT, .k_gain = BLOB_ABSENT, .sinks = BLOB_ABSENT, .router = BLOB_ABSENT};
    return &plain;
}
static inline const struct blob_variant *layer_variant(const struct blob_layer *layer,
                                                       const struct blob_variant *variants) {
    return layer->variant ? &variants[layer->variant - 1] : plain_variant();
}

/* The fields of a tensor's record that must be 0. */
static inline uint32_t tensor_zero(const struct blob_tensor *tensor) { return tensor->zero; }

/* Where a tensor's run begins in ROWS, in the form of `bias`. */
static inline uint32_t tensor_run(const struct blob_tensor *tensor, enum row_run run) {
    switch (run) {
    case RUN_BIAS:
        return tensor->bias;
    }
    return BLOB_ABSENT;
}
static inline void tensor_set_run(struct blob_tensor *tensor, enum row_run run, uint32_t at) {
    switch (run) {
    case RUN_BIAS:
        tensor->bias = at;
        return;
    }
}

/* The record after the model's, or NULL, and the ids after it. */
static inline const struct blob_draft *model_draft(const struct blob_model *model) {
    return model->draft ? (const struct blob_draft *)(const void *)(model + 1) : NULL;
}
static inline const uint32_t *head_ids(const struct blob_draft *draft) {
    return (const uint32_t *)(const void *)(draft + 1);
}

/* Rows of the output head: one for every id, unless MODEL says for which. */
static inline uint32_t head_rows(const struct blob_model *model) {
    const struct blob_draft *draft = model_draft(model);
    return draft && draft->head_rows ? draft->head_rows : model->vocab;
}

static inline uint32_t layer_width(const struct blob_model *model, const struct blob_layer *layer,
                                   enum layer_width width) {
    switch (width) {
    case WIDTH_DIM:
        break;
    case WIDTH_Q:
        return layer->heads * model->head_dim;
    case WIDTH_KV:
        return layer->kv_heads * model->head_dim;
    case WIDTH_FFN:
        return layer->ffn;
    }
    return model->dim;
}

static inline int norms_before(const struct blob_variant *v) { return v->norms != NORMS_BEHIND; }
static inline int norms_behind(const struct blob_variant *v) { return v->norms != NORMS_BEFORE; }

/* The blocks in which engines put what a norm behind a sublayer gives through an unscaled Hadamard
 * transform (docs/numerics.md 5): the largest power of two that divides dim. 1 is no transform,
 * which models have that are not rotated. */
static inline uint32_t stream_block(const struct blob_model *model) {
    return model->rotated ? model->dim & (0u - model->dim) : 1;
}

/* Whether the layer is without the matrix. */
static inline int layer_lacks(const struct blob_model *model, const struct blob_layer *layer,
                              const struct blob_variant *variant, enum layer_tensor tensor) {
    const struct layer_role *role = &layer_roles[tensor];
    return !layer_width(model, layer, role->rows) || !layer_width(model, layer, role->cols) ||
           (tensor == LT_GATE && !activation_gated(variant->activation));
}

/* Rows and columns of a matrix that the layer has. */
struct layer_shape {
    uint32_t rows, cols;
};
static inline struct layer_shape layer_shape(const struct blob_model *model,
                                             const struct blob_layer *layer,
                                             const struct blob_variant *variant,
                                             enum layer_tensor which) {
    const struct layer_role *role = &layer_roles[which];
    const struct layer_shape one = {layer_width(model, layer, role->rows),
                                    layer_width(model, layer, role->cols)};
    if (!variant->experts || !role_has_experts(role)) return one;
    return (struct layer_shape){one.rows * variant->experts, one.cols};
}

/* Engines put every head of q and k through an unscaled Hadamard transform in blocks of this many
 * elements (docs/numerics.md 5): the largest power of two that divides head_dim, at most 64. Q's
 * weights contain the inverse of the transform. */
static inline uint32_t head_block(uint32_t head_dim) {
    return head_dim % 64 == 0 ? 64 : head_dim % 32 == 0 ? 32 : 16;
}

/* W8 panel: 16 rows x kp columns. For every 4 columns a line of 64 bytes: byte [r * 4 + j] = w[row
 * r][column c + j] + 128.
 *
 * W4 panel: blocks of up to 4 groups (256 columns; the last block may have 1..3). A block is one
 * line of scales, byte [g * 16 + r] = signed scale of row r in the block's group g (0 where the
 * block has no such group), then 8 lines a group, each 8 columns: byte [r * 4 + j] = (w[r][c + j] +
 * 8) | (w[r][c + 4 + j] + 8) << 4.
 *
 * W4T panel: the same, but a nibble is the place of w in WEIGHT_TABLE (weights/types.h).
 *
 * W5 and W6 panel: the same blocks, and the same lines for the low four bits of w + 16 or w + 32.
 * Before every 4 (W5) or 2 (W6) of them stands a line of the high bits of their 8 or 4 runs of four
 * columns: byte [r * 4 + j] = the sum over runs i of (w[r][c + 4 i + j] + 16 >> 4) << i, or (w[r][c
 * + 4 i + j] + 32 >> 4) << 2 i. A group has 10 or 12 lines.
 *
 * W4S and W8S panel: of every four columns of a row, a quad, two are kept. Every pair of groups
 * (the last one may be alone) begins with a line of flags. A group is a line of positions, then for
 * each of its four runs of 16 columns one line (W4S) or two (W8S) of weights. Byte [r * 4 + j] of a
 * line belongs to quad j of the run, its columns c + 4 j .. c + 4 j + 3, in row r. For run i the
 * quad's position p is bits 2 i and 2 i + 1 of its byte of the line of positions; its flag is bit 2
 * i + 1 of its byte of the line of flags in the pair's first group, bit 2 i in the second. Kept are
 * the columns p and p ^ m of the quad, with m = 1 where the flag is 0, else 2 where p < 2, else 3:
 * each of the eight codes names two columns. Weights are two's complement, that of column p in the
 * low nibble or the first line, that of p ^ m in the high nibble or the second. W4S has blocks with
 * scales as W4 has; the line of scales comes before that of flags.
 *
 * Columns past cols and rows past rows hold weight 0 (128, or 8, 16 or 32 with the scale of its
 * group, or 0 if sparse; scale 0 in absent rows).
 *
 * How many bytes that is: panel_bytes and weight_bytes of weights/types.h. */

#endif
