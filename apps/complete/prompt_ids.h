/* Turns a request's texts into the ids that a slot gets. */
#ifndef COMPLETE_PROMPT_IDS_H
#define COMPLETE_PROMPT_IDS_H

#include <stddef.h>
#include <stdint.h>

#include "apps/template/fim.h"
#include "request.h"

struct prompt_ids {
    int32_t *ids; /* to be freed */
    size_t count;
    int truncated;            /* != 0: something was left out to fit the context */
    char bind[APUS_BIND_MAX]; /* [bind_bytes] the last bytes of the prefix, which the first ids of a
                                 text have to spell */
    uint32_t bind_bytes;
};

/* Makes the ids of a request's prompt. If the request says what may be cut (middle_prompt.h), they
 * are cut to a context of `context` positions. REQUEST_DONE, or another status with a sentence in
 * why. */
enum request_status prompt_make(struct prompt_ids *prompt, const apus_blob *blob,
                                const struct fim *fim, const struct request *request,
                                uint32_t context, char why[REQUEST_WHY]);

/* The same from parts, of which nothing is cut. */
enum request_status prompt_of_parts(struct prompt_ids *prompt, const apus_blob *blob,
                                    const apus_part *parts, size_t parts_count, uint32_t context,
                                    char why[REQUEST_WHY]);

/* Turns parts into ids. The caller frees *ids. A status of the library, and APUS_E_SPACE if memory
 * is short. */
apus_status prompt_tokenize(const apus_blob *blob, const apus_part *parts, size_t parts_count,
                            int32_t **ids, size_t *count);

#endif
