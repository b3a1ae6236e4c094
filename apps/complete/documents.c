#include "documents.h"

#include <stdlib.h>
#include <string.h>

/* ---- lines and columns */

/* The first line end in text [bytes] from `at` on, or bytes. *next: the place after it. */
static size_t line_end(const char *text, size_t bytes, size_t at, size_t *next) {
    for (; at < bytes; at++)
        if (text[at] == '\n' || text[at] == '\r') break;
    *next = at + (at < bytes);
    if (at + 1 < bytes && text[at] == '\r' && text[at + 1] == '\n') *next = at + 2;
    return at;
}

/* How many bytes the character at `at` has. The text may not be UTF-8: as many bytes count as the
 * lead byte announces and as continue it. */
static size_t character_bytes(const char *text, size_t bytes, size_t at) {
    uint8_t lead = (uint8_t)text[at];
    size_t want = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf8 ? 4 : 1, n = 1;
    while (n < want && at + n < bytes && ((uint8_t)text[at + n] & 0xc0) == 0x80) n++;
    return n;
}

static uint32_t columns_of(size_t character, enum column_unit unit) {
    if (unit == COLUMN_UTF8) return (uint32_t)character;
    return unit == COLUMN_UTF16 && character == 4 ? 2 : 1;
}

size_t position_offset(const char *text, size_t bytes, struct position position,
                       enum column_unit unit) {
    size_t at = 0, next, end = line_end(text, bytes, 0, &next);
    for (uint32_t line = 0; line < position.line; line++) {
        if (next == end) return bytes; /* the last line has no end */
        at = next;
        end = line_end(text, bytes, at, &next);
    }
    for (uint32_t left = position.column; at < end;) {
        size_t n = character_bytes(text, end, at);
        uint32_t columns = columns_of(n, unit);
        if (columns > left) return at;
        left -= columns;
        at += n;
    }
    return at;
}

struct position offset_position(const char *text, size_t bytes, size_t offset,
                                enum column_unit unit) {
    struct position position = {0, 0};
    size_t at = 0, next, end = line_end(text, bytes, 0, &next);
    while (next != end && next <= offset) {
        position.line++;
        at = next;
        end = line_end(text, bytes, at, &next);
    }
    while (at < offset && at < end) {
        size_t n = character_bytes(text, end, at);
        if (at + n > offset) break;
        position.column += columns_of(n, unit);
        at += n;
    }
    return position;
}

size_t line_front(const char *text, size_t offset) {
    while (offset && text[offset - 1] != '\n' && text[offset - 1] != '\r') offset--;
    return offset;
}

size_t lines_back(const char *text, size_t offset, size_t n) {
    size_t at = line_front(text, offset);
    for (; n && at; n--) {
        at--;
        if (at && text[at] == '\n' && text[at - 1] == '\r') at--;
        at = line_front(text, at);
    }
    return at;
}

size_t lines_forward(const char *text, size_t bytes, size_t offset, size_t n) {
    size_t next = offset;
    for (; n && offset < bytes; n--) {
        line_end(text, bytes, offset, &next);
        offset = next;
    }
    return offset;
}

size_t lines_plain(char *to, const char *text, size_t bytes) {
    size_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        if (text[i] != '\r')
            to[count++] = text[i];
        else if (i + 1 == bytes || text[i + 1] != '\n')
            to[count++] = '\n';
    }
    return count;
}

/* ---- the list */

struct document *documents_find(const struct documents *documents, const char *uri) {
    for (size_t i = 0; i < documents->count; i++)
        if (strcmp(documents->list[i]->uri, uri) == 0) return documents->list[i];
    return NULL;
}

void document_lose(struct documents *documents, struct document *document) {
    documents->bytes -= document->bytes;
    free(document->text);
    document->text = NULL;
    document->bytes = document->capacity = document->cursor = 0;
    document->lost = 1;
    document->states++;
}

void documents_close(struct documents *documents, struct document *document) {
    for (size_t i = 0; i < documents->count; i++)
        if (documents->list[i] == document) {
            documents->list[i] = documents->list[--documents->count];
            break;
        }
    documents->bytes -= document->bytes;
    free(document->text);
    free(document->uri);
    free(document);
}

void documents_free(struct documents *documents) {
    while (documents->count) documents_close(documents, documents->list[documents->count - 1]);
}

struct document *documents_open(struct documents *documents, const char *uri, const char *language,
                                int64_t version, const char *text, size_t bytes) {
    struct document *document = documents_find(documents, uri);
    if (document) documents_close(documents, document);
    size_t name = strlen(uri);
    if (documents->count == DOCUMENTS_MAX || name > DOCUMENT_NAME_MAX) return NULL;
    document = calloc(1, sizeof *document);
    char *copy = malloc(name + 1);
    if (!document || !copy) {
        free(document);
        free(copy);
        return NULL;
    }
    document->uri = memcpy(copy, uri, name + 1);
    size_t word = strlen(language);
    if (word < LANGUAGE_BYTES_MAX) memcpy(document->language, language, word);
    document->version = version;
    document->key = ++documents->keys;
    document->lost = 1;
    documents->list[documents->count++] = document;
    document_replace(documents, document, 0, 0, text, bytes);
    document->cursor = 0;
    return document;
}

/* Makes room for `bytes` and half as many more, so that typing seldom moves the text. */
static int reserve(struct document *document, size_t bytes) {
    if (document->text && bytes <= document->capacity) return 0;
    size_t capacity = bytes + bytes / 2 + 64;
    char *grown = realloc(document->text, capacity);
    if (!grown) return -1;
    document->text = grown;
    document->capacity = capacity;
    return 0;
}

int document_replace(struct documents *documents, struct document *document, size_t from, size_t to,
                     const char *text, size_t bytes) {
    size_t after = document->bytes - (to - from) + bytes;
    if (after > DOCUMENT_BYTES_MAX ||
        documents->bytes - document->bytes + after > DOCUMENTS_BYTES_MAX ||
        reserve(document, after)) {
        document_lose(documents, document);
        return -1;
    }
    memmove(document->text + from + bytes, document->text + to, document->bytes - to);
    if (bytes) memcpy(document->text + from, text, bytes);
    documents->bytes += after - document->bytes;
    document->bytes = after;
    document->cursor = from + bytes;
    document->lost = 0;
    document->states++;
    return 0;
}
