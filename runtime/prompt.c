/* What is in the context: prompts, appended parts, evaluated ids, and going back. */
#include "runtime/session.h"
#include "text/parts.h"
#include "weights/refuse.h"

/* Tokenizes parts into s->fresh and changes nothing else. room: how many ids the context can still
 * take. */
static apus_status tokenize(apus_session *s, const apus_part *parts, size_t parts_count,
                            uint32_t room, uint32_t *count) {
    const apus_port *port = &s->model->port;
    struct ids ids = {s->fresh, room, 0};
    size_t bytes = parts_text_bytes(parts, parts_count);
    if (bytes > s->prompt_bytes)
        return refuse(port, APUS_E_TEXT, "prompt",
                      "more bytes of TEXT than the # of apus_config.prompt_bytes",
                      CHECK_NUMBERS(s->prompt_bytes));
    apus_status status = parts_tokenize(&model_blob(s->model)->vocab, port, parts, parts_count,
                                        &ids, s->tokenize_scratch, s->tokenize_bytes);
    if (!status && ids.count > room)
        status = refuse(port, APUS_E_CONTEXT, "prompt",
                        "# ids behind # are more than the context of # positions",
                        CHECK_NUMBERS(ids.count, s->context - room, s->context));
    for (size_t i = 0; !status && i < ids.count;
         i++) /* only rows of the model: the tables of a changed file may name others */
        if ((uint32_t)s->fresh[i] >= s->target.hal.dims->vocab)
            status = refuse(port, APUS_E_FORMAT, "prompt",
                            "the tokenizer gives the id ~: its tables have changed",
                            CHECK_NUMBERS((uint64_t)(int64_t)s->fresh[i]));
    if (!status) *count = (uint32_t)ids.count;
    return status;
}

void session_rewind(apus_session *s, uint32_t position) {
    if (position <= s->target.evaluated) s->unfinished = 0;
    sequence_rewind(&s->target, position);
    speculate_rewind(&s->speculation, s->ids, position);
}

apus_status session_evaluate(apus_session *s, int want_logits, uint64_t deadline_ns) {
    struct sequence *t = &s->target;
    if (want_logits && t->evaluated == s->count && t->logits_at != s->count - 1) sequence_again(t);
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

static apus_status timed_evaluate(apus_session *s, int want_logits, uint64_t deadline_ns) {
    uint64_t began = port_now(&s->model->port);
    uint32_t before = s->target.evaluated;
    apus_status status = session_evaluate(s, want_logits, deadline_ns);
    s->unfinished = status == APUS_PARTIAL;
    s->prompt_ns += port_now(&s->model->port) - began;
    s->prompt_tokens +=
        s->target.evaluated - (before < s->target.evaluated ? before : s->target.evaluated);
    return status;
}

static const char no_position[] = "the parts give no id, and the context must hold at least one";

static apus_status prompt(apus_session *s, const apus_part *parts, size_t count,
                          uint64_t deadline_ns) {
    uint32_t n = 0, common = 0;
    const apus_port *port = &s->model->port;
    apus_status status = count ? refuse_null(port, "apus_prompt", "parts", parts) : APUS_OK;
    if (!status) status = tokenize(s, parts, count, s->context, &n);
    if (!status && !n) status = refuse(port, APUS_E_ARGUMENT, "apus_prompt", no_position, NULL);
    if (status) return status;
    while (common < n && common < s->target.evaluated && s->ids[common] == s->fresh[common])
        common++;
    session_rewind(s, common);
    memcpy(s->ids + common, s->fresh + common, (n - common) * sizeof *s->ids);
    s->count = n;
    s->generation.running = 0;
    s->reused = s->target.evaluated;
    s->prompt_tokens = s->prompt_ns = 0;
    return timed_evaluate(s, 1, deadline_ns);
}

APUS_API apus_status apus_prompt(apus_session *s, const apus_part *parts, size_t count,
                                 uint64_t deadline_ns) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, prompt(s, parts, count, deadline_ns));
}

static apus_status append(apus_session *s, const apus_part *parts, size_t count,
                          uint64_t deadline_ns) {
    uint32_t n = 0;
    const apus_port *port = &s->model->port;
    apus_status status = count ? refuse_null(port, "apus_append", "parts", parts) : APUS_OK;
    if (!status && count) status = tokenize(s, parts, count, s->context - s->count, &n);
    if (!status && !n && !s->count)
        status = refuse(port, APUS_E_ARGUMENT, "apus_append", no_position, NULL);
    if (status) return status;
    speculate_drop(&s->speculation, s->ids, s->count);
    memcpy(s->ids + s->count, s->fresh, n * sizeof *s->ids);
    s->count += n;
    s->generation.running = 0;
    return timed_evaluate(s, 1, deadline_ns);
}

APUS_API apus_status apus_append(apus_session *s, const apus_part *parts, size_t count,
                                 uint64_t deadline_ns) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, append(s, parts, count, deadline_ns));
}

/* Where logits are wanted, passes have at most HAL_LOGITS_MAX columns, and their rows are copied
 * out one by one. */
static apus_status evaluate_rows(apus_session *s, float *logits, uint32_t first) {
    struct sequence *t = &s->target;
    size_t vocab = t->hal.dims->vocab;
    while (t->evaluated < s->count) {
        if (session_cancelled(s)) return APUS_PARTIAL;
        uint32_t at = t->evaluated, left = s->count - at;
        uint32_t columns =
            sequence_columns(t, s->ids + at, left < HAL_LOGITS_MAX ? left : HAL_LOGITS_MAX);
        apus_status status = sequence_pass(t, s->ids + at, columns, columns, session_stop(s, 0));
        if (status == APUS_PARTIAL) session_cancelled(s);
        if (status) return status;
        for (uint32_t i = 0; i < columns; i++)
            memcpy(logits + (at + i - first) * vocab, sequence_logits(t, i),
                   vocab * sizeof *logits);
    }
    return APUS_OK;
}

static apus_status eval(apus_session *s, const int32_t *ids, size_t count, float *logits,
                        size_t *done) {
    static const char where[] = "apus_eval";
    const apus_port *port = &s->model->port;
    apus_status status = refuse_null(port, where, "ids", ids);
    if (!status) status = refuse_outside(port, where, "count", count, 1, SIZE_MAX);
    if (!status && count > s->context - s->count)
        status = refuse(port, APUS_E_CONTEXT, where,
                        "# ids behind # are more than the context of # positions",
                        CHECK_NUMBERS(count, s->count, s->context));
    if (!status)
        status = ids_check(&model_blob(s->model)->vocab, port, where, CHECK_NO_INDEX, ids, count);
    if (status) return status;
    uint32_t first = s->count;
    speculate_drop(&s->speculation, s->ids, s->count);
    status = session_evaluate(s, 0, 0); /* evaluate what a generation or a stopped call has left */
    if (status == APUS_PARTIAL && done) *done = 0;
    if (status != APUS_PARTIAL) s->unfinished = 0;
    if (!status) {
        memcpy(s->ids + first, ids, count * sizeof *ids);
        s->count += (uint32_t)count;
        s->generation.running = 0;
        status = logits ? evaluate_rows(s, logits, first) : session_evaluate(s, 0, 0);
        if (done) *done = s->target.evaluated - first;
        s->count = s->target.evaluated;
    }
    return status;
}

APUS_API apus_status apus_eval(apus_session *s, const int32_t *ids, size_t count, float *logits,
                               size_t *done) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, eval(s, ids, count, logits, done));
}

static apus_status rewind_to(apus_session *s, size_t position) {
    apus_status status =
        refuse_outside(&s->model->port, "apus_rewind", "position", position, 0, s->count);
    if (status) return status;
    session_rewind(s, (uint32_t)position);
    s->count = (uint32_t)position;
    s->generation.running = 0;
    return APUS_OK;
}

APUS_API apus_status apus_rewind(apus_session *s, size_t position) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, rewind_to(s, position));
}

APUS_API apus_status apus_ids(const apus_session *s, const int32_t **ids, size_t *count) {
    apus_status status = session_look(s);
    if (!status) status = refuse_null(&s->model->port, "apus_ids", "ids", ids);
    if (!status) status = refuse_null(&s->model->port, "apus_ids", "count", count);
    if (status) return status;
    *ids = s->ids;
    *count = s->count;
    return APUS_OK;
}
