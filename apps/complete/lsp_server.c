/* The server: its messages, what each method does, and its beginning and end. */
#include "lsp_server.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lsp_door.h"
#include "lsp_frames.h"
#include "lsp_sync.h"

void door_log(struct lsp_door *door, int level, const char *format, ...) {
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    json_t *message = json_string(text);
    if (message)
        out_send(&door->out,
                 message_notification("window/logMessage",
                                      json_pack("{s:i,s:o}", "type", level, "message", message)));
}

static void show(struct lsp_door *door, int level, const char *text) {
    out_send(&door->out,
             message_notification("window/showMessage",
                                  json_pack("{s:i,s:s}", "type", level, "message", text)));
}

static void ask_client(struct lsp_door *door, const char *id, const char *method, json_t *params) {
    out_send(&door->out, json_pack("{s:s,s:s,s:o}", "id", id, "method", method, "params", params));
}

/* ---- loading the model */

static void progress(struct lsp_door *door, const char *kind, const char *title,
                     const char *message) {
    json_t *value = json_pack("{s:s,s:s}", "kind", kind, "message", message);
    if (title) json_object_set_new(value, "title", json_string(title));
    out_send(&door->out,
             message_notification("$/progress",
                                  json_pack("{s:s,s:o}", "token", "apus/load", "value", value)));
}

/* Called on the room's thread. */
static void on_progress(void *user, const char *what) {
    struct lsp_door *door = user;
    pthread_mutex_lock(&door->lock);
    if (door->progress_shown) progress(door, "report", NULL, what);
    pthread_mutex_unlock(&door->lock);
}

static void on_opened(void *user, int exit_status) {
    struct lsp_door *door = user;
    pthread_mutex_lock(&door->lock);
    const struct room_model *model = exit_status ? NULL : room_model(door->room);
    door->is_loading = 0;
    if (door->progress_shown)
        progress(door, "end", NULL, model ? model->name : "the model could not be loaded");
    door->progress_shown = 0;
    if (model) {
        door_log(door, 3, "the model is %s, with a context of %u ids%s", model->name,
                 model->context,
                 fim_takes_suffix(&model->fim)
                     ? ""
                     : "; it has no markers for filling in, so it completes from the text "
                       "before the cursor only");
    } else {
        door->has_failed = 1;
        door_log(door, 1, "the model %s could not be loaded; standard error has the reason",
                 door->command.model);
        show(door, 1, "Apus could not load its model: nothing will be completed.");
    }
    pthread_mutex_unlock(&door->lock);
}

/* Call this when it is known which model is wanted. */
static void open_room(struct lsp_door *door) {
    if (door->room || door->has_failed) return;
    if (!door->command.model && *door->settings.model) door->command.model = door->settings.model;
    if (!door->command.draft && *door->settings.draft) door->command.draft = door->settings.draft;
    if (!door->command.model) {
        door->has_failed = 1;
        door_log(door, 1,
                 "no model: give its path to apus lsp, or in the setting apus.model of the editor");
        show(door, 1, "Apus has no model: give its path in the setting apus.model.");
        return;
    }
    door->is_loading = 1;
    /* edits have prompts of their own, and shall not take the place of the other ones */
    door->config.slots = next_edit_is_on(door) ? 2 : 1;
    if (door->can_progress)
        ask_client(door, "apus/progress", "window/workDoneProgress/create",
                   json_pack("{s:s}", "token", "apus/load"));
    int error = room_open(&door->room, &door->config);
    if (error) {
        door->has_failed = 1;
        door->room = NULL;
        door_log(door, 1, "the model cannot be loaded: %s", strerror(error));
    }
}

/* ---- settings */

static void complain(void *user, const char *sentence) { door_log(user, 2, "%s", sentence); }

static void read_settings(struct lsp_door *door, const json_t *object) {
    lsp_settings_read(&door->settings, object, complain, door);
}

static void ask_settings(struct lsp_door *door) {
    ask_client(door, "apus/settings", "workspace/configuration",
               json_pack("{s:[{s:s}]}", "items", "section", "apus"));
}

static void on_settings_changed(struct lsp_door *door, const json_t *params) {
    if (door->can_configure) {
        ask_settings(door);
        return;
    }
    const json_t *settings = json_object_get(params, "settings"),
                 *section = json_object_get(settings, "apus");
    read_settings(door, section ? section : settings);
    open_room(door);
}

/* ---- requests of the client */

static int capability(const json_t *capabilities, const char *area, const char *name) {
    return json_is_true(json_object_get(json_object_get(capabilities, area), name));
}

/* The unit that takes the least work, of those that the client offers. */
static enum column_unit choose_unit(const json_t *capabilities) {
    const json_t *offered =
        json_object_get(json_object_get(capabilities, "general"), "positionEncodings");
    enum column_unit unit = COLUMN_UTF16;
    for (size_t i = 0; i < json_array_size(offered); i++) {
        const char *name = json_string_value(json_array_get(offered, i));
        if (name && !strcmp(name, "utf-8")) return COLUMN_UTF8;
        if (name && !strcmp(name, "utf-16")) unit = COLUMN_UTF16;
    }
    return unit;
}

static void read_root(struct lsp_door *door, const json_t *params) {
    const json_t *folder = json_array_get(json_object_get(params, "workspaceFolders"), 0);
    const char *uri = json_string_value(json_object_get(folder, "uri"));
    if (!uri) uri = json_string_value(json_object_get(params, "rootUri"));
    size_t n = uri ? strlen(uri) : 0;
    while (n && uri[n - 1] == '/') n--;
    if (n && n < sizeof door->root) {
        memcpy(door->root, uri, n);
        door->root[n] = 0;
    }
}

static void on_initialize(struct lsp_door *door, const json_t *id, json_t *params) {
    static const char version[] =
        PROGRAM_VERSION(APUS_VERSION_MAJOR, APUS_VERSION_MINOR, APUS_VERSION_PATCH);
    const json_t *capabilities = json_object_get(params, "capabilities"),
                 *configuration = json_object_get(json_object_get(capabilities, "workspace"),
                                                  "didChangeConfiguration");
    static const char *const units[] = {"utf-8", "utf-16", "utf-32"};
    const char *trace = json_string_value(json_object_get(params, "trace"));
    door->lifecycle = INITIALIZED;
    door->unit = choose_unit(capabilities);
    door->can_progress = capability(capabilities, "window", "workDoneProgress");
    door->can_configure = capability(capabilities, "workspace", "configuration");
    door->can_register = json_is_true(json_object_get(configuration, "dynamicRegistration"));
    door->is_verbose = trace && strcmp(trace, "off") != 0;
    read_root(door, params);
    read_settings(door, json_object_get(params, "initializationOptions"));
    out_send(&door->out,
             message_result(id, json_pack("{s:{s:s,s:{s:b,s:i,s:b},s:b},s:{s:s,s:s}}",
                                          "capabilities", "positionEncoding", units[door->unit],
                                          "textDocumentSync", "openClose", 1, "change", 2, "save",
                                          1, "inlineCompletionProvider", 1, "serverInfo", "name",
                                          "apus", "version", version)));
}

static void on_initialized(struct lsp_door *door) {
    if (door->can_register)
        ask_client(door, "apus/register", "client/registerCapability",
                   json_pack("{s:[{s:s,s:s,s:{s:s}}]}", "registrations", "id", "apus/settings",
                             "method", "workspace/didChangeConfiguration", "registerOptions",
                             "section", "apus"));
    if (door->can_configure) ask_settings(door);
    if (door->command.model || *door->settings.model || !door->can_configure) open_room(door);
}

static void on_request(struct lsp_door *door, const char *method, const json_t *id,
                       json_t *params) {
    if (door->lifecycle == SHUT_DOWN) {
        out_send(&door->out, message_error(id, ERROR_INVALID_REQUEST, "the server is shut down"));
    } else if (!strcmp(method, "initialize")) {
        if (door->lifecycle == FRESH)
            on_initialize(door, id, params);
        else
            out_send(&door->out,
                     message_error(id, ERROR_INVALID_REQUEST, "it is initialized already"));
    } else if (door->lifecycle == FRESH) {
        out_send(&door->out, message_error(id, ERROR_NOT_INITIALIZED,
                                           "expected initialize first, found %.100s", method));
    } else if (!strcmp(method, "textDocument/inlineCompletion")) {
        complete_ask(door, id, params);
    } else if (!strcmp(method, "textDocument/copilotInlineEdit") && next_edit_is_on(door)) {
        next_edit_ask(door, id, params);
    } else if (!strcmp(method, "shutdown")) {
        for (size_t i = 0; i < door->documents.count; i++)
            complete_changed(door, door->documents.list[i]);
        door->lifecycle = SHUT_DOWN;
        out_send(&door->out, message_result(id, json_null()));
    } else {
        out_send(&door->out, message_error(id, ERROR_METHOD, "there is no %.100s here", method));
    }
}

/* ---- its answers to ours */

static void on_answer(struct lsp_door *door, const char *id, const json_t *message) {
    const json_t *result = json_object_get(message, "result");
    int failed = json_object_get(message, "error") != NULL;
    if (!strcmp(id, "apus/settings")) {
        if (!failed) read_settings(door, json_array_get(result, 0));
        open_room(door);
    } else if (!strcmp(id, "apus/progress") && !failed && door->is_loading) {
        progress(door, "begin", "Apus", "loading the model");
        door->progress_shown = 1;
    }
}

/* ---- notifications */

static void on_close(struct lsp_door *door, struct document *document) {
    history_end(&door->history, document->key);
    complete_changed(door, document);
    around_pick(door, document);
    documents_close(&door->documents, document);
}

/* NULL if memory is short. */
static char *copy_text(const struct document *document) {
    char *copy = malloc(document->bytes + 1);
    if (copy) memcpy(copy, document->text, document->bytes);
    return copy;
}

static void on_document(struct lsp_door *door, const char *what, json_t *params) {
    char why[WHY_BYTES] = "";
    struct document *document = NULL;
    if (!strcmp(what, "didOpen")) {
        struct document *before = sync_named(&door->documents, params, why);
        if (before) complete_changed(door, before);
        document = sync_open(&door->documents, params, why);
        if (document && document->lost)
            door_log(door, 2, "a document of more than %d MB is not completed",
                     DOCUMENT_BYTES_MAX >> 20);
        if (document) around_pick(door, document);
    } else if (!strcmp(what, "didChange")) {
        struct document *before = sync_named(&door->documents, params, why);
        if (before) complete_changed(door, before);
        char *old = before && !before->lost && next_edit_is_on(door) ? copy_text(before) : NULL;
        size_t old_bytes = old ? before->bytes : 0;
        document = sync_change(&door->documents, params, door->unit, why);
        if (before && next_edit_is_on(door)) next_edit_note(door, before, old, old_bytes);
        free(old);
        if (document) around_work(door, document);
        if (document) complete_warm(door, document);
    } else if (!strcmp(what, "didClose") || !strcmp(what, "didSave")) {
        document = sync_named(&door->documents, params, why);
        if (document && what[3] == 'C')
            on_close(door, document);
        else if (document)
            around_pick(door, document);
    } else {
        return;
    }
    if (!document) door_log(door, 2, "textDocument/%s: %s", what, why);
}

static void on_notification(struct lsp_door *door, const char *method, json_t *params) {
    static const char of_documents[] = "textDocument/";
    if (!strcmp(method, "exit")) door->is_ending = 1;
    if (door->lifecycle != INITIALIZED) return;
    if (!strcmp(method, "initialized")) {
        on_initialized(door);
    } else if (!strncmp(method, of_documents, sizeof of_documents - 1)) {
        on_document(door, method + sizeof of_documents - 1, params);
    } else if (!strcmp(method, "$/cancelRequest")) {
        const json_t *id = json_object_get(params, "id");
        if (id) complete_cancel(door, id);
    } else if (!strcmp(method, "workspace/didChangeConfiguration")) {
        on_settings_changed(door, params);
    } else if (!strcmp(method, "$/setTrace")) {
        const char *value = json_string_value(json_object_get(params, "value"));
        door->is_verbose = value && strcmp(value, "off") != 0;
    }
}

/* ---- messages */

static void on_message(struct lsp_door *door, const json_t *message) {
    const char *method = json_string_value(json_object_get(message, "method"));
    const json_t *id = json_object_get(message, "id");
    json_t *params = json_object_get(message, "params");
    if (method && id && (json_is_string(id) || json_is_integer(id)))
        on_request(door, method, id, params);
    else if (method && !id)
        on_notification(door, method, params);
    else if (!method && json_is_string(id))
        on_answer(door, json_string_value(id), message);
    else if (!json_is_object(message) || method)
        out_send(&door->out, message_error(NULL, ERROR_INVALID_REQUEST,
                                           "expected an object with a method, and an id that is a "
                                           "number or a string"));
}

static void on_body(struct lsp_door *door, char *body, size_t bytes) {
    json_error_t error;
    frame_repair(body, bytes);
    json_t *message = json_loadb(body, bytes, JSON_ALLOW_NUL, &error);
    pthread_mutex_lock(&door->lock);
    if (message)
        on_message(door, message);
    else
        out_send(&door->out, message_error(NULL, ERROR_PARSE,
                                           "a message is no JSON: line %d, "
                                           "column %d",
                                           error.line, error.column));
    pthread_mutex_unlock(&door->lock);
    json_decref(message);
}

/* It is not known what the skipped message contained, so texts that it may have changed are not
 * completed any more. */
static void on_skipped(struct lsp_door *door, const char *front) {
    pthread_mutex_lock(&door->lock);
    if (!strstr(front, "\"textDocument/didOpen\""))
        for (size_t i = 0; i < door->documents.count; i++) {
            complete_changed(door, door->documents.list[i]);
            document_lose(&door->documents, door->documents.list[i]);
        }
    door_log(door, 1, "a message of more than %d MB was left out", FRAME_BODY_MAX >> 20);
    pthread_mutex_unlock(&door->lock);
}

/* Handles all frames that have come. 0: the frames that follow cannot be read. */
static int on_frames(struct lsp_door *door, struct frames *frames) {
    char *body;
    size_t bytes;
    while (!door->is_ending) {
        switch (frames_next(frames, &body, &bytes)) {
        case FRAME_MORE:
            return 1;
        case FRAME_BODY:
            on_body(door, body, bytes);
            break;
        case FRAME_SKIPPED:
            on_skipped(door, body);
            break;
        case FRAME_BROKEN:
            pthread_mutex_lock(&door->lock);
            door_log(door, 1,
                     "%s: expected Content-Length and its number, \\r\\n, \\r\\n, and as "
                     "many bytes",
                     frames->wrong);
            pthread_mutex_unlock(&door->lock);
            return 0;
        }
    }
    return 1;
}

static void read_all(struct lsp_door *door, int in) {
    struct frames frames = {0};
    while (!door->is_ending && !out_broken(&door->out)) {
        size_t room;
        char *to = frames_space(&frames, &room);
        ssize_t n = to ? read(in, to, room) : -1;
        if (n < 0 && to && errno == EINTR) continue;
        if (n <= 0) break;
        frames_add(&frames, (size_t)n);
        if (!on_frames(door, &frames)) break;
    }
    frames_free(&frames);
}

static void on_tick(void *user) {
    struct lsp_door *door = user;
    pthread_mutex_lock(&door->lock);
    around_idle(door);
    pthread_mutex_unlock(&door->lock);
}

int lsp_serve(const struct settings *command, int in, int out) {
    struct lsp_door door = {.command = *command, .unit = COLUMN_UTF16};
    door.config = (struct room_config){.settings = &door.command,
                                       .queue = ASKED_MAX,
                                       .fim = command->fim,
                                       .progress = on_progress,
                                       .opened = on_opened,
                                       .user = &door};
    lsp_settings_defaults(&door.settings);
    pthread_mutex_init(&door.lock, NULL);
    if (out_open(&door.out, out, on_tick, &door)) return EXIT_FAULT;
    read_all(&door, in);
    room_close(door.room);
    out_close(&door.out);
    documents_free(&door.documents);
    ring_free(&door.ring);
    history_free(&door.history);
    lsp_settings_free(&door.settings);
    pthread_mutex_destroy(&door.lock);
    return door.lifecycle == SHUT_DOWN && door.is_ending ? EXIT_OK : EXIT_FAULT;
}
