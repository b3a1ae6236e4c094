/* One character of UTF-8. */
#ifndef KIT_CHARACTER_H
#define KIT_CHARACTER_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the well-formed character at s (Unicode's table 3-7), of which `left` >= 1 bytes are
 * there, and its code point; 0 where there is none, and *code is undefined. */
size_t character_read(const char *s, size_t left, uint32_t *code);

#endif
