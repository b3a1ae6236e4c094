/* Turns a client's "prompt" into parts of requests. It is a text, ids, both mixed, or several
 * prompts. */
#ifndef COMPLETE_COMPLETION_PROMPT_H
#define COMPLETE_COMPLETION_PROMPT_H

#include "completion.h"

/* Makes a request for each prompt, with the settings of completion->first, which it takes over, and
 * begins them; or answers. suffix: the text after the middle that each prompt asks for, or NULL. */
void completion_prompts(struct completion *completion, struct fields *fields, const char *suffix,
                        size_t suffix_bytes);

/* APUS_TEXT_SPECIALS if control tokens that a prompt spells out are read as control tokens;
 * otherwise 0. */
uint32_t completion_specials(struct completion *completion, struct fields *fields);

#endif
