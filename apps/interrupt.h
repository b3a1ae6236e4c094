/* Ctrl-C: the first one ends the work, and the program prints what it has so far; the second one
 * ends the program. */
#ifndef APPS_INTERRUPT_H
#define APPS_INTERRUPT_H

#include "apus/apus.h"

/* From now on SIGINT and SIGTERM cancel what the session does, and what `other` does if it is not
 * NULL. Call it with both NULL before the sessions are closed: then the signals are only noted. */
void interrupt_watch(apus_session *session, apus_session *other);

/* 0, or after a signal the exit status that names it: 128 plus its number. */
int interrupt_status(void);

#endif
