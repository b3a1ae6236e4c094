/* Characters that a shell makes hard to type. */
#ifndef KIT_ESCAPE_H
#define KIT_ESCAPE_H

#include <stddef.h>

/* \n, \r, \t, \\, \', \" and \xHH become what they stand for; any other backslash stays, as with -e
 * of llama.cpp. Writes at most strlen(text) bytes, zero bytes among them where \x00 says so, and
 * gives their number. */
size_t escape_text(char *to, const char *text);

/* Whether a text without a line break spells one out: a forgotten -e more often than not. */
int escape_forgotten(const char *text);

#endif
