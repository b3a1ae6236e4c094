/* The costs of passes, in the caller's structs. */
#ifndef RUNTIME_STATS_H
#define RUNTIME_STATS_H

#include "speculate/policy.h"

/* Reads the caller's costs. NULL: none are known. APUS_E_ARGUMENT for a wrong size, and the reason
 * to port. */
apus_status costs_read(struct costs *costs, const apus_costs *from, const apus_port *port);

#endif
