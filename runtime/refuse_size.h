/* Refuses memory that a walk (hal/place.h) found to be larger than any pointer reaches. */
#ifndef RUNTIME_REFUSE_SIZE_H
#define RUNTIME_REFUSE_SIZE_H

#include "apus/apus.h"

/* APUS_OK, or APUS_E_SPACE and a sentence through the port's log (weights/refuse.h) for memory
 * whose end no pointer of this build can reach. */
apus_status refuse_size(const apus_port *port, const char *where, uint64_t bytes);

#endif
