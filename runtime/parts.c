#include "runtime/parts.h"

#include <string.h>

#include "runtime/config.h"
#include "runtime/refuse.h"

size_t parts_scratch(const struct vocab *v, size_t text_bytes) {
    size_t scratch = tokenizer_scratch(v, text_bytes);
    /* where adjacent parts are joined */
    return scratch == SIZE_MAX ? SIZE_MAX : scratch + (text_bytes + 7) / 8 * 8;
}

size_t parts_text_bytes(const apus_part *parts, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].kind != APUS_TEXT) continue;
        if (parts[i].count > TOKENIZER_TEXT_MAX - total) return SIZE_MAX;
        total += parts[i].count;
    }
    return total;
}

apus_status ids_check(const struct vocab *v, const apus_port *port, const char *where,
                      uint32_t index, const int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= v->header->rows)
            return refuse_at(port, APUS_E_TOKEN, where, index, "id # is ~, must be 0 to #", NULL,
                             CHECK_NUMBERS(i, (uint64_t)(int64_t)ids[i], v->header->rows - 1));
    return APUS_OK;
}

static apus_status check_special(const struct vocab *v, const apus_port *port, uint32_t index,
                                 const apus_part *p) {
    char shown[REFUSE_TEXT];
    if (tokenizer_special(v, p->data, p->count) >= 0) return APUS_OK;
    return refuse_at(port, APUS_E_TOKEN, "part", index, "the vocabulary has no special token \"@\"",
                     refuse_text(shown, p->data, p->count), NULL);
}

static apus_status check_part(const struct vocab *v, const apus_port *port, uint32_t index,
                              const apus_part *p) {
    const uint32_t flags = APUS_PART_NO_PREFIX | APUS_PART_SPECIALS;
    if (p->kind == APUS_BOS) return APUS_OK;
    if (p->kind != APUS_TEXT && p->kind != APUS_SPECIAL && p->kind != APUS_IDS)
        return refuse_at(port, APUS_E_ARGUMENT, "part", index, "kind is #, must be 0 to #", NULL,
                         CHECK_NUMBERS((uint32_t)p->kind, APUS_BOS));
    if (p->count && !p->data)
        return refuse_at(port, APUS_E_ARGUMENT, "part", index, "data is NULL, and count is #", NULL,
                         CHECK_NUMBERS(p->count));
    if (p->kind == APUS_TEXT && p->flags & ~flags)
        return refuse_at(port, APUS_E_ARGUMENT, "part", index, "flags is $, must be of $", NULL,
                         CHECK_NUMBERS(p->flags, flags));
    if (p->kind == APUS_SPECIAL) return check_special(v, port, index, p);
    return p->kind == APUS_IDS ? ids_check(v, port, "part", index, p->data, p->count) : APUS_OK;
}

apus_status parts_check(const struct vocab *v, const apus_port *port, const apus_part *parts,
                        size_t count) {
    apus_status status = APUS_OK;
    for (size_t i = 0; !status && i < count; i++)
        status = check_part(v, port, (uint32_t)i, &parts[i]);
    return status;
}

/* Adjacent TEXT parts with equal flags are one text: words and merges cross their seams. Returns
 * the parts taken. */
static size_t encode_text(const struct vocab *v, const apus_part *parts, size_t count,
                          struct ids *ids, uint8_t *scratch) {
    size_t run = 1, bytes = parts[0].count, filled = parts[0].count != 0;
    const uint8_t *text = parts[0].data;
    for (; run < count && parts[run].kind == APUS_TEXT && parts[run].flags == parts[0].flags;
         run++) {
        if (parts[run].count && filled++ == 0) text = parts[run].data;
        bytes += parts[run].count;
    }
    if (filled > 1) {
        size_t at = 0;
        for (size_t i = 0; i < run; at += parts[i++].count)
            if (parts[i].count) memcpy(scratch + at, parts[i].data, parts[i].count);
        text = scratch;
        scratch += (bytes + 7) / 8 * 8;
    }
    if (bytes) tokenizer_encode(v, text, bytes, parts[0].flags, ids, scratch);
    return run;
}

void parts_encode(const struct vocab *v, const apus_part *parts, size_t count, struct ids *ids,
                  void *scratch) {
    for (size_t i = 0; i < count;) {
        const apus_part *p = &parts[i++];
        if (p->kind == APUS_TEXT)
            i += encode_text(v, p, count - (i - 1), ids, scratch) - 1;
        else if (p->kind == APUS_SPECIAL)
            ids_put(ids, (uint32_t)tokenizer_special(v, p->data, p->count));
        else if (p->kind == APUS_BOS && v->header->flags & VOCAB_ADD_BOS)
            ids_put(ids, (uint32_t)v->header->bos);
        else if (p->kind == APUS_IDS)
            for (size_t k = 0; k < p->count; k++)
                ids_put(ids, (uint32_t)((const int32_t *)p->data)[k]);
    }
}

apus_status parts_tokenize(const struct vocab *v, const apus_port *port, const apus_part *parts,
                           size_t parts_count, struct ids *ids, void *scratch,
                           size_t scratch_bytes) {
    apus_status status = parts_check(v, port, parts, parts_count);
    if (status) return status;
    size_t text = parts_text_bytes(parts, parts_count);
    apus_memory need = {.bytes = text == SIZE_MAX ? SIZE_MAX : parts_scratch(v, text),
                        .alignment = 8};
    if (text) status = refuse_memory(port, "scratch for tokenizing", scratch, scratch_bytes, &need);
    if (!status && text == SIZE_MAX)
        status = refuse(port, APUS_E_SPACE, "prompt", "more than # bytes of TEXT",
                        CHECK_NUMBERS(TOKENIZER_TEXT_MAX));
    if (!status) parts_encode(v, parts, parts_count, ids, scratch);
    return status;
}

/* ------------------------------------------------------------------------------------ public -- */

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
