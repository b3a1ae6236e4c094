/* The sessions of one model. Each has a context of its own, and all share one pool of threads.
 * Memory for all is allocated at the beginning. A session is opened when it is first used, with the
 * costs that another has learned. Only the room's thread uses this. */
#ifndef COMPLETE_SLOTS_H
#define COMPLETE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "load.h"

enum { SLOTS_MAX = 16 };

struct slot {
    apus_session *session; /* NULL until it is first used */
    void *arena;
    uint64_t used; /* the number of its last use; a higher one is later; 0: never used */
    int is_taken;
    int gives_way; /* taken by a request that only warms it */
};

struct slots {
    struct slot slot[SLOTS_MAX];
    uint32_t count, context;
    uint64_t uses;        /* how often a slot was used so far */
    uint64_t arena_bytes; /* of each slot's arena */
    apus_pool *pool;
    void *pool_memory;
    const struct loaded *loaded;
    const struct settings *settings;
};

/* EXIT_OK, or another exit status after a sentence. */
int slots_open(struct slots *slots, const struct loaded *loaded, const struct settings *settings,
               uint32_t count, uint32_t context);
void slots_close(struct slots *slots);

/* How many ids at the beginning of the prompt the slot already holds. */
size_t slots_common(const struct slots *slots, uint32_t slot, const int32_t *ids, size_t count);

/* Chooses the slot for a prompt among those that are free or give way. It is the slot that holds
 * most of the prompt's beginning, if that is worth keeping (SLOTS_WORTH ids or a tenth of the
 * prompt); otherwise the wish, if it is free; otherwise the least recently used one, and slots
 * never used first. wish: -1 for none; it also decides between slots that hold equally much.
 * Returns -1 if all are taken. SLOTS_WORTH is chosen, not measured. */
enum { SLOTS_WORTH = 64 };
int slots_choose(const struct slots *slots, const int32_t *ids, size_t count, int32_t wish);

/* Takes a free slot, and opens its session if it has none. A status of the library. */
apus_status slots_take(struct slots *slots, uint32_t slot);
void slots_give(struct slots *slots, uint32_t slot);

#endif
