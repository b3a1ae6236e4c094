/* A session's state. The context is ids[0 .. count); the KV cache holds rows of positions 0 .. evaluated - 1, position = slot. */
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include "runtime/config.h"
#include "runtime/model.h"
#include "runtime/sample.h"
#include "runtime/stops.h"
#include "weights/hash.h"

enum { DEADLINE_COLUMNS = 16 };
#define NO_LOGITS UINT32_MAX

struct generation {
    int running;
    struct sampler sampler;
    uint32_t start; /* position of its first id */
    uint32_t made;  /* ids so far */
    struct hash64 hash;
    uint64_t ns, passes;
};

struct apus_session {
    const apus_model *model;
    struct hal_model hal;
    uint32_t context, threads, chunk, prompt_bytes; /* of the configuration, defaults filled in */

    int32_t *ids;           /* [context] */
    int32_t *fresh;         /* [context] a prompt while it is tokenized */
    uint32_t count;         /* ids in the context */
    uint32_t evaluated;     /* of them with rows in the cache, <= count */
    uint32_t logits_at;     /* the position behind which last_logits stand, or NO_LOGITS */
    const float *last_logits;

    struct hal_program program;
    struct hal_column *column; /* [chunk] */
    uint8_t **kv;              /* [layers] */
    uint32_t kv_slots;         /* context rounded up to 16 */
    uint32_t kv_touched;       /* slots that have been zeroed, a multiple of 16 */
    uint8_t *slot[HAL_SLOTS];
    void *engine_memory;
    void *tokenize_scratch;
    size_t tokenize_bytes;
    void *sample_scratch;

    uint32_t cancel; /* atomic */
    struct generation generation;
    struct text_out text; /* what the user will see of it */
    int32_t piece_id;
    float piece_log_prob;

    uint64_t reused, prompt_tokens, prompt_ns;
    uint64_t arena_bytes;
};

/* runtime/evaluate.c: evaluates ids[evaluated .. count) in chunks and leaves logits behind the last position if want_logits.
 * APUS_PARTIAL: a deadline (0: none) or cancel; evaluated says how far it came. After APUS_E_NUMERIC and APUS_E_ENGINE the context is
 * cut to what was good. */
apus_status evaluate(apus_session *session, int want_logits, uint64_t deadline_ns);

/* One pass over ids[evaluated .. evaluated + columns), logits of its last `logits` columns. */
apus_status evaluate_pass(apus_session *session, uint32_t columns, uint32_t logits);

/* Forgets cache rows from `position` on. */
void forget_from(apus_session *session, uint32_t position);

#endif
