/* Evaluating what the context holds: prefill in chunks, the last id while decoding. */
#include "runtime/session.h"

int session_cancelled(apus_session *s) { return __atomic_exchange_n(&s->cancel, 0, __ATOMIC_ACQ_REL) != 0; }

void session_rewind(apus_session *s, uint32_t position) {
    track_rewind(&s->target, position);
    s->overlap.ahead.count = 0;
    if (s->draft.track.model) draft_rewind(&s->draft, s->ids, position < s->draft.whole ? position : s->draft.whole);
}

apus_status evaluate(apus_session *s, int want_logits, uint64_t deadline_ns) {
    struct track *t = &s->target;
    if (want_logits && t->evaluated == s->count && t->logits_at != s->count - 1) track_rewind(t, s->count - 1);
    if (session_cancelled(s)) return APUS_PARTIAL;
    for (int first = 1; t->evaluated < s->count; first = 0) {
        if (!first && deadline_ns && port_now(&s->model->port) >= deadline_ns) return APUS_PARTIAL;
        uint32_t most = deadline_ns && t->chunk > DEADLINE_COLUMNS ? DEADLINE_COLUMNS : t->chunk;
        uint32_t left = s->count - t->evaluated, columns = left < most ? left : most;
        apus_status status = track_pass(t, s->ids + t->evaluated, columns, want_logits && columns == left, &s->cancel);
        if (status == APUS_PARTIAL) session_cancelled(s);
        else if (status) s->count = t->evaluated;
        if (status) return status;
    }
    return APUS_OK;
}
