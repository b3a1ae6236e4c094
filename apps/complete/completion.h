/* One request for text, whichever dialect it is spoken in: what is asked of the room, what came of
 * it, and the order in which a dialect is told. A dialect reads its fields, adds prompts, and
 * writes answers; the rest is here. */
#ifndef COMPLETE_COMPLETION_H
#define COMPLETE_COMPLETION_H

#include "finish.h"
#include "http_door.h"
#include "request_fields.h"

enum { COMPLETION_PROMPTS_MAX = 16, COMPLETION_TEXTS_MAX = 16 };

struct token {
    int32_t id;
    float log_prob;
    uint64_t offset;      /* of its bytes in the text */
    uint32_t alternative; /* index of its first one in the text's lists */
};

/* One text, as far as it has come. */
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
    size_t sent_bytes, sent_tokens; /* told to a stream */
};

struct completion;

struct dialect {
    /* The whole answer. */
    json_t *(*answer)(struct completion *completion);
    /* An event with what text `index` has gained since the last one, if that is worth one. */
    json_t *(*event)(struct completion *completion, uint32_t index);
    /* The event behind the last one of a text, and of all; NULL: none. */
    json_t *(*text_over)(struct completion *completion, uint32_t index);
    json_t *(*over)(struct completion *completion);
    int done_line; /* "[DONE]" ends a stream */
};

struct completion {
    struct exchange *exchange;
    const struct dialect *dialect;
    struct job *jobs[COMPLETION_PROMPTS_MAX]; /* one for each prompt */
    uint32_t prompts, per_prompt;             /* texts of a prompt */
    struct text texts[COMPLETION_TEXTS_MAX];
    uint32_t left; /* jobs that are not done */
    int stream, has_failed;
    uint64_t first_ns; /* when the first id came */

    /* of dialects */
    struct request *first; /* the settings of all prompts, until they are submitted */
    uint32_t alternatives;
    int want_tokens, want_usage, echo, want_log_probs;
    json_t *settings, *response_fields; /* generation_settings; a list, or NULL */
    char *model;                        /* as the client calls it */
    char *prompt;                       /* for echo */
    size_t prompt_bytes;
    struct finish rules; /* in force where has_rules */
    int has_rules;
};

/* NULL after an answer of 503. */
struct completion *completion_new(struct exchange *exchange, const struct dialect *dialect);

/* A request with the settings that all dialects share, by llama.cpp's and OpenAI's names:
 * temperature, top_k, top_p, min_p, repeat_penalty, repeat_last_n, seed, stop, ignore_eos,
 * samplers. temperature: what it is where it is not given. NULL after an answer. */
struct request *completion_request(struct completion *completion, struct fields *fields,
                                   double temperature, double top_p, int64_t top_k, double min_p);

/* Another request with the same settings, for the next prompt. NULL: no memory. */
struct request *completion_copy(const struct request *request);

/* Takes the requests [count], each with its prompt, and hands them to the room; or answers that
 * this cannot be. Answers and ends by itself from here on. */
void completion_begin(struct completion *completion, struct request **requests, uint32_t count);

/* Answers 400 with the sentence, or another code, and ends. */
void completion_refuse(struct completion *completion, int code, const char *why);

/* ---- for dialects */

/* Text and ids of which a stream has not been told; as many as do not cut what may change. */
struct text *completion_text(struct completion *completion, uint32_t index);
const struct request_result *completion_result(const struct completion *completion, uint32_t index);
/* Ids of which something is shown: not an end token, nor what a stop text took. */
size_t completion_shown(const struct text *text);
/* The stop text that ended it; NULL: none did. */
const apus_stop *completion_stopping(const struct completion *completion, uint32_t index);
/* Sums over prompts. */
void completion_usage(const struct completion *completion, uint64_t *prompt, uint64_t *cached,
                      uint64_t *written);
/* An id's own bytes, special ones spelled out; up to room. Gives the count. */
size_t completion_spell(const struct completion *completion, int32_t id, char *out, size_t room);
/* "eos", "word", "limit", "none", as llama.cpp calls them. */
const char *completion_stop_type(const struct request_result *result);

#endif
