/* Makes the prompt that asks for the text at a cursor, from what is around it and from other files,
 * and cuts it to the context.
 *
 * At most a quarter of the context is kept free for the text. If the prompt does not fit into the
 * rest, the suffix gets a quarter of that and the prefix at most three quarters. Other files get
 * what these leave; they stay whole, and the last ones come first. A prefix loses whole lines at
 * its beginning, a suffix at its end. The prefix is cut in steps of about an eighth of its part, so
 * that its beginning, and with it what the slot has evaluated, stays the same while a user
 * types. */
#ifndef COMPLETE_MIDDLE_PROMPT_H
#define COMPLETE_MIDDLE_PROMPT_H

#include "apps/template/fim.h"
#include "prompt_ids.h"

/* Whether the request asks for a middle: one of its texts has another role than PART. */
int middle_wanted(const struct request *request);

/* See prompt_make. */
enum request_status middle_make(struct prompt_ids *prompt, const apus_blob *blob,
                                const struct fim *fim, const struct request *request,
                                uint32_t context, char why[REQUEST_WHY]);

#endif
