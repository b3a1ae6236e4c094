/* The engine room below both doors: the model, its slots, a queue and one thread that computes. No
 * other thread calls a session, except to cancel its work.
 *
 * Scheduling is cooperative. Requests that have a slot take turns; a turn is a slice of the prompt
 * or a round of the text. A request that waits gets the slot that suits it best, of those that are
 * free (slots.h). A request that only warms a slot gives way to others. Submitting and cancelling
 * take a lock that is never held while something is computed. */
#ifndef COMPLETE_ROOM_H
#define COMPLETE_ROOM_H

#include <stddef.h>
#include <stdint.h>

#include "apps/template/chat.h"
#include "apps/template/fim.h"
#include "apus/apus.h"
#include "command.h"
#include "figures.h"
#include "request.h"

struct room;

struct room_config {
    const struct settings *settings; /* model, draft, engines, threads, proposals, lookup and so on,
                                        as in `apus run`; must stay until room_close */
    uint32_t slots;                  /* 1 .. SLOTS_MAX; 0: 1 */
    uint32_t context;                /* positions of each slot; 0: the smaller of the model's and
                                        8192 */
    uint32_t queue;                  /* how many requests may wait; 0: 64 */
    const char *fim, *chat;          /* names of the templates; NULL: what the blob says */
    /* Called on the room's thread. progress, while it loads: what it does, such as "opening the
     * model". opened, once, at the end of loading: EXIT_OK, or an exit status after sentences on
     * standard error. Each may be NULL. */
    void (*progress)(void *user, const char *what);
    void (*opened)(void *user, int exit_status);
    void *user;
};

/* What a door may know of the model. It is there when the room is loaded, and stays until
 * room_close. */
struct room_model {
    const apus_blob *blob; /* it has no log */
    apus_info info;
    const char *path, *name; /* name: the blob's own, or the file's without its ending */
    const char *draft;       /* the draft's path, or NULL */
    uint32_t slots, context;
    struct fim fim;
    struct chat chat;
};

/* Starts the thread, which loads the model. 0, or an errno value. */
int room_open(struct room **room, const struct room_config *config);

/* Waits until the model is loaded. Returns the exit status that opened() gets. */
int room_wait(struct room *room);

/* NULL while the model is loading, and if that failed. Any thread may call this. */
const struct room_model *room_model(const struct room *room);

/* Hands the request over. 0; EBUSY: the queue is full; ESHUTDOWN: the room closes or could not load
 * the model. If it is not 0, the request was not taken and done() is not called. Any thread may
 * call this. */
int room_submit(struct room *room, struct request *request);

/* Stops the request, at the latest after the layer that is being computed. done() is still called,
 * if it was not yet. The door must not have freed the request. Any thread may call this; it never
 * waits for work. */
void room_cancel(struct room *room, struct request *request);

/* Copies the figures. Any thread may call this. */
void room_figures(struct room *room, struct figures *figures);

/* Cancels all requests, waits for the thread, closes and frees everything. room may be NULL. */
void room_close(struct room *room);

#endif
