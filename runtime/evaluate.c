/* Evaluating what the context holds: prefill in chunks, the last id while decoding. */
#include "runtime/session.h"

void session_rewind(apus_session *s, uint32_t position) {
    sequence_rewind(&s->target, position);
    if (position == s->target.evaluated) s->unfinished = 0;
    speculate_rewind(&s->speculation, s->ids, position);
}

apus_status evaluate(apus_session *s, int want_logits, uint64_t deadline_ns) {
    struct sequence *t = &s->target;
    if (want_logits && t->evaluated == s->count && t->logits_at != s->count - 1)
        sequence_rewind(t, s->count - 1);
    if (session_cancelled(s)) return APUS_PARTIAL;
    while (t->evaluated < s->count) {
        const int32_t *ids = s->ids + t->evaluated;
        uint32_t left = s->count - t->evaluated, columns = sequence_columns(t, ids, left);
        apus_status status = sequence_pass(t, ids, columns, want_logits && columns == left,
                                           session_stop(s, deadline_ns));
        if (status == APUS_PARTIAL)
            session_cancelled(s);
        else if (status)
            s->count = t->evaluated;
        if (status) return status;
    }
    return APUS_OK;
}
