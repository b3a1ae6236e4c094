/* A model with its cache and how far it has come: the target of a session is one, its draft
 * another. Slot = position.
 *
 * A sequence does not know text: it is given ids and evaluates them. Rows of positions 0 ..
 * evaluated
 * - 1 are in the cache; going back is lowering that number. */
#ifndef RUNTIME_SEQUENCE_H
#define RUNTIME_SEQUENCE_H

#include "runtime/model.h"

#define NO_LOGITS UINT32_MAX

/* An engine with the sequence's program, or with the part of it that is of some layers. */
struct sequence_engine {
    const struct hal_engine *engine;
    void *model_memory, *memory;
    struct hal_range layers;
    struct hal_program program;
};

struct sequence {
    const apus_model *model;
    struct hal_model hal;
    const size_t *stride;      /* [HAL_SLOTS] of the model's program */
    struct hal_column *column; /* [chunk] */
    struct kv_range *range;    /* [chunk] what they see of the cache */
    uint8_t **kv;              /* [layers] sequence_cache */
    enum kv_type kv_type;
    uint32_t kv_slots;    /* positions rounded up to 16 */
    uint32_t kv_reserved; /* slots that have been zeroed, a multiple of 16 */
    uint32_t chunk;       /* most columns of a pass */
    uint8_t *slot[HAL_SLOTS];
    struct sequence_engine engine[MODEL_ENGINES]; /* as the model has them, the one that goes on
                                                     when another fails prepared and paid for too */
    uint32_t engines, at; /* how many, and the first that computes: failed ones
                                                  are not asked again */
    uint32_t parts;       /* how many from there compute one pass */

    uint32_t evaluated; /* positions with rows in the cache */
    uint32_t logits_at; /* the position behind which sequence_logits(.., 0) from the end stands, or
                           NO_LOGITS */
    uint32_t branches;  /* of the last pass, in the slots behind its line */
    uint32_t logits;    /* rows of logits of the last pass; the last of them is behind logits_at */
    uint64_t passes;

    /* Of the pass in progress, or of the last one. */
    struct hal_pass pass;
    uint32_t line;
    uint32_t part;   /* of the pass, counted from `at`, that it is in */
    uint64_t ticket; /* of that part */
    apus_status submit_status;
    int stopped; /* it came to somewhere, and can go on */
};

/* What a sequence is opened for. */
struct sequence_config {
    const apus_model *model;
    uint32_t positions, chunk, threads;
    enum kv_type kv_type;
    apus_pool *pool; /* the CPU's threads; not read while measuring */
};

/* Where its parts lie in memory that begins 64-aligned. One walk for measuring and opening. */
struct sequence_layout {
    uint64_t column, range, kv_table, engine[MODEL_ENGINES], slots, kv;
    uint64_t driver_bytes;
    uint64_t slot[HAL_SLOTS];
    uint64_t bytes;
};
apus_status sequence_measure(const struct sequence_config *config, struct sequence_layout *layout);
apus_status sequence_open(struct sequence *sequence, const struct sequence_config *config,
                          const struct sequence_layout *layout, void *memory);
void sequence_close(struct sequence *sequence);

/* The engine that computes (the first part), and the code or device in use. */
static inline const struct sequence_engine *sequence_engine(const struct sequence *sequence) {
    return &sequence->engine[sequence->at];
}

/* A layer's cache. */
struct kv_cache sequence_cache(const struct sequence *sequence, uint32_t layer);

/* How many of ids[0 .. count), which come next, the next pass should take: of a pass that was
 * stopped, those that are still the same, so that its work is not lost; else as many as fit. */
uint32_t sequence_columns(const struct sequence *sequence, const int32_t *ids, uint32_t count);

/* Evaluates ids[0 .. columns) at positions evaluated .. evaluated + columns - 1, with logits behind
 * the last `logits` of them (at most HAL_LOGITS_MAX). On failure the sequence is as before, without
 * logits. APUS_PARTIAL: `stop` stopped it; a call with the same ids or the first of them goes on
 * where it came to, if no other pass and no rewinding below `evaluated` comes between. When an
 * engine is lost the CPU does the pass again from the rows of the cache, which all are in the
 * arena: the same bits. */
apus_status sequence_pass(struct sequence *sequence, const int32_t *ids, uint32_t columns,
                          uint32_t logits, struct hal_stop stop);

/* An id that takes the place of one in the line. */
struct sequence_branch {
    int32_t id;
    uint32_t beside; /* it follows ids[beside] as ids[beside + 1] does */
};

/* The same in two parts for a line of ids, with logits behind each, and branches that end after one
 * id each; at most HAL_LOGITS_MAX in all. Logits: a row for each of the line, then one for each
 * branch. Only the line counts as evaluated; sequence_commit makes a branch's id part of it.
 * Between the two, if sequence_is_busy says so, the engine computes by itself and the caller may
 * compute elsewhere. */
void sequence_begin(struct sequence *sequence, const int32_t *ids, uint32_t line,
                    const struct sequence_branch *branch, uint32_t branches, struct hal_stop stop);
apus_status sequence_end(struct sequence *sequence);
/* After sequence_begin: whether sequence_end would have to wait. Never for an engine that computes
 * on the caller's thread. */
int sequence_is_busy(const struct sequence *sequence);

/* After sequence_end and before anything else: what follows ids[beside] is this branch's id (0 for
 * the first branch), and nothing behind it. */
void sequence_commit(struct sequence *sequence, uint32_t branch);

/* Row `row` (0 .. sequence->logits - 1) of the last pass's logits, float [vocab]. */
const float *sequence_logits(const struct sequence *sequence, uint32_t row);

/* Forgets positions from `position` on. */
void sequence_rewind(struct sequence *sequence, uint32_t position);

/* Slots below `end` are about to be written from outside a pass (a restored state): zeroes what has
 * not been touched. */
void sequence_reserve(struct sequence *sequence, uint32_t end);
/* Slots from .. to - 1 have been: the engine may keep a copy of them. */
void sequence_cache_written(struct sequence *sequence, uint32_t from, uint32_t to);

#endif
