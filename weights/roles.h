/* The matrices of a layer, one row each, in the order of struct blob_layer and of the file. All
 * code that goes over a layer's tensors (reader, graph, packer) uses this table. A new matrix needs
 * a row here, a row in weights/pack/quantize/packed_roles.c, which says how the packer makes it,
 * and the code that uses it.
 *
 * Engines do not see the roles: they get matrices by index, in operations. */
#ifndef WEIGHTS_ROLES_H
#define WEIGHTS_ROLES_H

/* Widths of a layer; format.h has layer_width. A matrix is absent where one of its widths is 0:
 * that is how a layer has no attention or no feed-forward part. */
enum layer_width {
    WIDTH_DIM, /* of the residual stream */
    WIDTH_Q,   /* heads * head_dim */
    WIDTH_KV,  /* kv_heads * head_dim */
    WIDTH_FFN
};

/* Where the inputs of a matrix come from. Neighbours with the same input share it. */
enum role_input {
    FROM_ATTN_NORM, /* RMSNorm before attention */
    FROM_ATTENTION,
    FROM_FFN_NORM, /* RMSNorm before the feed-forward part */
    FROM_ACT       /* gate and up together */
};

/* Where its products go. */
enum role_output {
    TO_Q,
    TO_K,
    TO_V,
    TO_GATE,
    TO_UP,
    TO_RESIDUAL /* added */
};

/* Runs of floats in ROWS, one float for each row, that a matrix may have beside its scale, and
 * their names in messages. format.h says where a tensor has them. */
#define ROW_RUN_ROWS(ROW_RUN) ROW_RUN(BIAS, "bias")

enum row_run {
#define ROW_RUN(run, name) RUN_##run,
    ROW_RUN_ROWS(ROW_RUN)
#undef ROW_RUN
};
enum {
    ROW_RUNS = RUN_BIAS + 1,
    HAS_NONE = 0, /* a bit for each */
    HAS_BIAS = 1 << RUN_BIAS
};

/* role, its name in sentences, its name in a blob after "layer.3.", rows, columns, the runs that it
 * may have, input, output */
#define LAYER_ROLES(ROLE)                                                                          \
    ROLE(Q, "q", "attn_q", WIDTH_Q, WIDTH_DIM, HAS_BIAS, FROM_ATTN_NORM, TO_Q)                     \
    ROLE(K, "k", "attn_k", WIDTH_KV, WIDTH_DIM, HAS_BIAS, FROM_ATTN_NORM, TO_K)                    \
    ROLE(V, "v", "attn_v", WIDTH_KV, WIDTH_DIM, HAS_BIAS, FROM_ATTN_NORM, TO_V)                    \
    ROLE(O, "o", "attn_o", WIDTH_DIM, WIDTH_Q, HAS_BIAS, FROM_ATTENTION, TO_RESIDUAL)              \
    ROLE(GATE, "gate", "ffn_gate", WIDTH_FFN, WIDTH_DIM, HAS_BIAS, FROM_FFN_NORM, TO_GATE)         \
    ROLE(UP, "up", "ffn_up", WIDTH_FFN, WIDTH_DIM, HAS_BIAS, FROM_FFN_NORM, TO_UP)                 \
    ROLE(DOWN, "down", "ffn_down", WIDTH_DIM, WIDTH_FFN, HAS_BIAS, FROM_ACT, TO_RESIDUAL)

enum layer_tensor {
#define ROLE(role, ...) LT_##role,
    LAYER_ROLES(ROLE)
#undef ROLE
        LT_COUNT
};

struct layer_role {
    const char *field; /* "tensor q" */
    const char *name;  /* "attn_q" */
    enum layer_width rows, cols;
    unsigned runs; /* HAS_... */
    enum role_input input;
    enum role_output output;
};

/* Whether the matrix holds all experts in a layer that has some. */
static inline int role_has_experts(const struct layer_role *role) {
    return role->input == FROM_FFN_NORM || role->input == FROM_ACT;
}

extern const struct layer_role layer_roles[LT_COUNT];
extern const char *const row_run_names[ROW_RUNS];

#endif
