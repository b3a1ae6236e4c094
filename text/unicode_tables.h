/* The generated tables behind unicode.h. */
#ifndef TEXT_UNICODE_TABLES_H
#define TEXT_UNICODE_TABLES_H

#include <stdint.h>

struct unicode_range {
    uint32_t first, last, combining;
};
struct unicode_full {
    uint32_t code;
    uint16_t offset, count; /* in unicode_full_pool */
};
struct unicode_pair {
    uint32_t first, second, composed;
};

/* code >> 8 -> row of unicode_nibbles */
extern const uint8_t unicode_block[4352];
/* class | 8 where normalization may change the character or its neighbours */
extern const uint8_t unicode_nibbles[][128];
extern const uint32_t unicode_combining_count;
extern const struct unicode_range unicode_combining_ranges[]; /* ascending */
/* Ranges of characters for which \w is not what their class says (unicode.h), ascending. */
extern const uint32_t unicode_word_count;
extern const uint32_t unicode_word_exceptions[][2];
extern const uint32_t unicode_full_count;
/* ascending by code; full canonical decompositions, Hangul left out */
extern const struct unicode_full unicode_full[];
extern const uint32_t unicode_full_pool[];
extern const uint32_t unicode_pairs_count;
/* ascending by first, then second; Hangul left out */
extern const struct unicode_pair unicode_pairs[];

#endif
