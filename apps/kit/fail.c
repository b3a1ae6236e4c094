#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exit.h"
#include "json.h"
#include "progress.h"
#include "terminal.h"

static const char *program_name = "", *command_name = "";
static char hint[1024];
static int as_json, is_quiet;

void fail_program(const char *name) { program_name = name; }
void fail_command(const char *name) { command_name = name; }
void fail_json(void) { as_json = 1; }
void fail_quiet(void) { is_quiet = 1; }

static void print(const char *text) {
    progress_hide();
    fprintf(stderr, "%s%s%s: %s%s%s\n", program_name, *command_name ? " " : "", command_name, text,
            *hint ? " " : "", hint);
}

/* Prints one object on one line, whatever the text contains. */
static void print_object(const char *kind, const char *code, int status, const char *text) {
    json_t *object = json_object(), *inside = json_object();
    if (code) json_object_set_new(inside, "code", json_string(code));
    if (code) json_object_set_new(inside, "status", json_integer(status));
    json_object_set_new(inside, "command", *command_name ? json_string(command_name) : json_null());
    json_object_set_new(inside, "message", json_bytes(text, strlen(text)));
    if (code)
        json_object_set_new(inside, "hint", *hint ? json_bytes(hint, strlen(hint)) : json_null());
    json_object_set_new(object, kind, inside);
    char *line = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (line)
        fprintf(stderr, "%s\n", line);
    else
        print(text);
    free(line);
}

static int say(int status, const char *code, const char *format, va_list list) {
    char text[2048];
    vsnprintf(text, sizeof text, format, list);
    terminal_line(text, sizeof text);
    if (as_json)
        print_object("error", code, status, text);
    else
        print(text);
    *hint = 0;
    return status;
}

int fail_code(int status, const char *code, const char *format, ...) {
    va_list list;
    va_start(list, format);
    say(status, code, format, list);
    va_end(list);
    return status;
}

int fail(int status, const char *format, ...) {
    va_list list;
    va_start(list, format);
    say(status,
        status == EXIT_USAGE         ? "usage"
        : status == EXIT_UNAVAILABLE ? "unavailable"
                                     : "fault",
        format, list);
    va_end(list);
    return status;
}

void fail_hint(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(hint, sizeof hint, format, list);
    va_end(list);
    terminal_line(hint, sizeof hint);
}

/* Prints a sentence that is no error. */
static void tell(const char *format, va_list list) {
    char text[1024];
    vsnprintf(text, sizeof text, format, list);
    terminal_line(text, sizeof text);
    if (as_json)
        print_object("warning", NULL, 0, text);
    else
        print(text);
}

void fail_warn(const char *format, ...) {
    va_list list;
    va_start(list, format);
    tell(format, list);
    va_end(list);
}

void fail_note(const char *format, ...) {
    va_list list;
    va_start(list, format);
    if (!is_quiet) tell(format, list);
    va_end(list);
}
