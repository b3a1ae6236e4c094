/* /infill and /completion as in llama.cpp's server, which llama.vim, llama.vscode and others
 * use. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "completion_prompt.h"
#include "documents.h"
#include "kit/json.h"

static void put(json_t *object, const char *name, json_t *value) {
    json_object_set_new(object, name, value);
}

static json_t *spelled(const struct completion *completion, int32_t id, double log_prob) {
    char bytes[256];
    size_t count = completion_spell(completion, id, bytes, sizeof bytes);
    json_t *token = json_object(), *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_integer((unsigned char)bytes[i]));
    put(token, "id", json_integer(id));
    put(token, "token", json_bytes(bytes, count));
    put(token, "bytes", list);
    put(token, "logprob", json_number(log_prob));
    return token;
}

static json_t *probabilities(const struct completion *completion, const struct text *text,
                             size_t from, size_t to) {
    json_t *list = json_array();
    for (size_t i = from; i < to; i++) {
        const struct token *token = &text->tokens[i];
        json_t *one = spelled(completion, token->id, (double)token->log_prob), *top = json_array();
        for (uint32_t k = 0; k < completion->alternatives; k++)
            json_array_append_new(
                top, spelled(completion, text->alternative_ids[token->alternative + k],
                             (double)text->alternative_log_probs[token->alternative + k]));
        put(one, "top_logprobs", top);
        json_array_append_new(list, one);
    }
    return list;
}

static json_t *ids_of(const struct text *text, size_t from, size_t to) {
    json_t *list = json_array();
    for (size_t i = from; i < to; i++)
        json_array_append_new(list, json_integer(text->tokens[i].id));
    return list;
}

static void put_rate(json_t *timings, const char *what, uint64_t count, uint64_t ns) {
    char name[48];
    double ms = (double)ns * 1e-6;
    snprintf(name, sizeof name, "%s_n", what);
    put(timings, name, json_integer((json_int_t)count));
    snprintf(name, sizeof name, "%s_ms", what);
    put(timings, name, json_number(ms));
    snprintf(name, sizeof name, "%s_per_token_ms", what);
    put(timings, name, json_number(count ? ms / (double)count : 0));
    snprintf(name, sizeof name, "%s_per_second", what);
    put(timings, name, json_number(ns ? (double)count * 1e9 / (double)ns : 0));
}

static json_t *timings_of(const struct request_result *result) {
    json_t *timings = json_object();
    put(timings, "cache_n", json_integer(result->reused));
    put_rate(timings, "prompt", result->evaluated, result->prompt_ns);
    put_rate(timings, "predicted", result->new_tokens, result->next_ns);
    put(timings, "draft_n", json_integer((json_int_t)result->proposed));
    put(timings, "draft_n_accepted", json_integer((json_int_t)result->accepted));
    put(timings, "waited_ms", json_number((double)result->waited_ns * 1e-6));
    return timings;
}

/* Adds what comes after a text that has ended. */
static void put_end(json_t *answer, const struct completion *completion, uint32_t index) {
    const struct text *text = &completion->texts[index];
    const struct request_result *result = &text->result;
    const struct room_model *model = exchange_model(completion->exchange);
    const apus_stop *stop = completion_stopping(completion, index);
    put(answer, "index", json_integer(index));
    put(answer, "id_slot", json_integer(result->slot));
    put(answer, "stop", json_true());
    put(answer, "model", json_bytes(model->name, strlen(model->name)));
    put(answer, "tokens_predicted", json_integer((json_int_t)text->tokens_count));
    put(answer, "tokens_evaluated", json_integer(result->prompt));
    put(answer, "tokens_cached", json_integer(result->reused));
    put(answer, "truncated", json_boolean(result->truncated));
    put(answer, "has_new_line",
        json_boolean(text->count && memchr(text->bytes, '\n', text->count) != NULL));
    put(answer, "stop_type", json_string(completion_stop_type(result)));
    put(answer, "stopping_word", stop ? json_bytes(stop->text, stop->bytes) : json_string(""));
    put(answer, "stop_reason",
        json_string(result->status == REQUEST_CANCELLED  ? "superseded"
                    : result->status == REQUEST_GAVE_WAY ? "gave way"
                                                         : apus_stop_reason_text(result->stop)));
    json_object_set(answer, "generation_settings", completion->settings);
    put(answer, "timings", timings_of(result));
}

/* Picks the fields that were asked for. A field inside another one is put under its whole name. */
static json_t *pick(const struct completion *completion, json_t *answer) {
    if (!completion->response_fields || !answer) return answer;
    json_t *picked = json_object();
    for (size_t i = 0; i < json_array_size(completion->response_fields); i++) {
        const char *name = json_string_value(json_array_get(completion->response_fields, i));
        char path[128];
        json_t *value = answer;
        snprintf(path, sizeof path, "%s", name);
        char *rest = path;
        for (char *part = strsep(&rest, "/"); part && value; part = strsep(&rest, "/"))
            value = json_object_get(value, part);
        if (value) json_object_set(picked, name, value);
    }
    json_decref(answer);
    return picked;
}

static json_t *one_answer(struct completion *completion, uint32_t index) {
    struct text *text = &completion->texts[index];
    json_t *answer = json_object();
    put(answer, "content", json_bytes(text->count ? text->bytes : "", text->count));
    put(answer, "tokens", ids_of(text, 0, completion->want_tokens ? completion_shown(text) : 0));
    put_end(answer, completion, index);
    if (completion->alternatives)
        put(answer, "completion_probabilities",
            probabilities(completion, text, 0, completion_shown(text)));
    return pick(completion, answer);
}

static json_t *answer(struct completion *completion) {
    uint32_t count = completion->prompts * completion->per_prompt;
    if (count == 1) return one_answer(completion, 0);
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) json_array_append_new(list, one_answer(completion, i));
    return list;
}

static json_t *event(struct completion *completion, uint32_t index) {
    const struct text *text = &completion->texts[index];
    size_t shown = completion_shown(text);
    if (text->count == text->sent_bytes && shown == text->sent_tokens) return NULL;
    json_t *piece = json_object();
    put(piece, "index", json_integer(index));
    put(piece, "content",
        json_bytes(text->count > text->sent_bytes ? text->bytes + text->sent_bytes : "",
                   text->count > text->sent_bytes ? text->count - text->sent_bytes : 0));
    put(piece, "tokens", ids_of(text, text->sent_tokens, shown));
    put(piece, "stop", json_false());
    if (completion->alternatives)
        put(piece, "completion_probabilities",
            probabilities(completion, text, text->sent_tokens, shown));
    return piece;
}

static json_t *text_over(struct completion *completion, uint32_t index) {
    json_t *last = json_object();
    put(last, "content", json_string(""));
    put(last, "tokens", json_array());
    put_end(last, completion, index);
    return pick(completion, last);
}

static const struct dialect dialect = {.answer = answer, .event = event, .text_over = text_over};

/* ------------------------------------------------------------------------------------- settings */

static json_t *settings_of(const struct completion *completion, const struct request *request) {
    json_t *settings = json_object(), *stops = json_array();
    const struct room_model *model = exchange_model(completion->exchange);
    for (uint32_t i = 0; i < request->stops_count; i++)
        json_array_append_new(stops, json_bytes(request->stops[i].text, request->stops[i].bytes));
    put(settings, "n_ctx", json_integer(model->context));
    put(settings, "model", json_bytes(model->name, strlen(model->name)));
    put(settings, "n_predict", json_integer(request->max_tokens));
    put(settings, "max_tokens", json_integer(request->max_tokens));
    put(settings, "seed", json_integer((json_int_t)request->seed));
    put(settings, "temperature", json_number((double)request->temperature));
    put(settings, "top_k", json_integer(request->top_k));
    put(settings, "top_p", json_number(request->top_p > 0 ? (double)request->top_p : 1));
    put(settings, "min_p", json_number((double)request->min_p));
    put(settings, "repeat_penalty",
        json_number(request->repeat_penalty > 0 ? (double)request->repeat_penalty : 1));
    put(settings, "repeat_last_n", json_integer(request->repeat_last));
    put(settings, "ignore_eos", json_boolean(request->ignore_end));
    put(settings, "n_probs", json_integer(completion->alternatives));
    put(settings, "n_cmpl", json_integer(completion->per_prompt));
    put(settings, "n_indent", json_integer(completion->rules.indent));
    put(settings, "t_max_prompt_ms", json_integer((json_int_t)request->prompt_ms));
    put(settings, "t_max_predict_ms", json_integer((json_int_t)request->predict_ms));
    put(settings, "stream", json_boolean(completion->stream));
    put(settings, "stop", stops);
    return settings;
}

static void read_response_fields(struct completion *completion, struct fields *fields) {
    const json_t *list = fields_list(fields, "response_fields");
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!json_is_string(json_array_get(list, i)))
            fields_wrong(fields, "response_fields", "an array of strings", json_array_get(list, i));
    if (json_array_size(list) && !*fields->why) completion->response_fields = json_deep_copy(list);
}

static void refuse_unknown_ways(struct fields *fields) {
    static const char *const not_here[] = {"grammar", "json_schema", "logit_bias"};
    for (size_t i = 0; i < COUNT_OF(not_here); i++) fields_refuse(fields, not_here[i]);
}

/* Reads the fields that both paths have. NULL: the request has been answered. */
static struct request *read_common(struct completion *completion, struct fields *fields,
                                   double temperature) {
    struct request *request = completion_request(completion, fields, temperature, 0.95, 40, 0.05);
    if (!request) return NULL;
    const char *count = fields_get(fields, "n_predict") ? "n_predict" : "max_tokens";
    request->max_tokens = fields_integer(fields, count, -2, INT32_MAX, -1);
    request->prompt_ms = (uint64_t)fields_integer(fields, "t_max_prompt_ms", -1, INT32_MAX, 0);
    request->predict_ms = (uint64_t)fields_integer(fields, "t_max_predict_ms", -1, INT32_MAX, 0);
    if ((int64_t)request->prompt_ms < 0) request->prompt_ms = 0;
    if ((int64_t)request->predict_ms < 0) request->predict_ms = 0;
    /* llama.vim warms a slot with a limit of 1 ms but wants the whole prompt, because llama.cpp's
     * server ignores this limit */
    if (!request->max_tokens) request->prompt_ms = 0;
    completion->per_prompt = (uint32_t)fields_integer(
        fields, fields_get(fields, "n_cmpl") ? "n_cmpl" : "n", 1, COMPLETION_TEXTS_MAX, 1);
    int64_t probs = fields_integer(fields, "n_probs", 0, INT32_MAX, 0);
    completion->alternatives =
        probs > APUS_ALTERNATIVES_MAX ? APUS_ALTERNATIVES_MAX : (uint32_t)probs;
    completion->want_tokens = fields_flag(fields, "return_tokens", 0);
    completion->rules.indent = (uint32_t)fields_integer(fields, "n_indent", 0, 1024, 0);
    completion->rules.before = completion->rules.after = "";
    completion->rules.repeats = 1;
    completion->rules.tab = 1;
    completion->has_rules = completion->rules.indent != 0;
    read_response_fields(completion, fields);
    refuse_unknown_ways(fields);
    completion->settings = settings_of(completion, request);
    return request;
}

static void begin_completion(struct exchange *exchange, const json_t *body) {
    struct fields fields = {.object = body};
    struct completion *completion = completion_new(exchange, &dialect);
    if (!completion || !read_common(completion, &fields, 0.8)) return;
    if (*fields.why)
        completion_refuse(completion, 400, fields.why);
    else
        completion_prompts(completion, &fields, NULL, 0);
}

/* --------------------------------------------------------------------------------------- infill */

static int add_extra(struct request *request, struct fields *fields) {
    const json_t *list = fields_list(fields, "input_extra");
    for (size_t i = 0; i < json_array_size(list) && !*fields->why; i++) {
        const json_t *chunk = json_array_get(list, i);
        struct fields of = {.object = chunk};
        size_t name_bytes, bytes;
        if (!json_is_object(chunk)) {
            fields_wrong(fields, "input_extra", "an array of objects with 'text' and 'filename'",
                         chunk);
            break;
        }
        const char *text = fields_text(&of, "text", "", &bytes);
        const char *name = fields_text(&of, "filename", "", &name_bytes);
        if (*of.why) fields_say(fields, "'input_extra', number %zu: %.180s", i, of.why);
        if (*of.why || !bytes) continue;
        int error = name_bytes ? request_add(request, REQUEST_FILE, name, name_bytes) : 0;
        if (!error) error = request_add(request, REQUEST_EXTRA, text, bytes);
        if (error) return error;
    }
    return 0;
}

/* A number that stands for one buffer of an editor: a hash of the slot that the client wishes for
 * and of the file's name or, if there is none, of the beginning of the text, so that two editors on
 * one server are kept apart. 0 if the client gives neither a slot nor a name, because then nothing
 * shows that two requests come from one buffer. */
static uint64_t subject_of(const struct request *request, struct fields *fields, const char *prefix,
                           size_t prefix_bytes) {
    size_t bytes;
    const char *name = fields_text(fields, "filename", NULL, &bytes);
    uint64_t hash = 14695981039346656037U;
    if (request->slot < 0 && !name) return 0;
    if (!name) name = prefix, bytes = prefix_bytes < 128 ? prefix_bytes : 128;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ (unsigned char)name[i]) * 1099511628211U;
    hash = (hash ^ (uint64_t)(uint32_t)request->slot) * 1099511628211U;
    return hash ? hash : 1;
}

/* An editor must not show loops: keeps the last lines before the cursor for the rule. */
static int add_rules(struct completion *completion, const char *prefix, size_t prefix_bytes,
                     const char *prompt, size_t prompt_bytes) {
    size_t from = lines_back(prefix, prefix_bytes, FINISH_BEFORE), bytes = prefix_bytes - from;
    completion->before = malloc(bytes + prompt_bytes + 1);
    if (!completion->before) return ENOMEM;
    memcpy(completion->before, prefix + from, bytes);
    memcpy(completion->before + bytes, prompt, prompt_bytes);
    completion->rules.before = completion->before;
    completion->rules.before_bytes = bytes + prompt_bytes;
    completion->rules.loops = 1;
    completion->has_rules = 1;
    return 0;
}

static int add_texts(struct completion *completion, struct request *request,
                     struct fields *fields) {
    size_t prefix_bytes, suffix_bytes, bytes;
    const char *prefix = fields_text(fields, "input_prefix", "", &prefix_bytes);
    const char *suffix = fields_text(fields, "input_suffix", "", &suffix_bytes);
    const char *prompt = fields_text(fields, "prompt", "", &bytes);
    int error = add_extra(request, fields);
    if (!error) error = request_add(request, REQUEST_PREFIX, prefix, prefix_bytes);
    if (!error) error = request_add(request, REQUEST_PREFIX, prompt, bytes);
    if (!error) error = request_add(request, REQUEST_SUFFIX, suffix, suffix_bytes);
    /* one reserve for all requests, so that those that warm a slot and those that ask cut their
     * prompts in the same way */
    request->reserve = request->max_tokens < 0     ? UINT32_MAX
                       : request->max_tokens < 256 ? 256
                                                   : (uint32_t)request->max_tokens;
    request->heal = 1;
    request->subject = subject_of(request, fields, prefix, prefix_bytes);
    return error ? error : add_rules(completion, prefix, prefix_bytes, prompt, bytes);
}

static void begin_infill(struct exchange *exchange, const json_t *body) {
    struct fields fields = {.object = body};
    struct completion *completion = completion_new(exchange, &dialect);
    if (!completion) return;
    /* temperature 0, unless the client asks for another */
    struct request *request = read_common(completion, &fields, 0);
    if (!request) return;
    int error = *fields.why ? 0 : add_texts(completion, request, &fields);
    if (!error && !*fields.why)
        completion_begin(completion, &request, 1);
    else
        completion_refuse(completion, error == ENOMEM ? 503 : 400,
                          *fields.why       ? fields.why
                          : error == ENOMEM ? "no memory is left"
                                            : "the texts are longer than a request can be");
}

const struct route infill_routes[] = {{"/infill", EVHTTP_REQ_POST, 0, begin_infill},
                                      {"/completion", EVHTTP_REQ_POST, 0, begin_completion},
                                      {"/completions", EVHTTP_REQ_POST, 0, begin_completion},
                                      {NULL, 0, 0, NULL}};
