/* Saved contexts: ids and KV rows as bytes, bound to the model.
 *
 * - struct state_header
 * - int32_t ids [evaluated], then zero up to a multiple of 8 bytes
 * - for every layer: its rows, as kv_export gives them: those of all positions, or of its window's
 *   last ones, without the first of these where `flags` says so
 * - uint64_t XXH64 of everything before it; with a session's key, its BLAKE2s */
#include <assert.h>

#include "hal/scalar.h"
#include "runtime/blake2s.h"
#include "runtime/session.h"
#include "weights/refuse.h"

struct state_header {
    char magic[4]; /* "APST" */
    uint32_t version;
    uint64_t model_hash;
    uint64_t bytes; /* of the whole state */
    uint32_t evaluated;
    uint32_t flags;
};
enum { STATE_KEYED = 1, STATE_LACKS = 2, STATE_K4 = 4, STATE_V4 = 8, STATE_FLAGS = 15 };
enum { STATE_VERSION = 2 };

/* The positions of a layer whose rows are saved: as many as one that sees further needs, and one
 * more, so that the last position can be evaluated again. They depend on the model alone, not on
 * the session that saves. */
static struct kv_range saved_rows(const struct sequence *t, uint32_t layer, uint32_t evaluated,
                                  uint32_t flags) {
    const uint32_t window = t->hal.window[hal_view_of(&t->hal, layer)],
                   most = window ? window - (flags & STATE_LACKS ? 1 : 0) : evaluated;
    return (struct kv_range){evaluated > most ? evaluated - most : 0, evaluated};
}

static uint64_t layer_bytes(const struct sequence *t, uint32_t layer, uint32_t evaluated,
                            uint32_t flags) {
    const struct kv_range rows = saved_rows(t, layer, evaluated, flags);
    struct kv_cache cache = sequence_cache(t, layer);
    return kv_saved_bytes(&cache, rows.begin, rows.end - rows.begin);
}

/* The type of the cache, of which STATE_K4 and STATE_V4 say that K and V have 4 bits. */
static enum kv_type kv_of(uint32_t flags) {
    if (flags & STATE_K4) return flags & STATE_V4 ? KV_4 : KV_K4V8;
    return flags & STATE_V4 ? KV_K8V4 : KV_8;
}
static uint32_t flags_of(enum kv_type type) {
    return (kv_bits(type, KV_K) == 4 ? STATE_K4 : 0u) | (kv_bits(type, KV_V) == 4 ? STATE_V4 : 0u);
}

static uint64_t kv_saved(const apus_session *s, uint32_t evaluated, uint32_t flags) {
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < s->target.hal.dims->layers; i++)
        bytes += layer_bytes(&s->target, i, evaluated, flags);
    return bytes;
}

static uint64_t end_bytes(const apus_session *s) {
    return s->keyed ? BLAKE2S_BYTES : sizeof(uint64_t);
}

/* The hash that follows these bytes of a state. */
static void make_end(const apus_session *s, const void *data, size_t bytes,
                     uint8_t end[BLAKE2S_BYTES]) {
    uint64_t hash;
    memset(end, 0, BLAKE2S_BYTES);
    if (s->keyed) {
        blake2s(end, s->state_key, data, bytes);
    } else {
        hash = hash64(data, bytes);
        memcpy(end, &hash, sizeof hash);
    }
}

static uint64_t state_bytes(const apus_session *s, uint32_t evaluated, uint32_t flags) {
    uint64_t ids = ((uint64_t)evaluated * sizeof(int32_t) + 7) & ~7ull;
    return sizeof(struct state_header) + ids + kv_saved(s, evaluated, flags) + end_bytes(s);
}

APUS_API apus_status apus_save(const apus_session *s, void *data, size_t capacity, size_t *bytes) {
    apus_status status = session_look(s);
    if (!status) status = refuse_null(&s->model->port, "apus_save", "bytes", bytes);
    if (status) return status;
    const apus_port *port = &s->model->port;
    const uint32_t flags = (s->keyed ? STATE_KEYED : 0u) | flags_of(s->target.kv_type) |
                           (sequence_lacks(&s->target) ? STATE_LACKS : 0u);
    uint64_t need = state_bytes(s, s->target.evaluated, flags);
    if (data && capacity < need)
        return refuse(port, APUS_E_SPACE, "apus_save", "capacity is #, and the state takes # bytes",
                      CHECK_NUMBERS(capacity, need));
    *bytes = (size_t)need;
    if (!data) return APUS_OK;
    struct state_header header = {
        {'A', 'P', 'S', 'T'}, STATE_VERSION, model_blob(s->model)->header->model_hash, need,
        s->target.evaluated,  flags};
    uint8_t *at = data;
    size_t ids = s->target.evaluated * sizeof(int32_t);
    memcpy(at, &header, sizeof header);
    at += sizeof header;
    memcpy(at, s->ids, ids);
    memset(at + ids, 0, ((ids + 7) & ~(size_t)7) - ids);
    at += (ids + 7) & ~(size_t)7;
    for (uint32_t i = 0; i < s->target.hal.dims->layers; i++) {
        struct kv_cache cache = sequence_cache(&s->target, i);
        const struct kv_range rows = saved_rows(&s->target, i, s->target.evaluated, flags);
        kv_export(&cache, rows.begin, rows.end - rows.begin, at);
        at += layer_bytes(&s->target, i, s->target.evaluated, flags);
    }
    uint8_t end[BLAKE2S_BYTES];
    assert(at + end_bytes(s) == (uint8_t *)data + need);
    make_end(s, data, (size_t)(need - end_bytes(s)), end);
    memcpy(at, end, (size_t)end_bytes(s));
    return APUS_OK;
}

/* Checks everything that can be wrong with a saved state. */
static const char where[] = "saved state";

static apus_status check_header(const apus_session *s, const uint8_t *data, size_t bytes,
                                struct state_header *header) {
    const apus_port *port = &s->model->port;
    uint8_t end[BLAKE2S_BYTES], found[BLAKE2S_BYTES] = {0};
    uint64_t ours = model_blob(s->model)->header->model_hash;
    if (bytes < sizeof *header + 8)
        return refuse(port, APUS_E_FORMAT, where, "# bytes are fewer than any state has",
                      CHECK_NUMBERS(bytes));
    memcpy(header, data, sizeof *header);
    if (memcmp(header->magic, "APST", 4))
        return refuse(port, APUS_E_FORMAT, where, "it does not begin with APST", NULL);
    if (header->version != STATE_VERSION)
        return refuse(port, APUS_E_VERSION, where, "version is #, must be #",
                      CHECK_NUMBERS(header->version, STATE_VERSION));
    if (header->model_hash != ours)
        return refuse(port, APUS_E_MISMATCH, where, "it is of the model $, and the session's is $",
                      CHECK_NUMBERS(header->model_hash, ours));
    if (header->flags & ~(uint32_t)STATE_FLAGS)
        return refuse(port, APUS_E_FORMAT, where, "flags are $, must be 0 to #",
                      CHECK_NUMBERS(header->flags, STATE_FLAGS));
    const enum kv_type found_kv = kv_of(header->flags), ours_kv = s->target.kv_type;
    if (found_kv != ours_kv)
        return refuse(port, APUS_E_MISMATCH, where,
                      "K and V have # and # bits in it, and # and # in the session's cache",
                      CHECK_NUMBERS(kv_bits(found_kv, KV_K), kv_bits(found_kv, KV_V),
                                    kv_bits(ours_kv, KV_K), kv_bits(ours_kv, KV_V)));
    if ((header->flags & STATE_KEYED) != s->keyed)
        return refuse(
            port, APUS_E_FORMAT, where,
            s->keyed
                ? "it is made without a key, and the session takes states by its state_key alone"
                : "it is made with a key, and the session has none (apus_config.state_key)",
            NULL);
    if (header->bytes != bytes || header->evaluated > BLOB_POSITIONS_MAX ||
        state_bytes(s, header->evaluated, header->flags) != bytes)
        return refuse(port, APUS_E_FORMAT, where,
                      "it has # bytes, and its header tells of # for # positions",
                      CHECK_NUMBERS(bytes, header->bytes, header->evaluated));
    size_t content = bytes - (size_t)end_bytes(s);
    make_end(s, data, content, end);
    memcpy(found, data + content, bytes - content);
    if (!blake2s_equal(end, found))
        return refuse(port, APUS_E_FORMAT, where,
                      s->keyed ? "it is damaged, or made with another key"
                               : "it is damaged: its hash differs",
                      NULL);
    if (header->evaluated > s->context)
        return refuse(port, APUS_E_CONTEXT, where,
                      "it has # positions, and the session's context holds #",
                      CHECK_NUMBERS(header->evaluated, s->context));
    return APUS_OK;
}

static apus_status check(const apus_session *s, const uint8_t *data, size_t bytes,
                         struct state_header *header) {
    const apus_port *port = &s->model->port;
    apus_status status = check_header(s, data, bytes, header);
    if (status) return status;
    const uint8_t *at = data + sizeof *header;
    uint32_t vocab = s->target.hal.dims->vocab;
    for (uint32_t i = 0; i < header->evaluated; i++) {
        int32_t id;
        memcpy(&id, at + i * 4, 4);
        if (id < 0 || (uint32_t)id >= vocab)
            return refuse(port, APUS_E_FORMAT, where, "id # is ~, must be 0 to #",
                          CHECK_NUMBERS(i, (uint64_t)(int64_t)id, vocab - 1));
    }
    uint32_t padding = 0;
    if (header->evaluated % 2) memcpy(&padding, at + (size_t)header->evaluated * 4, 4);
    if (padding)
        return refuse(port, APUS_E_FORMAT, where, "bytes behind the ids are not zero", NULL);
    at += ((uint64_t)header->evaluated * 4 + 7) & ~7ull;
    for (uint32_t i = 0, heads = 0; i < s->target.hal.dims->layers; i++) {
        struct kv_cache cache = sequence_cache(&s->target, i);
        const struct kv_range rows = saved_rows(&s->target, i, header->evaluated, header->flags);
        uint32_t bad = kv_saved_bad(&cache, rows.begin, rows.end - rows.begin, at);
        if (bad < cache.kv_heads)
            return refuse(port, APUS_E_FORMAT, where, "a scale of head # is out of range",
                          CHECK_NUMBERS(heads + bad));
        heads += cache.kv_heads;
        at += layer_bytes(&s->target, i, header->evaluated, header->flags);
    }
    return APUS_OK;
}

static apus_status restore(apus_session *s, const void *data, size_t bytes) {
    struct state_header header;
    apus_status status = refuse_null(&s->model->port, "apus_restore", "data", data);
    if (!status) status = check(s, data, bytes, &header);
    if (status) return status;
    assert(header.evaluated <= s->context);
    const uint8_t *at = (const uint8_t *)data + sizeof header;
    size_t ids = header.evaluated * sizeof(int32_t);
    session_rewind(s, 0);
    sequence_reserve(&s->target, header.evaluated);
    memcpy(s->ids, at, ids);
    at += (ids + 7) & ~(size_t)7;
    for (uint32_t i = 0; i < s->target.hal.dims->layers; i++) {
        struct kv_cache cache = sequence_cache(&s->target, i);
        const struct kv_range rows = saved_rows(&s->target, i, header.evaluated, header.flags);
        kv_import(&cache, rows.begin, rows.end - rows.begin, at);
        at += layer_bytes(&s->target, i, header.evaluated, header.flags);
        struct sequence_view *view = &s->target.view[hal_view_of(&s->target.hal, i)];
        if (view->window) view->kept = rows.begin;
    }
    sequence_cache_written(&s->target, 0, header.evaluated);
    s->count = s->target.evaluated = header.evaluated;
    s->generation.running = 0;
    return APUS_OK;
}

APUS_API apus_status apus_restore(apus_session *s, const void *data, size_t bytes) {
    apus_status status = session_enter(s);
    return status ? status : session_leave(s, restore(s, data, bytes));
}
