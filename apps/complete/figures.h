/* What the engine room has done since it opened, for /metrics, /slots and the log of `apus lsp`. */
#ifndef COMPLETE_FIGURES_H
#define COMPLETE_FIGURES_H

#include <stdint.h>

#include "request.h"

enum { FIGURES_SLOTS = 16 };

struct figures {
    uint64_t requests;                      /* requests that doors submitted */
    uint64_t ended[REQUEST_CLOSING + 1];    /* how many ended with each request_status */
    uint64_t full;                          /* how many were refused because the queue was full */
    uint64_t texts;                         /* texts that ended */
    uint64_t prompt_tokens, reused_tokens;  /* tokens of prompts that were evaluated, and that were
                                               in the slot already */
    uint64_t new_tokens;                    /* tokens of texts */
    uint64_t proposed, accepted;            /* tokens that draft and lookup proposed, and how many
                                               of them were accepted */
    uint64_t waited_ns, prompt_ns, next_ns; /* sums over requests */
    uint64_t own_ns;                        /* processor time of the thread, outside the library */
    uint32_t waiting, active;               /* requests that wait or have a slot now */
    uint32_t slots;                         /* how many slots there are */
    uint64_t slot_bytes;                    /* memory of each slot, taken at the start */
    struct figures_slot {
        int is_active;
        uint64_t number;    /* number of the request that has the slot or had it last, from 1; 0:
                               none yet */
        uint32_t positions; /* in its context */
        uint32_t new_tokens;
    } slot[FIGURES_SLOTS];
};

/* Adds one text's result. What belongs to the prompt is only added with the first text. */
void figures_add(struct figures *figures, const struct request_result *result);

#endif
