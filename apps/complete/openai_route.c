/* /v1/completions (with a suffix for filling in) and /v1/chat/completions, for OpenAI's clients. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/template/chat.h"
#include "completion_prompt.h"
#include "kit/json.h"

static void put(json_t *object, const char *name, json_t *value) {
    json_object_set_new(object, name, value);
}

static json_t *text_of(const char *bytes, size_t count) {
    return json_bytes(count ? bytes : "", count);
}

/* The name that the client uses for the model, or our own name. */
static json_t *model_of(const struct completion *completion) {
    const char *name =
        completion->model ? completion->model : exchange_model(completion->exchange)->name;
    return json_bytes(name, strlen(name));
}

static json_t *frame(const struct completion *completion, const char *prefix, const char *object) {
    char id[64];
    json_t *answer = json_object();
    snprintf(id, sizeof id, "%s-%s", prefix, completion->exchange->id);
    put(answer, "id", json_string(id));
    put(answer, "object", json_string(object));
    put(answer, "created", json_integer(completion->exchange->created));
    put(answer, "model", model_of(completion));
    return answer;
}

static json_t *usage_of(const struct completion *completion) {
    uint64_t prompt, cached, written;
    json_t *usage = json_object(), *details = json_object();
    completion_usage(completion, &prompt, &cached, &written);
    put(details, "cached_tokens", json_integer((json_int_t)cached));
    put(usage, "prompt_tokens", json_integer((json_int_t)prompt));
    put(usage, "completion_tokens", json_integer((json_int_t)written));
    put(usage, "total_tokens", json_integer((json_int_t)(prompt + written)));
    put(usage, "prompt_tokens_details", details);
    return usage;
}

static json_t *reason_of(const struct request_result *result) {
    return json_string(!strcmp(completion_stop_type(result), "limit") ? "length" : "stop");
}

/* ------------------------------------------------------------------------- log-probabilities -- */

static json_t *spelled(const struct completion *completion, int32_t id) {
    char bytes[256];
    size_t count = completion_spell(completion, id, bytes, sizeof bytes);
    return json_bytes(bytes, count);
}

/* For /v1/completions: lists side by side. */
static json_t *text_log_probs(const struct completion *completion, const struct text *text,
                              size_t from, size_t to) {
    json_t *lists = json_object(), *tokens = json_array(), *values = json_array(),
           *tops = json_array(), *offsets = json_array();
    for (size_t i = from; i < to; i++) {
        const struct token *token = &text->tokens[i];
        json_t *top = json_object();
        json_array_append_new(tokens, spelled(completion, token->id));
        json_array_append_new(values, json_number((double)token->log_prob));
        json_array_append_new(offsets, json_integer((json_int_t)token->offset));
        for (uint32_t k = 0; k < completion->alternatives; k++) {
            json_t *name = spelled(completion, text->alternative_ids[token->alternative + k]);
            put(top, json_string_value(name),
                json_number((double)text->alternative_log_probs[token->alternative + k]));
            json_decref(name);
        }
        json_array_append_new(tops, top);
    }
    put(lists, "tokens", tokens);
    put(lists, "token_logprobs", values);
    put(lists, "top_logprobs", tops);
    put(lists, "text_offset", offsets);
    return lists;
}

static json_t *chat_token(const struct completion *completion, int32_t id, float log_prob) {
    char bytes[256];
    size_t count = completion_spell(completion, id, bytes, sizeof bytes);
    json_t *token = json_object(), *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((unsigned char)bytes[i]));
    put(token, "token", json_bytes(bytes, count));
    put(token, "logprob", json_number((double)log_prob));
    put(token, "bytes", list);
    return token;
}

/* For /v1/chat/completions: an object for each id. */
static json_t *chat_log_probs(const struct completion *completion, const struct text *text,
                              size_t from, size_t to) {
    json_t *object = json_object(), *list = json_array();
    for (size_t i = from; i < to; i++) {
        const struct token *token = &text->tokens[i];
        json_t *one = chat_token(completion, token->id, token->log_prob), *top = json_array();
        for (uint32_t k = 0; k < completion->alternatives; k++)
            json_array_append_new(
                top, chat_token(completion, text->alternative_ids[token->alternative + k],
                                text->alternative_log_probs[token->alternative + k]));
        put(one, "top_logprobs", top);
        json_array_append_new(list, one);
    }
    put(object, "content", list);
    put(object, "refusal", json_null());
    return object;
}

/* ----------------------------------------------------------------------------------------- text */

static json_t *text_choice(const struct completion *completion, uint32_t index, size_t from,
                           size_t token_from, json_t *reason) {
    const struct text *text = &completion->texts[index];
    json_t *choice = json_object();
    put(choice, "index", json_integer(index));
    if (completion->echo && !from && !token_from) {
        json_t *prompt = text_of(completion->prompt, completion->prompt_bytes);
        json_t *own = text_of(text->bytes, text->count);
        put(choice, "text",
            json_sprintf("%s%s", json_string_value(prompt), json_string_value(own)));
        json_decref(prompt);
        json_decref(own);
    } else {
        put(choice, "text",
            text_of(text->bytes + from, text->count > from ? text->count - from : 0));
    }
    put(choice, "finish_reason", reason);
    put(choice, "logprobs",
        completion->want_log_probs
            ? text_log_probs(completion, text, token_from, completion_shown(text))
            : json_null());
    return choice;
}

static json_t *text_answer(struct completion *completion) {
    json_t *answer = frame(completion, "cmpl", "text_completion"), *choices = json_array();
    for (uint32_t i = 0; i < completion->prompts * completion->per_prompt; i++)
        json_array_append_new(
            choices, text_choice(completion, i, 0, 0, reason_of(&completion->texts[i].result)));
    put(answer, "choices", choices);
    put(answer, "usage", usage_of(completion));
    return answer;
}

static json_t *with_choice(json_t *answer, json_t *choice) {
    json_t *choices = json_array();
    if (choice) json_array_append_new(choices, choice);
    put(answer, "choices", choices);
    return answer;
}

static json_t *text_event(struct completion *completion, uint32_t index) {
    const struct text *text = &completion->texts[index];
    if (text->count <= text->sent_bytes && completion_shown(text) <= text->sent_tokens) return NULL;
    return with_choice(
        frame(completion, "cmpl", "text_completion"),
        text_choice(completion, index, text->sent_bytes, text->sent_tokens, json_null()));
}

static json_t *text_last(struct completion *completion, uint32_t index) {
    json_t *choice = json_object();
    put(choice, "index", json_integer(index));
    put(choice, "text", json_string(""));
    put(choice, "finish_reason", reason_of(&completion->texts[index].result));
    put(choice, "logprobs", json_null());
    return with_choice(frame(completion, "cmpl", "text_completion"), choice);
}

static json_t *text_usage(struct completion *completion) {
    if (!completion->want_usage) return NULL;
    json_t *answer = with_choice(frame(completion, "cmpl", "text_completion"), NULL);
    put(answer, "usage", usage_of(completion));
    return answer;
}

static const struct dialect text_dialect = {.answer = text_answer,
                                            .event = text_event,
                                            .text_over = text_last,
                                            .over = text_usage,
                                            .done_line = 1};

/* ----------------------------------------------------------------------------------------- chat */

static json_t *chat_answer(struct completion *completion) {
    json_t *answer = frame(completion, "chatcmpl", "chat.completion"), *choices = json_array();
    for (uint32_t i = 0; i < completion->per_prompt; i++) {
        const struct text *text = &completion->texts[i];
        json_t *choice = json_object(), *message = json_object();
        put(message, "role", json_string("assistant"));
        put(message, "content", text_of(text->bytes, text->count));
        put(message, "refusal", json_null());
        put(choice, "index", json_integer(i));
        put(choice, "message", message);
        put(choice, "finish_reason", reason_of(&text->result));
        put(choice, "logprobs",
            completion->want_log_probs ? chat_log_probs(completion, text, 0, completion_shown(text))
                                       : json_null());
        json_array_append_new(choices, choice);
    }
    put(answer, "choices", choices);
    put(answer, "usage", usage_of(completion));
    return answer;
}

static json_t *chat_chunk(const struct completion *completion, uint32_t index, json_t *delta,
                          json_t *log_probs, json_t *reason) {
    json_t *choice = json_object();
    put(choice, "index", json_integer(index));
    put(choice, "delta", delta);
    put(choice, "logprobs", log_probs);
    put(choice, "finish_reason", reason);
    return with_choice(frame(completion, "chatcmpl", "chat.completion.chunk"), choice);
}

/* The first event of a text names the role. */
static json_t *chat_event(struct completion *completion, uint32_t index) {
    const struct text *text = &completion->texts[index];
    size_t shown = completion_shown(text);
    if (text->count <= text->sent_bytes && shown <= text->sent_tokens) return NULL;
    json_t *delta = json_object();
    if (!text->sent_bytes && !text->sent_tokens) put(delta, "role", json_string("assistant"));
    put(delta, "content",
        text_of(text->bytes + text->sent_bytes,
                text->count > text->sent_bytes ? text->count - text->sent_bytes : 0));
    return chat_chunk(completion, index, delta,
                      completion->want_log_probs
                          ? chat_log_probs(completion, text, text->sent_tokens, shown)
                          : json_null(),
                      json_null());
}

static json_t *chat_last(struct completion *completion, uint32_t index) {
    return chat_chunk(completion, index, json_object(), json_null(),
                      reason_of(&completion->texts[index].result));
}

static json_t *chat_usage(struct completion *completion) {
    if (!completion->want_usage) return NULL;
    json_t *answer = with_choice(frame(completion, "chatcmpl", "chat.completion.chunk"), NULL);
    put(answer, "usage", usage_of(completion));
    return answer;
}

static const struct dialect chat_dialect = {.answer = chat_answer,
                                            .event = chat_event,
                                            .text_over = chat_last,
                                            .over = chat_usage,
                                            .done_line = 1};

/* ------------------------------------------------------------------------------------ requests */

/* Refuses fields that would change the text and are not supported. */
static void refuse_unknown_ways(struct fields *fields) {
    static const char *const lists[] = {"tools", "functions", "logit_bias", "grammar",
                                        "json_schema"};
    static const char *const numbers[] = {"presence_penalty", "frequency_penalty"};
    for (size_t i = 0; i < COUNT_OF(lists); i++) fields_refuse(fields, lists[i]);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (fields_number(fields, numbers[i], -2, 2, 0) != 0)
            fields_say(fields, "'%s' is not supported: leave it out, or use repeat_penalty",
                       numbers[i]);
    const json_t *format = fields_get(fields, "response_format");
    const char *type = json_string_value(json_object_get(format, "type"));
    if (format && (!type || strcmp(type, "text") != 0))
        fields_say(fields, "'response_format' expects the type 'text', the only one here");
}

static void read_common(struct completion *completion, struct fields *fields) {
    const char *model = fields_text(fields, "model", NULL, NULL);
    const json_t *options = fields_get(fields, "stream_options");
    struct fields of = {.object = options};
    if (model) completion->model = strdup(model);
    completion->per_prompt = (uint32_t)fields_integer(fields, "n", 1, COMPLETION_TEXTS_MAX, 1);
    if (options && !json_is_object(options))
        fields_wrong(fields, "stream_options", "an object", options);
    completion->want_usage = fields_flag(&of, "include_usage", 0);
    if (*of.why) fields_say(fields, "'stream_options': %.200s", of.why);
    refuse_unknown_ways(fields);
}

static void keep_prompt(struct completion *completion, struct fields *fields) {
    const json_t *prompt = fields_get(fields, "prompt");
    completion->echo = fields_flag(fields, "echo", 0);
    if (!completion->echo) return;
    if (!json_is_string(prompt) || completion->want_log_probs) {
        fields_say(fields, "'echo' goes with a prompt that is one text, and without 'logprobs'");
        return;
    }
    completion->prompt = strdup(json_string_value(prompt));
    completion->prompt_bytes = completion->prompt ? strlen(completion->prompt) : 0;
}

static void begin_text(struct exchange *exchange, const json_t *body) {
    struct fields fields = {.object = body};
    struct completion *completion = completion_new(exchange, &text_dialect);
    if (!completion) return;
    struct request *request = completion_request(completion, &fields, 1, 1, 0, 0);
    if (!request) return;
    read_common(completion, &fields);
    request->max_tokens = fields_integer(&fields, "max_tokens", -1, INT32_MAX, 16);
    int64_t best = fields_integer(&fields, "best_of", 1, INT32_MAX, completion->per_prompt);
    if (best != completion->per_prompt)
        fields_say(&fields, "'best_of' expects the same value as 'n': no other is supported");
    completion->want_log_probs = fields_get(&fields, "logprobs") != NULL;
    if (json_is_false(fields_get(&fields, "logprobs")))
        completion->want_log_probs = 0;
    else
        completion->alternatives =
            (uint32_t)fields_integer(&fields, "logprobs", 0, APUS_ALTERNATIVES_MAX, 0);
    keep_prompt(completion, &fields);
    size_t suffix_bytes;
    const char *suffix = fields_text(&fields, "suffix", NULL, &suffix_bytes);
    if (*fields.why)
        completion_refuse(completion, 400, fields.why);
    else
        completion_prompts(completion, &fields, suffix, suffix_bytes);
}

/* The text of a message, which is a string or an array of objects of the type text, which are
 * joined. The caller frees it. NULL: memory is short. If the content is wrong, fields has a
 * sentence. */
static char *content_of(struct fields *fields, const json_t *content, size_t index) {
    size_t bytes = 0;
    if (!content || json_is_null(content)) return strdup("");
    if (json_is_string(content)) return strdup(json_string_value(content));
    for (size_t i = 0; i < json_array_size(content); i++)
        bytes += json_string_length(json_object_get(json_array_get(content, i), "text"));
    char *all = calloc(1, bytes + 1);
    bytes = 0;
    for (size_t i = 0; all && i < json_array_size(content); i++) {
        const json_t *part = json_array_get(content, i), *text = json_object_get(part, "text");
        const char *type = json_string_value(json_object_get(part, "type"));
        if (!type || strcmp(type, "text") != 0 || !json_is_string(text)) {
            fields_say(fields, "'messages', number %zu: only parts of the type 'text' are read",
                       index);
            break;
        }
        memcpy(all + bytes, json_string_value(text), json_string_length(text));
        bytes += json_string_length(text);
    }
    if (all && !json_is_array(content))
        fields_say(fields,
                   "'messages', number %zu: 'content' expects a string or an array of texts",
                   index);
    return all;
}

static int role_of(struct fields *fields, const json_t *message, size_t index) {
    const char *role = json_string_value(json_object_get(message, "role"));
    if (role && (!strcmp(role, "system") || !strcmp(role, "developer"))) return CHAT_SYSTEM;
    if (role && !strcmp(role, "user")) return CHAT_USER;
    if (role && !strcmp(role, "assistant")) return CHAT_ASSISTANT;
    fields_say(fields,
               "'messages', number %zu: 'role' expects system, developer, user or assistant",
               index);
    return CHAT_USER;
}

static int add_parts(struct request *request, const struct part_list *list) {
    int error = list->failed ? ENOMEM : 0;
    for (size_t i = 0; i < list->count && !error; i++)
        error = request_add_part(request, list->parts[i].kind, list->parts[i].flags,
                                 list->parts[i].data, list->parts[i].count);
    return error;
}

/* Turns messages into the parts of a prompt. */
static int add_messages(struct request *request, struct fields *fields, const struct chat *chat,
                        const json_t *list) {
    size_t count = json_array_size(list);
    struct chat_message *messages = calloc(count + 1, sizeof *messages);
    struct part_list parts = {0};
    int error = messages ? 0 : ENOMEM;
    for (size_t i = 0; i < count && !error && !*fields->why; i++) {
        const json_t *message = json_array_get(list, i);
        messages[i].role = (enum chat_role)role_of(fields, message, i);
        messages[i].text = content_of(fields, json_object_get(message, "content"), i);
        if (!messages[i].text) error = ENOMEM;
        messages[i].bytes = messages[i].text ? strlen(messages[i].text) : 0;
    }
    if (!error && !*fields->why) {
        enum chat_status status = chat_prompt(&parts, chat, messages, count, true);
        if (status == CHAT_MISPLACED)
            fields_say(fields, "'messages' expects a system message only at the beginning");
        else if (status != CHAT_OK)
            fields_say(fields, "'messages' cannot be written in the model's chat template");
        else
            error = add_parts(request, &parts);
    }
    for (size_t i = 0; messages && i < count; i++) free((char *)messages[i].text);
    free(messages);
    part_list_free(&parts);
    return error;
}

static void begin_chat(struct exchange *exchange, const json_t *body) {
    struct fields fields = {.object = body};
    struct completion *completion = completion_new(exchange, &chat_dialect);
    if (!completion) return;
    struct request *request = completion_request(completion, &fields, 1, 1, 0, 0);
    if (!request) return;
    read_common(completion, &fields);
    const char *count = fields_get(&fields, "max_completion_tokens") ? "max_completion_tokens"
                        : fields_get(&fields, "max_tokens")          ? "max_tokens"
                                                                     : "n_predict";
    request->max_tokens = fields_integer(&fields, count, -1, INT32_MAX, -1);
    completion->want_log_probs = fields_flag(&fields, "logprobs", 0);
    int64_t top = fields_integer(&fields, "top_logprobs", 0, APUS_ALTERNATIVES_MAX, 0);
    completion->alternatives = completion->want_log_probs ? (uint32_t)top : 0;
    const json_t *messages = fields_list(&fields, "messages");
    if (!json_array_size(messages))
        fields_say(&fields, "'messages' expects an array with at least one message");
    const struct chat *chat = &exchange_model(exchange)->chat;
    int error = *fields.why ? 0 : add_messages(request, &fields, chat, messages);
    if (!error && !*fields.why && chat->form->stop && request->stops_count < APUS_STOPS_MAX)
        error = request_stop(request, chat->form->stop, strlen(chat->form->stop));
    if (!error && !*fields.why)
        completion_begin(completion, &request, 1);
    else
        completion_refuse(completion, error == ENOMEM ? 503 : 400,
                          *fields.why       ? fields.why
                          : error == ENOMEM ? "no memory is left"
                                            : "the messages are longer than a request can be");
}

const struct route openai_routes[] = {{"/v1/completions", EVHTTP_REQ_POST, 0, begin_text},
                                      {"/v1/chat/completions", EVHTTP_REQ_POST, 0, begin_chat},
                                      {"/chat/completions", EVHTTP_REQ_POST, 0, begin_chat},
                                      {NULL, 0, 0, NULL}};
