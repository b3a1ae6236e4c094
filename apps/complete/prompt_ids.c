#include "prompt_ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail_status.h"
#include "middle_prompt.h"

apus_status prompt_tokenize(const apus_blob *blob, const apus_part *parts, size_t parts_count,
                            int32_t **ids, size_t *count) {
    size_t text_bytes = 0, capacity = 16;
    for (size_t i = 0; i < parts_count; i++) {
        if (parts[i].kind == APUS_PART_TEXT) text_bytes += parts[i].count;
        capacity += parts[i].count + 1; /* a token has at least one byte of text */
    }
    size_t scratch_bytes = apus_tokenize_scratch(blob, text_bytes);
    void *scratch = malloc(scratch_bytes + 8);
    apus_status status = APUS_E_SPACE;
    *ids = NULL, *count = 0;
    for (int round = 0; scratch && round < 2 && status == APUS_E_SPACE; round++) {
        int32_t *more = realloc(*ids, capacity * sizeof **ids);
        if (!more) break;
        *ids = more;
        status =
            apus_tokenize(blob, parts, parts_count, *ids, capacity, count, scratch, scratch_bytes);
        if (status == APUS_E_SPACE) capacity = *count + 1; /* the tokenizer may add ids in front */
    }
    free(scratch);
    if (status == APUS_OK) return APUS_OK;
    free(*ids);
    *ids = NULL, *count = 0;
    return status;
}

static enum request_status refuse(char why[REQUEST_WHY], apus_status status) {
    snprintf(why, REQUEST_WHY, "%s: %s", apus_status_text(status),
             *fail_logged() ? fail_logged() : "the prompt cannot be tokenized");
    fail_forget();
    return status == APUS_E_SPACE ? REQUEST_FAILED : REQUEST_REFUSED;
}

enum request_status prompt_of_parts(struct prompt_ids *prompt, const apus_blob *blob,
                                    const apus_part *parts, size_t parts_count, uint32_t context,
                                    char why[REQUEST_WHY]) {
    apus_status status = prompt_tokenize(blob, parts, parts_count, &prompt->ids, &prompt->count);
    if (status < 0) return refuse(why, status);
    if (prompt->count && prompt->count < context) return REQUEST_DONE;
    if (prompt->count)
        snprintf(why, REQUEST_WHY,
                 "the prompt has %zu tokens, but the context holds %u and the text needs one: send "
                 "less, or start with a larger --ctx",
                 prompt->count, context);
    else
        snprintf(why, REQUEST_WHY, "the prompt is empty: expected at least one token");
    free(prompt->ids);
    memset(prompt, 0, sizeof *prompt);
    return REQUEST_REFUSED;
}

enum request_status prompt_make(struct prompt_ids *prompt, const apus_blob *blob,
                                const struct fim *fim, const struct request *request,
                                uint32_t context, char why[REQUEST_WHY]) {
    memset(prompt, 0, sizeof *prompt);
    if (middle_wanted(request)) return middle_make(prompt, blob, fim, request, context, why);
    apus_part *parts = malloc((request->texts_count + 1) * sizeof *parts);
    if (!parts) return refuse(why, APUS_E_SPACE);
    for (size_t i = 0; i < request->texts_count; i++)
        parts[i] = (apus_part){.kind = request->texts[i].kind,
                               .flags = request->texts[i].flags,
                               .data = request_data(request, &request->texts[i]),
                               .count = request->texts[i].count};
    enum request_status status =
        prompt_of_parts(prompt, blob, parts, request->texts_count, context, why);
    free(parts);
    prompt->bind_bytes = request->bind_bytes;
    memcpy(prompt->bind, request->bind, request->bind_bytes);
    return status;
}
