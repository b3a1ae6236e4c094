#include "completion.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "kit/json.h"
#include "load.h"

/* A prompt that is being worked on. Its request belongs to the room until `done`. */
struct job {
    struct completion *completion;
    struct request *request;
    uint32_t first; /* the index of its first text */
    int is_done;
    /* used only on the room's thread: the text so far, if rules have to look at it */
    char *so_far;
    size_t so_far_bytes, so_far_capacity;
};

/* A message of the room's thread: a piece, the end of a text, or the end of all texts. The arrays
 * lie after it. */
struct job_news {
    struct news news;
    struct job *job;
    enum { JOB_PIECE, JOB_TEXT, JOB_DONE } kind;
    uint32_t index;
    struct request_result result;
    size_t bytes, count, alternatives;
    float *log_probs, *alternative_log_probs;
    uint64_t *offsets;
    int32_t *ids, *alternative_ids;
    char *text;
};

/* ------------------------------------------------------------------------------------- texts -- */

static int grow(void **memory, size_t *capacity, size_t need, size_t each) {
    if (need <= *capacity && *memory) return 1;
    size_t larger = 2 * need + 64;
    void *more = realloc(*memory, larger * each);
    if (!more) return 0;
    *memory = more;
    *capacity = larger;
    return 1;
}

static int add_alternatives(struct text *text, const struct job_news *news) {
    size_t before = text->tokens_count * news->alternatives,
           more = news->count * news->alternatives;
    if (!more) return 1;
    void *ids = text->alternative_ids, *log_probs = text->alternative_log_probs;
    size_t room = text->alternatives_capacity, same = room;
    if (!grow(&ids, &room, before + more, sizeof(int32_t))) return 0;
    text->alternative_ids = ids;
    if (!grow(&log_probs, &same, before + more, sizeof(float))) return 0;
    text->alternative_log_probs = log_probs;
    text->alternatives_capacity = room;
    memcpy(text->alternative_ids + before, news->alternative_ids, more * sizeof(int32_t));
    memcpy(text->alternative_log_probs + before, news->alternative_log_probs, more * sizeof(float));
    return 1;
}

static int add_piece(struct text *text, const struct job_news *news) {
    void *bytes = text->bytes, *tokens = text->tokens;
    if (!grow(&bytes, &text->capacity, text->count + news->bytes, 1)) return 0;
    text->bytes = bytes;
    if (!grow(&tokens, &text->tokens_capacity, text->tokens_count + news->count,
              sizeof *text->tokens))
        return 0;
    text->tokens = tokens;
    if (!add_alternatives(text, news)) return 0;
    if (news->bytes) memcpy(text->bytes + text->count, news->text, news->bytes);
    text->count += news->bytes;
    for (size_t i = 0; i < news->count; i++)
        text->tokens[text->tokens_count + i] = (struct token){
            .id = news->ids[i],
            .log_prob = news->log_probs[i],
            .offset = news->offsets[i],
            .alternative = (uint32_t)((text->tokens_count + i) * news->alternatives)};
    text->tokens_count += news->count;
    return 1;
}

/* ------------------------------------------------------------------------- the room's thread -- */

static struct job_news *new_news(struct job *job, size_t bytes, size_t count, size_t alternatives) {
    size_t each = sizeof(float) + sizeof(uint64_t) + sizeof(int32_t) +
                  alternatives * (sizeof(float) + sizeof(int32_t));
    struct job_news *news = calloc(1, sizeof *news + count * each + bytes);
    if (!news) return NULL;
    news->job = job;
    news->bytes = bytes, news->count = count, news->alternatives = alternatives;
    void *at = news + 1; /* the arrays, those of wider elements first */
    news->offsets = at;
    at = news->offsets + count;
    news->log_probs = at;
    news->alternative_log_probs = news->log_probs + count;
    at = news->alternative_log_probs + count * alternatives;
    news->ids = at;
    news->alternative_ids = news->ids + count;
    at = news->alternative_ids + count * alternatives;
    news->text = at;
    return news;
}

static void tell(struct news *news);

static void post(struct job *job, struct job_news *news) {
    news->news.tell = tell;
    door_post(exchange_door(job->completion->exchange), &news->news);
}

/* Applies the rules, and says to the room if they need no more of the text. */
static void apply_rules(struct job *job, const struct request_piece *piece) {
    void *all = job->so_far;
    if (!job->completion->has_rules ||
        !grow(&all, &job->so_far_capacity, job->so_far_bytes + piece->bytes, 1))
        return;
    job->so_far = all;
    if (piece->bytes) memcpy(job->so_far + job->so_far_bytes, piece->text, piece->bytes);
    job->so_far_bytes += piece->bytes;
    job->request->enough =
        finish_enough(&job->completion->rules, job->so_far, job->so_far_bytes) != 0;
}

static void on_piece(struct request *request, const struct request_piece *piece) {
    struct job *job = request->door;
    const apus_piece *of = piece->piece;
    struct job_news *news = new_news(job, piece->bytes, of->count, of->alternatives);
    apply_rules(job, piece);
    if (!news) {
        request->enough = 1;
        return;
    }
    size_t alternatives = of->count * of->alternatives;
    news->kind = JOB_PIECE;
    news->index = piece->index;
    if (piece->bytes) memcpy(news->text, piece->text, piece->bytes);
    for (size_t i = 0; i < of->count; i++) {
        news->ids[i] = of->ids[i];
        news->log_probs[i] = of->log_probs[i];
        news->offsets[i] = of->offsets[i];
    }
    if (alternatives) {
        memcpy(news->alternative_ids, of->alternative_ids, alternatives * sizeof(int32_t));
        memcpy(news->alternative_log_probs, of->alternative_log_probs,
               alternatives * sizeof(float));
    }
    post(job, news);
}

static void on_text_end(struct request *request, const struct request_result *result) {
    struct job *job = request->door;
    struct job_news *news = new_news(job, 0, 0, 0);
    job->so_far_bytes = 0;
    if (!news) return; /* the message about the end of all texts says this too */
    news->kind = JOB_TEXT;
    news->result = *result;
    news->index = result->index;
    post(job, news);
}

/* The memory of this message was allocated with the job, because the message must always come. */
static void on_done(struct request *request, const struct request_result *result) {
    struct job *job = request->door;
    struct job_news *news = (struct job_news *)(job + 1);
    news->job = job;
    news->kind = JOB_DONE;
    news->result = *result;
    news->index = result->index;
    post(job, news);
}

/* ------------------------------------------------------------------------- the loop's thread -- */

struct text *completion_text(struct completion *completion, uint32_t index) {
    return &completion->texts[index];
}

const struct request_result *completion_result(const struct completion *completion,
                                               uint32_t index) {
    return &completion->texts[index].result;
}

static void free_text(struct text *text) {
    free(text->bytes);
    free(text->tokens);
    free(text->alternative_ids);
    free(text->alternative_log_probs);
}

static void free_completion(struct completion *completion) {
    struct exchange *exchange = completion->exchange;
    for (uint32_t i = 0; i < completion->prompts; i++) {
        struct job *job = completion->jobs[i];
        if (!job) continue;
        request_free(job->request);
        free(job->so_far);
        free(job);
    }
    for (uint32_t i = 0; i < COMPLETION_TEXTS_MAX; i++) free_text(&completion->texts[i]);
    json_decref(completion->settings);
    json_decref(completion->response_fields);
    free(completion->model);
    free(completion->prompt);
    free(completion->before);
    free(completion);
    exchange_end(exchange);
}

void completion_refuse(struct completion *completion, int code, const char *why) {
    exchange_fail(completion->exchange, code, "%s", why);
    request_free(completion->first);
    free_completion(completion);
}

static void cancel_all(struct completion *completion) {
    for (uint32_t i = 0; i < completion->prompts; i++)
        if (completion->jobs[i] && !completion->jobs[i]->is_done)
            room_cancel(exchange_room(completion->exchange), completion->jobs[i]->request);
}

static void on_gone(struct exchange *exchange) { cancel_all(exchange->work); }

/* The HTTP status for a failed request. */
static int code_of(const struct request_result *result) {
    switch (result->status) {
    case REQUEST_REFUSED:
        return 400;
    case REQUEST_FAILED:
        return 500;
    default:
        return 503;
    }
}

static void fail_with(struct completion *completion, const struct request_result *result) {
    if (completion->has_failed || !completion->exchange->http) return;
    completion->has_failed = 1;
    if (*result->why)
        exchange_fail(completion->exchange, code_of(result), "%s", result->why);
    else
        exchange_fail(completion->exchange, code_of(result), "the server is closing");
    cancel_all(completion);
}

/* Whether nothing is sent to a stream before the end of the text, when the rules have been applied.
 * This is so for n_indent, as from llama.cpp's server. The other rule only ends a text: what was
 * sent of it cannot be taken back. */
static int holds_back(const struct completion *completion) {
    return completion->has_rules && completion->rules.indent;
}

/* Sends to a stream what has come. */
static void tell_stream(struct completion *completion, uint32_t index) {
    struct text *text = &completion->texts[index];
    if (!completion->stream || !completion->exchange->http || completion->has_failed) return;
    if (holds_back(completion) && !text->is_over) return;
    json_t *event = completion->dialect->event(completion, index);
    text->sent_bytes = text->count;
    text->sent_tokens = completion_shown(text);
    if (event && !exchange_event(completion->exchange, event)) return;
    if (text->is_over && completion->dialect->text_over && completion->exchange->http)
        exchange_event(completion->exchange, completion->dialect->text_over(completion, index));
}

/* Without n_indent a text that no rule has ended stays as it is, blanks at its end included. */
static void apply_rules_at_end(const struct completion *completion, struct text *text) {
    const struct finish *rules = &completion->rules;
    if (!holds_back(completion) &&
        (completion->stream || !finish_enough(rules, text->bytes, text->count)))
        return;
    /* The text is said to have ended by itself, so that clients get half lines, as from llama.cpp's
     * server. */
    size_t shown = finish_length(rules, text->bytes, text->count, 1, 0);
    if (shown < text->count) text->count = shown;
}

static void end_text(struct completion *completion, uint32_t index,
                     const struct request_result *result) {
    struct text *text = &completion->texts[index];
    if (text->is_over) return;
    text->result = *result;
    text->is_over = 1;
    if (completion->has_rules) apply_rules_at_end(completion, text);
    tell_stream(completion, index);
}

static void answer_all(struct completion *completion) {
    if (!completion->exchange->http || completion->has_failed) return;
    if (!completion->stream) {
        exchange_json(completion->exchange, 200, completion->dialect->answer(completion));
        return;
    }
    json_t *last = completion->dialect->over ? completion->dialect->over(completion) : NULL;
    if (last && !exchange_event(completion->exchange, last)) return;
    exchange_finish(completion->exchange, completion->dialect->done_line);
}

/* If a request was cancelled and its client is still there, a newer request has replaced it, or it
 * gave way. That is no failure: the answer has the text as far as it came. */
static void end_job(struct completion *completion, struct job *job,
                    const struct request_result *result) {
    job->is_done = 1;
    if (result->status == REQUEST_REFUSED || result->status == REQUEST_FAILED ||
        result->status == REQUEST_CLOSING)
        fail_with(completion, result);
    for (uint32_t i = 0; i < completion->per_prompt; i++)
        end_text(completion, job->first + i, result);
    if (--completion->left) return;
    answer_all(completion);
    free_completion(completion);
}

static void tell(struct news *news) {
    struct job_news *of = (struct job_news *)news;
    struct job *job = of->job;
    struct completion *completion = job->completion;
    uint32_t index = job->first + of->index;
    if (of->kind == JOB_DONE) {
        const struct request_result result = of->result;
        end_job(completion, job, &result);
        return; /* its memory belongs to the job */
    }
    if (of->kind == JOB_PIECE) {
        if (!completion->first_ns) completion->first_ns = now_ns();
        if (!add_piece(&completion->texts[index], of))
            room_cancel(exchange_room(completion->exchange), job->request);
        tell_stream(completion, index);
    } else {
        end_text(completion, index, &of->result);
    }
    free(of);
}

struct completion *completion_new(struct exchange *exchange, const struct dialect *dialect) {
    struct completion *completion = calloc(1, sizeof *completion);
    if (!completion) {
        exchange_fail(exchange, 503, "no memory is left");
        return NULL;
    }
    completion->exchange = exchange;
    completion->dialect = dialect;
    completion->per_prompt = 1;
    exchange->work = completion;
    return completion;
}

void completion_begin(struct completion *completion, struct request **requests, uint32_t count) {
    completion->prompts = count;
    completion->first = NULL;
    uint32_t made = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct job *job = calloc(1, sizeof *job + sizeof(struct job_news));
        completion->jobs[i] = job;
        if (!job) {
            request_free(requests[i]);
            continue;
        }
        *job = (struct job){.completion = completion,
                            .request = requests[i],
                            .first = i * completion->per_prompt,
                            .is_done = 1};
        requests[i]->count = completion->per_prompt;
        requests[i]->alternatives = completion->alternatives;
        requests[i]->piece = on_piece;
        requests[i]->text_end = on_text_end;
        requests[i]->done = on_done;
        requests[i]->door = job;
        made++;
    }
    /* memory is taken here, so that bytes are never NULL */
    for (uint32_t i = 0; i < count * completion->per_prompt; i++) {
        struct text *text = &completion->texts[i];
        text->bytes = malloc(text->capacity = 64);
        if (!text->bytes) made = UINT32_MAX;
    }
    completion->exchange->gone = on_gone;
    completion->left = 1; /* counts as one until all are handed over */
    int error = made == count ? 0 : ENOMEM;
    for (uint32_t i = 0; i < count && !error; i++) {
        completion->jobs[i]->is_done = 0;
        error = room_submit(exchange_room(completion->exchange), completion->jobs[i]->request);
        completion->jobs[i]->is_done = error != 0;
        if (!error) completion->left++;
    }
    if (error) {
        completion->has_failed = 1;
        exchange_fail(completion->exchange, 503, "%s",
                      error == EBUSY       ? "as many requests wait as the server takes: try again"
                      : error == ESHUTDOWN ? "the server is closing"
                                           : "no memory is left");
        cancel_all(completion);
    }
    if (!--completion->left) free_completion(completion);
}

/* ---------------------------------------------------------------------------------- settings -- */

static uint64_t random_seed(void) {
    uint32_t seed = 0;
    return getrandom(&seed, sizeof seed, 0) == sizeof seed ? seed : (uint32_t)now_ns();
}

/* Reads "stop": a string or a list of strings. Empty ones are left out. */
static void read_stops(struct request *request, struct fields *fields) {
    const json_t *stop = fields_get(fields, "stop"), *value = stop;
    size_t count = json_is_array(stop) ? json_array_size(stop) : stop ? 1 : 0;
    for (size_t i = 0; i < count && !*fields->why; i++) {
        if (json_is_array(stop)) value = json_array_get(stop, i);
        if (!json_is_string(value)) {
            fields_wrong(fields, "stop", "a string or an array of strings", value);
            return;
        }
        if (!json_string_length(value)) continue;
        int error = request_stop(request, json_string_value(value), json_string_length(value));
        if (error == EINVAL)
            fields_say(fields, "'stop' expects texts of at most 63 bytes, found one of %zu",
                       json_string_length(value));
        else if (error)
            fields_say(fields, "'stop' expects at most %d texts", APUS_STOPS_MAX);
    }
}

/* Reads "samplers", with llama.cpp's names. Samplers that are not named are switched off. Their
 * order cannot be changed. */
static void read_samplers(struct request *request, struct fields *fields) {
    static const char *const known[] = {"penalties", "dry",       "top_n_sigma", "top_k",
                                        "typ_p",     "typical_p", "top_p",       "min_p",
                                        "xtc",       "infill",    "temperature", "adaptive_p"};
    const json_t *list = fields_get(fields, "samplers");
    int has_k = 0, has_p = 0, has_min = 0, has_temperature = 0, has_penalties = 0;
    if (json_is_string(list)) return; /* the short form, a string of letters, is not read */
    list = fields_list(fields, "samplers");
    if (!json_array_size(list)) return;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        size_t k = 0;
        if (!name) {
            fields_wrong(fields, "samplers", "an array of strings", json_array_get(list, i));
            return;
        }
        while (k < COUNT_OF(known) && strcmp(known[k], name) != 0) k++;
        if (k == COUNT_OF(known)) {
            fields_say(fields, "'samplers' has '%.40s', which is not the name of a sampler", name);
            return;
        }
        has_k |= !strcmp(name, "top_k"), has_p |= !strcmp(name, "top_p");
        has_min |= !strcmp(name, "min_p"), has_temperature |= !strcmp(name, "temperature");
        has_penalties |= !strcmp(name, "penalties");
    }
    if (!has_k) request->top_k = 0;
    if (!has_p) request->top_p = 0;
    if (!has_min) request->min_p = 0;
    if (!has_penalties) request->repeat_penalty = 0;
    if (!has_temperature && request->temperature > 0) request->temperature = 1;
}

struct request *completion_request(struct completion *completion, struct fields *fields,
                                   double temperature, double top_p, int64_t top_k, double min_p) {
    struct request *request = completion->first = request_new();
    if (!request) {
        completion_refuse(completion, 503, "no memory is left");
        return NULL;
    }
    request->temperature = (float)fields_number(fields, "temperature", -1, 100, temperature);
    if (request->temperature < 0.01F) request->temperature = 0;
    int64_t k = fields_integer(fields, "top_k", -1, UINT32_MAX, top_k);
    request->top_k = k < 0 ? 0 : (uint32_t)k;
    request->top_p = (float)fields_number(fields, "top_p", 0, 1, top_p);
    request->min_p = (float)fields_number(fields, "min_p", 0, 1, min_p);
    request->repeat_penalty = (float)fields_number(fields, "repeat_penalty", 0, 10, 0);
    if (request->repeat_penalty < 0.1F) request->repeat_penalty = 0;
    int64_t last = fields_integer(fields, "repeat_last_n", -1, INT32_MAX, 0);
    request->repeat_last = last < 0 || last > 1024 ? 1024 : (uint32_t)last;
    if (!fields_get(fields, "repeat_penalty")) request->repeat_last = 0;
    int64_t seed = fields_integer(fields, "seed", INT64_MIN, INT64_MAX, -1);
    request->seed = seed < 0 || seed == UINT32_MAX ? random_seed() : (uint64_t)seed;
    request->ignore_end = fields_flag(fields, "ignore_eos", 0);
    request->slot = (int32_t)fields_integer(fields, "id_slot", -1, INT32_MAX, -1);
    request->drop_context = !fields_flag(fields, "cache_prompt", 1);
    completion->stream = fields_flag(fields, "stream", 0);
    read_stops(request, fields);
    read_samplers(request, fields);
    return request;
}

struct request *completion_copy(const struct request *request) {
    struct request *copy = request_new();
    if (!copy) return NULL;
    copy->max_tokens = request->max_tokens;
    copy->temperature = request->temperature, copy->top_p = request->top_p;
    copy->min_p = request->min_p, copy->repeat_penalty = request->repeat_penalty;
    copy->top_k = request->top_k, copy->repeat_last = request->repeat_last;
    copy->seed = request->seed, copy->ignore_end = request->ignore_end;
    copy->slot = request->slot, copy->drop_context = request->drop_context;
    copy->prompt_ms = request->prompt_ms, copy->predict_ms = request->predict_ms;
    for (uint32_t i = 0; i < request->stops_count; i++)
        if (request_stop(copy, request->stops[i].text, request->stops[i].bytes)) {
            request_free(copy);
            return NULL;
        }
    return copy;
}

/* ------------------------------------------------------------------------------ for dialects -- */

size_t completion_shown(const struct text *text) {
    size_t shown = text->tokens_count;
    while (shown && text->tokens[shown - 1].offset >= text->count) shown--;
    return shown;
}

const apus_stop *completion_stopping(const struct completion *completion, uint32_t index) {
    const struct text *text = &completion->texts[index];
    const struct request *request = completion->jobs[index / completion->per_prompt]->request;
    char tail[1024];
    size_t first = text->tokens_count, bytes = 0;
    if (text->result.stop != APUS_STOP_TEXT) return NULL;
    while (first && text->tokens[first - 1].offset + 256 > text->count &&
           text->tokens_count - first < 64)
        first--;
    for (size_t i = first; i < text->tokens_count && bytes < sizeof tail; i++)
        bytes +=
            completion_spell(completion, text->tokens[i].id, tail + bytes, sizeof tail - bytes);
    for (uint32_t i = 0; first < text->tokens_count && i < request->stops_count; i++) {
        const apus_stop *stop = &request->stops[i];
        uint64_t at = text->count - text->tokens[first].offset;
        if (text->count >= text->tokens[first].offset && at + stop->bytes <= bytes &&
            !memcmp(tail + at, stop->text, stop->bytes))
            return stop;
    }
    return NULL;
}

void completion_usage(const struct completion *completion, uint64_t *prompt, uint64_t *cached,
                      uint64_t *written) {
    *prompt = *cached = *written = 0;
    for (uint32_t i = 0; i < completion->prompts * completion->per_prompt; i++) {
        const struct text *text = &completion->texts[i];
        *written += text->tokens_count;
        if (i % completion->per_prompt) continue;
        *prompt += text->result.prompt;
        *cached += text->result.reused;
    }
}

size_t completion_spell(const struct completion *completion, int32_t id, char *out, size_t room) {
    size_t count = 0;
    const struct room_model *model = exchange_model(completion->exchange);
    apus_status status = apus_detokenize(model->blob, &id, 1, 0, 1, out, room, &count);
    return status < 0 ? 0 : count;
}

const char *completion_stop_type(const struct request_result *result) {
    switch (result->stop) {
    case APUS_STOP_EOS:
        return "eos";
    case APUS_STOP_TEXT:
        return "word";
    case APUS_STOP_LENGTH:
    case APUS_STOP_DEADLINE:
    case APUS_STOP_CONTEXT:
        return "limit";
    case APUS_RUNNING:
        /* limit: the rules ended the text, or the request only warmed a slot */
        return result->status ? "none" : "limit";
    default:
        return "none";
    }
}
