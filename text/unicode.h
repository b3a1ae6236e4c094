/* What the tokenizers need of Unicode: reading and writing UTF-8, classes of characters,
 * normalization form C.
 *
 * Classes are those of Unicode 16, by which the `tokenizers` library splits words. Normalization
 * knows only the characters of Unicode 9, as that library's NFC does, so that the same text gives
 * the same ids. */
#ifndef TEXT_UNICODE_H
#define TEXT_UNICODE_H

#include <stddef.h>
#include <stdint.h>

#include "text/unicode_tables.h"

enum unicode_class {
    UNICODE_OTHER = 0,  /* symbols, controls, unassigned, bytes that are no UTF-8 */
    UNICODE_UPPER = 1,  /* Lu Lt */
    UNICODE_LOWER = 2,  /* Ll */
    UNICODE_LETTER = 3, /* Lm Lo */
    UNICODE_MARK = 4,
    UNICODE_NUMBER = 5,
    UNICODE_PUNCT = 6,
    UNICODE_SPACE = 7, /* White_Space */
    UNICODE_ACTIVE = 8 /* a bit: NFC may change the character or join it to the one before */
};

/* A byte that does not begin a well-formed character: UNICODE_BAD | byte. */
#define UNICODE_BAD 0x40000000u

/* Reads the character at p (n >= 1 bytes) and returns its length, 1..4. Overlong forms, surrogates
 * and values past U+10FFFF are not well-formed, and each of their bytes is a character by
 * itself. */
size_t utf8_read(const uint8_t *p, size_t n, uint32_t *code);
/* Writes a code point (or the byte of a bad one); returns 1..4. */
size_t utf8_write(uint32_t code, uint8_t out[4]);
/* The start of the character that ends before p + at (at >= 1). */
size_t utf8_before(const uint8_t *p, size_t at);

static inline unsigned unicode_nibble(uint32_t code) {
    if (code >= 0x110000) return UNICODE_OTHER;
    return unicode_nibbles[unicode_block[code >> 8]][(code & 255) >> 1] >> ((code & 1) * 4) & 15;
}
static inline enum unicode_class unicode_class(uint32_t code) {
    return (enum unicode_class)(unicode_nibble(code) & 7);
}

/* Nonzero for what \w matches: letters, marks, digits, connectors such as '_'. */
int unicode_is_word(uint32_t code);

/* Nonzero if the `n` bytes at text are certainly in NFC. A character that may join the one before
 * counts as uncertain. */
int nfc_is_plain(const uint8_t *text, size_t n);

/* Writes text in NFC to out and returns its bytes, at most 3 * n. Bytes that are not UTF-8 stay as
 * they are and join with nothing. work: room for nfc_work(n) sequence entries, the longest possible
 * run of joining characters, decomposed. It takes n log n steps at worst. */
static inline size_t nfc_work(size_t n) { return 2 * n + 4; }
size_t nfc(const uint8_t *text, size_t n, uint8_t *out, uint64_t *work);

#endif
