/* A valid blob without a checkpoint: random integers as weights, a vocabulary of bytes. For tests
 * of everything that reads blobs. */
#ifndef TESTS_PACK_TINY_BLOB_H
#define TESTS_PACK_TINY_BLOB_H

#include <stddef.h>
#include <stdint.h>

#include "weights/format.h"

enum { TINY_LAYERS_MAX = 24 };

/* Zero means the default, so that `(struct tiny_spec){0}` is a model. Widths are taken as they are:
 * a spec outside what weights/format.h allows makes a blob that the reader refuses. */
struct tiny_spec {
    uint32_t layers;          /* 2; at most TINY_LAYERS_MAX */
    uint32_t dim;             /* 64 */
    uint32_t heads;           /* 4 */
    uint32_t kv_heads;        /* 2 */
    uint32_t head_dim;        /* 16 */
    uint32_t ffn;             /* 128, a multiple of 64 */
    uint32_t vocab;           /* 272: 256 bytes, 256 <bos>, 257 <eos>, then pieces that never come;
                                 at least 258 */
    int words;                /* those are text, such as "<258>" */
    uint32_t pieces;          /* vocab: with words, ids from this one on never come */
    uint32_t head_rows;       /* vocab: the head has rows for this many ids, evenly spread */
    uint32_t mask;            /* none: the id of the mask */
    uint32_t positions;       /* 256 */
    enum weight_type weights; /* of the layers but V: W8; or another of panels */
    int bias;                 /* every matrix has a bias */
    int add_bos;
    uint64_t seed;
    int noise; /* weights in panels are random bytes, which are quicker to make: for blobs of
                  gigabytes */
    /* Layers that differ, by index: where the bit is set the part is missing (then heads or ffn is
     * 0). */
    uint32_t without_attention, without_ffn;
    uint32_t with_experts; /* layers with experts: */
    uint32_t experts, active, mixing;
    /* Where not 0, instead of kv_heads. */
    uint32_t layer_kv_heads[TINY_LAYERS_MAX];
    uint32_t unrotated;               /* layers without RoPE, a bit for each */
    uint32_t second_rope;             /* layers with the second table of RoPE, likewise */
    uint32_t window[TINY_LAYERS_MAX]; /* 0: all */
    uint32_t sinks;                   /* layers with sinks, a bit for each */
    uint32_t normed;      /* layers whose heads of q and k are normalised, with gains, likewise */
    uint32_t ungated;     /* layers with GELU and no gate, likewise */
    uint32_t clamped;     /* layers with the clamped activation, likewise */
    uint32_t plain;       /* layers without a transform of DOWN's inputs, likewise */
    uint32_t behind;      /* layers with norms behind their parts, and not before them, likewise */
    uint32_t around;      /* layers with both, likewise */
    uint32_t whole;       /* normed layers whose gains are of all heads together, likewise */
    int unrotated_stream; /* the model is not rotated */
};

/* The blob at a 4096-aligned address, *bytes long; release it with free(). NULL where memory is
 * short. Activations stay of the order of one through the layers, and logits of the order of
 * ten. */
void *tiny_blob(const struct tiny_spec *spec, size_t *bytes);

/* Corrects hashes after a change inside a blob, so that a test reaches the check behind them.
 * Sections must lie inside `bytes`. */
void tiny_reseal(void *blob, size_t bytes);

#endif
