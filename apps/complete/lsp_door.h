/* The inside of the language server: its state, which one lock guards, and its parts. The thread
 * that reads takes the lock for each message, the room's thread takes it when a request is done,
 * and the writer's thread for its ticks. A thread that holds it may call the room and lsp_out.h.
 * The room calls no function of a door while it holds its own lock. */
#ifndef COMPLETE_LSP_DOOR_H
#define COMPLETE_LSP_DOOR_H

#include <jansson.h>
#include <pthread.h>

#include "chunk_ring.h"
#include "documents.h"
#include "finish.h"
#include "lsp_out.h"
#include "lsp_settings.h"
#include "next_edit.h"
#include "room.h"

enum {
    ASKED_MAX = 256,           /* the most requests that are not answered yet, or whose work is not
                                  over */
    TEXT_BYTES_MAX = 64 << 10, /* the most bytes of a completion */
    WINDOW_STEP = 64,          /* lines by which the beginning of the part before the cursor
                                  moves */
    FAR_LINES = 32, /* when the cursor moves further than this, pieces are taken around its new
                       place */
    IDLE_MS = 3000  /* after this time without typing, waiting pieces move to the ring */
};

enum lifecycle { FRESH, INITIALIZED, SHUT_DOWN };

/* A completion that was asked for. Without an id it only warms the cache. */
struct asked {
    struct asked *next;
    struct lsp_door *door;
    json_t *id;
    uint64_t document; /* the document's key */
    struct request *request;
    int is_over; /* answered already, so what still comes is dropped */

    char *before, *after; /* allocated; the rules point into them */
    struct finish rules;
    char *lead;    /* what the completion menu has selected, at the beginning of each item; or "" */
    json_t *range; /* the range that an item replaces */
    char *text;    /* [bytes] the present alternative's; TEXT_BYTES_MAX are allocated */
    size_t bytes;
    int has_enough;

    struct lsp_effort effort;
    uint32_t wanted, made; /* how many alternatives are wanted, and how many are made */
    double temperature;
    json_t *items;

    int is_edit; /* it asks for the next edit */
    struct next_edit edit;
    json_t *versioned; /* the document's URI and version, for the answer */
};

struct lsp_door {
    pthread_mutex_t lock;
    struct out out;
    struct room *room;
    struct settings command; /* of the command line; the client may add the model */
    struct room_config config;
    int is_loading, has_failed, progress_shown, can_progress, can_configure, can_register;

    enum lifecycle lifecycle;
    int is_ending, is_verbose;
    enum column_unit unit;
    char root[DOCUMENT_NAME_MAX + 1]; /* the URI of the folder that the client works in, or "" */
    struct lsp_settings settings;
    struct documents documents;
    struct chunk_ring ring;
    uint64_t here;      /* the key of the document that was last worked in */
    uint32_t here_line; /* the cursor's line when pieces were last taken around it */
    uint64_t active_ns; /* when the user last typed or asked for a completion */
    struct asked *asked;
    size_t asked_count;
    struct history history; /* of changes, if next edits are predicted */
};

/* ---- lsp_complete.c: all under the lock */

/* textDocument/inlineCompletion: answers at once, or when the completion is done. */
void complete_ask(struct lsp_door *door, const json_t *id, json_t *params);

/* $/cancelRequest. */
void complete_cancel(struct lsp_door *door, const json_t *id);

/* Answers all requests for a document with an error, because its text has changed or it is
 * closed. */
void complete_changed(struct lsp_door *door, const struct document *document);

/* Evaluates ahead what a request at the document's cursor would need. */
void complete_warm(struct lsp_door *door, const struct document *document);

/* For requests of other kinds. complete_new gives up what is asked of the document already, and
 * makes a new request; NULL if memory is short, which it has answered then. The request is given to
 * the room by complete_begin, which answers if that fails, or freed by complete_drop. */
struct asked *complete_new(struct lsp_door *door, const struct document *document,
                           const json_t *id);
void complete_begin(struct lsp_door *door, struct asked *asked, struct request *request);
void complete_drop(struct asked *asked);

/* ---- lsp_next_edit.c: all under the lock */

/* Whether next edits are predicted. */
int next_edit_is_on(const struct lsp_door *door);

/* textDocument/copilotInlineEdit: answers now or later. */
void next_edit_ask(struct lsp_door *door, const json_t *id, json_t *params);

/* The answer to a request; ended: the model ended its text. */
json_t *next_edit_result(const struct asked *asked, int ended);

/* Remembers what was changed in the document, whose text was `old`; NULL: that is not known. */
void next_edit_note(struct lsp_door *door, const struct document *document, const char *old,
                    size_t old_bytes);

/* ---- lsp_around.c: pieces of other places, as context; all under the lock */

/* Call this when the user works in the document, at its cursor. */
void around_work(struct lsp_door *door, struct document *document);

/* Queues what is around the cursor of the document. Call this when it was opened, saved or left. */
void around_pick(struct lsp_door *door, const struct document *document);

/* If the user has not typed for a while, a waiting piece moves into the ring. */
void around_idle(struct lsp_door *door);

/* Writes the name of a document for the model, relative to the folder that the client works in, to
 * `to` [bytes]. */
void document_name(const struct lsp_door *door, const struct document *document, char *to,
                   size_t bytes);

/* ---- lsp_server.c */

/* window/logMessage. level: 1 error, 2 warning, 3 information, 4 log. */
void door_log(struct lsp_door *door, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
