#include "slots.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "fail_status.h"
#include "kit/fail.h"

static apus_config config_of(const struct slots *slots, const apus_costs *costs) {
    const struct settings *settings = slots->settings;
    const apus_config config = {.size = sizeof config,
                                .model = slots->loaded->model,
                                .context = slots->context,
                                .threads = (uint32_t)settings->threads,
                                .prompt_bytes = 64, /* prompts come as ids, so no more is needed */
                                .draft = slots->loaded->draft ? slots->loaded->draft->model : NULL,
                                .draft_context = (uint32_t)settings->draft_context,
                                .proposals = (uint32_t)settings->proposals,
                                .lookup = settings->lookup,
                                .overlap = settings->overlap,
                                .kv_bits = settings->kv_bits,
                                .v_bits = settings->v_bits,
                                .costs = costs,
                                .pool = slots->pool};
    return config;
}

static int open_pool(struct slots *slots) {
    const apus_pool_config config = {
        .size = sizeof config, .threads = (uint32_t)slots->settings->threads, .port = load_port()};
    apus_memory need = {.size = sizeof need};
    apus_status status = apus_pool_measure(&config, &need);
    if (status != APUS_OK) return fail_status(status, "opening the threads");
    slots->pool_memory = load_allocate(&need, "the threads");
    if (!slots->pool_memory) return EXIT_FAULT;
    status = apus_pool_open(&slots->pool, &config, slots->pool_memory, (size_t)need.bytes);
    if (status != APUS_OK) slots->pool = NULL;
    return status == APUS_OK ? EXIT_OK : fail_status(status, "opening the threads");
}

int slots_open(struct slots *slots, const struct loaded *loaded, const struct settings *settings,
               uint32_t count, uint32_t context) {
    memset(slots, 0, sizeof *slots);
    slots->loaded = loaded, slots->settings = settings;
    slots->count = count, slots->context = context;
    int failed = open_pool(slots);
    if (failed) return failed;
    const apus_config config = config_of(slots, NULL);
    apus_memory need = {.size = sizeof need};
    failed = load_measure(loaded, &config, &need);
    slots->arena_bytes = need.bytes;
    for (uint32_t i = 0; !failed && i < count; i++) {
        slots->slot[i].arena = load_allocate(&need, "a slot");
        if (!slots->slot[i].arena) failed = EXIT_FAULT;
    }
    /* the first session is opened here, so that the first request does not wait for that */
    if (!failed && slots_take(slots, 0) < 0)
        failed = fail(EXIT_FAULT, "the session could not be opened: %s.", fail_logged());
    slots_give(slots, 0);
    slots->slot[0].used = 0;
    if (failed) slots_close(slots);
    return failed;
}

void slots_close(struct slots *slots) {
    for (uint32_t i = 0; i < slots->count; i++) {
        if (slots->slot[i].session) apus_close(slots->slot[i].session);
        free(slots->slot[i].arena);
    }
    if (slots->pool) apus_pool_close(slots->pool);
    free(slots->pool_memory);
    memset(slots, 0, sizeof *slots);
}

size_t slots_common(const struct slots *slots, uint32_t slot, const int32_t *ids, size_t count) {
    const int32_t *held;
    size_t n = 0, common = 0;
    if (!slots->slot[slot].session || apus_ids(slots->slot[slot].session, &held, &n) < 0) return 0;
    while (common < n && common < count && held[common] == ids[common]) common++;
    return common;
}

/* Whether slot i is a better choice than slot `before`, without regard for what they hold: free
 * slots come before those that give way, then the wish, then the least recently used. */
static int is_older(const struct slots *slots, int i, int before, int32_t wish) {
    if (before < 0) return 1;
    const struct slot *a = &slots->slot[i], *b = &slots->slot[before];
    if (a->is_taken != b->is_taken) return !a->is_taken;
    if (before == wish) return 0;
    return i == wish || a->used < b->used;
}

int slots_choose(const struct slots *slots, const int32_t *ids, size_t count, int32_t wish) {
    int best = -1, oldest = -1;
    size_t most = 0;
    for (int i = 0; i < (int)slots->count; i++) {
        if (slots->slot[i].is_taken && !slots->slot[i].gives_way) continue;
        size_t common = slots_common(slots, (uint32_t)i, ids, count);
        if (common > most || (common && common == most && i == wish)) most = common, best = i;
        if (is_older(slots, i, oldest, wish)) oldest = i;
    }
    return most && (most >= SLOTS_WORTH || most >= count / 10) ? best : oldest;
}

/* The costs that the session used last has learned; NULL: there is none. */
static const apus_costs *learned(const struct slots *slots, apus_costs *costs) {
    const struct slot *last = NULL;
    for (uint32_t i = 0; i < slots->count; i++)
        if (slots->slot[i].session && (!last || slots->slot[i].used > last->used))
            last = &slots->slot[i];
    *costs = (apus_costs){.size = sizeof *costs};
    return last && apus_get_costs(last->session, costs) == APUS_OK ? costs : NULL;
}

apus_status slots_take(struct slots *slots, uint32_t slot) {
    struct slot *s = &slots->slot[slot];
    apus_costs costs;
    apus_status status = APUS_OK;
    if (!s->session) {
        const apus_config config = config_of(slots, learned(slots, &costs));
        status = apus_open(&s->session, &config, s->arena, (size_t)slots->arena_bytes);
        if (status < 0) s->session = NULL;
    }
    if (status < 0) return status;
    s->is_taken = 1;
    s->used = ++slots->uses;
    return APUS_OK;
}

void slots_give(struct slots *slots, uint32_t slot) {
    slots->slot[slot].is_taken = slots->slot[slot].gives_way = 0;
}
