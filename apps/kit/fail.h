/* Sentences on standard error; with --json each one is an object on a line. */
#ifndef KIT_FAIL_H
#define KIT_FAIL_H

/* Set the names of the program and of the command that runs, which stand in front of every sentence
 * ("apus run: ..."). main sets them once; the strings must stay. */
void fail_program(const char *name);
void fail_command(const char *name);

/* fail_json: from now on sentences are objects, {"error": {...}} and {"warning": {...}}.
 * fail_quiet: from now on notes are not printed. */
void fail_json(void);
void fail_quiet(void);

/* Prints "PROGRAM COMMAND: sentence" and returns `status`, so that a check reads `return
 * fail(EXIT_USAGE, ...)`. The format has its own periods. Characters that a terminal must not get
 * (from names or hostile files) are spelled out. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sets what to do about a failure: one or two sentences, which the next fail prints behind its
 * own. */
void fail_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Like fail, with its own `code`, a word for scripts. */
int fail_code(int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Prints a sentence for a user who may have meant something else, while nothing has failed. It is
 * not printed after fail_quiet. */
void fail_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Prints a sentence about something that failed, but that the program can do without. */
void fail_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
