#include "completion_prompt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char expected[] = "a string, an array of token ids, or an array of these";

uint32_t completion_specials(struct completion *completion, struct fields *fields) {
    int usual = exchange_config(completion->exchange)->special;
    return fields_flag(fields, "parse_special", usual) ? APUS_TEXT_SPECIALS : 0;
}

/* Whether this is several prompts: an array of strings only, or an array that contains an array. */
static int is_several(const json_t *prompt) {
    size_t strings = 0, arrays = 0, count = json_array_size(prompt);
    for (size_t i = 0; i < count; i++) {
        strings += json_is_string(json_array_get(prompt, i)) != 0;
        arrays += json_is_array(json_array_get(prompt, i)) != 0;
    }
    return count && (arrays || strings == count);
}

static int add_id(struct request *request, struct fields *fields, const json_t *value,
                  uint32_t vocab) {
    json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
    if (id < 0 || id >= vocab) {
        fields_say(fields, "'prompt' expects token ids from 0 to %u, found another value",
                   vocab - 1);
        return 0;
    }
    const int32_t one = (int32_t)id;
    return request_add_part(request, APUS_PART_IDS, 0, &one, 1);
}

/* Adds a list of ids and texts. Consecutive ids become one part. */
static int add_list(struct request *request, struct fields *fields, const json_t *list,
                    uint32_t flags, uint32_t vocab) {
    size_t count = json_array_size(list), run = 0;
    int32_t *ids = malloc((count + 1) * sizeof *ids);
    int error = ids ? 0 : ENOMEM;
    for (size_t i = 0; i <= count && !error && !*fields->why; i++) {
        const json_t *value = json_array_get(list, i);
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (value && !json_is_string(value) && (id < 0 || id >= vocab)) {
            error = add_id(request, fields, value, vocab);
        } else if (value && !json_is_string(value)) {
            ids[run++] = (int32_t)id;
        } else {
            if (run) error = request_add_part(request, APUS_PART_IDS, 0, ids, run);
            run = 0;
            if (value && !error)
                error = request_add_part(request, APUS_PART_TEXT, flags, json_string_value(value),
                                         json_string_length(value));
        }
    }
    free(ids);
    return error;
}

static int add_prompt(struct request *request, struct fields *fields, const json_t *prompt,
                      uint32_t flags, uint32_t vocab) {
    int is_text = json_is_string(prompt) || json_is_string(json_array_get(prompt, 0));
    int error = is_text ? request_add_part(request, APUS_PART_BOS, 0, NULL, 0) : 0;
    if (error) return error;
    if (json_is_array(prompt)) return add_list(request, fields, prompt, flags, vocab);
    if (json_is_string(prompt))
        return request_add_part(request, APUS_PART_TEXT, flags, json_string_value(prompt),
                                json_string_length(prompt));
    fields_wrong(fields, "prompt", expected, prompt);
    return 0;
}

static int add_middle(struct request *request, struct fields *fields, const json_t *prompt,
                      const char *suffix, size_t suffix_bytes) {
    if (!json_is_string(prompt)) {
        fields_wrong(fields, "prompt", "a string where there is a 'suffix'", prompt);
        return 0;
    }
    int error =
        request_add(request, REQUEST_PREFIX, json_string_value(prompt), json_string_length(prompt));
    return error ? error : request_add(request, REQUEST_SUFFIX, suffix, suffix_bytes);
}

void completion_prompts(struct completion *completion, struct fields *fields, const char *suffix,
                        size_t suffix_bytes) {
    struct request *requests[COMPLETION_PROMPTS_MAX] = {NULL};
    const json_t *prompt = fields_get(fields, "prompt");
    uint32_t vocab = exchange_model(completion->exchange)->info.vocab;
    uint32_t flags = completion_specials(completion, fields), count = 1;
    int error = 0;
    if (!prompt) fields_wrong(fields, "prompt", expected, NULL);
    if (is_several(prompt)) {
        size_t all = json_array_size(prompt), most = COMPLETION_TEXTS_MAX / completion->per_prompt;
        if (all > most)
            fields_say(fields, "'prompt' has %zu prompts: expected %zu at most with %u texts each",
                       all, most, completion->per_prompt);
        else
            count = (uint32_t)all;
    }
    for (uint32_t i = 0; i < count && !error && !*fields->why; i++) {
        const json_t *one = is_several(prompt) ? json_array_get(prompt, i) : prompt;
        requests[i] = i ? completion_copy(requests[0]) : completion->first;
        if (!i) completion->first = NULL;
        if (!requests[i])
            error = ENOMEM;
        else
            error = suffix ? add_middle(requests[i], fields, one, suffix, suffix_bytes)
                           : add_prompt(requests[i], fields, one, flags, vocab);
    }
    if (!error && !*fields->why) {
        completion_begin(completion, requests, count);
        return;
    }
    for (uint32_t i = 0; i < count; i++) request_free(requests[i]);
    completion_refuse(completion, *fields->why || error == E2BIG ? 400 : 503,
                      *fields->why     ? fields->why
                      : error == E2BIG ? "the prompt is longer than a request can be"
                                       : "no memory is left");
}
