/* A request at work in its slot: its prompt in slices, then its texts round by round. By the room's
 * thread alone. */
#ifndef COMPLETE_TASK_H
#define COMPLETE_TASK_H

#include "prompt_ids.h"
#include "request.h"

struct task {
    struct request *request; /* NULL: none */
    apus_session *session;
    struct prompt_ids prompt;
    const int32_t *ends; /* [ends_count] ids that end the text beside the model's own */
    size_t ends_count;
    uint64_t text_bytes; /* of the text so far */
    enum { TASK_BEGIN, TASK_PROMPT, TASK_TEXT, TASK_OVER } state;
    uint64_t prompt_deadline, predict_deadline; /* 0: none */
    uint64_t library_ns, own_ns;                /* processor time in the library, and in here */
    struct request_result result;               /* of the text at hand */
};

/* A task for a request that has its prompt (taken over) and a slot. */
void task_begin(struct task *task, struct request *request, struct prompt_ids *prompt,
                apus_session *session, uint32_t slot, uint32_t context);

/* One turn: a slice of the prompt, of at most about slice_ns, or a round of the text. When state is
 * TASK_OVER afterwards, result is the last one: the room gives the slot back and calls task_end. */
void task_turn(struct task *task, uint64_t slice_ns);

/* Ends a task that is not over, for a reason of the room's. */
void task_stop(struct task *task, enum request_status status);

/* Frees what the task holds and calls the request's done(). */
void task_end(struct task *task);

#endif
