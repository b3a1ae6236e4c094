#include "lsp_sync.h"

#include <stdio.h>
#include <string.h>

int position_read(const json_t *json, struct position *position) {
    const json_t *line = json_object_get(json, "line"),
                 *column = json_object_get(json, "character");
    if (!json_is_integer(line) || !json_is_integer(column) || json_integer_value(line) < 0 ||
        json_integer_value(column) < 0)
        return -1;
    json_int_t l = json_integer_value(line), c = json_integer_value(column);
    position->line = l > UINT32_MAX ? UINT32_MAX : (uint32_t)l;
    position->column = c > UINT32_MAX ? UINT32_MAX : (uint32_t)c;
    return 0;
}

int range_read(const json_t *json, struct position *start, struct position *end) {
    if (position_read(json_object_get(json, "start"), start) ||
        position_read(json_object_get(json, "end"), end))
        return -1;
    if (start->line > end->line || (start->line == end->line && start->column > end->column)) {
        struct position first = *end;
        *end = *start;
        *start = first;
    }
    return 0;
}

struct document *sync_open(struct documents *documents, json_t *params, char *why) {
    const char *uri, *language, *text;
    size_t bytes;
    json_int_t version;
    json_error_t error;
    if (json_unpack_ex(params, &error, 0, "{s:{s:s,s:s,s:I,s:s%}}", "textDocument", "uri", &uri,
                       "languageId", &language, "version", &version, "text", &text, &bytes)) {
        snprintf(why, WHY_BYTES, "a document cannot be opened: %s", error.text);
        return NULL;
    }
    struct document *document = documents_open(documents, uri, language, version, text, bytes);
    if (!document)
        snprintf(why, WHY_BYTES,
                 "a document is not completed: at most %d are kept, with names of at most %d bytes",
                 DOCUMENTS_MAX, DOCUMENT_NAME_MAX);
    return document;
}

struct document *sync_named(const struct documents *documents, json_t *params, char *why) {
    const char *uri =
        json_string_value(json_object_get(json_object_get(params, "textDocument"), "uri"));
    struct document *document = uri ? documents_find(documents, uri) : NULL;
    if (!document)
        snprintf(why, WHY_BYTES,
                 uri ? "textDocument.uri names a document that is not open"
                     : "expected textDocument.uri, found none");
    return document;
}

/* Makes one change. 0, or -1 if it cannot be read or made. */
static int change(struct documents *documents, struct document *document, const json_t *json,
                  enum column_unit unit) {
    struct position start, end;
    const json_t *text = json_object_get(json, "text"), *range = json_object_get(json, "range");
    if (!json_is_string(text)) return -1;
    size_t from = 0, to = document->bytes;
    if (range && !json_is_null(range)) {
        if (document->lost || range_read(range, &start, &end)) return -1;
        from = position_offset(document->text, document->bytes, start, unit);
        to = position_offset(document->text, document->bytes, end, unit);
    }
    return document_replace(documents, document, from, to, json_string_value(text),
                            json_string_length(text));
}

struct document *sync_change(struct documents *documents, json_t *params, enum column_unit unit,
                             char *why) {
    struct document *document = sync_named(documents, params, why);
    const json_t *changes = json_object_get(params, "contentChanges"),
                 *version = json_object_get(json_object_get(params, "textDocument"), "version");
    if (!document) return NULL;
    int was_lost = document->lost, wrong = !json_is_array(changes);
    if (json_is_integer(version)) document->version = json_integer_value(version);
    for (size_t i = 0; i < json_array_size(changes); i++)
        if (change(documents, document, json_array_get(changes, i), unit)) wrong = 1;
    if (!wrong || (was_lost && document->lost)) return document; /* the loss was reported before */
    if (!document->lost) document_lose(documents, document);
    snprintf(why, WHY_BYTES,
             "a change of a document cannot be done, or makes it too large: it is not completed "
             "until it is opened anew");
    return NULL;
}
