#include "fail.h"

#include <stdarg.h>
#include <stdio.h>

#include "apus/port.h"
#include "command.h"

static const char *command_name = "";
static char logged[512];

void fail_command(const char *name) { command_name = name; }

static void without_controls(char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) *text = '?';
    }
}

int fail(int status, const char *format, ...) {
    char text[2048];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    without_controls(text);
    fprintf(stderr, "apus%s%s: %s\n", *command_name ? " " : "", command_name, text);
    return status;
}

int fail_status(apus_status status, const char *doing) {
    int exit_status = EXIT_FAULT;
    if (status == APUS_E_UNAVAILABLE) exit_status = EXIT_UNAVAILABLE;
    if (status == APUS_E_ARGUMENT || status == APUS_E_TOKEN || status == APUS_E_CONTEXT || status == APUS_E_TEXT) exit_status = EXIT_USAGE;
    if (*logged) return fail(exit_status, "%s failed: %s. (%s)", doing, logged, apus_status_text(status));
    return fail(exit_status, "%s failed: %s.", doing, apus_status_text(status));
}

void fail_log(void *user, int level, const char *text) {
    (void)user;
    if (level == APUS_LOG_ERROR) snprintf(logged, sizeof logged, "%s", text);
    if (level == APUS_LOG_WARN) fail(0, "%s.", text);
}

const char *fail_logged(void) { return logged; }
void fail_forget(void) { logged[0] = 0; }
