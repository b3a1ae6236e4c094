/* What a door asks of the engine room, and what it gets: plain values, and bytes that the request
 * owns. Doors and room share no other memory.
 *
 * A door makes a request, fills it and hands it to room_submit. From then to the end of done() it
 * belongs to the room, and the door may only call room_cancel with it. Then it belongs to the door
 * again, which frees it. The callbacks are called on the room's thread, which computes for all
 * requests; so they copy what they need, pass it on to their own loop, and return. */
#ifndef COMPLETE_REQUEST_H
#define COMPLETE_REQUEST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"

enum {
    REQUEST_BYTES_MAX = 16 << 20, /* the most bytes of all texts and ids of one request */
    REQUEST_TEXTS_MAX = 4096,     /* the most texts of a request */
    REQUEST_WHY = 512
};

/* The role of a text. A request has either only PARTs, which together are the prompt, or only the
 * others, from which middle_prompt.h makes a prompt. */
enum request_role {
    REQUEST_PART,
    REQUEST_PREFIX, /* before the cursor; several are joined */
    REQUEST_SUFFIX, /* after the cursor; several are joined */
    REQUEST_FILE,   /* the name of another file or piece, whose text is the REQUEST_EXTRA after
                       it */
    REQUEST_EXTRA   /* the text of another file or piece; those that change least should come
                       first */
};

struct request_text {
    enum request_role role;
    apus_part_kind kind; /* of a PART; TEXT otherwise */
    uint32_t flags;      /* of a PART */
    size_t at, count;    /* at: where it begins in request.bytes. count as in apus_part: bytes, or
                            ids for IDS */
};

enum request_status {
    REQUEST_DONE,      /* the text ended by itself, or a deadline passed; result.stop says which */
    REQUEST_CANCELLED, /* by room_cancel, or by a newer request of the same subject */
    REQUEST_GAVE_WAY,  /* it only warmed a slot, which another request needed */
    REQUEST_REFUSED,   /* the request cannot be fulfilled as it is; why has the reason */
    REQUEST_FAILED,    /* the engine failed, or no memory was left; why says more */
    REQUEST_CLOSING    /* the room closes */
};

/* The result of one text of a request. What concerns the prompt is the same in each. */
struct request_result {
    enum request_status status;
    char why[REQUEST_WHY]; /* REFUSED, FAILED: a sentence; else "" */
    uint32_t index;        /* the text's number, from 0 */
    apus_stop_reason stop; /* 0 if no text was begun; DEADLINE also if it passed before that */
    int32_t stop_text;     /* for STOP_TEXT the index of the stop that ended the text, -1 if not
                              known */
    uint32_t slot;
    uint32_t context;   /* how many positions the slot has */
    uint32_t prompt;    /* ids of the prompt */
    uint32_t reused;    /* how many of them were in the slot already */
    uint32_t evaluated; /* how many of them were evaluated for this request */
    uint32_t positions; /* how many positions the slot has evaluated now, which the next request may
                           find */
    uint32_t new_tokens;
    int truncated;                          /* != 0: the prompt was cut to the context */
    uint64_t waited_ns, prompt_ns, next_ns; /* time in the queue, for evaluating the prompt, and for
                                               writing the text */
    uint64_t proposed, accepted;            /* ids that were proposed, and how many of them were
                                               accepted */
    double log_prob;                        /* the sum over the new tokens */
};

/* A piece of text number `index`. text is the part that is shown; piece is what the library gave.
 * Both are only valid during the call. */
struct request_piece {
    uint32_t index;
    const char *text;
    size_t bytes;
    const apus_piece *piece;
};

struct request {
    /* ---- filled by the door; zero is the default */
    struct request_text *texts;
    size_t texts_count;
    int64_t max_tokens; /* the most tokens of a text; < 0: as many as the context holds; 0: only
                           evaluates the prompt ("warms" the slot), and gives way to other
                           requests */
    uint32_t reserve; /* positions that a middle's prompt leaves free; 0: max_tokens. With the same
                         reserve, requests with different max_tokens get the same prompt */
    uint32_t count;   /* how many texts, one after the other with the seeds seed, seed + 1 ..; 0:
                         one */
    float temperature, top_p, min_p, repeat_penalty; /* as apus_sampling */
    uint32_t top_k, repeat_last;
    uint64_t seed;
    int ignore_end;
    int heal;     /* != 0: a word that a middle's prefix ends inside gets the ids of the whole word
                 (apus_heal) */
    char bind[8]; /* [bind_bytes] what the ids of a text have to spell first (apus_sampling); not of
                     a middle, which has its own */
    uint32_t bind_bytes;
    int ends_at_markers; /* != 0: a marker for filling in ends a text, as it ends a middle */
    apus_stop stops[APUS_STOPS_MAX]; /* text: inside bytes, set by request_stop */
    uint32_t stops_count;
    int32_t slot;          /* the slot that the client wishes for, taken if no other one holds more
                              of the prompt; -1: none */
    uint32_t alternatives; /* how many alternatives a piece has for each id, as in apus_sampling */
    int enough;            /* set it in piece() if this text needs no more; it is cleared before the
                              next text */
    int drop_context;      /* != 0: nothing that the slot holds is reused */
    uint64_t prompt_ms, predict_ms; /* time limits for the prompt and for each text, from its
                                       beginning; 0: none */
    uint64_t subject; /* stands for the editor's buffer: a newer request with the same subject
                         cancels this one; 0: none */
    void (*piece)(struct request *request, const struct request_piece *piece);
    void (*text_end)(struct request *request, const struct request_result *result);
    void (*done)(struct request *request, const struct request_result *result);
    void *door; /* for the door's use */

    /* ---- internal */
    char *bytes;
    size_t bytes_count, bytes_capacity, texts_capacity;
    size_t stop_at[APUS_STOPS_MAX];
    struct request *next; /* in the room's queue */
    uint64_t submitted_ns, number;
    atomic_int cancelled;
    uint32_t ticket; /* this and what follows are guarded by the room's lock */
    int is_active, is_nudged;
};

/* NULL: no memory. slot is -1. */
struct request *request_new(void);
void request_free(struct request *request); /* NULL: nothing */

/* Adds a copy of a text after the others. 0, ENOMEM, or E2BIG if the request would be too large. */
int request_add(struct request *request, enum request_role role, const void *data, size_t bytes);
/* Adds a copy of a part; see apus_part for the arguments. */
int request_add_part(struct request *request, apus_part_kind kind, uint32_t flags, const void *data,
                     size_t count);
/* Adds a stop text of 1 .. 63 bytes. 0, ENOMEM, E2BIG (also for one too many), EINVAL (length). */
int request_stop(struct request *request, const char *text, size_t bytes);

/* The bytes of a text. The next request_add may move them. */
const void *request_data(const struct request *request, const struct request_text *text);

/* How many bytes of memory the request takes. */
size_t request_size(const struct request *request);

#endif
