/* A program on a device: its buffers, and a recorded pass for every bucket of columns.
 *
 * An operation becomes steps, each of which is one dispatch with a barrier before it: up to three,
 * or one for each piece of its weights if a weight is in pieces. Steps are recorded in segments,
 * one per layer. A pass submits all its segments at once, or a few at a time if a long prompt would
 * hold the device for more than a tenth of a second. */
#ifndef IGPU_PROGRAM_H
#define IGPU_PROGRAM_H

#include "igpu/device_model.h"

/* The parts of the device's buffer, and of the buffer that the host fills and reads. */
enum part {
    PART_X,
    PART_Q,
    PART_K,
    PART_V,
    PART_G,
    PART_U,
    PART_ACT,     /* quantized columns */
    PART_QI,      /* quantized queries */
    PART_STATE,   /* of attention, one for each query */
    PART_LARGEST, /* the largest magnitude of each column, or of each pair, as float bits */
    PART_ROUTER,
    PART_CHOICES, /* of each column: its experts, their weights, and the places of the pairs */
    PART_RUNS,    /* of each expert: its first pair, and how many there are */
    PART_PAIRS,   /* quantized pairs, in tiles of TILE */
    PARTS_WORK,
    PART_ARGS = PARTS_WORK, /* from here on the parts of the host's buffer */
    PART_GRIDS,             /* VkDispatchIndirectCommand, one for each step */
    PART_STATUS, /* whether a value was out of range; then of each layer with experts, how many of
                    them some column chose */
    PART_LOGITS,
    PART_FRESH, /* the pass's K and V rows, one layer after the other */
    PARTS
};
enum { PART_ALIGN = 256 }; /* bytes; every driver accepts such multiples as the offset of a part */

/* The grid of a step: its workgroups in the directions x, y, z. "columns" are those of the
 * operation; with HAL_TAIL they are only those that want logits. "x" is the member x of struct
 * step. */
enum rule {
    RULE_COLUMNS,   /* columns */
    RULE_X,         /* x */
    RULE_X_COLUMNS, /* x, columns times `vectors` */
    RULE_TILES_X,   /* tiles of 16 columns, x */
    RULE_RUNS_X,    /* the same; of a prompt by cooperative matrices, runs of MATRIX_TILES tiles */
    RULE_SPLITS     /* runs of SPLIT slots in which some column sees a slot, x, columns */
};

struct step {
    enum shader shader;
    uint32_t types; /* of a GEMV: a set of GEMV_W8 .. */
    enum rule rule;
    uint32_t x, tail, view;
    uint32_t vectors; /* of a column: 1, or as many as it has experts */
    uint32_t push_bytes;
    uint32_t push[PUSH_BYTES / 4];
    struct range act, in[BIND_ARRAY], out[BIND_ARRAY]; /* one whose buffer is NULL is not used */
};

/* What each pass needs to know of a step, to write its grid. */
struct grid {
    enum rule rule;
    uint32_t x, tail, view, vectors;
};

/* Where the arguments for the layers of a view begin, in words of 4 bytes. */
struct view_layout {
    uint32_t columns_at; /* [columns_max] columns */
    uint32_t ranges_at;  /* [columns_max][HAL_RANGES_MAX] ranges of the slots that a column sees */
    uint32_t splits_at;  /* first slots of the runs of SPLIT slots that attention reads */
};

struct program_layout {
    uint64_t offset[PARTS], bytes[PARTS]; /* inside the device's buffer or the host's */
    uint64_t work_bytes, host_bytes, kv_bytes, kv_largest;
    uint32_t steps, segments; /* upper bounds */
    /* Where parts of the arguments begin, in words of 4 bytes, and the words of a row of the
     * embedding and of a column of queries. */
    uint32_t rope_at, rows_at, row_words, qi_words;
    struct view_layout view[HAL_VIEWS];
    uint64_t kv, sets, grids, segment_end, commands, slots, memory; /* offsets in the caller's
                                                                       memory, and its size */
};

struct igpu_program {
    struct igpu_model *model;
    struct hal_setup setup;
    struct program_layout at;
    const struct blob_tensor *embed; /* as program_embed returns it */
    struct heap work, host;
    VkDescriptorPool sets_pool;
    VkCommandPool commands_pool;
    VkSemaphore timeline;
    struct heap *kv;           /* [layers] the device's copy of the cache; a layer without attention
                                  has an empty heap */
    VkDescriptorSet *sets;     /* [steps] */
    struct grid *grids;        /* [steps] */
    uint32_t *segment_end;     /* [segments] index of the step after the segment's last */
    VkCommandBuffer *commands; /* [BUCKETS][segments] */
    uint32_t steps, segments;  /* how many are recorded */

    /* The pass in progress. */
    uint64_t submitted;   /* the value of the timeline after the last submission */
    uint64_t submissions; /* since the program was prepared */
    uint32_t columns, logits_from, bucket;
    uint32_t next_segment, in_flight; /* first segment of the submission, and how many it has */
    uint64_t began_ns;                /* when the submission began */
    struct hal_stop stop;
    uint64_t *chosen_bytes; /* the pass's */
    int stopped;            /* cancelled before anything of the pass was submitted */
    uint32_t *slots;        /* [HAL_VIEWS][columns_max] where each column's K and V rows go */
    uint64_t unit_ns; /* time that a segment takes for one tile of columns; 0: not measured yet */
    int lost;         /* a call failed: the device is not used again */
};

/* igpu/layout.c. The kv heads of a layer (0 outside the program's layers), and its cache in the
 * caller's memory. Whether a pass takes X from the host's slot, and whether it gives X back to it:
 * other engines then have the layers before or after these. */
uint32_t program_kv_heads(const struct hal_setup *setup, uint32_t layer);
struct kv_cache program_cache(const struct hal_setup *setup, uint32_t layer);
int program_takes_x(const struct hal_setup *setup);
int program_gives_x(const struct hal_setup *setup);
/* The tensor whose rows a pass's arguments carry; NULL if the program has no HAL_EMBED. */
const struct blob_tensor *program_embed(const struct hal_setup *setup);
struct program_layout program_layout(const struct hal_setup *setup);
/* Returns NULL, or why the device cannot hold a program of that size. */
const char *program_fits(const struct igpu_model *model, const struct program_layout *layout);
struct range program_part(const struct igpu_program *program, enum part part);

/* igpu/steps.c. Whether the engine has steps for operations of this kind. */
int step_is_known(enum hal_op_kind kind);
/* Fills in step `part` (0, 1 ...) of an operation, for passes of `cols` columns. Returns 0 if the
 * operation has no such step. */
int step_make(const struct igpu_program *program, const struct hal_op *op, uint32_t cols,
              uint32_t part, struct step *step);

/* igpu/record.c. Makes the descriptor sets, grids and commands. Returns VK_SUCCESS, or the error,
 * with the name of the call that failed in *call. */
VkResult program_record(struct igpu_program *program, const char **call);

apus_status igpu_prepare_measure(const struct hal_setup *setup, struct hal_need *need);
apus_status igpu_prepare(void *memory, const struct hal_setup *setup);
void igpu_release(void *memory);

/* igpu/pass.c. program_run runs a whole pass and leaves its results on the device. */
apus_status program_run(struct igpu_program *program, const struct hal_pass *pass);
apus_status igpu_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket);
apus_status igpu_wait(void *memory, uint64_t ticket);
int igpu_done(void *memory, uint64_t ticket);
void igpu_cache_written(void *memory, uint32_t view, uint32_t from, uint32_t to);

#endif
