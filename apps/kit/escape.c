#include "escape.h"

#include <string.h>

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The character that is escaped behind a backslash, or -1. *used gets how many characters the
 * escape has. */
static int character(const char *at, size_t *used) {
    static const char letters[] = "nrt\\'\"", meant[] = "\n\r\t\\'\"";
    const char *found = *at ? strchr(letters, *at) : NULL;
    *used = 1;
    if (found) return (unsigned char)meant[found - letters];
    if (*at != 'x' || hex_digit(at[1]) < 0) return -1;
    *used = hex_digit(at[2]) < 0 ? 2 : 3;
    return *used == 2 ? hex_digit(at[1]) : 16 * hex_digit(at[1]) + hex_digit(at[2]);
}

size_t escape_text(char *to, const char *text) {
    size_t count = 0, used;
    while (*text) {
        int c = *text == '\\' ? character(text + 1, &used) : -1;
        to[count++] = c < 0 ? *text : (char)c;
        text += c < 0 ? 1 : 1 + used;
    }
    return count;
}

int escape_forgotten(const char *text) {
    return !strchr(text, '\n') && strstr(text, "\\n") != NULL;
}
