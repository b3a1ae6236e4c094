/* A model with its cache and the positions that it has evaluated. The target of a session is one
 * sequence, its draft another. Slot = position.
 *
 * A sequence does not know text: it is given ids and evaluates them. The cache has the rows of
 * positions 0 .. evaluated - 1. Going back only lowers `evaluated`.
 *
 * Layers with a window need the rows of the last `window` positions alone. Their caches are rings:
 * a position's row is in slot position % slots, and takes the place of one that lies far enough
 * behind. So such a layer keeps a window, and what the widest pass writes besides. Going back
 * further than that leaves nothing that could be used, and `evaluated` becomes 0: the positions
 * before a window's first one are needed to evaluate it again, each behind its own window, down to
 * the first of all. A window that no context of the sequence exceeds is none. */
#ifndef RUNTIME_SEQUENCE_H
#define RUNTIME_SEQUENCE_H

#include "runtime/model.h"

#define NO_LOGITS UINT32_MAX

/* What the sequence has for each view of the model. */
struct sequence_view {
    uint32_t window; /* how many positions its layers see, themselves included; 0: all */
    uint32_t slots;  /* of its layers' caches; 0: the model does not have this view */
    uint32_t kept;   /* the rows of positions below this one are gone; at most evaluated - window,
                        where `evaluated` is larger than that */
    struct hal_column *column; /* [chunk]; that of view 0 where the window is 0 */
};

/* An engine with the sequence's program, or with the part of it that computes some layers. */
struct sequence_engine {
    const struct hal_engine *engine;
    void *model_memory, *memory;
    struct hal_range layers;
    struct hal_program program;
};

struct sequence {
    const apus_model *model;
    struct hal_model hal;
    const size_t *stride; /* [HAL_SLOTS] of the model's program */
    struct sequence_view view[HAL_VIEWS];
    struct kv_range *range; /* the slots of the caches that the columns of the pass see */
    uint32_t ranges;
    uint8_t **kv; /* [layers] sequence_cache */
    enum kv_type kv_type;
    uint32_t kv_reserved; /* slots that have been zeroed, as far as a cache has them; a multiple of
                             16 */
    uint32_t chunk;       /* most columns of a pass */
    uint8_t *slot[HAL_SLOTS];
    struct sequence_engine engine[MODEL_ENGINES]; /* as in the model; the engine that continues when
                                                     another one fails is prepared, and its memory
                                                     measured, too */
    uint32_t engines, at; /* how many, and the first that computes: engines that failed are not used
                             again */
    uint32_t parts;       /* how many engines from `at` on compute one pass */

    uint32_t evaluated; /* positions with rows in the cache */
    uint32_t logits_at; /* the position whose logits are the last row, or NO_LOGITS */
    uint32_t branches;  /* of the last pass, in the slots after its line */
    uint32_t logits;    /* rows of logits of the last pass; the last row is that of logits_at */
    uint64_t passes;
    uint64_t chosen_bytes; /* of experts, in all passes so far (hal/program.h) */

    /* About the pass in progress, or the last one. */
    struct hal_pass pass;
    uint32_t line;
    uint32_t part;   /* the part that the pass is in, counted from `at` */
    uint64_t ticket; /* of that part */
    apus_status submit_status;
    int stopped; /* the pass was stopped after a part of its work and can be continued */
};

/* What a sequence is opened for. */
struct sequence_config {
    const apus_model *model;
    uint32_t positions, chunk, threads;
    enum kv_type kv_type;
    apus_pool *pool; /* the CPU's threads; not read while measuring */
};

/* Where a sequence's parts lie in memory that begins 64-aligned. One walk serves measuring and
 * opening. */
struct sequence_layout {
    uint64_t column[HAL_VIEWS], range, kv_table, engine[MODEL_ENGINES], slots, kv;
    uint64_t driver_bytes;
    uint64_t slot[HAL_SLOTS];
    uint64_t bytes;
};
apus_status sequence_measure(const struct sequence_config *config, struct sequence_layout *layout);
apus_status sequence_open(struct sequence *sequence, const struct sequence_config *config,
                          const struct sequence_layout *layout, void *memory);
void sequence_close(struct sequence *sequence);
/* How many slots the caches of each view's layers have. */
void sequence_slots(const struct sequence_config *config, uint32_t slots[HAL_VIEWS]);

/* The engine that computes the first part. It also knows the code or device in use. */
static inline const struct sequence_engine *sequence_engine(const struct sequence *sequence) {
    return &sequence->engine[sequence->at];
}

/* A layer's cache. */
struct kv_cache sequence_cache(const struct sequence *sequence, uint32_t layer);

/* How many of ids[0 .. count), the ids that come next, the next pass should take. After a stopped
 * pass these are the ids that it has in common, so that its work is not lost; otherwise as many as
 * fit. */
uint32_t sequence_columns(const struct sequence *sequence, const int32_t *ids, uint32_t count);

/* Evaluates ids[0 .. columns) at positions evaluated .. evaluated + columns - 1, with logits after
 * the last `logits` of them (at most HAL_LOGITS_MAX). On failure the sequence is as before, without
 * logits. APUS_PARTIAL: `stop` stopped the pass; a call with the same ids, or with the first of
 * them, continues it, if there was no other pass and no rewinding below `evaluated` in between.
 * When an engine is lost, the CPU does the pass again from the rows of the cache, which are all in
 * the arena. The result has the same bits. */
apus_status sequence_pass(struct sequence *sequence, const int32_t *ids, uint32_t columns,
                          uint32_t logits, struct hal_stop stop);

/* An id that takes the place of one in the line. */
struct sequence_branch {
    int32_t id;
    uint32_t beside; /* the id follows ids[beside], in the place of ids[beside + 1] */
};

/* The same in two parts, for a line of ids with logits after each, and for branches that end after
 * one id each; at most HAL_LOGITS_MAX in all. The logits have a row for each id of the line, then
 * one for each branch. Only the line counts as evaluated; sequence_commit makes a branch's id part
 * of it. Between the two calls the engine computes by itself if sequence_is_busy says so, and the
 * caller may compute elsewhere. */
void sequence_begin(struct sequence *sequence, const int32_t *ids, uint32_t line,
                    const struct sequence_branch *branch, uint32_t branches, struct hal_stop stop);
apus_status sequence_end(struct sequence *sequence);
/* Instead of sequence_begin, right after a sequence_end that gave APUS_PARTIAL or after calls that
 * change nothing: the pass goes on where it stopped. */
void sequence_resume(struct sequence *sequence, struct hal_stop stop);
/* After sequence_begin: whether sequence_end would have to wait. Always 0 for an engine that
 * computes on the caller's thread. */
int sequence_is_busy(const struct sequence *sequence);

/* Call this right after sequence_end. The line then continues after ids[beside] (0 for the first
 * branch) with this branch's id and ends there. */
void sequence_commit(struct sequence *sequence, uint32_t branch);

/* Row `row` (0 .. sequence->logits - 1) of the last pass's logits, float [vocab]; LOGIT_NONE of
 * runtime/sample.h for ids that the head has no row for. */
const float *sequence_logits(const struct sequence *sequence, uint32_t row);

/* Forgets positions from `position` on. Where a ring no longer has what the positions before need
 * to be continued, it forgets all of them. */
void sequence_rewind(struct sequence *sequence, uint32_t position);
/* Forgets the last position, which the next pass evaluates again for its logits. Until it has, the
 * rings may lack the row that lies `window` positions back (sequence_lacks), which is needed only
 * to go back once more. */
void sequence_again(struct sequence *sequence);
int sequence_lacks(const struct sequence *sequence);

/* For rows that are written from outside a pass (a restored state). sequence_reserve comes before
 * those of positions below `end` are written: it zeroes slots that were never used.
 * sequence_cache_written comes after those of positions from .. to - 1 were: the engine may keep a
 * copy of them. */
void sequence_reserve(struct sequence *sequence, uint32_t end);
void sequence_cache_written(struct sequence *sequence, uint32_t from, uint32_t to);

#endif
