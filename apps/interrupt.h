/* Ctrl-C: the first one ends the work with what there is so far, the second one the program. */
#ifndef APPS_INTERRUPT_H
#define APPS_INTERRUPT_H

#include "apus/apus.h"

/* From now on SIGINT and SIGTERM cancel what the session does, and the other one's if there is one.
 * Both NULL before they are closed: then they are only noted. */
void interrupt_watch(apus_session *session, apus_session *other);

/* 0, or the exit status that tells of the signal: 128 and its number. */
int interrupt_status(void);

#endif
