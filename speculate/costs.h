/* What the passes of a session cost, known before the first of them: the caller says it, or it is
 * timed at open where that is quick. */
#ifndef SPECULATE_COSTS_H
#define SPECULATE_COSTS_H

#include "runtime/sequence.h"
#include "speculate/policy.h"

/* Fills in what passes of more columns read, and times those costs that are still 0, for models
 * small enough that a pass takes a fraction of a millisecond. No pass begins after 4 ms. draft:
 * NULL where there is none. The sequences must be empty and are left empty. A pass that fails ends
 * the timing; the first real pass will report the failure. */
void costs_measure(struct costs *costs, struct sequence *target, struct sequence *draft,
                   const apus_port *port);

/* What a draft step costs in plain passes of the target, if reading weights bounds both: the bytes
 * that a pass of the draft reads, divided by those of the target. 0 where the two are on different
 * engines. */
float costs_share(const struct sequence *target, const struct sequence *draft);

#endif
