/* The editor's open documents, as the protocol's notifications tell of them: UTF-8 in memory, never
 * anywhere else. Offsets are bytes; positions are lines and columns as the client counts them.
 *
 * Bounds: DOCUMENTS_MAX documents of DOCUMENT_BYTES_MAX each, all together DOCUMENTS_BYTES_MAX. One
 * that is larger is known without its text ("lost"), as is one whose changes were lost, until the
 * client sends the whole text again. */
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

/* What a column counts in: bytes, UTF-16 units or characters. */
enum column_unit { COLUMN_UTF8, COLUMN_UTF16, COLUMN_UTF32 };

/* Both from 0. */
struct position {
    uint32_t line, column;
};

struct document {
    char *uri; /* NUL-terminated, own memory, as are the others */
    char language[LANGUAGE_BYTES_MAX];
    int64_t version;
    char *text; /* [bytes]; not NULL, but where `lost` */
    size_t bytes, capacity;
    int lost;
    uint64_t key;    /* never given twice; not 0 */
    uint64_t states; /* counts what was done to the text */
    size_t cursor;   /* where it was last changed, or asked about */
};

/* Zero is none. Documents move when one is closed. */
struct documents {
    struct document *list[DOCUMENTS_MAX];
    size_t count, bytes;
    uint64_t keys;
};

/* NULL: not open. */
struct document *documents_find(const struct documents *documents, const char *uri);

/* Opens it, anew where it was open already. NULL: no memory, too many of them or too long a name.
 * Where the text is too large the document is lost. */
struct document *documents_open(struct documents *documents, const char *uri, const char *language,
                                int64_t version, const char *text, size_t bytes);
void documents_close(struct documents *documents, struct document *document);
void documents_free(struct documents *documents);

/* Puts text [bytes] in the place of [from, to), both inside the text. 0; or -1: it would be too
 * large, or there is no memory; the document is lost then. The cursor goes behind the new text. */
int document_replace(struct documents *documents, struct document *document, size_t from, size_t to,
                     const char *text, size_t bytes);

/* Forgets the text; what is sent as a whole makes it whole again. */
void document_lose(struct documents *documents, struct document *document);

/* The byte at a position. Lines end with \n, \r\n or \r. A column behind the line's end is the
 * line's end, a line behind the last is the text's end; a place inside a character, or a pair of
 * UTF-16 units, is the character's front. */
size_t position_offset(const char *text, size_t bytes, struct position position,
                       enum column_unit unit);
/* The position of a byte that is no more than `bytes`. */
struct position offset_position(const char *text, size_t bytes, size_t offset,
                                enum column_unit unit);

/* The front of the line of `offset`, and of the n-th before and after it; no further than the
 * text. */
size_t line_front(const char *text, size_t offset);
size_t lines_back(const char *text, size_t offset, size_t n);
size_t lines_forward(const char *text, size_t bytes, size_t offset, size_t n);

#endif
