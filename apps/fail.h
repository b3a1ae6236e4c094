/* Sentences on standard error, or with --json an object a line. */
#ifndef APPS_FAIL_H
#define APPS_FAIL_H

#include "apus/apus.h"

/* The command that runs, for the front of every sentence ("apus run: ..."). Set once by main. */
void fail_command(const char *name);

/* As objects from now on, {"error": {...}} and {"warning": {...}}; and without notes. */
void fail_json(void);
void fail_quiet(void);

/* Prints "apus COMMAND: sentence" and returns `status`, so that a check reads `return
 * fail(EXIT_USAGE, ...)`. The format brings its own periods. What a terminal must not get (of
 * names, of hostile files) is spelled out. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What to do about it: one or two sentences that the next fail puts behind its own. */
void fail_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same for a status of the library: what was being done, what the library says, and its last
 * log sentence if there is one. The exit status follows the library's. */
int fail_status(apus_status status, const char *doing);

/* Where the library's log goes: errors are kept for fail_status, warnings are printed. */
void fail_log(void *user, int level, const char *text);

/* A sentence for somebody who may have meant something else; nothing failed. Not printed after
 * fail_quiet. */
void fail_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A sentence about something that went wrong and can be done without. */
void fail_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The last error the library logged, without a period; "" if none. Forgetting it is for a call that
 * may fail without harm. */
const char *fail_logged(void);
void fail_forget(void);

#endif
