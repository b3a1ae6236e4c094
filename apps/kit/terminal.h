/* Makes text that others wrote safe for a terminal. Names in a blob or a checkpoint, its
 * provenance, and what a model generates may contain characters that move the cursor, change
 * colours, imitate a line of the program itself or reverse the text beside them. Here such
 * characters are spelled out: a control character as \x1b or \u0085, a byte that is not UTF-8 as
 * \xff, and those that change the direction or the line (Unicode's Bidi_Control, U+2028, U+2029) as
 * \u202e. */
#ifndef KIT_TERMINAL_H
#define KIT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum { TERMINAL_ONE = 6 }; /* one byte of text becomes at most so many bytes */

enum terminal_lines {
    TERMINAL_ONE_LINE, /* for a sentence or a table: line ends are also spelled out, as \n */
    TERMINAL_LINES     /* for a text: line ends (with a carriage return or without) and tabs stay */
};

/* Writes bytes [count] to out as they are safe to show, as many characters as fit whole, and a zero
 * byte. room: at least 1; TERMINAL_ONE * count + 1 is always enough. Returns the number of bytes
 * without the zero. */
size_t terminal_text(char *out, size_t room, const char *bytes, size_t count,
                     enum terminal_lines lines);

/* The same in place, on one line, for a zero-terminated sentence in a buffer of room bytes, at most
 * 4096. What does not fit is cut off. */
void terminal_line(char *text, size_t room);

/* A name as it is safe to show, on one line, cut off after a kilobyte. The string is valid until
 * the eighth call after this one, so that one printf can have several. */
const char *terminal_shown(const char *name);

/* Writes a text to standard output: as it is safe to show if that is a terminal and raw is false,
 * else byte for byte. Returns false if it cannot be written. */
bool terminal_print(const char *bytes, size_t count, bool raw);

#endif
