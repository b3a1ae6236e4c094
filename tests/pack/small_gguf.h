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
    int sparse;        /* of every four values of a row of layers' matrices, small_gguf_keeps two */
    const char *dense; /* with sparse: but not in matrices whose names have this in them */
    int hollow;        /* all values are zero and take no room on the disk */
};

/* Whether a sparse matrix has a value that is not 0 here. Pairs of columns vary with the place. */
static inline int small_gguf_keeps(uint32_t row, uint32_t column) {
    static const uint8_t pairs[6] = {3, 5, 9, 6, 10, 12};
    return pairs[(row * 7 + column / 4) % 6] >> column % 4 & 1;
}

/* Nonzero on failure. */
int small_gguf_write(const struct small_gguf *spec, const char *path);

#endif
