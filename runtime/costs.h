/* What the passes of a session cost before it has run any: as its caller says, or timed at open
 * where that is quick. */
#ifndef RUNTIME_COSTS_H
#define RUNTIME_COSTS_H

#include "runtime/session.h"

/* Reads the caller's. APUS_E_ARGUMENT for a wrong size, and the reason to port. */
apus_status costs_read(struct costs *costs, const apus_costs *from, const apus_port *port);

/* Fills in what is still 0, for models small enough that passes take a fraction of a millisecond:
 * up to 4 ms for all. The tracks must be empty and are left empty. A pass that fails ends it: the
 * first real one will say so. */
void costs_measure(apus_session *session, struct costs *costs);

/* What a draft step costs of a plain pass where reading weights bounds both: bytes by bytes. 0
 * where they are on different engines. */
float costs_share(const apus_session *session);

#endif
