/* The tensors of a checkpoint, one row each: their names in both kinds of files, and the shape that
 * the configuration asks for. source_assign.c goes over the rows; no other file knows a tensor's
 * name. */
#ifndef PACK_SOURCE_ROLES_H
#define PACK_SOURCE_ROLES_H

#include <stdbool.h>
#include <stdint.h>

/* What the tensor belongs to; a layer may be without attention, or without a feed-forward part. */
enum source_per {
    PER_MODEL,
    PER_ATTENTION,
    PER_FFN,
    PER_DENSE,  /* a feed-forward part without experts */
    PER_EXPERTS /* one with experts, whose own tensors are in source_experts.c */
};

/* When the tensor has to be there, if the part of the layer is there that it belongs to. In other
 * cases it must not be there. */
enum source_when {
    WHEN_ALWAYS,
    WHEN_UNTIED,   /* the head is not the embedding */
    WHEN_DIVISORS, /* RoPE's frequencies are divided */
    WHEN_LONG,     /* by one of two lists (LongRoPE) */
    WHEN_GATED,    /* the activation has a gate */
    WHEN_BEFORE,   /* norms stand before attention and the feed-forward part */
    /* From here on: features that a model may have, by its architecture, its configuration or its
     * tensors. */
    WHEN_BIASED,         /* Q, K and V have biases */
    WHEN_O_BIASED,       /* O has one */
    WHEN_FFN_BIASED,     /* UP and DOWN have biases */
    WHEN_NORMED,         /* the heads of Q and K are normalised, with gains */
    WHEN_SHIFTED,        /* the norms of the stream are layer norms with biases */
    WHEN_UNGATED,        /* GELU without a gate */
    WHEN_EXPERTS_BIASED, /* the router and the experts have biases */
    WHEN_SINKS,          /* attention has a sink for each head */
    WHEN_BEHIND,         /* norms stand behind attention and the feed-forward part */
    WHEN_ONLY_BEHIND,    /* and none before them */
    WHEN_WHOLE,          /* the norms of Q and K are of all heads together */
};
enum { WHEN_FEATURES = WHEN_BIASED }; /* the first of them */
#define SOURCE_FEATURE(when) (1u << (when))

/* Rows and columns, computed from the configuration c and its layer l. */
#define SOURCE_SIZES(SIZE)                                                                         \
    SIZE(ONE, 1) /* rows of a vector: it has one dimension in the file */                          \
    SIZE(VOCAB, c->vocab)                                                                          \
    SIZE(DIM, c->dim)                                                                              \
    SIZE(Q, (uint64_t)l->heads * l->head_dim)                                                      \
    SIZE(KV, (uint64_t)l->kv_heads * l->head_dim)                                                  \
    SIZE(HEADS, l->heads)                                                                          \
    SIZE(Q_GAIN, (uint64_t)(config_has(c, WHEN_WHOLE) ? l->heads : 1) * l->head_dim)               \
    SIZE(K_GAIN, (uint64_t)(config_has(c, WHEN_WHOLE) ? l->kv_heads : 1) * l->head_dim)            \
    SIZE(FREQS, c->rope.rotary / 2)                                                                \
    SIZE(FFN, l->ffn)                                                                              \
    SIZE(EXPERTS, l->experts)

enum source_size {
#define SIZE(size, of) SIZE_##size,
    SOURCE_SIZES(SIZE)
#undef SIZE
};

/* ORDER_ROTARY: RoPE rotates the rows of a head (columns of a bias) in pairs, which files store in
 * two different orders. */
enum source_order { ORDER_PLAIN, ORDER_ROTARY };

/* Each row has: role, what the tensor belongs to, when it is there, rows, columns, order, name in a
 * GGUF file, name in a Hugging Face directory (NULL: it has none). Of a layer's tensor both are the
 * names after the layer's number. The tensors of the model come first. */
#define SOURCE_ROLE_ROWS(ROLE)                                                                     \
    ROLE(EMBED, PER_MODEL, WHEN_ALWAYS, SIZE_VOCAB, SIZE_DIM, ORDER_PLAIN, "token_embd.weight",    \
         "model.embed_tokens.weight")                                                              \
    ROLE(HEAD, PER_MODEL, WHEN_UNTIED, SIZE_VOCAB, SIZE_DIM, ORDER_PLAIN, "output.weight",         \
         "lm_head.weight")                                                                         \
    ROLE(FINAL_NORM, PER_MODEL, WHEN_ALWAYS, SIZE_ONE, SIZE_DIM, ORDER_PLAIN,                      \
         "output_norm.weight", "model.norm.weight")                                                \
    ROLE(FINAL_NORM_BIAS, PER_MODEL, WHEN_SHIFTED, SIZE_ONE, SIZE_DIM, ORDER_PLAIN,                \
         "output_norm.bias", "model.norm.bias")                                                    \
    ROLE(ROPE_FREQS, PER_MODEL, WHEN_DIVISORS, SIZE_ONE, SIZE_FREQS, ORDER_PLAIN,                  \
         "rope_freqs.weight", NULL)                                                                \
    ROLE(ROPE_SHORT, PER_MODEL, WHEN_LONG, SIZE_ONE, SIZE_FREQS, ORDER_PLAIN,                      \
         "rope_factors_short.weight", NULL)                                                        \
    ROLE(ROPE_LONG, PER_MODEL, WHEN_LONG, SIZE_ONE, SIZE_FREQS, ORDER_PLAIN,                       \
         "rope_factors_long.weight", NULL)                                                         \
    ROLE(ATTN_NORM, PER_ATTENTION, WHEN_BEFORE, SIZE_ONE, SIZE_DIM, ORDER_PLAIN,                   \
         "attn_norm.weight", "input_layernorm.weight")                                             \
    ROLE(ATTN_NORM_BIAS, PER_ATTENTION, WHEN_SHIFTED, SIZE_ONE, SIZE_DIM, ORDER_PLAIN,             \
         "attn_norm.bias", "input_layernorm.bias")                                                 \
    ROLE(Q_NORM, PER_ATTENTION, WHEN_NORMED, SIZE_ONE, SIZE_Q_GAIN, ORDER_ROTARY,                  \
         "attn_q_norm.weight", "self_attn.q_norm.weight")                                          \
    ROLE(K_NORM, PER_ATTENTION, WHEN_NORMED, SIZE_ONE, SIZE_K_GAIN, ORDER_ROTARY,                  \
         "attn_k_norm.weight", "self_attn.k_norm.weight")                                          \
    ROLE(SINKS, PER_ATTENTION, WHEN_SINKS, SIZE_ONE, SIZE_HEADS, ORDER_PLAIN, "attn_sinks.weight", \
         "self_attn.sinks")                                                                        \
    ROLE(Q, PER_ATTENTION, WHEN_ALWAYS, SIZE_Q, SIZE_DIM, ORDER_ROTARY, "attn_q.weight",           \
         "self_attn.q_proj.weight")                                                                \
    ROLE(K, PER_ATTENTION, WHEN_ALWAYS, SIZE_KV, SIZE_DIM, ORDER_ROTARY, "attn_k.weight",          \
         "self_attn.k_proj.weight")                                                                \
    ROLE(V, PER_ATTENTION, WHEN_ALWAYS, SIZE_KV, SIZE_DIM, ORDER_PLAIN, "attn_v.weight",           \
         "self_attn.v_proj.weight")                                                                \
    ROLE(O, PER_ATTENTION, WHEN_ALWAYS, SIZE_DIM, SIZE_Q, ORDER_PLAIN, "attn_output.weight",       \
         "self_attn.o_proj.weight")                                                                \
    ROLE(Q_BIAS, PER_ATTENTION, WHEN_BIASED, SIZE_ONE, SIZE_Q, ORDER_ROTARY, "attn_q.bias",        \
         "self_attn.q_proj.bias")                                                                  \
    ROLE(K_BIAS, PER_ATTENTION, WHEN_BIASED, SIZE_ONE, SIZE_KV, ORDER_ROTARY, "attn_k.bias",       \
         "self_attn.k_proj.bias")                                                                  \
    ROLE(V_BIAS, PER_ATTENTION, WHEN_BIASED, SIZE_ONE, SIZE_KV, ORDER_PLAIN, "attn_v.bias",        \
         "self_attn.v_proj.bias")                                                                  \
    ROLE(O_BIAS, PER_ATTENTION, WHEN_O_BIASED, SIZE_ONE, SIZE_DIM, ORDER_PLAIN,                    \
         "attn_output.bias", "self_attn.o_proj.bias")                                              \
    ROLE(FFN_NORM_BIAS, PER_FFN, WHEN_SHIFTED, SIZE_ONE, SIZE_DIM, ORDER_PLAIN, "ffn_norm.bias",   \
         "post_attention_layernorm.bias")                                                          \
    ROLE(UP_BIAS, PER_FFN, WHEN_FFN_BIASED, SIZE_ONE, SIZE_FFN, ORDER_PLAIN, "ffn_up.bias",        \
         "mlp.up_proj.bias")                                                                       \
    ROLE(DOWN_BIAS, PER_FFN, WHEN_FFN_BIASED, SIZE_ONE, SIZE_DIM, ORDER_PLAIN, "ffn_down.bias",    \
         "mlp.down_proj.bias")                                                                     \
    ROLE(FFN_NORM, PER_FFN, WHEN_BEFORE, SIZE_ONE, SIZE_DIM, ORDER_PLAIN, "ffn_norm.weight",       \
         "post_attention_layernorm.weight")                                                        \
    ROLE(O_NORM, PER_ATTENTION, WHEN_BEHIND, SIZE_ONE, SIZE_DIM, ORDER_PLAIN,                      \
         "post_attention_norm.weight", "post_attention_layernorm.weight")                          \
    ROLE(DOWN_NORM, PER_FFN, WHEN_BEHIND, SIZE_ONE, SIZE_DIM, ORDER_PLAIN, "post_ffw_norm.weight", \
         "post_feedforward_layernorm.weight")                                                      \
    ROLE(ROUTER, PER_EXPERTS, WHEN_ALWAYS, SIZE_EXPERTS, SIZE_DIM, ORDER_PLAIN,                    \
         "ffn_gate_inp.weight", "mlp.gate.weight")                                                 \
    ROLE(ROUTER_BIAS, PER_EXPERTS, WHEN_EXPERTS_BIASED, SIZE_ONE, SIZE_EXPERTS, ORDER_PLAIN,       \
         "ffn_gate_inp.bias", "mlp.router.bias")                                                   \
    ROLE(GATE, PER_DENSE, WHEN_GATED, SIZE_FFN, SIZE_DIM, ORDER_PLAIN, "ffn_gate.weight",          \
         "mlp.gate_proj.weight")                                                                   \
    ROLE(UP, PER_DENSE, WHEN_ALWAYS, SIZE_FFN, SIZE_DIM, ORDER_PLAIN, "ffn_up.weight",             \
         "mlp.up_proj.weight")                                                                     \
    ROLE(DOWN, PER_DENSE, WHEN_ALWAYS, SIZE_DIM, SIZE_FFN, ORDER_PLAIN, "ffn_down.weight",         \
         "mlp.down_proj.weight")

enum source_role {
#define ROLE(role, ...) SOURCE_##role,
    SOURCE_ROLE_ROWS(ROLE)
#undef ROLE
        SOURCE_ROLES,
    SOURCE_LAYER_ROLES = SOURCE_ATTN_NORM, /* the first of a layer */
    SOURCE_NONE = -1
};

/* How a kind of checkpoint writes names. */
enum source_naming { NAMES_GGUF, NAMES_HUGGING_FACE, NAMINGS };

/* Other names of layers' tensors in families with one of the traits (source_families.h); they come
 * before those above. Where several roles follow, the tensor holds their rows one after another.
 * Each row has: traits, name in a GGUF file, name in a Hugging Face directory, roles. */
#define SOURCE_ALIAS_ROWS(ALIAS)                                                                   \
    ALIAS(FAMILY_FUSED, "attn_qkv.weight", "self_attn.qkv_proj.weight", SOURCE_Q, SOURCE_K,        \
          SOURCE_V)                                                                                \
    ALIAS(FAMILY_FUSED, "ffn_up.weight", "mlp.gate_up_proj.weight", SOURCE_GATE, SOURCE_UP,        \
          SOURCE_NONE)                                                                             \
    ALIAS(FAMILY_LAYER_NORM, NULL, "mlp.c_fc.weight", SOURCE_UP, SOURCE_NONE, SOURCE_NONE)         \
    ALIAS(FAMILY_LAYER_NORM, NULL, "mlp.c_fc.bias", SOURCE_UP_BIAS, SOURCE_NONE, SOURCE_NONE)      \
    ALIAS(FAMILY_LAYER_NORM, NULL, "mlp.c_proj.weight", SOURCE_DOWN, SOURCE_NONE, SOURCE_NONE)     \
    ALIAS(FAMILY_LAYER_NORM, NULL, "mlp.c_proj.bias", SOURCE_DOWN_BIAS, SOURCE_NONE, SOURCE_NONE)  \
    ALIAS(FAMILY_SHARED_MLP, NULL, "shared_mlp.input_linear.weight", SOURCE_GATE, SOURCE_UP,       \
          SOURCE_NONE)                                                                             \
    ALIAS(FAMILY_SHARED_MLP, NULL, "shared_mlp.output_linear.weight", SOURCE_DOWN, SOURCE_NONE,    \
          SOURCE_NONE)                                                                             \
    ALIAS(FAMILY_EXPERTS, NULL, "block_sparse_moe.gate.weight", SOURCE_ROUTER, SOURCE_NONE,        \
          SOURCE_NONE)                                                                             \
    ALIAS(FAMILY_EXPERTS, NULL, "mlp.router.weight", SOURCE_ROUTER, SOURCE_NONE, SOURCE_NONE)      \
    ALIAS(FAMILY_GPT_OSS, "post_attention_norm.weight", NULL, SOURCE_FFN_NORM, SOURCE_NONE,        \
          SOURCE_NONE)                                                                             \
    ALIAS(FAMILY_BEHIND, NULL, "post_attention_layernorm.weight", SOURCE_O_NORM, SOURCE_NONE,      \
          SOURCE_NONE)

enum { SOURCE_FUSED_MAX = 3 };
struct source_alias {
    uint32_t traits;
    const char *name[NAMINGS];
    enum source_role role[SOURCE_FUSED_MAX]; /* SOURCE_NONE from the end on */
};

struct source_role_row {
    enum source_per per;
    enum source_when when;
    enum source_size rows, cols;
    enum source_order order;
    const char *name[NAMINGS];
};

extern const struct source_role_row source_roles[SOURCE_ROLES];

#endif
