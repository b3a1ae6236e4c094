/* What stands around a cursor, and other files, as the parts of a prompt that asks for what belongs
 * there, cut to the context.
 *
 * Where all of it does not fit behind the room for the text (a quarter of the context at most), the
 * suffix gets a quarter of the rest and the prefix three quarters at most; other files get what
 * these leave, whole ones, the last ones first. A prefix loses whole lines at its front, a suffix
 * at its end. The prefix is cut in steps of an eighth of its share: its front then stays where it
 * is while a user types, and with it what the slot has evaluated. */
#ifndef COMPLETE_MIDDLE_PROMPT_H
#define COMPLETE_MIDDLE_PROMPT_H

#include "apps/template/fim.h"
#include "prompt_ids.h"

/* Whether the request asks for a middle: one of its texts is no PART. */
int middle_wanted(const struct request *request);

/* As prompt_make. */
enum request_status middle_make(struct prompt_ids *prompt, const apus_blob *blob,
                                const struct fim *fim, const struct request *request,
                                uint32_t context, char why[REQUEST_WHY]);

#endif
