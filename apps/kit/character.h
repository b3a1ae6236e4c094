/* One character of UTF-8. */
#ifndef KIT_CHARACTER_H
#define KIT_CHARACTER_H

#include <stddef.h>
#include <stdint.h>

/* Reads the well-formed character (Unicode's table 3-7) at s, where `left` >= 1 bytes are. Returns
 * how many bytes it has, and *code gets its code point. Returns 0 if there is none, and then *code
 * is undefined. */
size_t character_read(const char *s, size_t left, uint32_t *code);

#endif
