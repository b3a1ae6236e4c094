/* The sessions of one model: each a context of its own, all on one pool of threads. Memory for all
 * is taken at once; a session is opened when it is first used, with the costs that another has
 * learned. By the room's thread alone. */
#ifndef COMPLETE_SLOTS_H
#define COMPLETE_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "load.h"

enum { SLOTS_MAX = 16 };

struct slot {
    apus_session *session; /* NULL until it is used */
    void *arena;
    uint64_t used; /* by the count of uses, the higher the later; 0: never */
    int is_taken;
    int gives_way; /* taken by a request that only warms it */
};

struct slots {
    struct slot slot[SLOTS_MAX];
    uint32_t count, context;
    uint64_t uses, arena_bytes; /* of one */
    apus_pool *pool;
    void *pool_memory;
    const struct loaded *loaded;
    const struct settings *settings;
};

/* An exit status after a sentence. */
int slots_open(struct slots *slots, const struct loaded *loaded, const struct settings *settings,
               uint32_t count, uint32_t context);
void slots_close(struct slots *slots);

/* How many ids at the beginning of the prompt the slot holds already. */
size_t slots_common(const struct slots *slots, uint32_t slot, const int32_t *ids, size_t count);

/* The slot for a prompt among those that are free or give way: the one that holds most of its
 * beginning, if that is worth keeping (SLOTS_WORTH ids or a tenth of the prompt); else the wish, if
 * it is free; else the least recently used, those never used first. wish: -1 for none; it also
 * decides between slots that hold as much. -1: all are taken. */
enum { SLOTS_WORTH = 64 };
int slots_choose(const struct slots *slots, const int32_t *ids, size_t count, int32_t wish);

/* Takes a free slot and opens its session if need be. A status of the library. */
apus_status slots_take(struct slots *slots, uint32_t slot);
void slots_give(struct slots *slots, uint32_t slot);

#endif
