#include "energy.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "kit/json.h"

static void give_up(struct energy *e, int error) {
    if (error == ENODEV)
        snprintf(e->reason, sizeof e->reason, "this machine shows no energy counters");
    else if (error == EACCES || error == EPERM)
        snprintf(e->reason, sizeof e->reason, "only root may read this machine's energy counters");
    else
        snprintf(e->reason, sizeof e->reason, "the energy counters cannot be read: %s",
                 strerror(error));
}

void energy_open(struct energy *e) {
    const apus_port *port = apus_port_host();
    memset(e, 0, sizeof *e);
    int error = port->energy_start ? port->energy_start(port->user, e->storage) : ENODEV;
    if (error) give_up(e, error);
}

double energy_joules(struct energy *e) {
    const apus_port *port = apus_port_host();
    uint64_t microjoules = 0;
    if (*e->reason) return 0;
    int error = port->energy_read(port->user, e->storage, &microjoules);
    if (error) give_up(e, error);
    return (double)microjoules * 1e-6;
}

json_t *energy_per_token(const struct energy *e, double joules, double tokens) {
    return *e->reason || !(tokens > 0) ? json_null() : json_number(joules / tokens);
}

json_t *energy_source(const struct energy *e) {
    return json_string(*e->reason ? e->reason : "processor packages");
}
