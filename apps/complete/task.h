/* The work for a request in its slot: its prompt in slices, then its texts round by round. Only the
 * room's thread uses this. */
#ifndef COMPLETE_TASK_H
#define COMPLETE_TASK_H

#include "prompt_ids.h"
#include "request.h"

struct task {
    struct request *request; /* NULL: none */
    apus_session *session;
    struct prompt_ids prompt;
    const int32_t *ends; /* [ends_count] ids that end the text besides the model's own */
    size_t ends_count;
    uint64_t text_bytes; /* bytes of the text so far */
    enum { TASK_BEGIN, TASK_PROMPT, TASK_TEXT, TASK_OVER } state;
    uint64_t prompt_deadline, predict_deadline; /* 0: none */
    uint64_t library_ns, own_ns;                /* processor time in the library, and outside of
                                                   it */
    struct request_result result;               /* the result of the present text */
};

/* Begins a task for a request that has a slot. Takes over the prompt. */
void task_begin(struct task *task, struct request *request, struct prompt_ids *prompt,
                apus_session *session, uint32_t slot, uint32_t context);

/* Does one turn: a slice of the prompt, which takes about slice_ns at most, or a round of the text.
 * If state is TASK_OVER afterwards, result is the last one; the room then gives the slot back and
 * calls task_end. */
void task_turn(struct task *task, uint64_t slice_ns);

/* Ends a task that is not over, with a status that the room gives. */
void task_stop(struct task *task, enum request_status status);

/* Frees what the task holds and calls the request's done(). */
void task_end(struct task *task);

#endif
