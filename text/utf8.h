/* Where UTF-8 characters end. */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include <stddef.h>
#include <stdint.h>

enum { UTF8_MAX = 4 };

/* Bytes of the character that begins with `lead`, or 0 where none does. */
static inline size_t utf8_length(uint8_t lead) {
    return lead < 0x80   ? 1
           : lead < 0xC2 ? 0
           : lead < 0xE0 ? 2
           : lead < 0xF0 ? 3
           : lead < 0xF5 ? 4
                         : 0;
}

/* Whether `next` may follow `lead`, without overlong forms, surrogates, or anything past
 * U+10FFFF. */
static inline int utf8_second(uint8_t lead, uint8_t next) {
    uint8_t low = lead == 0xE0   ? 0xA0
                  : lead == 0xF0 ? 0x90
                                 : 0x80,
            high = lead == 0xED   ? 0x9F
                   : lead == 0xF4 ? 0x8F
                                  : 0xBF;
    return next >= low && next <= high;
}

/* The number of bytes at the end of text[0 .. n) that begin a character whose other bytes have not
 * come yet: 0 .. 3. */
static inline size_t utf8_unfinished(const uint8_t *text, size_t n) {
    for (size_t back = 1; back < UTF8_MAX && back <= n; back++) {
        uint8_t b = text[n - back];
        if ((b & 0xC0) == 0x80) continue;
        return utf8_length(b) > back && (back == 1 || utf8_second(b, text[n - back + 1])) ? back
                                                                                          : 0;
    }
    return 0;
}

#endif
