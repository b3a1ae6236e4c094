/* Escapes for characters that are hard to type in a shell. */
#ifndef KIT_ESCAPE_H
#define KIT_ESCAPE_H

#include <stddef.h>

/* \n, \r, \t, \\, \', \" and \xHH become what they stand for; any other backslash stays, as with -e
 * of llama.cpp. Writes at most strlen(text) bytes to `to`, of which \x00 makes zero bytes, and
 * returns how many. */
size_t escape_text(char *to, const char *text);

/* Whether a text has no line break but spells one out as \n. Then -e was most likely forgotten. */
int escape_forgotten(const char *text);

#endif
