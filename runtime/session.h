/* A session's state. The context is ids[0 .. count); the target has evaluated the first
 * target.evaluated of them. */
#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

#include "runtime/blake2s.h"
#include "runtime/config.h"
#include "runtime/sample.h"
#include "text/text_stream.h"
#include "runtime/sequence.h"
#include "speculate/speculate.h"
#include "weights/hash.h"

struct generation {
    int running;
    struct sampler sampler;
    uint32_t start; /* position of its first id */
    uint32_t made;  /* ids so far */
    struct hash64 hash;
    uint64_t ns;
    uint64_t rounds, proposed, accepted, branches, branches_taken, off_rounds, draft_ns,
        draft_prompt_ns, verify_ns, overlap_ns, ahead, kept;
    uint64_t proposed_at[PROPOSE_MAX], accepted_at[PROPOSE_MAX];
    uint64_t passes;       /* passes of the target before this generation began, */
    uint64_t chosen_bytes; /* and what the experts that they chose took */
    struct round round;    /* its stage is not ROUND_NEW while apus_next is to go on with it */
};

struct apus_session {
    const apus_model *model;
    apus_pool *pool; /* the session's own threads, or NULL */
    struct sequence target;
    struct speculation speculation;
    uint32_t keyed; /* 0 or 1: with 1, states are saved and restored only with state_key */
    uint8_t state_key[BLAKE2S_KEY];
    uint32_t context, threads, prompt_bytes; /* of the configuration, defaults filled in */

    int32_t *ids;   /* [context] */
    int32_t *fresh; /* [context] the ids of a prompt while it is tokenized */
    uint32_t count; /* ids in the context */
    int unfinished; /* apus_prompt or apus_append was stopped before all ids were evaluated */

    void *tokenize_scratch;
    size_t tokenize_bytes;
    void *sample_scratch;

    uint32_t busy;   /* atomic: a call is in progress */
    uint64_t fenv;   /* during a call: the caller's float environment */
    uint32_t cancel; /* atomic: the request's ticket and the bits HAL_CANCEL, runtime/calls.c */
    uint32_t steps_most, steps; /* that a call may do, 0: any number; and those that are left */
    struct generation generation;
    struct text_stream text; /* the text that the user will see */
    struct text_bind bind;   /* what that text must begin with */
    int32_t piece_ids[PROPOSE_MAX + 1];
    float piece_log_probs[PROPOSE_MAX + 1];
    uint64_t piece_offsets[PROPOSE_MAX + 1];
    /* [piece.count][piece.alternatives]. The most that any request may ask for takes 2.5 KB. */
    int32_t piece_likely[(PROPOSE_MAX + 1) * APUS_ALTERNATIVES_MAX];
    float piece_likely_log_probs[(PROPOSE_MAX + 1) * APUS_ALTERNATIVES_MAX];

    uint64_t reused, prompt_tokens, prompt_ns;
    uint64_t arena_bytes;
};

/* runtime/calls.c. Every public call that takes a session begins with one of these and continues
 * only where it returns APUS_OK. A call from a callback of another call gets APUS_E_ORDER, and one
 * without a session APUS_E_ARGUMENT. session_enter also sets the float environment. session_leave
 * restores it, ends the call and returns `status`. session_look is for calls that change nothing
 * and call nothing. */
apus_status session_enter(apus_session *session);
apus_status session_leave(apus_session *session, apus_status status);
apus_status session_look(const apus_session *session);

/* runtime/prompt.c. The context's ids from `position` on have changed or are removed: every model
 * forgets them. If all ids that are left are evaluated, the prompt counts as finished. */
void session_rewind(apus_session *session, uint32_t position);

/* runtime/prompt.c. Evaluates ids[target.evaluated .. count) in chunks, and makes logits after the
 * last position if want_logits. APUS_PARTIAL: a deadline (0: none), a cancel or the end of the
 * steps stopped it; target.evaluated says how far it came, and the sequence keeps the work of the
 * stopped pass. After APUS_E_NUMERIC and APUS_E_ENGINE the context is cut to what was good. */
apus_status session_evaluate(apus_session *session, int want_logits, uint64_t deadline_ns);

/* What can stop a pass of this session: a cancel, the deadline if it is not 0, the steps of a
 * call. */
static inline struct hal_stop session_stop(apus_session *session, uint64_t deadline_ns) {
    return (struct hal_stop){&session->cancel, deadline_ns,
                             session->steps_most ? &session->steps : NULL};
}

/* Whether this call must stop. This also resets what apus_cancel asked for; a cancelled request
 * stays cancelled. */
int session_cancelled(apus_session *session);

#endif
