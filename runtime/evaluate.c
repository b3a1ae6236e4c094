/* Passes over the context: prefill in chunks, single columns while decoding. */
#include "runtime/session.h"

/* Zeroes the panels of 16 slots that slots below `end` need and no position has used yet (hal/kv.h). */
static void touch(apus_session *s, uint32_t end) {
    uint32_t to = round_up(end, 16), from = s->kv_touched, hd = s->hal.model->head_dim;
    if (to <= from) return;
    for (uint32_t i = 0; i < s->hal.model->layers; i++) {
        for (uint32_t h = 0; h < s->hal.layers[i].kv_heads; h++) {
            struct kv_block kv = kv_block_at(s->kv[i], s->kv_slots, hd, h);
            memset(kv.k + (size_t)from * hd, 0, (size_t)(to - from) * hd);
            memset(kv.v + (size_t)from * hd, 0, (size_t)(to - from) * hd);
            memset(kv.kscale + from, 0, (to - from) * sizeof(float));
            memset(kv.vscale + from, 0, (to - from) * sizeof(float));
        }
    }
    s->kv_touched = to;
}

void forget_from(apus_session *s, uint32_t position) {
    if (s->evaluated > position) s->evaluated = position;
    if (s->logits_at != NO_LOGITS && s->logits_at >= position) s->logits_at = NO_LOGITS;
}

apus_status evaluate_pass(apus_session *s, uint32_t columns, uint32_t logits) {
    const struct hal_engine *engine = s->model->engine;
    uint32_t first = s->evaluated;
    uint64_t ticket;
    touch(s, first + columns);
    for (uint32_t i = 0; i < columns; i++) {
        uint32_t at = first + i;
        s->column[i] = (struct hal_column){s->ids[at], at, at, at + 1, at + 1, 0};
    }
    struct hal_pass pass = {columns, columns - logits, s->column, &s->cancel};
    s->logits_at = NO_LOGITS; /* the slot is about to be overwritten */
    apus_status status = engine->submit(s->engine_memory, &pass, &ticket);
    if (!status) status = engine->wait(s->engine_memory, ticket);
    if (status) return status;
    s->evaluated += columns;
    if (logits) {
        s->logits_at = s->evaluated - 1;
        s->last_logits = (const float *)(const void *)(s->slot[SLOT_LOGITS] + (logits - 1) * s->program.stride[SLOT_LOGITS]);
    }
    s->generation.passes++;
    return APUS_OK;
}

static int cancelled(apus_session *s) { return __atomic_exchange_n(&s->cancel, 0, __ATOMIC_ACQ_REL) != 0; }

apus_status evaluate(apus_session *s, int want_logits, uint64_t deadline_ns) {
    if (want_logits && s->evaluated == s->count && s->logits_at != s->count - 1) s->evaluated = s->count - 1;
    if (cancelled(s)) return APUS_PARTIAL;
    for (int first = 1; s->evaluated < s->count; first = 0) {
        if (!first && deadline_ns && port_now(&s->model->port) >= deadline_ns) return APUS_PARTIAL;
        uint32_t most = deadline_ns && s->chunk > DEADLINE_COLUMNS ? DEADLINE_COLUMNS : s->chunk;
        uint32_t left = s->count - s->evaluated, columns = left < most ? left : most;
        apus_status status = evaluate_pass(s, columns, want_logits && columns == left);
        if (status == APUS_PARTIAL) {
            cancelled(s);
            return status;
        }
        if (status) {
            s->count = s->evaluated;
            return status;
        }
    }
    return APUS_OK;
}
