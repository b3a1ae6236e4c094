/* What run and bench say of speculation. */
#ifndef APPS_SPECULATION_H
#define APPS_SPECULATION_H

#include <jansson.h>

#include "apus/apus.h"
#include "command.h"

/* --draft-tokens into settings->proposals, --overlap into settings->overlap. EXIT_USAGE after a
 * sentence. */
int speculation_settings(struct settings *settings);

/* A second line of figures on standard error. */
void speculation_print(const apus_stats *stats);

/* The keys of --json. */
void speculation_json(json_t *object, const apus_stats *stats);

#endif
