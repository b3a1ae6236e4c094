/* Failures of the library, in the sentences of kit/fail.h. */
#ifndef APPS_FAIL_STATUS_H
#define APPS_FAIL_STATUS_H

#include "apus/apus.h"
#include "kit/fail.h"

/* Like fail, for a status of the library. The sentence says what was being done, what the status
 * means, and what the library logged last, if anything. Returns the exit status that belongs to the
 * library's status. */
int fail_status(apus_status status, const char *doing);

/* The log of the port that the library is given. Errors are kept for fail_status, warnings are
 * printed. */
void fail_log(void *user, int level, const char *text);

/* The last error that the library logged, without a period; "" if there is none. fail_forget
 * forgets it, after a call that may fail without harm. */
const char *fail_logged(void);
void fail_forget(void);

#endif
