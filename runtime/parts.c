#include "runtime/parts.h"

#include <string.h>

#include "weights/blob.h"

size_t parts_scratch(const struct vocab *v, size_t text_bytes) {
    size_t scratch = tokenizer_scratch(v, text_bytes);
    return scratch == SIZE_MAX ? SIZE_MAX : scratch + (text_bytes + 7) / 8 * 8; /* where adjacent parts are joined */
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

static apus_status check_part(const struct vocab *v, const apus_part *p) {
    if (p->kind == APUS_BOS) return APUS_OK;
    if (p->kind != APUS_TEXT && p->kind != APUS_SPECIAL && p->kind != APUS_IDS) return APUS_E_ARGUMENT;
    if (p->count && !p->data) return APUS_E_ARGUMENT;
    if (p->kind == APUS_TEXT) return p->flags & ~(uint32_t)(APUS_PART_NO_PREFIX | APUS_PART_SPECIALS) ? APUS_E_ARGUMENT : APUS_OK;
    if (p->kind == APUS_SPECIAL) return tokenizer_special(v, p->data, p->count) < 0 ? APUS_E_TOKEN : APUS_OK;
    const int32_t *ids = p->data;
    for (size_t i = 0; i < p->count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= v->header->rows) return APUS_E_TOKEN;
    return APUS_OK;
}

apus_status parts_check(const struct vocab *v, const apus_part *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        apus_status status = check_part(v, &parts[i]);
        if (status != APUS_OK) return status;
    }
    return APUS_OK;
}

/* Adjacent TEXT parts with equal flags are one text: words and merges cross their seams. Returns the parts taken. */
static size_t encode_text(const struct vocab *v, const apus_part *parts, size_t count, struct ids *ids, uint8_t *scratch) {
    size_t run = 1, bytes = parts[0].count, filled = parts[0].count != 0;
    const uint8_t *text = parts[0].data;
    for (; run < count && parts[run].kind == APUS_TEXT && parts[run].flags == parts[0].flags; run++) {
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

void parts_encode(const struct vocab *v, const apus_part *parts, size_t count, struct ids *ids, void *scratch) {
    for (size_t i = 0; i < count;) {
        const apus_part *p = &parts[i++];
        if (p->kind == APUS_TEXT)
            i += encode_text(v, p, count - (i - 1), ids, scratch) - 1;
        else if (p->kind == APUS_SPECIAL)
            ids_put(ids, (uint32_t)tokenizer_special(v, p->data, p->count));
        else if (p->kind == APUS_BOS && v->header->flags & VOCAB_ADD_BOS)
            ids_put(ids, (uint32_t)v->header->bos);
        else if (p->kind == APUS_IDS)
            for (size_t k = 0; k < p->count; k++) ids_put(ids, (uint32_t)((const int32_t *)p->data)[k]);
    }
}

/* ----------------------------------------------------------------------------------------------------------- public -- */

APUS_API size_t apus_tokenize_scratch(const apus_blob *blob, size_t text_bytes) {
    return blob ? parts_scratch(&blob_of(blob)->vocab, text_bytes) : 0;
}

APUS_API apus_status apus_tokenize(const apus_blob *blob, const apus_part *parts, size_t parts_count, int32_t *ids, size_t capacity,
                                   size_t *count, void *scratch, size_t scratch_bytes) {
    if (!blob || (parts_count && !parts) || (capacity && !ids) || !count) return APUS_E_ARGUMENT;
    const struct vocab *v = &blob_of(blob)->vocab;
    apus_status status = parts_check(v, parts, parts_count);
    if (status != APUS_OK) return status;
    size_t text = parts_text_bytes(parts, parts_count), need = text == SIZE_MAX ? SIZE_MAX : parts_scratch(v, text);
    if (text && (need == SIZE_MAX || need > scratch_bytes || !scratch || (uintptr_t)scratch % 8 != 0)) return APUS_E_SPACE;
    struct ids out = {ids, capacity, 0};
    parts_encode(v, parts, parts_count, &out, scratch);
    *count = out.count;
    return out.count > capacity ? APUS_E_SPACE : APUS_OK;
}

APUS_API apus_status apus_detokenize(const apus_blob *blob, const int32_t *ids, size_t ids_count, int first, int specials, char *text,
                                     size_t capacity, size_t *count) {
    if (!blob || (ids_count && !ids) || (capacity && !text) || !count) return APUS_E_ARGUMENT;
    const struct vocab *v = &blob_of(blob)->vocab;
    const apus_part part = {APUS_IDS, 0, ids, ids_count};
    apus_status status = parts_check(v, &part, 1);
    if (status != APUS_OK) return status;
    *count = tokenizer_decode(v, ids, ids_count, first, specials, (uint8_t *)text, capacity);
    return *count > capacity ? APUS_E_SPACE : APUS_OK;
}
