/* The engine room below both doors: the model, its slots, a queue and the one thread that computes.
 * Nobody else calls a session.
 *
 * The thread is cooperative. Requests that have a slot take turns, each a slice of its prompt or a
 * round of its text; one that waits gets the slot that suits it as soon as that is free
 * (slots.h). One that only warms a slot gives way to others. Nothing waits for anything else: a
 * submit or a cancel takes a lock that is never held while something is computed. */
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
    const struct settings *settings; /* model, draft, engines, threads, proposals, lookup ... as
                                        `apus run` has them; stay until room_close */
    uint32_t slots;                  /* 1 .. SLOTS_MAX; 0: 1 */
    uint32_t context;                /* positions of each; 0: the smaller of the model's and 8192 */
    uint32_t queue;                  /* requests that may wait; 0: 64 */
    const char *fim, *chat;          /* names of templates; NULL: what the blob says */
    /* On the room's thread, while it loads: what it does, such as "opening the model"; and once, at
     * the end: EXIT_OK, or an exit status after sentences on standard error. Each may be NULL. */
    void (*progress)(void *user, const char *what);
    void (*opened)(void *user, int exit_status);
    void *user;
};

/* What a door may know of the model; stays until room_close. Not before the room is loaded. */
struct room_model {
    const apus_blob *blob; /* has no log */
    apus_info info;
    const char *path, *name; /* name: the blob's own, or the file's without its ending */
    const char *draft;       /* its path, or NULL */
    uint32_t slots, context;
    struct fim fim;
    struct chat chat;
};

/* Starts the thread, which loads. 0, or an errno value. */
int room_open(struct room **room, const struct room_config *config);

/* Waits until it has loaded: the exit status that opened() got. */
int room_wait(struct room *room);

/* NULL while it loads, and where that failed. From any thread. */
const struct room_model *room_model(const struct room *room);

/* Hands the request over. 0; EBUSY: the queue is full; ESHUTDOWN: the room closes, or could not
 * load. Otherwise than 0 nothing was taken and done() is not called. From any thread. */
int room_submit(struct room *room, struct request *request);

/* Stops the request, in the queue or within a layer; done() comes all the same, if it has not yet.
 * The request must be one that the door has not freed. From any thread; never waits. */
void room_cancel(struct room *room, struct request *request);

/* A copy of the figures. From any thread. */
void room_figures(struct room *room, struct figures *figures);

/* Cancels everything, waits for the thread, closes and frees all. NULL: nothing. */
void room_close(struct room *room);

#endif
