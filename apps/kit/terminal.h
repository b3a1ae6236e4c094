/* Text that others wrote, on its way to a person's terminal.
 * Names in a blob or a checkpoint, its provenance, what a model generates: any of them may hold
 * characters that move the cursor, change colours, fake a line of the program's own or reverse what
 * stands beside them. Here they are spelled out: a control character as \x1b or \u0085, a byte that
 * is no UTF-8 as \xff, and those that change the direction or the line (Unicode's Bidi_Control,
 * U+2028, U+2029) as \u202e. */
#ifndef KIT_TERMINAL_H
#define KIT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

enum { TERMINAL_ONE = 6 }; /* the bytes that one byte of text may become, at most */

enum terminal_lines {
    TERMINAL_ONE_LINE, /* of a sentence or a table: line ends are spelled out too, as \n */
    TERMINAL_LINES     /* of a text: line ends (with a carriage return or without) and tabs stay */
};

/* Writes what is safe to show of bytes [count] to out, as much as fits whole, and a terminating
 * zero; room at least 1. Gives the bytes without the zero; TERMINAL_ONE * count + 1 always
 * suffice. */
size_t terminal_text(char *out, size_t room, const char *bytes, size_t count,
                     enum terminal_lines lines);

/* The same in place, on one line, for a sentence in a buffer of room bytes, 4096 at most; what does
 * not fit is cut. */
void terminal_line(char *text, size_t room);

/* A name for one printf: on one line, and cut after a kilobyte. Lives until the eighth call
 * after. */
const char *terminal_shown(const char *name);

/* Writes a text to standard output: spelled out where that is a terminal and raw is not asked for,
 * byte for byte otherwise. False where it cannot be written. */
bool terminal_print(const char *bytes, size_t count, bool raw);

#endif
