#include "task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fail_status.h"
#include "load.h"

void task_begin(struct task *task, struct request *request, struct prompt_ids *prompt,
                apus_session *session, uint32_t slot, uint32_t context) {
    uint64_t now = now_ns();
    *task = (struct task){.request = request, .session = session, .prompt = *prompt};
    task->prompt_deadline = request->prompt_ms ? now + request->prompt_ms * 1000000 : 0;
    task->result = (struct request_result){.slot = slot,
                                           .context = context,
                                           .prompt = (uint32_t)prompt->count,
                                           .truncated = prompt->truncated,
                                           .stop_text = -1,
                                           .waited_ns = now - request->submitted_ns};
    memset(prompt, 0, sizeof *prompt);
}

/* The processor time of this thread. Wall time would include what other programs do on a busy
 * machine. */
static uint64_t processor_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t earlier(uint64_t a, uint64_t b) { return !a || (b && b < a) ? b : a; }

static void over(struct task *task, enum request_status status) {
    task->result.status = status;
    task->state = TASK_OVER;
}

static void fail_task(struct task *task, apus_status status) {
    snprintf(task->result.why, sizeof task->result.why, "%s%s%s", apus_status_text(status),
             *fail_logged() ? ": " : "", fail_logged());
    fail_forget();
    over(task,
         status == APUS_E_NUMERIC || status == APUS_E_ENGINE ? REQUEST_FAILED : REQUEST_REFUSED);
}

/* Takes the session's figures of the prompt; for the first text only, because the others find the
 * prompt evaluated. */
static void prompt_figures(struct task *task, int is_first) {
    apus_stats stats = {.size = sizeof stats};
    if (apus_get_stats(task->session, &stats) < 0) return;
    if (is_first) {
        task->result.reused = (uint32_t)stats.reused;
        task->result.evaluated = (uint32_t)stats.prompt_tokens;
        task->result.prompt_ns = stats.prompt_ns;
    }
    task->result.positions = (uint32_t)stats.positions;
}

static void text_figures(struct task *task) {
    apus_stats stats = {.size = sizeof stats};
    if (apus_get_stats(task->session, &stats) < 0) return;
    task->result.next_ns = stats.next_ns;
    task->result.proposed = stats.proposed;
    task->result.accepted = stats.accepted;
    task->result.positions = (uint32_t)stats.positions;
}

static void begin_text(struct task *task) {
    const struct request *request = task->request;
    task->predict_deadline = request->predict_ms ? now_ns() + request->predict_ms * 1000000 : 0;
    const apus_sampling sampling = {.size = sizeof sampling,
                                    .temperature = request->temperature,
                                    .top_k = request->top_k,
                                    .top_p = request->top_p,
                                    .min_p = request->min_p,
                                    .repeat_penalty = request->repeat_penalty,
                                    .repeat_last = request->repeat_last,
                                    .seed = request->seed + task->result.index,
                                    .max_tokens = request->max_tokens < 0 ? 0
                                                  : request->max_tokens > UINT32_MAX
                                                      ? UINT32_MAX
                                                      : (uint32_t)request->max_tokens,
                                    .ignore_end = request->ignore_end,
                                    .stops = request->stops,
                                    .stops_count = request->stops_count,
                                    .deadline_ns = task->predict_deadline,
                                    .alternatives = request->alternatives,
                                    .bind = task->prompt.bind,
                                    .bind_bytes = task->prompt.bind_bytes};
    task->text_bytes = 0;
    task->request->enough = 0;
    apus_status status = apus_begin(task->session, &sampling);
    if (status < 0)
        fail_task(task, status);
    else
        task->state = TASK_TEXT;
}

/* Evaluates the prompt, or goes on with it. What the session already holds of it stays. */
static apus_status evaluate(struct task *task, uint64_t deadline) {
    const apus_part part = {
        .kind = APUS_PART_IDS, .data = task->prompt.ids, .count = task->prompt.count};
    if (task->state == TASK_PROMPT) return apus_append(task->session, NULL, 0, deadline);
    if (task->request->drop_context && !task->result.index) apus_rewind(task->session, 0);
    task->state = TASK_PROMPT;
    return apus_prompt(task->session, &part, 1, deadline);
}

static void turn_prompt(struct task *task, uint64_t slice_ns) {
    const struct request *request = task->request;
    uint64_t begin = processor_ns();
    apus_status status = evaluate(task, earlier(now_ns() + slice_ns, task->prompt_deadline));
    task->library_ns += processor_ns() - begin;
    prompt_figures(task, !task->result.index);
    if (status < 0) {
        fail_task(task, status);
    } else if (request->cancelled) {
        over(task, REQUEST_CANCELLED);
    } else if (status == APUS_PARTIAL) {
        if (!task->prompt_deadline || now_ns() < task->prompt_deadline) return;
        task->result.stop = APUS_STOP_DEADLINE;
        over(task, REQUEST_DONE);
    } else if (!request->max_tokens) {
        over(task, REQUEST_DONE);
    } else {
        begin_text(task);
    }
}

/* Cuts a piece after the first id that ends a middle, and sets its stop to EOS. */
static void cut_at_end(const struct task *task, apus_piece *piece) {
    for (size_t i = 0; i < piece->count; i++)
        for (size_t k = 0; k < task->ends_count; k++) {
            if (piece->ids[i] != task->ends[k]) continue;
            size_t before = piece->offsets[i] > task->text_bytes
                                ? (size_t)(piece->offsets[i] - task->text_bytes)
                                : 0;
            if (before < piece->bytes) piece->bytes = before;
            piece->count = i + 1;
            piece->stop = APUS_STOP_EOS;
            return;
        }
}

static void show(struct task *task, const apus_piece *piece) {
    const struct request_piece shown = {
        .index = task->result.index, .text = piece->text, .bytes = piece->bytes, .piece = piece};
    for (size_t i = 0; i < piece->count; i++) task->result.log_prob += (double)piece->log_probs[i];
    task->result.new_tokens += (uint32_t)piece->count;
    task->text_bytes += piece->bytes;
    if (task->request->piece && (piece->count || piece->bytes))
        task->request->piece(task->request, &shown);
}

/* Ends a text, and goes on to the next text of the same prompt if there is one. */
static void end_text(struct task *task) {
    struct request_result *result = &task->result;
    if (task->request->text_end) task->request->text_end(task->request, result);
    if (result->index + 1 >= task->request->count) {
        over(task, REQUEST_DONE);
        return;
    }
    result->index++;
    result->stop = APUS_RUNNING;
    result->new_tokens = 0;
    result->log_prob = 0;
    task->state = TASK_BEGIN;
}

static void turn_text(struct task *task) {
    apus_piece piece = {.size = sizeof piece};
    uint64_t begin = processor_ns();
    apus_status status = apus_next(task->session, &piece);
    task->library_ns += processor_ns() - begin;
    text_figures(task);
    if (status < 0) {
        fail_task(task, status);
        return;
    }
    if (task->ends_count) cut_at_end(task, &piece);
    task->result.stop = piece.stop;
    show(task, &piece);
    if (piece.stop == APUS_STOP_CANCELLED)
        over(task, REQUEST_CANCELLED);
    else if (piece.stop || task->request->enough)
        end_text(task);
}

void task_turn(struct task *task, uint64_t slice_ns) {
    uint64_t begin = processor_ns(), before = task->library_ns;
    if (task->state != TASK_TEXT) turn_prompt(task, slice_ns);
    if (task->state == TASK_TEXT) turn_text(task);
    task->own_ns += processor_ns() - begin - (task->library_ns - before);
}

void task_stop(struct task *task, enum request_status status) { over(task, status); }

void task_end(struct task *task) {
    struct request *request = task->request;
    free(task->prompt.ids);
    task->request = NULL;
    request->done(request, &task->result);
}
