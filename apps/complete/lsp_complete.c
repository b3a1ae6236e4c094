/* Completions: what is asked of the room, and how its results become answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lsp_door.h"
#include "lsp_sync.h"

/* ---- the list */

static void asked_free(struct asked *asked) {
    json_decref(asked->id);
    json_decref(asked->range);
    json_decref(asked->items);
    json_decref(asked->versioned);
    next_edit_free(&asked->edit);
    request_free(asked->request);
    free(asked->before);
    free(asked->after);
    free(asked->lead);
    free(asked->text);
    free(asked);
}

static void take_off(struct lsp_door *door, struct asked *asked) {
    for (struct asked **at = &door->asked; *at; at = &(*at)->next)
        if (*at == asked) {
            *at = asked->next;
            door->asked_count--;
            return;
        }
}

/* Answers with an error and stops the work. What the room still sends is dropped. */
static void give_up(struct lsp_door *door, struct asked *asked, int code, const char *why) {
    if (asked->is_over) return;
    asked->is_over = 1;
    if (asked->id) out_send(&door->out, message_error(asked->id, code, "%s", why));
    room_cancel(door->room, asked->request);
}

void complete_cancel(struct lsp_door *door, const json_t *id) {
    for (struct asked *a = door->asked; a; a = a->next)
        if (a->id && json_equal(a->id, id))
            give_up(door, a, ERROR_CANCELLED, "the client has cancelled it");
}

static void give_up_all(struct lsp_door *door, uint64_t document, int code, const char *why) {
    for (struct asked *a = door->asked; a; a = a->next)
        if (a->document == document) give_up(door, a, code, why);
}

void complete_changed(struct lsp_door *door, const struct document *document) {
    give_up_all(door, document->key, ERROR_MODIFIED, "the document has changed since");
}

/* ---- the prompt */

/* Adds text [bytes] with only \n as line ends. */
static int add_text(struct request *request, enum request_role role, const char *text,
                    size_t bytes) {
    char *plain = malloc(bytes + 1);
    if (!plain) return ENOMEM;
    int error = request_add(request, role, plain, lines_plain(plain, text, bytes));
    free(plain);
    return error;
}

/* Where the part before the cursor begins. It is the same line while the cursor moves a little, so
 * that what has been evaluated stays useful. */
static size_t window_front(const struct lsp_door *door, const struct document *document,
                           size_t at) {
    uint32_t line = offset_position(document->text, document->bytes, at, COLUMN_UTF8).line;
    size_t back = (size_t)door->settings.prefix_lines + line % WINDOW_STEP;
    return lines_back(document->text, at, back);
}

/* Adds pieces of other places, the text before [from, to), `middle`, which replaces that, and the
 * text after it. */
static int add_prompt(struct lsp_door *door, struct request *request,
                      const struct document *document, size_t from, size_t to, const char *middle) {
    size_t front = window_front(door, document, from),
           end = lines_forward(document->text, document->bytes, to,
                               (size_t)door->settings.suffix_lines + 1);
    int error = 0;
    ring_avoid(&door->ring, document->text, document->bytes, from);
    for (size_t i = 0; i < door->ring.count && !error; i++) {
        const struct chunk *chunk = &door->ring.ring[i];
        error = request_add(request, REQUEST_FILE, chunk->name, strlen(chunk->name));
        if (!error) error = add_text(request, REQUEST_EXTRA, chunk->text, chunk->bytes);
    }
    if (!error) error = add_text(request, REQUEST_PREFIX, document->text + front, from - front);
    if (!error && *middle) error = add_text(request, REQUEST_PREFIX, middle, strlen(middle));
    if (!error) error = add_text(request, REQUEST_SUFFIX, document->text + to, end - to);
    return error;
}

/* ---- what the room gives */

static void on_piece(struct request *request, const struct request_piece *piece) {
    struct asked *asked = request->door;
    size_t room = TEXT_BYTES_MAX - asked->bytes, n = piece->bytes < room ? piece->bytes : room;
    if (asked->has_enough) return;
    memcpy(asked->text + asked->bytes, piece->text, n);
    asked->bytes += n;
    int enough = asked->is_edit ? next_edit_enough(&asked->edit, asked->text, asked->bytes)
                                : finish_enough(&asked->rules, asked->text, asked->bytes);
    if (n < piece->bytes || enough) {
        asked->has_enough = 1;
        request->enough = 1;
    }
}

/* Adds to the items what is shown of the text, unless an item has it already. */
static void take_text(struct asked *asked, const struct request_result *result) {
    int ended = asked->has_enough || result->stop == APUS_STOP_EOS;
    double mean = result->new_tokens ? result->log_prob / (double)result->new_tokens : 0;
    size_t n = finish_length(&asked->rules, asked->text, asked->bytes, ended, mean);
    size_t lead = strlen(asked->lead);
    char *whole = n ? malloc(lead + n) : NULL;
    if (!whole) return;
    memcpy(whole, asked->lead, lead);
    memcpy(whole + lead, asked->text, n);
    json_t *text = json_stringn(whole, lead + n); /* NULL if the model's text is not UTF-8 */
    free(whole);
    for (size_t i = 0; text && i < json_array_size(asked->items); i++)
        if (json_equal(text, json_object_get(json_array_get(asked->items, i), "insertText"))) {
            json_decref(text);
            return;
        }
    if (text)
        json_array_append_new(asked->items,
                              json_pack("{s:o,s:O}", "insertText", text, "range", asked->range));
}

static void trace(struct lsp_door *door, const struct request_result *r, size_t shown) {
    if (!door->is_verbose) return;
    char text[256];
    snprintf(text, sizeof text,
             "completion: waited %.1f ms; prompt of %u ids, %u reused, %.1f ms; %u new ids, %.1f "
             "ms, mean log-probability %.2f; %zu bytes",
             (double)r->waited_ns / 1e6, r->prompt, r->reused, (double)r->prompt_ns / 1e6,
             r->new_tokens, (double)r->next_ns / 1e6,
             r->new_tokens ? r->log_prob / (double)r->new_tokens : 0.0, shown);
    out_send(&door->out, message_notification("$/logTrace", json_pack("{s:s}", "message", text)));
}

static int submit(struct asked *asked, struct request *request);

/* Asks with the same prompt again, for the next alternative. 0, or an errno value. */
static int ask_again(struct asked *asked) {
    const struct request *old = asked->request;
    struct request *request = request_new();
    int error = request ? 0 : ENOMEM;
    for (size_t i = 0; i < old->texts_count && !error; i++)
        error = request_add(request, old->texts[i].role, request_data(old, &old->texts[i]),
                            old->texts[i].count);
    if (error) {
        request_free(request);
        return error;
    }
    request->temperature = (float)asked->temperature;
    request->seed = asked->made;
    request->subject = old->subject;
    request->max_tokens = old->max_tokens;
    request->predict_ms = old->predict_ms;
    request->reserve = old->reserve;
    request->heal = old->heal;
    asked->bytes = 0;
    asked->has_enough = 0;
    struct request *was = asked->request;
    error = submit(asked, request);
    if (error)
        request_free(request), asked->request = was;
    else
        request_free(was);
    return error;
}

static void answer(struct lsp_door *door, struct asked *asked, const struct request_result *r) {
    json_t *message;
    int usable = r->status == REQUEST_DONE || json_array_size(asked->items);
    if (usable && asked->is_edit)
        message = message_result(asked->id, next_edit_result(asked, r->stop == APUS_STOP_EOS));
    else if (usable)
        message = message_result(asked->id, json_pack("{s:O}", "items", asked->items));
    else if (r->status == REQUEST_CANCELLED || r->status == REQUEST_GAVE_WAY)
        message = message_error(asked->id, ERROR_CANCELLED, "a newer request came");
    else
        message = message_error(asked->id, ERROR_FAILED, "%s",
                                *r->why ? r->why
                                        : "there is no model: it is closing, or could "
                                          "not be loaded");
    if (!usable && *r->why) door_log(door, 1, "a completion failed: %s", r->why);
    out_send(&door->out, message);
}

static void on_done(struct request *request, const struct request_result *result) {
    struct asked *asked = request->door;
    struct lsp_door *door = asked->door;
    pthread_mutex_lock(&door->lock);
    int again = 0;
    if (!asked->is_over && asked->id) {
        if (result->status == REQUEST_DONE && !asked->is_edit) take_text(asked, result);
        trace(door, result, asked->bytes);
        again =
            ++asked->made < asked->wanted && result->status == REQUEST_DONE && !ask_again(asked);
        if (!again) answer(door, asked, result);
    }
    if (!again) {
        take_off(door, asked);
        asked_free(asked);
    }
    pthread_mutex_unlock(&door->lock);
}

static int submit(struct asked *asked, struct request *request) {
    request->piece = on_piece;
    request->done = on_done;
    request->door = asked;
    asked->request = request;
    return room_submit(asked->door->room, request);
}

/* ---- asking */

/* Makes the rules and the texts that they look at: the lines up to the cursor, with the lead, and
 * what is after the cursor up to the next line that is not blank. */
static int add_rules(struct asked *asked, const struct document *document, size_t from, size_t to) {
    size_t front = lines_back(document->text, from, FINISH_BEFORE), lead = strlen(asked->lead),
           end = to;
    int full = 0; /* whether a line after the cursor's is not blank */
    for (int first = 1; end < document->bytes && !full; first = 0) {
        size_t next = lines_forward(document->text, document->bytes, end, 1);
        for (size_t i = end; i < next && !first; i++) full |= !strchr(" \t\r\n", document->text[i]);
        end = next;
    }
    asked->before = malloc(from - front + lead + 1);
    asked->after = malloc(end - to + 1);
    if (!asked->before || !asked->after) return ENOMEM;
    memcpy(asked->before, document->text + front, from - front);
    memcpy(asked->before + (from - front), asked->lead, lead);
    memcpy(asked->after, document->text + to, end - to);
    size_t rest = 0, line = to;
    for (; line < end && !strchr("\r\n", document->text[line]); line++)
        rest |= !strchr(" \t", document->text[line]);
    asked->rules = (struct finish){.before = asked->before,
                                   .before_bytes = from - front + lead,
                                   .after = asked->after,
                                   .after_bytes = end - to,
                                   .lines = rest ? 1 : (uint32_t)asked->effort.lines,
                                   .loops = 1,
                                   .block = 1,
                                   .least = asked->effort.least};
    return 0;
}

/* The most new tokens of any kind of request, so that the prompt is the same for all of them. */
static uint32_t most_tokens(const struct lsp_settings *settings) {
    int64_t a = settings->typed.tokens, b = settings->invoked.tokens;
    return (uint32_t)(a > b ? a : b);
}

/* Prepares and submits the request; frees `asked` if that fails. 0, or an errno value. */
static int begin(struct lsp_door *door, struct asked *asked, const struct document *document,
                 size_t from, size_t to) {
    struct request *request = request_new();
    int error = request && asked->lead ? 0 : ENOMEM;
    if (!error) error = add_prompt(door, request, document, from, to, asked->lead);
    if (!error && asked->id) {
        asked->items = json_array();
        asked->text = malloc(TEXT_BYTES_MAX);
        error = asked->items && asked->text ? add_rules(asked, document, from, to) : ENOMEM;
    }
    if (!error) {
        request->subject = document->key;
        request->max_tokens = asked->id ? asked->effort.tokens : 0;
        request->predict_ms = (uint64_t)asked->effort.predict_ms;
        request->reserve = most_tokens(&door->settings);
        request->heal = 1;
        asked->next = door->asked;
        door->asked = asked;
        door->asked_count++;
        asked->request = request;
        error = submit(asked, request);
        if (error) take_off(door, asked);
    } else {
        request_free(request);
        asked->request = NULL;
    }
    if (error) asked_free(asked);
    return error;
}

static struct asked *asked_new(struct lsp_door *door, const struct document *document,
                               const char *lead) {
    struct asked *asked = calloc(1, sizeof *asked);
    if (!asked) return NULL;
    asked->door = door;
    asked->document = document->key;
    asked->lead = strdup(lead);
    return asked;
}

struct asked *complete_new(struct lsp_door *door, const struct document *document,
                           const json_t *id) {
    give_up_all(door, document->key, ERROR_CANCELLED, "a newer request came");
    struct asked *asked = asked_new(door, document, "");
    if (asked) asked->text = malloc(TEXT_BYTES_MAX);
    if (asked) asked->id = json_deep_copy(id);
    if (asked && asked->text && asked->id) return asked;
    if (asked) asked_free(asked);
    out_send(&door->out, message_error(id, ERROR_FAILED, "no memory is left"));
    return NULL;
}

void complete_begin(struct lsp_door *door, struct asked *asked, struct request *request) {
    asked->next = door->asked;
    door->asked = asked;
    door->asked_count++;
    int error = submit(asked, request);
    if (!error) return;
    out_send(&door->out, message_error(asked->id, ERROR_FAILED,
                                       "it cannot be asked of the model: %s", strerror(error)));
    take_off(door, asked);
    asked_free(asked);
}

void complete_drop(struct asked *asked) { asked_free(asked); }

void complete_warm(struct lsp_door *door, const struct document *document) {
    if (!door->settings.warm || document->lost || !door->room || !room_model(door->room) ||
        !lsp_settings_has_language(&door->settings, document->language))
        return;
    for (const struct asked *a = door->asked; a; a = a->next)
        if (!a->is_over && a->id) return;
    for (struct asked *a = door->asked; a; a = a->next) give_up(door, a, 0, "");
    if (door->asked_count >= ASKED_MAX) return;
    struct asked *asked = asked_new(door, document, "");
    if (asked) begin(door, asked, document, document->cursor, document->cursor);
}

static void answer_nothing(struct lsp_door *door, const json_t *id) {
    out_send(&door->out, message_result(id, json_pack("{s:[]}", "items")));
}

static json_t *position_json(const struct document *document, size_t at, enum column_unit unit) {
    struct position p = offset_position(document->text, document->bytes, at, unit);
    return json_pack("{s:I,s:I}", "line", (json_int_t)p.line, "character", (json_int_t)p.column);
}

/* Reads what is selected in the completion menu, and the range of the text that it replaces. 0, or
 * -1 if it cannot be read. */
static int read_selected(const struct lsp_door *door, const struct document *document,
                         const json_t *selected, size_t *from, size_t *to, const char **lead) {
    struct position start, end;
    const json_t *text = json_object_get(selected, "text");
    if (!selected || json_is_null(selected)) return 0;
    if (!json_is_string(text) || range_read(json_object_get(selected, "range"), &start, &end))
        return -1;
    *from = position_offset(document->text, document->bytes, start, door->unit);
    *to = position_offset(document->text, document->bytes, end, door->unit);
    *lead = json_string_value(text);
    return 0;
}

/* If nothing can be or is to be completed, answers that and returns 1. */
static int cannot(struct lsp_door *door, const json_t *id, const struct document *document,
                  int is_typed) {
    if (door->has_failed)
        out_send(&door->out,
                 message_error(id, ERROR_FAILED,
                               "the model could not be loaded: the log has the reason"));
    else if (!door->room || document->lost ||
             !lsp_settings_has_language(&door->settings, document->language) ||
             (is_typed && !door->settings.automatic))
        answer_nothing(door, id);
    else if (door->asked_count >= ASKED_MAX)
        out_send(&door->out,
                 message_error(id, ERROR_FAILED, "%d completions are under way", ASKED_MAX));
    else
        return 0;
    return 1;
}

void complete_ask(struct lsp_door *door, const json_t *id, json_t *params) {
    char why[WHY_BYTES];
    struct position position;
    struct document *document = sync_named(&door->documents, params, why);
    const json_t *context = json_object_get(params, "context");
    json_int_t kind = json_integer_value(json_object_get(context, "triggerKind"));
    const char *lead = "";
    if (document && position_read(json_object_get(params, "position"), &position)) {
        snprintf(why, sizeof why, "expected position to have line and character, from 0");
        document = NULL;
    }
    if (document && kind != 1 && kind != 2) {
        snprintf(why, sizeof why, "expected context.triggerKind to be 1, invoked, or 2, automatic");
        document = NULL;
    }
    if (!document) {
        out_send(&door->out, message_error(id, ERROR_PARAMS, "%s", why));
        return;
    }
    if (cannot(door, id, document, kind == 2)) return;
    size_t from = position_offset(document->text, document->bytes, position, door->unit), to = from;
    if (read_selected(door, document, json_object_get(context, "selectedCompletionInfo"), &from,
                      &to, &lead)) {
        out_send(&door->out, message_error(id, ERROR_PARAMS,
                                           "expected context.selectedCompletionInfo to have text "
                                           "and range"));
        return;
    }
    document->cursor = from;
    around_work(door, document);
    give_up_all(door, document->key, ERROR_CANCELLED, "a newer request came");
    struct asked *asked = asked_new(door, document, lead);
    if (asked) {
        asked->id = json_deep_copy(id);
        asked->effort = kind == 2 ? door->settings.typed : door->settings.invoked;
        asked->wanted = kind == 2 ? 1 : (uint32_t)door->settings.alternatives;
        asked->temperature = door->settings.temperature;
        asked->range = json_pack("{s:o,s:o}", "start", position_json(document, from, door->unit),
                                 "end", position_json(document, to, door->unit));
    }
    int error = asked ? begin(door, asked, document, from, to) : ENOMEM;
    if (error)
        out_send(&door->out, message_error(id, ERROR_FAILED, "it cannot be asked of the model: %s",
                                           strerror(error)));
}
