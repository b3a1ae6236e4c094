#include "room.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fail_status.h"
#include "load.h"
#include "middle_prompt.h"
#include "slots.h"
#include "task.h"

enum { CONTEXT_USUAL = 8192, QUEUE_USUAL = 64 };
/* The time of one slice of a prompt: short, because other requests may wait. It is chosen, not
 * measured. */
static const uint64_t slice_ns = 20000000;

struct room {
    struct room_config config;
    pthread_t thread;
    pthread_mutex_t lock; /* guards what follows; never held while something is computed */
    pthread_cond_t changed;
    struct request *first, *last; /* the requests that wait */
    struct request *starting;     /* a request that is neither in the queue nor in a slot */
    uint32_t waiting;
    int is_loaded, is_closing, exit_status;
    struct figures figures;

    /* Used only by the thread, when the model is loaded. */
    struct loaded loaded;
    struct slots slots;
    struct task task[SLOTS_MAX]; /* the task of each slot */
    struct room_model model;
    apus_blob quiet; /* a blob without a log, for other threads */
    char name[256];
    int32_t ends[APUS_MARKERS]; /* ids that end a middle */
    size_t ends_count;
};

/* --------------------------------------------------------------------------------- the queue -- */

/* Takes a request out of the queue; `before` is the one in front of it, or NULL. */
static void take_out(struct room *room, struct request *before, struct request *request) {
    if (before)
        before->next = request->next;
    else
        room->first = request->next;
    if (room->last == request) room->last = before;
    request->next = NULL;
    room->waiting--;
}

/* The functions that follow are called under the lock. */

/* Stops the work in the slot of an active request. */
static void stop_slot(struct room *room, const struct request *request) {
    for (uint32_t i = 0; request->is_active && i < room->config.slots; i++)
        if (room->task[i].request == request)
            apus_cancel_request(room->task[i].session, request->ticket);
}

static void cancel(struct room *room, struct request *request) {
    request->cancelled = 1;
    stop_slot(room, request);
}

static void supersede(struct room *room, uint64_t subject) {
    for (struct request *r = room->first; r; r = r->next)
        if (r->subject == subject) cancel(room, r);
    if (room->starting && room->starting->subject == subject) cancel(room, room->starting);
    for (uint32_t i = 0; i < room->config.slots; i++) {
        struct request *r = room->task[i].request;
        if (r && r->subject == subject) cancel(room, r);
    }
}

/* Lets tasks that only warm a slot look at the queue at once. */
static void nudge(struct room *room) {
    for (uint32_t i = 0; i < room->config.slots; i++) {
        struct request *r = room->task[i].request;
        if (!r || r->max_tokens) continue;
        r->is_nudged = 1;
        stop_slot(room, r);
    }
}

int room_submit(struct room *room, struct request *request) {
    int error = 0;
    pthread_mutex_lock(&room->lock);
    if (room->is_closing || room->exit_status) error = ESHUTDOWN;
    if (!error && request->subject) supersede(room, request->subject);
    if (!error && room->waiting == room->config.queue) error = EBUSY, room->figures.full++;
    if (!error) {
        request->submitted_ns = now_ns();
        request->number = ++room->figures.requests;
        request->next = NULL;
        if (room->last)
            room->last->next = request;
        else
            room->first = request;
        room->last = request;
        room->waiting++;
        if (request->max_tokens) nudge(room);
        pthread_cond_signal(&room->changed);
    }
    pthread_mutex_unlock(&room->lock);
    return error;
}

void room_cancel(struct room *room, struct request *request) {
    pthread_mutex_lock(&room->lock);
    cancel(room, request);
    pthread_cond_signal(&room->changed);
    pthread_mutex_unlock(&room->lock);
}

/* ------------------------------------------------------------------------------- the thread -- */

static void count_end(struct room *room, const struct request_result *result, uint64_t own_ns) {
    pthread_mutex_lock(&room->lock);
    room->figures.ended[result->status]++;
    room->figures.own_ns += own_ns;
    figures_add(&room->figures, result);
    pthread_mutex_unlock(&room->lock);
}

/* Ends a request that never had a slot. */
static void end_waiting(struct room *room, struct request *request, enum request_status status,
                        const char *why) {
    struct request_result result = {.status = status,
                                    .stop_text = -1,
                                    .context = room->slots.context,
                                    .waited_ns = now_ns() - request->submitted_ns};
    snprintf(result.why, sizeof result.why, "%s", why);
    pthread_mutex_lock(&room->lock);
    room->starting = NULL;
    pthread_mutex_unlock(&room->lock);
    count_end(room, &result, 0);
    request->done(request, &result);
}

/* Ends a slot's task that is over. */
static void end_task(struct room *room, uint32_t slot) {
    struct task *task = &room->task[slot];
    struct task ended = *task;
    pthread_mutex_lock(&room->lock);
    ended.request->is_active = 0;
    task->request = NULL;
    room->figures.active--;
    room->figures.slot[slot].is_active = 0;
    room->figures.slot[slot].positions = ended.result.positions;
    pthread_mutex_unlock(&room->lock);
    slots_give(&room->slots, slot);
    count_end(room, &ended.result, ended.own_ns);
    task_end(&ended);
}

/* Begins the work for a request and its prompt in a slot. */
static void start_in(struct room *room, struct request *request, struct prompt_ids *prompt,
                     uint32_t slot) {
    if (room->task[slot].request) {
        task_stop(&room->task[slot], REQUEST_GAVE_WAY);
        end_task(room, slot);
    }
    apus_status status = slots_take(&room->slots, slot);
    if (status < 0) {
        free(prompt->ids);
        end_waiting(room, request, REQUEST_FAILED, apus_status_text(status));
        return;
    }
    room->slots.slot[slot].gives_way = !request->max_tokens;
    apus_session *session = room->slots.slot[slot].session;
    pthread_mutex_lock(&room->lock);
    task_begin(&room->task[slot], request, prompt, session, slot, room->slots.context);
    if (middle_wanted(request) || request->ends_at_markers)
        room->task[slot].ends = room->ends, room->task[slot].ends_count = room->ends_count;
    request->ticket = apus_request(session);
    request->is_active = 1;
    room->starting = NULL;
    if (request->cancelled) apus_cancel_request(session, request->ticket);
    room->figures.active++;
    room->figures.slot[slot] = (struct figures_slot){.is_active = 1, .number = request->number};
    pthread_mutex_unlock(&room->lock);
}

/* Whether a slot is free for the request, or has a task that gives way to it. */
static int has_room(const struct room *room, const struct request *request) {
    for (uint32_t i = 0; i < room->slots.count; i++)
        if (!room->slots.slot[i].is_taken || (request->max_tokens && room->slots.slot[i].gives_way))
            return 1;
    return 0;
}

/* The next request that is cancelled or can begin. Those that write come before those that only
 * warm. */
static struct request *next_request(struct room *room) {
    struct request *before = NULL, *warm = NULL, *warm_before = NULL;
    for (struct request *r = room->first; r; before = r, r = r->next) {
        if (r->cancelled || room->is_closing || (r->max_tokens && has_room(room, r))) {
            take_out(room, before, r);
            return r;
        }
        if (!warm && has_room(room, r)) warm = r, warm_before = before;
    }
    if (warm) take_out(room, warm_before, warm);
    return warm;
}

static void start_one(struct room *room, struct request *request, int is_closing) {
    struct prompt_ids prompt;
    char why[REQUEST_WHY] = "";
    enum request_status status = is_closing           ? REQUEST_CLOSING
                                 : request->cancelled ? REQUEST_CANCELLED
                                                      : REQUEST_DONE;
    if (!status)
        status = prompt_make(&prompt, &room->loaded.blob, &room->model.fim, request,
                             room->slots.context, why);
    if (status) {
        end_waiting(room, request, status, why);
        return;
    }
    int slot = slots_choose(&room->slots, prompt.ids, prompt.count, request->slot);
    start_in(room, request, &prompt, (uint32_t)slot);
}

/* Waits for something to do, and starts what can be started. 0: the room closes and is empty. */
static int start_all(struct room *room) {
    for (;;) {
        pthread_mutex_lock(&room->lock);
        while (!room->first && !room->figures.active && !room->is_closing)
            pthread_cond_wait(&room->changed, &room->lock);
        struct request *request = room->starting = next_request(room);
        int is_closing = room->is_closing, active = room->figures.active != 0;
        pthread_mutex_unlock(&room->lock);
        if (request)
            start_one(room, request, is_closing);
        else
            return active || !is_closing;
    }
}

/* Lets a warming task whose slice was stopped, so that the queue is looked at, go on with a new
 * ticket. */
static void renew(struct room *room, struct task *task) {
    pthread_mutex_lock(&room->lock);
    if (task->request->is_nudged && !task->request->cancelled) {
        task->request->is_nudged = 0;
        task->request->ticket = apus_request(task->session);
    }
    pthread_mutex_unlock(&room->lock);
}

static void turn(struct room *room) {
    for (uint32_t i = 0; i < room->slots.count; i++) {
        struct task *task = &room->task[i];
        if (!task->request) continue;
        task_turn(task, slice_ns);
        if (task->state == TASK_OVER)
            end_task(room, i);
        else
            renew(room, task);
    }
}

/* ----------------------------------------------------------------------------- opening, closing */

static void tell(const struct room *room, const char *what) {
    if (room->config.progress) room->config.progress(room->config.user, what);
}

/* The blob's name, or the file's without its ending. */
static void name_model(struct room *room) {
    const char *path = room->config.settings->model, *slash = strrchr(path, '/');
    const char *name = room->loaded.info.name;
    snprintf(room->name, sizeof room->name, "%s", *name ? name : slash ? slash + 1 : path);
    char *dot = strrchr(room->name, '.');
    if (!*name && dot && !strcmp(dot, ".apus")) *dot = 0;
    room->model.blob = &room->quiet;
    room->model.info = room->loaded.info;
    room->model.path = path;
    room->model.name = room->name;
    room->model.draft = room->config.settings->draft;
    room->model.slots = room->slots.count;
    room->model.context = room->slots.context;
}

/* Opens the templates that prompts are made with. A model without markers completes from the
 * prefix. */
static int open_templates(struct room *room) {
    const char *what = "", *fim = room->config.fim, *chat = room->config.chat;
    enum fim_status of_fim = fim_open(&room->model.fim, &room->loaded.blob, fim, &what);
    if (of_fim == FIM_UNKNOWN && fim)
        return fail(EXIT_USAGE, "--fim expects the name of a family of markers, found '%s'.", fim);
    if (of_fim != FIM_OK)
        fail_warn(
            "the model has no token '%s', so it completes from the text before the cursor only.",
            what);
    else if (!fim_takes_suffix(&room->model.fim))
        fail_note(
            "the model has no markers for filling in, so it completes from the text before the "
            "cursor only.");
    room->ends_count = fim_ends(&room->model.fim, room->ends);
    enum chat_status of_chat = chat_open(&room->model.chat, &room->loaded.blob, chat, &what);
    if (of_chat == CHAT_UNKNOWN && chat)
        return fail(EXIT_USAGE, "--chat-template expects the name of a template, found '%s'.",
                    chat);
    if (of_chat == CHAT_MISSING)
        fail_warn("the model has no token '%s' of its chat template, so its conversations are "
                  "written as plain text.",
                  what);
    return EXIT_OK;
}

static int load(struct room *room) {
    const struct settings *settings = room->config.settings;
    uint32_t context;
    struct settings with = *settings;
    tell(room, "opening the model");
    int failed = load_model(&room->loaded, settings);
    if (failed) return failed;
    if (!with.context) with.context = room->config.context;
    apus_status status =
        apus_blob_open(&room->quiet, room->loaded.map.data, room->loaded.map.size, NULL);
    failed = status < 0 ? fail_status(status, "opening the model") : open_templates(room);
    if (!failed) failed = choose_context(&room->loaded, &with, CONTEXT_USUAL, &context);
    if (!failed && settings->draft) tell(room, "opening the draft");
    if (!failed) failed = load_draft(&room->loaded, settings);
    if (!failed) tell(room, "taking memory for the slots");
    if (!failed)
        failed = slots_open(&room->slots, &room->loaded, settings, room->config.slots, context);
    if (failed)
        unload(&room->loaded);
    else
        name_model(room);
    return failed;
}

/* Ends every request that waits, because no model was loaded. */
static void refuse_all(struct room *room) {
    for (;;) {
        pthread_mutex_lock(&room->lock);
        struct request *request = room->first;
        if (request) take_out(room, NULL, request);
        pthread_mutex_unlock(&room->lock);
        if (!request) return;
        end_waiting(room, request, REQUEST_CLOSING, "");
    }
}

static void *run(void *arg) {
    struct room *room = arg;
    int failed = load(room);
    pthread_mutex_lock(&room->lock);
    room->is_loaded = 1;
    room->exit_status = failed;
    room->figures.slots = room->slots.count;
    room->figures.slot_bytes = room->slots.arena_bytes;
    pthread_cond_broadcast(&room->changed);
    pthread_mutex_unlock(&room->lock);
    if (room->config.opened) room->config.opened(room->config.user, failed);
    if (failed) {
        refuse_all(room);
        return NULL;
    }
    while (start_all(room)) turn(room);
    slots_close(&room->slots);
    unload(&room->loaded);
    return NULL;
}

int room_open(struct room **out, const struct room_config *config) {
    struct room *room = calloc(1, sizeof *room);
    if (!room) return ENOMEM;
    room->config = *config;
    if (!room->config.slots) room->config.slots = 1;
    if (room->config.slots > SLOTS_MAX) room->config.slots = SLOTS_MAX;
    if (!room->config.queue) room->config.queue = QUEUE_USUAL;
    pthread_mutex_init(&room->lock, NULL);
    pthread_cond_init(&room->changed, NULL);
    int error = pthread_create(&room->thread, NULL, run, room);
    if (!error) {
        *out = room;
        return 0;
    }
    pthread_cond_destroy(&room->changed);
    pthread_mutex_destroy(&room->lock);
    free(room);
    return error;
}

int room_wait(struct room *room) {
    pthread_mutex_lock(&room->lock);
    while (!room->is_loaded) pthread_cond_wait(&room->changed, &room->lock);
    int status = room->exit_status;
    pthread_mutex_unlock(&room->lock);
    return status;
}

const struct room_model *room_model(const struct room *room) {
    pthread_mutex_t *lock = (pthread_mutex_t *)&room->lock;
    pthread_mutex_lock(lock);
    int is_there = room->is_loaded && !room->exit_status;
    pthread_mutex_unlock(lock);
    return is_there ? &room->model : NULL;
}

void room_figures(struct room *room, struct figures *figures) {
    pthread_mutex_lock(&room->lock);
    *figures = room->figures;
    figures->waiting = room->waiting;
    pthread_mutex_unlock(&room->lock);
}

void room_close(struct room *room) {
    if (!room) return;
    pthread_mutex_lock(&room->lock);
    room->is_closing = 1;
    for (uint32_t i = 0; i < room->config.slots; i++)
        if (room->task[i].request) cancel(room, room->task[i].request);
    pthread_cond_broadcast(&room->changed);
    pthread_mutex_unlock(&room->lock);
    pthread_join(room->thread, NULL);
    pthread_cond_destroy(&room->changed);
    pthread_mutex_destroy(&room->lock);
    free(room);
}
