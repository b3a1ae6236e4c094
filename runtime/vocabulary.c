/* The vocabulary of a blob for callers: text into ids and back. */
#include "runtime/config.h"
#include "text/heal.h"
#include "text/parts.h"
#include "weights/refuse.h"

APUS_API size_t apus_tokenize_scratch(const apus_blob *blob, size_t text_bytes) {
    return blob_opened(blob) ? parts_scratch(&blob_of(blob)->vocab, text_bytes) : 0;
}

APUS_API apus_status apus_tokenize(const apus_blob *blob, const apus_part *parts,
                                   size_t parts_count, int32_t *ids, size_t capacity, size_t *count,
                                   void *scratch, size_t scratch_bytes) {
    static const char where[] = "apus_tokenize";
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    apus_port port = blob_port(b);
    struct ids out = {ids, capacity, 0};
    apus_status status = refuse_null(&port, where, "count", count);
    if (!status && capacity) status = refuse_null(&port, where, "ids", ids);
    if (!status && parts_count) status = refuse_null(&port, where, "parts", parts);
    if (!status)
        status = parts_tokenize(&b->vocab, &port, parts, parts_count, &out, scratch, scratch_bytes);
    if (status) return status;
    *count = out.count;
    return out.count > capacity ? APUS_E_SPACE : APUS_OK;
}

APUS_API apus_status apus_detokenize(const apus_blob *blob, const int32_t *ids, size_t ids_count,
                                     int first, int specials, char *text, size_t capacity,
                                     size_t *count) {
    static const char where[] = "apus_detokenize";
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    apus_port port = blob_port(b);
    apus_status status = refuse_null(&port, where, "count", count);
    if (!status && capacity) status = refuse_null(&port, where, "text", text);
    if (!status && ids_count) status = refuse_null(&port, where, "ids", ids);
    if (!status) status = ids_check(&b->vocab, &port, where, CHECK_NO_INDEX, ids, ids_count);
    if (status) return status;
    *count =
        tokenizer_decode(&b->vocab, ids, ids_count, first, specials, (uint8_t *)text, capacity);
    return *count > capacity ? APUS_E_SPACE : APUS_OK;
}

APUS_API apus_status apus_heal(const apus_blob *blob, const char *text, size_t bytes,
                               uint32_t flags, size_t *keep, void *scratch, size_t scratch_bytes) {
    static const char where[] = "apus_heal";
    const struct blob *b = blob_opened(blob);
    if (!b) return APUS_E_ARGUMENT;
    apus_port port = blob_port(b);
    const apus_part part = {APUS_PART_TEXT, flags, text, bytes};
    apus_status status = refuse_null(&port, where, "keep", keep);
    if (!status) status = parts_check(&b->vocab, &port, &part, 1);
    if (!status) status = refuse_outside(&port, where, "bytes", bytes, 0, TOKENIZER_TEXT_MAX);
    apus_memory need = {.bytes = heal_scratch(&b->vocab), .alignment = 8};
    if (!status) status = refuse_memory(&port, where, scratch, scratch_bytes, &need);
    if (!status) *keep = heal_keep(&b->vocab, (const uint8_t *)text, bytes, flags, scratch);
    return status;
}
