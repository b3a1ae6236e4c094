/* Reading a pass operation by operation, to find where two engines or two builds differ
 * (docs/debugging.md).
 *
 * For developers: only libraries that are built with APUS_TRACE, as with the preset `dev`, have
 * these functions. They follow the rules of apus.h. */
#ifndef APUS_TRACE_H
#define APUS_TRACE_H

#include "apus/apus.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { APUS_TRACE_IDS_MAX = 16 };

/* What an operation wrote into one slot. */
typedef struct apus_trace_step {
    uint32_t size;
    uint32_t index;        /* of the operation in the model's program, from 0 */
    uint32_t layer;        /* that the operation belongs to */
    const char *operation; /* "embed", "norm", "gemv", "heads", "attend", "quant", "act",
                              "route", "spread", "experts", "mix" */
    const char *slot;      /* "x", "a", "q", "k", "v", "queries", "g", "u", "router",
                              "choices", "pairs", "logits" */
    int floats;            /* 1: data is floats; 0: bytes (quantized values, sums, scales) */
    uint32_t columns;      /* how many, one for each id; where experts compute, one for each of
                              the experts that an id's column chose, in the engine's order */
    size_t bytes;          /* of a column */
    size_t stride;         /* bytes from one column to the next */
    const void *data;      /* valid during the call */
} apus_trace_step;

typedef struct apus_trace_config {
    uint32_t size;
    const apus_model *model; /* all of whose layers are on one engine */
    const int32_t *ids;      /* [count], below the model's vocabulary: evaluated in one pass */
    uint32_t count;          /* 1 .. APUS_TRACE_IDS_MAX */
    uint32_t threads;        /* 1 .. 64; 0: 1 */
    void (*step)(void *user, const apus_trace_step *step);
    void *user;
} apus_trace_config;

APUS_API apus_status apus_trace_measure(const apus_trace_config *config, apus_memory *memory);

/* Calls `step` for every operation in order, once for each slot that the operation writes. An
 * engine with memory of its own (igpu) is read layer by layer: then the steps are the residual
 * stream "x" behind every layer but the last, and the logits. Every step needs a pass from the
 * beginning, so the whole takes as long as a pass times half the number of operations. If a pass
 * fails it returns what apus_eval would; APUS_E_UNSUPPORTED for a model whose layers are on several
 * engines. */
APUS_API apus_status apus_trace(const apus_trace_config *config, void *memory, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
