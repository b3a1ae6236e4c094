#include "text/parts.h"

#include <assert.h>
#include <string.h>

#include "text/unicode.h"
#include "weights/refuse.h"

enum { SHOWN_BYTES = 80 };

size_t parts_scratch(const struct vocab *v, size_t text_bytes) {
    assert(v);
    size_t scratch = tokenizer_scratch(v, text_bytes);
    /* the place where adjacent parts are joined */
    return scratch == SIZE_MAX ? SIZE_MAX : scratch + (text_bytes + 7) / 8 * 8;
}

size_t parts_text_bytes(const apus_part *parts, size_t count) {
    size_t total = 0;
    assert(parts || !count);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].kind != APUS_PART_TEXT) continue;
        if (parts[i].count > TOKENIZER_TEXT_MAX - total) return SIZE_MAX;
        total += parts[i].count;
    }
    return total;
}

apus_status ids_check(const struct vocab *v, const apus_port *port, const char *where,
                      uint32_t index, const int32_t *ids, size_t count) {
    assert(v && where && (ids || !count));
    for (size_t i = 0; i < count; i++)
        if (ids[i] < 0 || (uint32_t)ids[i] >= v->header->rows)
            return refuse_at(port, APUS_E_TOKEN, where, index, "id # is ~, must be 0 to #", NULL,
                             CHECK_NUMBERS(i, (uint64_t)(int64_t)ids[i], v->header->rows - 1));
    return APUS_OK;
}

/* A caller's text in a form for messages: characters that are not printable become '?', and a long
 * text is cut. */
static const char *show(char to[SHOWN_BYTES], const void *text, size_t bytes) {
    const uint8_t *from = text;
    size_t count = 0, at = 0;
    while (at < bytes) {
        uint32_t code;
        size_t length = utf8_read(from + at, bytes - at, &code);
        int shown =
            code >= ' ' && code != 0x7f && !(code >= 0x80 && code < 0xa0) && !(code & UNICODE_BAD);
        size_t added = shown ? length : 1;
        if (count + added + 4 > SHOWN_BYTES) break;
        if (shown)
            memcpy(to + count, from + at, length);
        else
            to[count] = '?';
        count += added, at += length;
    }
    if (at < bytes) memcpy(to + count, "...", 3), count += 3;
    to[count] = 0;
    return to;
}

static apus_status check_special(const struct vocab *v, const apus_port *port, uint32_t index,
                                 const apus_part *p) {
    char shown[SHOWN_BYTES];
    if (tokenizer_special(v, p->data, p->count) >= 0) return APUS_OK;
    return refuse_at(port, APUS_E_TOKEN, "part", index, "the vocabulary has no special token \"@\"",
                     show(shown, p->data, p->count), NULL);
}

static apus_status check_part(const struct vocab *v, const apus_port *port, uint32_t index,
                              const apus_part *p) {
    const uint32_t flags = APUS_TEXT_NO_PREFIX | APUS_TEXT_SPECIALS;
    if (p->kind == APUS_PART_BOS) return APUS_OK;
    if (p->kind != APUS_PART_TEXT && p->kind != APUS_PART_SPECIAL && p->kind != APUS_PART_IDS)
        return refuse_at(port, APUS_E_ARGUMENT, "part", index, "kind is #, must be 0 to #", NULL,
                         CHECK_NUMBERS((uint32_t)p->kind, APUS_PART_BOS));
    if (p->count && !p->data)
        return refuse_at(port, APUS_E_ARGUMENT, "part", index, "data is NULL, and count is #", NULL,
                         CHECK_NUMBERS(p->count));
    if (p->kind == APUS_PART_TEXT && p->flags & ~flags)
        return refuse_at(port, APUS_E_ARGUMENT, "part", index, "flags is $, must be of $", NULL,
                         CHECK_NUMBERS(p->flags, flags));
    if (p->kind == APUS_PART_SPECIAL) return check_special(v, port, index, p);
    return p->kind == APUS_PART_IDS ? ids_check(v, port, "part", index, p->data, p->count)
                                    : APUS_OK;
}

apus_status parts_check(const struct vocab *v, const apus_port *port, const apus_part *parts,
                        size_t count) {
    apus_status status = APUS_OK;
    assert(v && (parts || !count));
    for (size_t i = 0; !status && i < count; i++)
        status = check_part(v, port, (uint32_t)i, &parts[i]);
    return status;
}

/* Adjacent TEXT parts with equal flags are one text: words and merges may cross from one to the
 * next. Returns the number of parts taken. */
static size_t encode_text(const struct vocab *v, const apus_part *parts, size_t count,
                          struct ids *ids, uint8_t *scratch) {
    size_t run = 1, bytes = parts[0].count, filled = parts[0].count != 0;
    const uint8_t *text = parts[0].data;
    for (; run < count && parts[run].kind == APUS_PART_TEXT && parts[run].flags == parts[0].flags;
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
    assert(v && ids && parts_check(v, NULL, parts, count) == APUS_OK);
    assert(parts_text_bytes(parts, count) != SIZE_MAX);
    assert(scratch ? (uintptr_t)scratch % 8 == 0 : !parts_text_bytes(parts, count));
    for (size_t i = 0; i < count;) {
        const apus_part *p = &parts[i++];
        if (p->kind == APUS_PART_TEXT)
            i += encode_text(v, p, count - (i - 1), ids, scratch) - 1;
        else if (p->kind == APUS_PART_SPECIAL)
            ids_put(ids, (uint32_t)tokenizer_special(v, p->data, p->count));
        else if (p->kind == APUS_PART_BOS && v->header->flags & VOCAB_ADD_BOS)
            ids_put(ids, (uint32_t)v->header->bos);
        else if (p->kind == APUS_PART_IDS)
            for (size_t k = 0; k < p->count; k++)
                ids_put(ids, (uint32_t)((const int32_t *)p->data)[k]);
    }
}

apus_status parts_tokenize(const struct vocab *v, const apus_port *port, const apus_part *parts,
                           size_t parts_count, struct ids *ids, void *scratch,
                           size_t scratch_bytes) {
    assert(ids && (ids->to || !ids->capacity));
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
