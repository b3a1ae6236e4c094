/* What the passes of a session cost before it has run any: as its caller says, or timed at open
 * where that is quick. */
#ifndef SPECULATE_COSTS_H
#define SPECULATE_COSTS_H

#include "runtime/sequence.h"
#include "speculate/policy.h"

/* Fills in what is still 0, for models small enough that passes take a fraction of a millisecond:
 * up to 4 ms for all. draft: NULL where there is none. The sequences must be empty and are left
 * empty. A pass that fails ends it: the first real one will say so. */
void costs_measure(struct costs *costs, struct sequence *target, struct sequence *draft,
                   const apus_port *port);

/* What a draft step costs of a plain pass where reading weights bounds both: bytes by bytes. 0
 * where they are on different engines. */
float costs_share(const struct sequence *target, const struct sequence *draft);

#endif
