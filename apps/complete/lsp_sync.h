/* Applies the notifications about documents, which are JSON, to the documents. Each function
 * returns the document, or NULL with a sentence in `why`. */
#ifndef COMPLETE_LSP_SYNC_H
#define COMPLETE_LSP_SYNC_H

#include <jansson.h>

#include "documents.h"

enum { WHY_BYTES = 256 };

struct document *sync_open(struct documents *documents, json_t *params, char *why);

/* Makes the changes one after the other; each is a whole text or a range. If a change cannot be
 * read the document is lost. If it is lost already, a change of a range cannot be made. */
struct document *sync_change(struct documents *documents, json_t *params, enum column_unit unit,
                             char *why);

/* The document that params.textDocument.uri names. */
struct document *sync_named(const struct documents *documents, json_t *params, char *why);

/* Read {"line", "character"} and {"start", "end"}, which are put in order. 0, or -1. */
int position_read(const json_t *json, struct position *position);
int range_read(const json_t *json, struct position *start, struct position *end);

#endif
