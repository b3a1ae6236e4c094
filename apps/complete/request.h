/* What a door asks of the engine room, and what it gets: plain values and bytes that the request
 * owns, so that doors and room share no memory but this.
 *
 * A door makes one, fills it and hands it to room_submit. From there to the end of done() it is the
 * room's, and a door may do nothing with it but room_cancel; then it is the door's again, which
 * frees it. The callbacks come on the room's thread, which computes for others meanwhile: they copy
 * what they need, pass it on to their own loop, and return. */
#ifndef COMPLETE_REQUEST_H
#define COMPLETE_REQUEST_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"

enum {
    REQUEST_BYTES_MAX = 16 << 20, /* of all texts and ids of one request */
    REQUEST_TEXTS_MAX = 4096,     /* how many there may be */
    REQUEST_WHY = 512
};

/* What a piece of the prompt is. Either PARTs alone, which are the prompt as they stand, or the
 * others, of which middle_prompt.h makes one for the model. */
enum request_role {
    REQUEST_PART,
    REQUEST_PREFIX, /* before the cursor; several are joined */
    REQUEST_SUFFIX, /* behind the cursor; several are joined */
    REQUEST_FILE,   /* the name of another file or chunk, whose text is the REQUEST_EXTRA behind */
    REQUEST_EXTRA   /* what changes least comes first */
};

struct request_text {
    enum request_role role;
    apus_part_kind kind; /* of a PART; TEXT otherwise */
    uint32_t flags;      /* of a PART */
    size_t at, count;    /* in request.bytes; count as in apus_part: bytes, or ids of IDS */
};

enum request_status {
    REQUEST_DONE,      /* the text ended by itself, or a deadline passed; result.stop says which */
    REQUEST_CANCELLED, /* by room_cancel, or by a newer request of the same subject */
    REQUEST_GAVE_WAY,  /* it only warmed a slot, which another request needed */
    REQUEST_REFUSED,   /* it cannot be done as it is; why says the reason */
    REQUEST_FAILED,    /* the engine failed, or no memory was left; why says more */
    REQUEST_CLOSING    /* the room closes */
};

/* Figures of one text of a request; what the prompt took is the same in each. */
struct request_result {
    enum request_status status;
    char why[REQUEST_WHY]; /* REFUSED, FAILED: a sentence; else "" */
    uint32_t index;        /* of the text, from 0 */
    apus_stop_reason stop; /* 0 where no text was begun; DEADLINE also where it passed before */
    int32_t stop_text;     /* STOP_TEXT: index of the stop that ended it, -1 if not known */
    uint32_t slot;
    uint32_t context;   /* positions of the slot */
    uint32_t prompt;    /* ids of the prompt */
    uint32_t reused;    /* of them found in place */
    uint32_t evaluated; /* of them evaluated for this request */
    uint32_t positions; /* evaluated in the slot now: what the next request may find */
    uint32_t new_tokens;
    int truncated;                          /* != 0: the prompt was cut to the context */
    uint64_t waited_ns, prompt_ns, next_ns; /* in the queue; evaluating; writing the text */
    uint64_t proposed, accepted;            /* ids that were proposed, and of them accepted */
    double log_prob;                        /* the sum over the new tokens */
};

/* A piece of text number `index`. text is what is to be shown of it; piece as the library gave it.
 * Both are valid during the call only. */
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
    int64_t max_tokens; /* of a text; < 0: as many as the context holds; 0: evaluates the prompt
                           and writes nothing ("warms" the slot); gives way to other requests */
    uint32_t reserve; /* positions that a middle's prompt leaves free; 0: max_tokens. What is asked
                           with other max_tokens finds the same prompt by it */
    uint32_t count;   /* of texts, one after the other with seeds seed, seed + 1 ..; 0: one */
    float temperature, top_p, min_p, repeat_penalty; /* as apus_sampling */
    uint32_t top_k, repeat_last;
    uint64_t seed;
    int ignore_end;
    int heal; /* != 0: a word that a middle's prefix ends inside gets the ids of the whole word
                 (apus_heal) */
    apus_stop stops[APUS_STOPS_MAX]; /* text: inside bytes, set by request_stop */
    uint32_t stops_count;
    int32_t slot;          /* that it would like: taken where no other one holds more of the
                              prompt; -1: none */
    uint32_t alternatives; /* that a piece tells of each id, as apus_sampling */
    int enough;            /* set in piece(): this text needs no more; taken back before the next */
    int drop_context;      /* != 0: nothing of what the slot holds is reused */
    uint64_t prompt_ms, predict_ms; /* deadlines, from the beginning of each; 0: none */
    uint64_t subject; /* of the buffer: a newer request of the same one cancels this; 0: none */
    void (*piece)(struct request *request, const struct request_piece *piece);
    void (*text_end)(struct request *request, const struct request_result *result);
    void (*done)(struct request *request, const struct request_result *result);
    void *door; /* the door's own */

    /* ---- internal */
    char *bytes;
    size_t bytes_count, bytes_capacity, texts_capacity;
    size_t stop_at[APUS_STOPS_MAX];
    struct request *next; /* in the room's queue */
    uint64_t submitted_ns, number;
    atomic_int cancelled;
    uint32_t ticket; /* what follows: under the room's lock */
    int is_active, is_nudged;
};

/* NULL: no memory. slot is -1. */
struct request *request_new(void);
void request_free(struct request *request); /* NULL: nothing */

/* Adds a text behind the others, copied. 0, or ENOMEM, or E2BIG beyond the bounds. */
int request_add(struct request *request, enum request_role role, const void *data, size_t bytes);
/* Adds a part as apus_part says. */
int request_add_part(struct request *request, apus_part_kind kind, uint32_t flags, const void *data,
                     size_t count);
/* Adds a stop text of 1 .. 63 bytes. 0, ENOMEM, E2BIG (also for one too many), EINVAL (length). */
int request_stop(struct request *request, const char *text, size_t bytes);

/* The bytes of a text; moved by the next request_add. */
const void *request_data(const struct request *request, const struct request_text *text);

/* Bytes that the request holds. */
size_t request_size(const struct request *request);

#endif
