/* A request's texts as the ids that a slot gets. */
#ifndef COMPLETE_PROMPT_IDS_H
#define COMPLETE_PROMPT_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "apps/template/fim.h"
#include "request.h"

struct prompt_ids {
    int32_t *ids; /* free */
    size_t count;
    int truncated;            /* != 0: something was left out to fit the context */
    char bind[APUS_BIND_MAX]; /* [bind_bytes] of the prefix, which the first ids of a text spell */
    uint32_t bind_bytes;
};

/* What a request's prompt becomes, cut to a context of so many positions where the request says
 * what may be cut (middle_prompt.h). REQUEST_DONE, or a status with a sentence in why. */
enum request_status prompt_make(struct prompt_ids *prompt, const apus_blob *blob,
                                const struct fim *fim, const struct request *request,
                                uint32_t context, char why[REQUEST_WHY]);

/* Parts as they stand. */
enum request_status prompt_of_parts(struct prompt_ids *prompt, const apus_blob *blob,
                                    const apus_part *parts, size_t parts_count, uint32_t context,
                                    char why[REQUEST_WHY]);

/* Parts to ids. A status of the library, APUS_E_SPACE where no memory is left; *ids is to be
 * freed. */
apus_status prompt_tokenize(const apus_blob *blob, const apus_part *parts, size_t parts_count,
                            int32_t **ids, size_t *count);

#endif
