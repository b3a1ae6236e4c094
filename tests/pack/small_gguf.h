/* A small but complete GGUF file, weights and tokenizer, for tests of the whole way to a blob. */
#ifndef TESTS_PACK_SMALL_GGUF_H
#define TESTS_PACK_SMALL_GGUF_H

#include <stdint.h>

/* Zero means the default. Tensors are F32 and random; the tokenizer is byte-level with one merge
 * and two control tokens. */
struct small_gguf {
    uint32_t layers;    /* 2 */
    uint32_t dim;       /* 96 */
    uint32_t heads;     /* 3 */
    uint32_t kv_heads;  /* 1 */
    uint32_t head_dim;  /* 32 */
    uint32_t ffn;       /* 100 */
    uint32_t vocab;     /* 264; at least 259 */
    uint32_t positions; /* 128 */
    int tied;
    int no_tokenizer;
    uint32_t window;           /* of attention; 0: none */
    int coarse;                /* ffn_gate and attn_k are Q4_0 */
    float spoil;               /* where not 0, a value of blk.0.attn_q.weight in row 2 */
    const char *chat_template; /* NULL: none */
    int hollow;                /* all values are zero and take no room on the disk */
};

/* Nonzero on failure. */
int small_gguf_write(const struct small_gguf *spec, const char *path);

#endif
