/* The editor's open documents, kept up to date by the protocol's notifications. They are UTF-8 and
 * are only in memory. Offsets are in bytes; positions are lines and columns as the client counts
 * them.
 *
 * There are at most DOCUMENTS_MAX documents, of at most DOCUMENT_BYTES_MAX each and
 * DOCUMENTS_BYTES_MAX together. A document that is too large is known without its text ("lost"). So
 * is one of which a change was lost, until the client sends the whole text again. */
#ifndef COMPLETE_DOCUMENTS_H
#define COMPLETE_DOCUMENTS_H

#include <stddef.h>
#include <stdint.h>

enum {
    DOCUMENTS_MAX = 512,
    DOCUMENT_BYTES_MAX = 8 << 20,
    DOCUMENTS_BYTES_MAX = 64 << 20,
    DOCUMENT_NAME_MAX = 4096, /* bytes of a URI; longer ones are refused */
    LANGUAGE_BYTES_MAX = 64
};

/* What a column counts: bytes, UTF-16 units or characters. */
enum column_unit { COLUMN_UTF8, COLUMN_UTF16, COLUMN_UTF32 };

/* Both count from 0. */
struct position {
    uint32_t line, column;
};

struct document {
    char *uri; /* zero-terminated; this and text are allocated */
    char language[LANGUAGE_BYTES_MAX];
    int64_t version;
    char *text; /* [bytes]; NULL only if `lost` */
    size_t bytes, capacity;
    int lost;
    uint64_t key;    /* identifies the document; never given twice, never 0 */
    uint64_t states; /* counts the changes of the text */
    size_t cursor;   /* where the text was last changed, or where a completion was last asked for */
};

/* A list of zeros is empty. Closing a document changes the order of the others. */
struct documents {
    struct document *list[DOCUMENTS_MAX];
    size_t count, bytes;
    uint64_t keys;
};

/* NULL: the document is not open. */
struct document *documents_find(const struct documents *documents, const char *uri);

/* Opens a document; one that is open already is closed first. NULL: memory is short, there are too
 * many documents, or the name is too long. If the text is too large, the document is lost. */
struct document *documents_open(struct documents *documents, const char *uri, const char *language,
                                int64_t version, const char *text, size_t bytes);
void documents_close(struct documents *documents, struct document *document);
void documents_free(struct documents *documents);

/* Replaces [from, to), both inside the text, by text [bytes]. 0; or -1 if the document would be too
 * large or memory is short; the document is then lost. The cursor goes to the end of the new
 * text. */
int document_replace(struct documents *documents, struct document *document, size_t from, size_t to,
                     const char *text, size_t bytes);

/* Forgets the text, until the client sends all of it again. */
void document_lose(struct documents *documents, struct document *document);

/* The byte at a position. Lines end with \n, \r\n or \r. A column after the line's end counts as
 * the line's end, and a line after the last one as the text's end. A place inside a character, or
 * inside a pair of UTF-16 units, counts as the character's first byte. */
size_t position_offset(const char *text, size_t bytes, struct position position,
                       enum column_unit unit);
/* The position of the byte at offset, which is at most `bytes`. */
struct position offset_position(const char *text, size_t bytes, size_t offset,
                                enum column_unit unit);

/* Where the line of `offset` begins; where the n-th line before it begins; where the n-th line
 * after it begins. They stay inside the text. */
size_t line_front(const char *text, size_t offset);
size_t lines_back(const char *text, size_t offset, size_t n);
size_t lines_forward(const char *text, size_t bytes, size_t offset, size_t n);

/* Copies text [bytes] to `to` [bytes] with \n as the only line end. Returns the copy's bytes. */
size_t lines_plain(char *to, const char *text, size_t bytes);

#endif
