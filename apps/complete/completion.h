/* One HTTP request for text, in any dialect: what is asked of the room, what has come from it, and
 * when the dialect's functions are called. A dialect reads its fields, adds prompts, and writes
 * answers. Everything else is here. */
#ifndef COMPLETE_COMPLETION_H
#define COMPLETE_COMPLETION_H

#include "finish.h"
#include "http_door.h"
#include "request_fields.h"

enum { COMPLETION_PROMPTS_MAX = 16, COMPLETION_TEXTS_MAX = 16 };

struct token {
    int32_t id;
    float log_prob;
    uint64_t offset;      /* where its bytes begin in the text */
    uint32_t alternative; /* index of its first alternative in the text's lists */
};

/* A text as far as it has come. */
struct text {
    char *bytes; /* [count] */
    size_t count, capacity;
    struct token *tokens; /* [tokens_count] */
    size_t tokens_count, tokens_capacity;
    int32_t *alternative_ids; /* [tokens_count][alternatives] */
    float *alternative_log_probs;
    size_t alternatives_capacity;
    int is_over;
    struct request_result result;
    size_t sent_bytes, sent_tokens; /* what has been sent to a stream */
};

struct completion;

struct dialect {
    /* Makes the whole answer. */
    json_t *(*answer)(struct completion *completion);
    /* Makes an event with what text `index` has gained since the last event; NULL: no event is
     * needed. */
    json_t *(*event)(struct completion *completion, uint32_t index);
    /* Make the event after the last one of a text, and after the last one of all texts. Either
     * function may be NULL. */
    json_t *(*text_over)(struct completion *completion, uint32_t index);
    json_t *(*over)(struct completion *completion);
    int done_line; /* != 0: "[DONE]" ends a stream */
};

struct completion {
    struct exchange *exchange;
    const struct dialect *dialect;
    struct job *jobs[COMPLETION_PROMPTS_MAX]; /* one for each prompt */
    uint32_t prompts, per_prompt;             /* prompts, and texts for each of them */
    struct text texts[COMPLETION_TEXTS_MAX];
    uint32_t left; /* jobs that are not done */
    int stream, has_failed;
    uint64_t first_ns; /* when the first id came */

    /* These belong to the dialects. */
    struct request *first; /* the settings of all prompts, until they are submitted */
    uint32_t alternatives;
    int want_tokens, want_usage, echo, want_log_probs;
    json_t *settings, *response_fields; /* generation_settings; a list, or NULL */
    char *model;                        /* the name that the client uses */
    char *prompt;                       /* for echo */
    size_t prompt_bytes;
    struct finish rules; /* they apply if has_rules */
    int has_rules;
    char *before; /* of the rules */
};

/* NULL: memory was short and 503 has been answered. */
struct completion *completion_new(struct exchange *exchange, const struct dialect *dialect);

/* A request with the settings that all dialects share, by llama.cpp's and OpenAI's names:
 * temperature, top_k, top_p, min_p, repeat_penalty, repeat_last_n, seed, stop, ignore_eos,
 * samplers. temperature, top_p, top_k and min_p: the values if the client gives none. NULL: the
 * request has been answered. */
struct request *completion_request(struct completion *completion, struct fields *fields,
                                   double temperature, double top_p, int64_t top_k, double min_p);

/* Makes another request with the same settings, for the next prompt. NULL: memory is short. */
struct request *completion_copy(const struct request *request);

/* Takes requests [count], each with its prompt, and hands them to the room, or answers that this is
 * not possible. From here on the completion answers and ends by itself. */
void completion_begin(struct completion *completion, struct request **requests, uint32_t count);

/* Answers with this status code and sentence, and ends the completion. */
void completion_refuse(struct completion *completion, int code, const char *why);

/* ---- for dialects */

/* Text `index`, and its result. */
struct text *completion_text(struct completion *completion, uint32_t index);
const struct request_result *completion_result(const struct completion *completion, uint32_t index);
/* How many ids have something that is shown: an end token does not count, nor do ids that a stop
 * text has taken away. */
size_t completion_shown(const struct text *text);
/* The stop text that ended the text; NULL: none did. */
const apus_stop *completion_stopping(const struct completion *completion, uint32_t index);
/* Sums over all prompts and texts. */
void completion_usage(const struct completion *completion, uint64_t *prompt, uint64_t *cached,
                      uint64_t *written);
/* Writes an id's own bytes, at most `room` of them; special tokens are spelled out. Returns how
 * many there are. */
size_t completion_spell(const struct completion *completion, int32_t id, char *out, size_t room);
/* "eos", "word", "limit", "none", as llama.cpp calls them. */
const char *completion_stop_type(const struct request_result *result);

#endif
