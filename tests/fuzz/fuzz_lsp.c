/* libFuzzer: what a client of the language server sends, up to the documents: framing in pieces of
 * any size, repaired JSON, edits, settings. Input: a byte for the size of the pieces, then what is
 * sent. Whatever it is, the documents keep their bounds, every offset in them has a position that
 * leads back to it, and what is repaired is UTF-8 to the parser. */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "apps/complete/chunk_ring.h"
#include "apps/complete/edit_history.h"
#include "apps/complete/finish.h"
#include "apps/complete/lsp_frames.h"
#include "apps/complete/lsp_settings.h"
#include "apps/complete/lsp_sync.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void complain(void *user, const char *sentence) {
    (void)user;
    assert(strlen(sentence) > 10);
}

static void look_at(const struct document *document, struct chunk_ring *ring) {
    if (document->lost) return;
    for (int unit = COLUMN_UTF8; unit <= COLUMN_UTF32; unit++) {
        size_t at = document->cursor;
        struct position p =
            offset_position(document->text, document->bytes, at, (enum column_unit)unit);
        size_t back = position_offset(document->text, document->bytes, p, (enum column_unit)unit);
        assert(back <= at && at - back < 4); /* the front of a character or of \r\n */
    }
    ring_pick(ring, document->uri, document->text, document->bytes, document->cursor);
    ring_avoid(ring, document->text, document->bytes, document->cursor);
    struct finish rules = {.before = document->text,
                           .before_bytes = document->cursor,
                           .after = document->text + document->cursor,
                           .after_bytes = document->bytes - document->cursor,
                           .loops = 1,
                           .block = 1};
    size_t n = finish_length(&rules, document->text, document->bytes, 1, 0);
    assert(n <= document->bytes);
}

/* Makes the change and notes it; the last change's lines are the document's then. */
static struct document *change(struct documents *documents, struct history *history, json_t *params,
                               enum column_unit unit) {
    char why[WHY_BYTES], *old = NULL;
    struct document *document = sync_named(documents, params, why);
    size_t old_bytes = document && !document->lost ? document->bytes : 0;
    if (document && !document->lost) {
        old = malloc(old_bytes + 1);
        memcpy(old, document->text, old_bytes);
    }
    document = sync_change(documents, params, unit, why);
    if (document && old && !document->lost) {
        history_note(history, document->key, document->uri, old, old_bytes, document->text,
                     document->bytes);
        const struct history_change *last = history_last(history, document->key);
        assert(!last || last->after.bytes <= HISTORY_BYTES_MAX);
        assert(!last || last->after.bytes <= document->bytes);
    } else if (document) {
        history_end(history, document->key);
    }
    free(old);
    return document;
}

static void handle(struct documents *documents, struct chunk_ring *ring, struct history *history,
                   struct lsp_settings *settings, char *body, size_t bytes) {
    char why[WHY_BYTES];
    json_error_t error;
    frame_repair(body, bytes);
    json_t *message = json_loadb(body, bytes, JSON_ALLOW_NUL, &error);
    if (!message) {
        assert(json_error_code(&error) != json_error_invalid_utf8);
        return;
    }
    json_t *params = json_object_get(message, "params");
    const char *method = json_string_value(json_object_get(message, "method"));
    struct document *document = NULL;
    if (method && !strcmp(method, "o")) document = sync_open(documents, params, why);
    if (method && !strcmp(method, "c")) document = change(documents, history, params, COLUMN_UTF16);
    if (method && !strcmp(method, "8")) document = change(documents, history, params, COLUMN_UTF8);
    if (document) look_at(document, ring);
    if (method && !strcmp(method, "s")) lsp_settings_read(settings, params, complain, NULL);
    json_decref(message);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct documents documents;
    static struct chunk_ring ring;
    struct history history = {.count = 0};
    struct frames frames = {0};
    struct lsp_settings settings;
    if (!size) return 0;
    size_t step = data[0] + 1u, sum = 0;
    lsp_settings_defaults(&settings);
    memset(&documents, 0, sizeof documents);
    memset(&ring, 0, sizeof ring);
    for (size_t at = 1; at < size; at += step) {
        size_t room, n = size - at < step ? size - at : step, bytes;
        char *to = frames_space(&frames, &room), *body;
        assert(to && room >= n);
        memcpy(to, data + at, n);
        frames_add(&frames, n);
        enum frame_kind kind;
        while ((kind = frames_next(&frames, &body, &bytes)) == FRAME_BODY)
            handle(&documents, &ring, &history, &settings, body, bytes);
        if (kind == FRAME_BROKEN) break;
    }
    for (size_t i = 0; i < documents.count; i++) sum += documents.list[i]->bytes;
    assert(sum == documents.bytes && sum <= DOCUMENTS_BYTES_MAX);
    documents_free(&documents);
    ring_free(&ring);
    history_free(&history);
    lsp_settings_free(&settings);
    frames_free(&frames);
    return 0;
}
