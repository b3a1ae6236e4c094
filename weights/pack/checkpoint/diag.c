#include "weights/pack/checkpoint/diag.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "apps/kit/terminal.h"

bool diag_fail(struct diag *d, const char *format, ...) {
    if (!d || d->text[0]) return false;
    va_list args;
    va_start(args, format);
    vsnprintf(d->text, sizeof d->text, format, args);
    va_end(args);
    terminal_line(d->text, sizeof d->text);
    return false;
}

void diag_clear(struct diag *d) { memset(d, 0, sizeof *d); }
