/* Joules for the figures. They count everything that runs on the machine meanwhile. If there are
 * none, the reason is known. */
#ifndef APPS_ENERGY_H
#define APPS_ENERGY_H

#include <jansson.h>

#include "apus/port.h"

struct energy {
    char reason[96]; /* why there are no joules, as part of a sentence; empty: there are joules */
    _Alignas(16) unsigned char storage[APUS_ENERGY_BYTES];
};

/* Begins to count, or sets the reason. */
void energy_open(struct energy *e);

/* Joules since then. It must be called at least every few minutes. 0 if there are none; after a
 * call that failed there are none any more. */
double energy_joules(struct energy *e);

/* joules / tokens as a JSON number; null if there are no joules or no tokens. */
json_t *energy_per_token(const struct energy *e, double joules, double tokens);

/* What the joules were counted of, or why there are none: the value of the key `energy` beside
 * those numbers. */
json_t *energy_source(const struct energy *e);

#endif
