/* What commands print about speculation. */
#ifndef APPS_SPECULATION_H
#define APPS_SPECULATION_H

#include <jansson.h>

#include "apus/apus.h"
#include "command.h"

/* Reads --draft-tokens into settings->proposals and --overlap into settings->overlap. Returns
 * EXIT_OK, or EXIT_USAGE after a sentence. */
int speculation_settings(struct settings *settings);

/* Prints a second line of figures on standard error. */
void speculation_print(const apus_stats *stats);

/* Adds the keys of --json to an object. */
void speculation_json(json_t *object, const apus_stats *stats);

#endif
