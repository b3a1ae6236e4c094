/* What the engine room has done since it opened: for /metrics, /slots and the log of `apus lsp`. */
#ifndef COMPLETE_FIGURES_H
#define COMPLETE_FIGURES_H

#include <stdint.h>

#include "request.h"

enum { FIGURES_SLOTS = 16 };

struct figures {
    uint64_t requests;                      /* taken from doors */
    uint64_t ended[REQUEST_CLOSING + 1];    /* by request_status */
    uint64_t full;                          /* refused because the queue was full */
    uint64_t texts;                         /* that ended */
    uint64_t prompt_tokens, reused_tokens;  /* of prompts: evaluated, found in place */
    uint64_t new_tokens;                    /* of texts */
    uint64_t proposed, accepted;            /* by draft and lookup */
    uint64_t waited_ns, prompt_ns, next_ns; /* sums over requests */
    uint64_t own_ns;                        /* processor time of the thread, outside the library */
    uint32_t waiting, active;               /* now */
    uint32_t slots;                         /* there are */
    struct figures_slot {
        int is_active;
        uint64_t number;    /* of the request that has it or had it last, from 1; 0: none yet */
        uint32_t positions; /* in its context */
        uint32_t new_tokens;
    } slot[FIGURES_SLOTS];
};

/* Adds one text's result; the prompt's share with the first alone. */
void figures_add(struct figures *figures, const struct request_result *result);

#endif
