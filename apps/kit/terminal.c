#include "terminal.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "character.h"

static bool is_safe(uint32_t code) {
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return false;
    if (code == 0x61c || code == 0x200e || code == 0x200f)
        return false; /* Bidi_Control, with the ranges below */
    return !(code >= 0x2028 && code <= 0x202e) && !(code >= 0x2066 && code <= 0x2069);
}

static bool is_line(const char *bytes, size_t left) {
    return bytes[0] == '\n' || bytes[0] == '\t' ||
           (bytes[0] == '\r' && left > 1 && bytes[1] == '\n');
}

/* Writes the character at `bytes` to word [8] as it is shown. Returns how many bytes it had. */
static size_t spell(const char *bytes, size_t left, enum terminal_lines lines, char word[8]) {
    uint32_t code = 0;
    size_t length = character_read(bytes, left, &code);
    if (!length)
        snprintf(word, 8, "\\x%02x", (unsigned char)bytes[0]);
    else if (is_safe(code) || (lines == TERMINAL_LINES && is_line(bytes, left)))
        memcpy(word, bytes, length), word[length] = 0;
    else if (code == '\n' || code == '\t' || code == '\r')
        snprintf(word, 8, "\\%c", code == '\n' ? 'n' : code == '\t' ? 't' : 'r');
    else
        snprintf(word, 8, code < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)code);
    return length ? length : 1;
}

size_t terminal_text(char *out, size_t room, const char *bytes, size_t count,
                     enum terminal_lines lines) {
    size_t used = 0;
    char word[8];
    for (size_t at = 0; at < count;) {
        at += spell(bytes + at, count - at, lines, word);
        size_t length = strlen(word);
        if (length >= room - used) break;
        memcpy(out + used, word, length);
        used += length;
    }
    out[used] = 0;
    return used;
}

void terminal_line(char *text, size_t room) {
    char copy[4096];
    size_t length = strnlen(text, room < sizeof copy ? room : sizeof copy);
    memcpy(copy, text, length);
    terminal_text(text, room, copy, length, TERMINAL_ONE_LINE);
}

const char *terminal_shown(const char *name) {
    static char shown[8][1024];
    static unsigned turn;
    char *out = shown[turn++ % 8];
    terminal_text(out, sizeof shown[0], name, strlen(name), TERMINAL_ONE_LINE);
    return out;
}

bool terminal_print(const char *bytes, size_t count, bool raw) {
    char out[TERMINAL_ONE * 256 + 1];
    if (raw || !isatty(STDOUT_FILENO)) return fwrite(bytes, 1, count, stdout) == count;
    for (size_t at = 0; at < count;) {
        size_t now = count - at < 256 ? count - at : 256;
        /* Do not cut a character or a line end in two. */
        while (at + now < count && now > 250 &&
               (((unsigned char)bytes[at + now] & 0xc0) == 0x80 || bytes[at + now] == '\n'))
            now--;
        size_t length = terminal_text(out, sizeof out, bytes + at, now, TERMINAL_LINES);
        if (fwrite(out, 1, length, stdout) != length) return false;
        at += now;
    }
    return true;
}
