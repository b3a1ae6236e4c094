#include "weights/pack/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the UTF-8 character at s that a terminal may show, 0 where there is none. The C1 controls (U+0080..U+009F) are not among them. */
static size_t printable(const unsigned char *s) {
    if (s[0] < 0x80) return s[0] >= 0x20 && s[0] != 0x7f;
    size_t n = s[0] >= 0xc2 && s[0] <= 0xdf ? 2 : s[0] >= 0xe0 && s[0] <= 0xef ? 3 : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0; /* also stops at the terminator */
    if (n == 2 && s[0] == 0xc2 && s[1] < 0xa0) return 0;
    if (n == 3 && ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0))) return 0;
    if (n == 4 && ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))) return 0;
    return n;
}

bool diag_fail(struct diag *d, const char *format, ...) {
    if (!d || d->text[0]) return false;
    va_list args;
    va_start(args, format);
    vsnprintf(d->text, sizeof d->text, format, args);
    va_end(args);
    for (unsigned char *s = (unsigned char *)d->text; *s;) {
        size_t n = printable(s);
        if (n == 0) *s = '?';
        s += n ? n : 1;
    }
    return false;
}

void diag_clear(struct diag *d) { memset(d, 0, sizeof *d); }
