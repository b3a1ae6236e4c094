/* The language server from inside: its state, which one lock guards, and its parts. The thread that
 * reads takes the lock for each message, the room's thread when a request is done, the writer's for
 * its ticks. Whoever holds it may call the room and lsp_out.h; the room calls nobody under its own.
 */
#ifndef COMPLETE_LSP_DOOR_H
#define COMPLETE_LSP_DOOR_H

#include <jansson.h>
#include <pthread.h>

#include "chunk_ring.h"
#include "documents.h"
#include "finish.h"
#include "lsp_out.h"
#include "lsp_settings.h"
#include "room.h"

enum {
    ASKED_MAX = 256,           /* requests that are not answered yet, or whose work is not over */
    TEXT_BYTES_MAX = 64 << 10, /* of a completion */
    WINDOW_STEP = 64,          /* lines by which the part in front of the cursor moves */
    FAR_LINES = 32, /* a cursor that moved further takes pieces of its new surroundings */
    IDLE_MS = 3000  /* nobody types: pieces that wait move to the ring */
};

enum lifecycle { FRESH, INITIALIZED, SHUT_DOWN };

/* A completion that was asked for; or, without an id, one that only warms the cache. */
struct asked {
    struct asked *next;
    struct lsp_door *door;
    json_t *id;
    uint64_t document; /* its key */
    struct request *request;
    int is_over; /* answered already: what comes is dropped */

    char *before, *after; /* own memory, for the rules */
    struct finish rules;
    char *lead;    /* what the completion menu has selected, in front of each item; or "" */
    json_t *range; /* that an item replaces */
    char *text;    /* [bytes] of the present alternative; own memory, TEXT_BYTES_MAX */
    size_t bytes;
    int has_enough;

    struct lsp_effort effort;
    uint32_t wanted, made; /* alternatives */
    double temperature;
    json_t *items;
};

struct lsp_door {
    pthread_mutex_t lock;
    struct out out;
    struct room *room;
    struct settings command; /* as the command line has them; the model may come from the client */
    struct room_config config;
    int is_loading, has_failed, progress_shown, can_progress, can_configure, can_register;

    enum lifecycle lifecycle;
    int is_ending, is_verbose;
    enum column_unit unit;
    char root[DOCUMENT_NAME_MAX + 1]; /* URI of the folder that the client works in, or "" */
    struct lsp_settings settings;
    struct documents documents;
    struct chunk_ring ring;
    uint64_t here;      /* key of the document that was last worked in */
    uint32_t here_line; /* where pieces around the cursor were last taken */
    uint64_t active_ns; /* when somebody last typed or asked */
    struct asked *asked;
    size_t asked_count;
};

/* ---- lsp_complete.c: all under the lock */

/* textDocument/inlineCompletion: answers, now or when it is done. */
void complete_ask(struct lsp_door *door, const json_t *id, json_t *params);

/* $/cancelRequest. */
void complete_cancel(struct lsp_door *door, const json_t *id);

/* What is asked of a document is answered with an error, since its text has changed or it is
 * closed. */
void complete_changed(struct lsp_door *door, const struct document *document);

/* Evaluates ahead what a request at the document's cursor would need. */
void complete_warm(struct lsp_door *door, const struct document *document);

/* ---- lsp_around.c: pieces of other places, as context; all under the lock */

/* Somebody works in the document, at its cursor. */
void around_work(struct lsp_door *door, struct document *document);

/* Queues what is around the cursor of the document: it was opened, saved or left. */
void around_pick(struct lsp_door *door, const struct document *document);

/* Nobody has typed for a while: a piece that waits moves into the ring. */
void around_idle(struct lsp_door *door);

/* The name of a document for the model, relative to the folder that the client works in; to
 * [bytes]. */
void document_name(const struct lsp_door *door, const struct document *document, char *to,
                   size_t bytes);

/* ---- lsp_server.c */

/* window/logMessage; level: 1 error, 2 warning, 3 information, 4 for who looks. */
void door_log(struct lsp_door *door, int level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
