#include "fail_status.h"

#include <stdio.h>

#include "apus/port.h"
#include "kit/exit.h"

static char logged[512];

/* Words for scripts, one for each error of the library. */
static const char *code_of(apus_status status) {
    static const char *const codes[] = {
        "argument", "space", "format",   "version", "unsupported", "unavailable", "context",
        "token",    "text",  "mismatch", "order",   "numeric",     "engine",      "contract"};
    return status <= APUS_E_ARGUMENT && status >= APUS_E_CONTRACT ? codes[-status - 1] : "fault";
}

int fail_status(apus_status status, const char *doing) {
    int exit_status = EXIT_FAULT;
    if (status == APUS_E_UNAVAILABLE) exit_status = EXIT_UNAVAILABLE;
    if (status == APUS_E_ARGUMENT || status == APUS_E_TOKEN || status == APUS_E_CONTEXT ||
        status == APUS_E_TEXT)
        exit_status = EXIT_USAGE;
    if (*logged)
        return fail_code(exit_status, code_of(status), "%s failed: %s. (%s)", doing, logged,
                         apus_status_text(status));
    return fail_code(exit_status, code_of(status), "%s failed: %s.", doing,
                     apus_status_text(status));
}

void fail_log(void *user, int level, const char *text) {
    (void)user;
    if (level == APUS_LOG_ERROR) snprintf(logged, sizeof logged, "%s", text);
    if (level == APUS_LOG_WARN) fail_warn("%s.", text);
}

const char *fail_logged(void) { return logged; }
void fail_forget(void) { logged[0] = 0; }
