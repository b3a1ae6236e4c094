/* One sentence that says what is wrong with an input, for the person who gave it. */
#ifndef PACK_DIAG_H
#define PACK_DIAG_H

#include <stdbool.h>

struct diag {
    char text[512]; /* UTF-8, zero-terminated, one line without a final period; empty while nothing
                       failed */
};

/* Sets the sentence and returns false, so that a check reads `return diag_fail(d, ...)`. Names from
 * hostile files may be passed with %s: characters that a terminal must not get are spelled out
 * (apps/kit/terminal.h), and a sentence that is too long is cut. A sentence that is already there
 * stays, because the first failure is the cause. d may be NULL. */
bool diag_fail(struct diag *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forgets the sentence. */
void diag_clear(struct diag *d);

#endif
