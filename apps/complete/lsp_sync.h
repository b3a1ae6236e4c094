/* The notifications about documents, as JSON, done to the documents. Each gives the document, or
 * NULL after a sentence in `why`. */
#ifndef COMPLETE_LSP_SYNC_H
#define COMPLETE_LSP_SYNC_H

#include <jansson.h>

#include "documents.h"

enum { WHY_BYTES = 256 };

struct document *sync_open(struct documents *documents, json_t *params, char *why);

/* Changes one after the other, a whole text or a range. A change that cannot be read loses the
 * document; so do ranges where it is lost already. */
struct document *sync_change(struct documents *documents, json_t *params, enum column_unit unit,
                             char *why);

/* The document that params.textDocument.uri names. */
struct document *sync_named(const struct documents *documents, json_t *params, char *why);

/* {"line", "character"} and {"start", "end"} (put in order where they are not). 0, or -1. */
int position_read(const json_t *json, struct position *position);
int range_read(const json_t *json, struct position *start, struct position *end);

#endif
