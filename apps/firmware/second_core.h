/* The second core as the port's one thread. */
#ifndef FIRMWARE_SECOND_CORE_H
#define FIRMWARE_SECOND_CORE_H

#include "apus/port.h"

/* Wakes the core and fills in the port's functions for threads and processors. 0, with the port as
 * it was, if there is none. */
int second_core_lend(apus_port *port);

#endif
