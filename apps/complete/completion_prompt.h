/* A client's "prompt" as parts of requests: a text, ids, both mixed, or several prompts. */
#ifndef COMPLETE_COMPLETION_PROMPT_H
#define COMPLETE_COMPLETION_PROMPT_H

#include "completion.h"

/* Makes a request of each prompt, with the settings of completion->first, which it takes, and
 * begins; or answers. suffix: NULL, or what follows the middle that each prompt asks for. */
void completion_prompts(struct completion *completion, struct fields *fields, const char *suffix,
                        size_t suffix_bytes);

/* Whether control tokens that a prompt spells out are taken as such. */
uint32_t completion_specials(struct completion *completion, struct fields *fields);

#endif
