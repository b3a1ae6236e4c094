/* What the library says of a failure, in the sentences of kit/fail.h. */
#ifndef APPS_FAIL_STATUS_H
#define APPS_FAIL_STATUS_H

#include "apus/apus.h"
#include "kit/fail.h"

/* fail for a status of the library: what was being done, what the library says, and its last
 * log sentence if there is one. The exit status follows the library's. */
int fail_status(apus_status status, const char *doing);

/* Where the library's log goes: errors are kept for fail_status, warnings are printed. */
void fail_log(void *user, int level, const char *text);

/* The last error the library logged, without a period; "" if none. Forgetting it is for a call that
 * may fail without harm. */
const char *fail_logged(void);
void fail_forget(void);

#endif
