/* Joules for the figures, of all that runs on the machine meanwhile, or the reason why there are
 * none. */
#ifndef APPS_ENERGY_H
#define APPS_ENERGY_H

#include <jansson.h>

#include "apus/port.h"

struct energy {
    char reason[96]; /* why there are no joules, a sentence's part; empty: there are */
    _Alignas(16) unsigned char storage[APUS_ENERGY_BYTES];
};

/* Begins to count. */
void energy_open(struct energy *e);

/* Joules since then; has to be asked every few minutes. 0 where there are none. Once it failed
 * there are none any more. */
double energy_joules(struct energy *e);

/* joules over tokens as a JSON number; null where there are no joules or no tokens. */
json_t *energy_per_token(const struct energy *e, double joules, double tokens);

/* What the joules are of, or why there are none: the key `energy` beside those numbers. */
json_t *energy_source(const struct energy *e);

#endif
