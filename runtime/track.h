/* A model with its cache and how far it has come: the target of a session is one, its draft
 * another. Slot = position.
 *
 * A track does not know text: it is given ids and evaluates them. Rows of positions 0 .. evaluated
 * - 1 are in the cache; going back is lowering that number. */
#ifndef RUNTIME_TRACK_H
#define RUNTIME_TRACK_H

#include "runtime/model.h"

#define NO_LOGITS UINT32_MAX

/* An engine with the track's program, or with the part of it that is of some layers. */
struct track_engine {
    const struct hal_engine *engine;
    void *model_memory, *memory;
    struct hal_range layers;
    struct hal_program program;
};

struct track {
    const apus_model *model;
    struct hal_model hal;
    const size_t *stride;      /* [HAL_SLOTS] of the model's program */
    struct hal_column *column; /* [chunk] */
    struct kv_range *range;    /* [chunk] what they see of the cache */
    uint8_t **kv;              /* [layers] track_cache */
    enum kv_type kv_type;
    uint32_t kv_slots;   /* positions rounded up to 16 */
    uint32_t kv_touched; /* slots that have been zeroed, a multiple of 16 */
    uint32_t chunk;      /* most columns of a pass */
    uint8_t *slot[HAL_SLOTS];
    struct track_engine engine[MODEL_ENGINES]; /* as the model has them, the one that goes on when
                                                  another fails prepared and paid for too */
    uint32_t engines, at;                      /* how many, and the first that computes: failed ones
                                                  are not asked again */
    uint32_t parts;                            /* how many from there compute one pass */

    uint32_t evaluated; /* positions with rows in the cache */
    uint32_t logits_at; /* the position behind which track_logits(.., 0) from the end stands, or
                           NO_LOGITS */
    uint32_t branches;  /* of the last pass, in the slots behind its line */
    uint32_t logits;    /* rows of logits of the last pass; the last of them is behind logits_at */
    uint64_t passes;

    /* Of the pass in progress, or of the last one. */
    struct hal_pass pass;
    uint32_t line;
    uint32_t part;   /* of the pass, counted from `at`, that it is in */
    uint64_t ticket; /* of that part */
    apus_status begun;
    int stopped; /* it came to somewhere, and can go on */
};

/* What a track is opened for. */
struct track_config {
    const apus_model *model;
    uint32_t positions, chunk, threads;
    enum kv_type kv_type;
    apus_pool *pool; /* the CPU's threads; not read while measuring */
};

/* Where its parts lie in memory that begins 64-aligned. One walk for measuring and opening. */
struct track_layout {
    uint64_t column, range, kv_table, engine[MODEL_ENGINES], slots, kv;
    uint64_t driver_bytes;
    uint64_t slot[HAL_SLOTS];
    uint64_t bytes;
};
apus_status track_measure(const struct track_config *config, struct track_layout *layout);
apus_status track_open(struct track *track, const struct track_config *config,
                       const struct track_layout *layout, void *memory);
void track_close(struct track *track);

/* The engine that computes (the first part), and the code or device in use. */
static inline const struct track_engine *track_engine(const struct track *track) {
    return &track->engine[track->at];
}

/* A layer's cache. */
struct kv_cache track_cache(const struct track *track, uint32_t layer);

/* How many of ids[0 .. count), which come next, the next pass should take: of a pass that was
 * stopped, those that are still the same, so that its work is not lost; else as many as fit. */
uint32_t track_columns(const struct track *track, const int32_t *ids, uint32_t count);

/* Evaluates ids[0 .. columns) at positions evaluated .. evaluated + columns - 1, with logits behind
 * the last `logits` of them (at most HAL_LOGITS_MAX). On failure the track is as before, without
 * logits. APUS_PARTIAL: `stop` stopped it; a call with the same ids or the first of them goes on
 * where it came to, if no other pass and no rewinding below `evaluated` comes between. When an
 * engine is lost the CPU does the pass again from the rows of the cache, which all are in the
 * arena: the same bits. */
apus_status track_pass(struct track *track, const int32_t *ids, uint32_t columns, uint32_t logits,
                       struct hal_stop stop);

/* An id that takes the place of one in the line. */
struct track_branch {
    int32_t id;
    uint32_t beside; /* it follows ids[beside] as ids[beside + 1] does */
};

/* The same in two parts for a line of ids, with logits behind each, and branches that end after one
 * id each; at most HAL_LOGITS_MAX in all. Logits: a row for each of the line, then one for each
 * branch. Only the line counts as evaluated; track_keep makes a branch's id part of it. Between the
 * two, if track_works says so, the engine computes by itself and the caller may compute
 * elsewhere. */
void track_begin(struct track *track, const int32_t *ids, uint32_t line,
                 const struct track_branch *branch, uint32_t branches, struct hal_stop stop);
apus_status track_end(struct track *track);
/* After track_begin: whether track_end would have to wait. Never for an engine that computes on the
 * caller's thread. */
int track_works(const struct track *track);

/* After track_end and before anything else: what follows ids[beside] is this branch's id (0 for the
 * first branch), and nothing behind it. */
void track_keep(struct track *track, uint32_t branch);

/* Row `row` (0 .. track->logits - 1) of the last pass's logits, float [vocab]. */
const float *track_logits(const struct track *track, uint32_t row);

/* Forgets positions from `position` on. */
void track_rewind(struct track *track, uint32_t position);

/* Slots below `end` are about to be written from outside a pass (a restored state): zeroes what has
 * not been touched. */
void track_touch(struct track *track, uint32_t end);
/* Slots from .. to - 1 have been: the engine may keep a copy of them. */
void track_written(struct track *track, uint32_t from, uint32_t to);

#endif
