/* Next edits: textDocument/copilotInlineEdit, which clients of GitHub Copilot's language server
 * know. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lsp_door.h"
#include "lsp_sync.h"

int next_edit_is_on(const struct lsp_door *door) {
    return door->command.next_edit || door->settings.next_edit;
}

/* ---- the answer */

static json_t *position_json(struct position p) {
    return json_pack("{s:I,s:I}", "line", (json_int_t)p.line, "character", (json_int_t)p.column);
}

static json_t *edit_of(const struct asked *asked, const struct next_edit_change *change) {
    struct next_edit_place place;
    if (next_edit_place(&asked->edit, change, asked->door->unit, &place)) return NULL;
    json_t *text = json_stringn(place.text, place.bytes); /* NULL if the model's is not UTF-8 */
    free(place.text);
    if (!text) return NULL;
    return json_pack("{s:o,s:{s:o,s:o},s:O}", "text", text, "range", "start",
                     position_json(place.start), "end", position_json(place.end), "textDocument",
                     asked->versioned);
}

json_t *next_edit_result(const struct asked *asked, int ended) {
    struct next_edit_change change;
    json_t *edits = json_array();
    if (next_edit_read(&asked->edit, asked->text, asked->bytes, ended, &change)) {
        json_t *edit = edit_of(asked, &change);
        if (edit) json_array_append_new(edits, edit);
        free(change.text);
    }
    return json_pack("{s:o}", "edits", edits);
}

/* ---- asking */

/* With \n as the only line end of texts: those of other places are as they are in the editor. */
static int add_part(struct request *request, const struct part_list *list) {
    int error = list->failed ? ENOMEM : 0;
    for (size_t i = 0; i < list->count && !error; i++) {
        apus_part part = list->parts[i];
        char *plain = part.kind == APUS_PART_TEXT ? malloc(part.count + 1) : NULL;
        if (part.kind == APUS_PART_TEXT && !plain) return ENOMEM;
        if (plain) part.count = part.count ? lines_plain(plain, part.data, part.count) : 0;
        error =
            request_add_part(request, part.kind, part.flags, plain ? plain : part.data, part.count);
        free(plain);
    }
    return error;
}

/* Chooses the newest pieces of other places, as many as fit into the context beside the rest. Each
 * byte is counted as one id, which leaves room. */
static size_t choose_files(const struct lsp_door *door, const struct asked *asked,
                           struct fim_file files[RING_CHUNKS]) {
    size_t room = room_model(door->room)->context, count = 0, first = door->ring.count;
    size_t taken = 3 * asked->edit.bytes + HISTORY_CHANGES * HISTORY_BYTES_MAX / 4;
    while (first && taken + door->ring.ring[first - 1].bytes <= room)
        taken += door->ring.ring[--first].bytes;
    for (size_t i = first; i < door->ring.count; i++) {
        const struct chunk *chunk = &door->ring.ring[i];
        files[count++] =
            (struct fim_file){{chunk->name, strlen(chunk->name)}, {chunk->text, chunk->bytes}};
    }
    return count;
}

/* 0, or an errno value. */
static int make_request(struct lsp_door *door, struct asked *asked, const struct document *document,
                        size_t at, struct request **made) {
    char name[512];
    struct fim_file files[RING_CHUNKS];
    struct part_list list = {0};
    struct request *request = *made = request_new();
    if (!request) return ENOMEM;
    if (next_edit_open(&asked->edit, document, at, &door->history)) return E2BIG;
    document_name(door, document, name, sizeof name);
    ring_avoid(&door->ring, document->text, document->bytes, at);
    next_edit_prompt(&list, &asked->edit, &room_model(door->room)->fim.markers[APUS_MARKER_FILE],
                     name, files, choose_files(door, asked, files), &door->history, document->key);
    int error = add_part(request, &list);
    part_list_free(&list);
    request->subject = document->key;
    request->ends_at_markers = 1;
    request->bind[0] = '\n';
    request->bind_bytes = 1;
    /* as many ids as the window can have, since a model writes all of it, and some more lines */
    request->max_tokens = (int64_t)asked->edit.bytes / 2 + 128;
    request->predict_ms = (uint64_t)door->settings.invoked.predict_ms;
    return error;
}

static void answer_none(struct lsp_door *door, const json_t *id) {
    out_send(&door->out, message_result(id, json_pack("{s:[]}", "edits")));
}

/* Answers and returns 1 if there is nothing to ask about, or no model to ask. */
static int cannot(struct lsp_door *door, const json_t *id, const struct document *document) {
    if (door->has_failed)
        out_send(&door->out,
                 message_error(id, ERROR_FAILED,
                               "the model could not be loaded: the log has the reason"));
    else if (!door->room || !room_model(door->room) || document->lost ||
             door->asked_count >= ASKED_MAX ||
             !lsp_settings_has_language(&door->settings, document->language))
        answer_none(door, id);
    else if (room_model(door->room)->fim.markers[APUS_MARKER_FILE] < 0)
        out_send(&door->out, message_error(id, ERROR_FAILED,
                                           "the model has no marker between files, with which next "
                                           "edits are asked for"));
    else
        return 0;
    return 1;
}

/* The document that a request is about; or NULL, after an answer, if the request cannot be read or
 * is about another version. */
static struct document *asked_document(struct lsp_door *door, const json_t *id, json_t *params,
                                       struct position *position) {
    char why[WHY_BYTES] = "expected position to have line and character, from 0";
    struct document *document = sync_named(&door->documents, params, why);
    const json_t *version = json_object_get(json_object_get(params, "textDocument"), "version");
    if (!document || position_read(json_object_get(params, "position"), position)) {
        out_send(&door->out, message_error(id, ERROR_PARAMS, "%s", why));
        return NULL;
    }
    if (json_is_integer(version) && json_integer_value(version) != document->version) {
        out_send(&door->out, message_error(id, ERROR_MODIFIED, "the document has another version"));
        return NULL;
    }
    return document;
}

void next_edit_ask(struct lsp_door *door, const json_t *id, json_t *params) {
    struct position position;
    struct request *request;
    struct document *document = asked_document(door, id, params, &position);
    if (!document || cannot(door, id, document)) return;
    size_t at = position_offset(document->text, document->bytes, position, door->unit);
    document->cursor = at;
    around_work(door, document);
    struct asked *asked = complete_new(door, document, id);
    if (!asked) return;
    asked->is_edit = 1;
    asked->wanted = 1;
    asked->versioned =
        json_pack("{s:s,s:I}", "uri", document->uri, "version", (json_int_t)document->version);
    int error = make_request(door, asked, document, at, &request);
    if (!error) {
        complete_begin(door, asked, request);
        return;
    }
    request_free(request);
    complete_drop(asked);
    answer_none(door, id);
}

void next_edit_note(struct lsp_door *door, const struct document *document, const char *old,
                    size_t old_bytes) {
    char name[512];
    if (!old || document->lost) {
        history_end(&door->history, document->key);
        return;
    }
    document_name(door, document, name, sizeof name);
    history_note(&door->history, document->key, name, old, old_bytes, document->text,
                 document->bytes);
}
