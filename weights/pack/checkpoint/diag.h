/* One sentence saying what is wrong with an input, for the person who gave it. */
#ifndef PACK_DIAG_H
#define PACK_DIAG_H

#include <stdbool.h>

struct diag {
    char text[512]; /* UTF-8, zero-terminated, one line without a final period; empty while nothing
                       failed */
};

/* Sets the sentence and returns false, so that a check reads `return diag_fail(d, ...)`. Names out
 * of hostile files may be passed with %s: what a terminal must not get is spelled out
 * (apps/kit/terminal.h), and a sentence too long is cut. A sentence already there stays: the first
 * failure is the cause. d may be NULL. */
bool diag_fail(struct diag *d, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Forgets the sentence. */
void diag_clear(struct diag *d);

#endif
