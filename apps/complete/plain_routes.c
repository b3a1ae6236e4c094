/* Endpoints that are answered at once: what the server has, its figures, and texts to ids and
 * back. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_door.h"
#include "request_fields.h"
#include "kit/json.h"
#include "prompt_ids.h"

static void put(json_t *object, const char *name, json_t *value) {
    json_object_set_new(object, name, value);
}

static json_t *string_of(const char *text) { return json_bytes(text, strlen(text)); }

static void health(struct exchange *exchange, const json_t *body) {
    json_t *answer = json_object();
    (void)body;
    put(answer, "status", json_string("ok"));
    exchange_json(exchange, 200, answer);
}

static void front(struct exchange *exchange, const json_t *body) {
    (void)body;
    exchange_text(exchange, 200, "text/plain; charset=utf-8",
                  "apus serve: POST /infill, /completion, /v1/completions, /v1/chat/completions, "
                  "/tokenize, /detokenize; GET /v1/models, /props, /slots, /metrics, /health\n");
}

static void models(struct exchange *exchange, const json_t *body) {
    const struct room_model *model = exchange_model(exchange);
    json_t *answer = json_object(), *list = json_array(), *one = json_object(),
           *meta = json_object();
    (void)body;
    put(meta, "n_ctx_train", json_integer(model->info.max_positions));
    put(meta, "n_ctx", json_integer(model->context));
    put(meta, "n_embd", json_integer(model->info.dim));
    put(meta, "n_vocab", json_integer(model->info.vocab));
    put(meta, "n_params", json_integer((json_int_t)model->info.parameters));
    put(meta, "size", json_integer((json_int_t)model->info.bytes));
    put(one, "id", string_of(model->name));
    put(one, "object", json_string("model"));
    put(one, "created", json_integer(exchange->created));
    put(one, "owned_by", json_string("apus"));
    put(one, "meta", meta);
    json_array_append_new(list, one);
    put(answer, "object", json_string("list"));
    put(answer, "data", list);
    exchange_json(exchange, 200, answer);
}

static void props(struct exchange *exchange, const json_t *body) {
    const struct room_model *model = exchange_model(exchange);
    json_t *answer = json_object(), *usual = json_object(), *modalities = json_object();
    (void)body;
    put(usual, "n_ctx", json_integer(model->context));
    put(modalities, "vision", json_false());
    put(modalities, "audio", json_false());
    put(answer, "default_generation_settings", usual);
    put(answer, "total_slots", json_integer(model->slots));
    put(answer, "model_alias", string_of(model->name));
    put(answer, "model_path", string_of(model->path));
    put(answer, "draft_path", model->draft ? string_of(model->draft) : json_null());
    put(answer, "chat_template", string_of(model->chat.form->name));
    put(answer, "fim_template", string_of(model->fim.form->name));
    put(answer, "modalities", modalities);
    put(answer, "build_info",
        json_string(
            "apus " PROGRAM_VERSION(APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH)));
    exchange_json(exchange, 200, answer);
}

static void slots(struct exchange *exchange, const json_t *body) {
    struct figures figures;
    json_t *answer = json_array();
    (void)body;
    room_figures(exchange_room(exchange), &figures);
    for (uint32_t i = 0; i < figures.slots; i++) {
        json_t *slot = json_object();
        put(slot, "id", json_integer(i));
        put(slot, "id_task", json_integer((json_int_t)figures.slot[i].number));
        put(slot, "n_ctx", json_integer(exchange_model(exchange)->context));
        put(slot, "is_processing", json_boolean(figures.slot[i].is_active));
        put(slot, "n_past", json_integer(figures.slot[i].positions));
        json_array_append_new(answer, slot);
    }
    exchange_json(exchange, 200, answer);
}

/* ------------------------------------------------------------------------------------- metrics */

static void line(char **at, const char *end, const char *name, const char *kind, const char *help,
                 double value) {
    int n =
        snprintf(*at, (size_t)(end - *at), "# HELP apus_%s %s\n# TYPE apus_%s %s\napus_%s %.17g\n",
                 name, help, name, kind, name, value);
    if (n > 0 && n < end - *at) *at += n;
}

static void metrics(struct exchange *exchange, const json_t *body) {
    char text[8192], *at = text, *end = text + sizeof text;
    static const char *const ends[] = {"done",    "cancelled", "gave_way",
                                       "refused", "failed",    "closing"};
    struct figures f;
    struct door_figures d;
    (void)body;
    *text = 0;
    room_figures(exchange_room(exchange), &f);
    door_figures(exchange_door(exchange), &d);
    line(&at, end, "http_requests_total", "counter", "HTTP requests.", (double)d.requests);
    line(&at, end, "http_connections", "gauge", "Connections that are open.", d.connections);
    line(&at, end, "requests_total", "counter", "Requests handed to the engine.",
         (double)f.requests);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char name[48];
        snprintf(name, sizeof name, "requests_%s_total", ends[i]);
        line(&at, end, name, "counter", "Requests that ended so.", (double)f.ended[i]);
    }
    line(&at, end, "queue_full_total", "counter", "Requests refused for a full queue.",
         (double)f.full);
    line(&at, end, "requests_waiting", "gauge", "Requests that wait for a slot.", f.waiting);
    line(&at, end, "requests_active", "gauge", "Requests that have a slot.", f.active);
    line(&at, end, "slots", "gauge", "Contexts that are kept.", f.slots);
    line(&at, end, "context", "gauge", "Positions of each of them.",
         exchange_model(exchange)->context);
    line(&at, end, "slot_bytes", "gauge", "Memory of each of them, taken at the start.",
         (double)f.slot_bytes);
    line(&at, end, "prompt_tokens_total", "counter", "Tokens of prompts, evaluated.",
         (double)f.prompt_tokens);
    line(&at, end, "prompt_tokens_reused_total", "counter", "Tokens of prompts, found in place.",
         (double)f.reused_tokens);
    line(&at, end, "tokens_total", "counter", "Tokens written.", (double)f.new_tokens);
    line(&at, end, "proposed_total", "counter", "Tokens proposed by draft and look-up.",
         (double)f.proposed);
    line(&at, end, "accepted_total", "counter", "Of them accepted.", (double)f.accepted);
    line(&at, end, "waited_seconds_total", "counter", "Time of requests in the queue.",
         (double)f.waited_ns * 1e-9);
    line(&at, end, "prompt_seconds_total", "counter", "Time that prompts took.",
         (double)f.prompt_ns * 1e-9);
    line(&at, end, "text_seconds_total", "counter", "Time that texts took.",
         (double)f.next_ns * 1e-9);
    line(&at, end, "own_seconds_total", "counter",
         "Processor time of the engine's thread outside the library.", (double)f.own_ns * 1e-9);
    exchange_text(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", text);
}

/* -------------------------------------------------------------------------------------- tokens */

static json_t *piece_of(const apus_blob *blob, int32_t id) {
    char bytes[256];
    size_t count = 0;
    if (apus_detokenize(blob, &id, 1, 0, 1, bytes, sizeof bytes, &count) < 0) count = 0;
    return json_bytes(bytes, count);
}

static void tokenize(struct exchange *exchange, const json_t *body) {
    struct fields fields = {.object = body};
    const apus_blob *blob = exchange_model(exchange)->blob;
    size_t bytes, count;
    int32_t *ids;
    if (!fields_get(&fields, "content")) fields_wrong(&fields, "content", "a string", NULL);
    const char *text = fields_text(&fields, "content", "", &bytes);
    int bos = fields_flag(&fields, "add_special", 0),
        with_pieces = fields_flag(&fields, "with_pieces", 0);
    int specials = fields_flag(&fields, "parse_special", exchange_config(exchange)->special);
    if (*fields.why) {
        exchange_fail(exchange, 400, "%s", fields.why);
        return;
    }
    const apus_part parts[] = {{.kind = APUS_PART_BOS},
                               {.kind = APUS_PART_TEXT,
                                .flags = specials ? APUS_TEXT_SPECIALS : 0,
                                .data = text,
                                .count = bytes}};
    apus_status status = prompt_tokenize(blob, bos ? parts : parts + 1, bos ? 2 : 1, &ids, &count);
    if (status < 0) {
        exchange_fail(exchange, status == APUS_E_SPACE ? 503 : 400, "%s", apus_status_text(status));
        return;
    }
    json_t *answer = json_object(), *list = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *token = with_pieces ? json_object() : json_integer(ids[i]);
        if (with_pieces) {
            put(token, "id", json_integer(ids[i]));
            put(token, "piece", piece_of(blob, ids[i]));
        }
        json_array_append_new(list, token);
    }
    free(ids);
    put(answer, "tokens", list);
    exchange_json(exchange, 200, answer);
}

static int32_t *read_ids(struct fields *fields, uint32_t vocab, size_t *count) {
    const json_t *list = fields_list(fields, "tokens");
    if (!list) fields_wrong(fields, "tokens", "an array of token ids", NULL);
    *count = json_array_size(list);
    int32_t *ids = malloc((*count + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < *count; i++) {
        const json_t *value = json_array_get(list, i);
        json_int_t id = json_is_integer(value) ? json_integer_value(value) : -1;
        if (id < 0 || id >= vocab)
            fields_say(fields, "'tokens' expects token ids from 0 to %u, found another value",
                       vocab - 1);
        ids[i] = (int32_t)(id < 0 || id >= vocab ? 0 : id);
    }
    return ids;
}

static void detokenize(struct exchange *exchange, const json_t *body) {
    struct fields fields = {.object = body};
    const struct room_model *model = exchange_model(exchange);
    size_t count, bytes = 0;
    int32_t *ids = read_ids(&fields, model->info.vocab, &count);
    int specials = fields_flag(&fields, "special", 1);
    if (*fields.why || !ids) {
        exchange_fail(exchange, *fields.why ? 400 : 503, "%s",
                      *fields.why ? fields.why : "no memory is left");
        free(ids);
        return;
    }
    apus_detokenize(model->blob, ids, count, 1, specials, NULL, 0, &bytes);
    char *text = malloc(bytes + 1);
    apus_status status =
        text ? apus_detokenize(model->blob, ids, count, 1, specials, text, bytes, &bytes)
             : APUS_E_SPACE;
    json_t *answer = json_object();
    if (status >= 0) put(answer, "content", json_bytes(text, bytes));
    if (status >= 0)
        exchange_json(exchange, 200, answer);
    else
        exchange_fail(exchange, 503, "%s", apus_status_text(status));
    if (status < 0) json_decref(answer);
    free(text);
    free(ids);
}

const struct route plain_routes[] = {{"/", EVHTTP_REQ_GET, 0, front},
                                     {"/health", EVHTTP_REQ_GET, 1, health},
                                     {"/v1/health", EVHTTP_REQ_GET, 1, health},
                                     {"/v1/models", EVHTTP_REQ_GET, 0, models},
                                     {"/models", EVHTTP_REQ_GET, 0, models},
                                     {"/props", EVHTTP_REQ_GET, 0, props},
                                     {"/slots", EVHTTP_REQ_GET, 0, slots},
                                     {"/metrics", EVHTTP_REQ_GET, 0, metrics},
                                     {"/tokenize", EVHTTP_REQ_POST, 0, tokenize},
                                     {"/detokenize", EVHTTP_REQ_POST, 0, detokenize},
                                     {NULL, 0, 0, NULL}};
