/* Sentences on standard error, or with --json an object a line. */
#ifndef KIT_FAIL_H
#define KIT_FAIL_H

/* The program and the command that runs, for the front of every sentence ("apus run: ..."). Set
 * once by main; strings that stay. */
void fail_program(const char *name);
void fail_command(const char *name);

/* As objects from now on, {"error": {...}} and {"warning": {...}}; and without notes. */
void fail_json(void);
void fail_quiet(void);

/* Prints "PROGRAM COMMAND: sentence" and returns `status`, so that a check reads `return
 * fail(EXIT_USAGE, ...)`. The format brings its own periods. What a terminal must not get (of
 * names, of hostile files) is spelled out. */
int fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What to do about it: one or two sentences that the next fail puts behind its own. */
void fail_hint(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As fail, with a word for scripts of its own. */
int fail_code(int status, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A sentence for somebody who may have meant something else; nothing failed. Not printed after
 * fail_quiet. */
void fail_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A sentence about something that went wrong and can be done without. */
void fail_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
