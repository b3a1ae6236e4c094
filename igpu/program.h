/* A program on a device: its buffers, and for every bucket of columns a recorded pass.
 *
 * An operation becomes one to three steps (a dispatch each, a barrier before each); steps are
 * recorded in segments, one a layer, and a pass submits all segments at once, or a few at a time
 * where a long prefill would hold the device for more than a tenth of a second. */
#ifndef IGPU_PROGRAM_H
#define IGPU_PROGRAM_H

#include "igpu/device_model.h"

/* What lies in the device's buffer and in the one that the host fills and reads. */
enum part {
    PART_X,
    PART_Q,
    PART_K,
    PART_V,
    PART_G,
    PART_U,
    PART_ACT,     /* quantized columns */
    PART_QI,      /* quantized queries */
    PART_STATE,   /* of attention, a query each */
    PART_LARGEST, /* magnitude bits, a column each */
    PARTS_WORK,
    PART_ARGS = PARTS_WORK, /* from here on the host's */
    PART_GRIDS,             /* VkDispatchIndirectCommand, a step each */
    PART_STATUS,
    PART_LOGITS,
    PART_FRESH, /* the pass's K and V rows, a layer after the other */
    PARTS
};
enum { PART_ALIGN = 256 }; /* what any driver takes as the offset of a part */

/* How many workgroups a step has. "columns" are the operation's own: HAL_TAIL counts those that
 * want logits. */
enum rule {
    RULE_COLUMNS,   /* columns */
    RULE_X_COLUMNS, /* x, columns */
    RULE_TILES_X,   /* tiles of 16 columns, x */
    RULE_SPLITS     /* runs of SPLIT slots of which some column sees something, x, columns */
};

struct step {
    enum shader shader;
    uint32_t types; /* of a GEMV */
    enum rule rule;
    uint32_t x, tail;
    uint32_t push_bytes;
    uint32_t push[PUSH_BYTES / 4];
    struct range act, in[BIND_ARRAY], out[BIND_ARRAY]; /* buffer NULL: not used */
};

/* What of a step is needed for each pass. */
struct grid {
    enum rule rule;
    uint32_t x, tail;
};

struct program_layout {
    uint64_t offset[PARTS], bytes[PARTS]; /* in the device's buffer, in the host's */
    uint64_t work_bytes, host_bytes, kv_bytes, kv_largest;
    uint32_t steps, segments; /* at most */
    /* of the arguments, in words; of a column of queries */
    uint32_t rope_at, rows_at, row_words, qi_words;
    uint32_t ranges_at; /* [columns_max][HAL_RANGES_MAX] of the slots that a column sees */
    uint32_t splits_at; /* first slots of the runs of SPLIT that attention looks at */
    uint64_t kv, sets, grids, segment_end, commands, slots, memory; /* of the caller's memory */
};

struct igpu_program {
    struct igpu_model *model;
    struct hal_setup setup;
    struct program_layout at;
    const struct blob_tensor *embed; /* program_embed */
    struct heap work, host;
    VkDescriptorPool sets_pool;
    VkCommandPool commands_pool;
    VkSemaphore timeline;
    struct heap *kv;           /* [layers] the device's copy of the cache; empty without
                                  attention */
    VkDescriptorSet *sets;     /* [steps] */
    struct grid *grids;        /* [steps] */
    uint32_t *segment_end;     /* [segments] step behind the segment's last */
    VkCommandBuffer *commands; /* [BUCKETS][segments] */
    uint32_t steps, segments;  /* in use */

    /* A pass. */
    uint64_t submitted; /* the timeline's last value */
    uint64_t submissions;
    uint32_t columns, logits_from, bucket, next_segment, in_flight; /* segments */
    uint64_t began_ns;
    struct hal_stop stop;
    int stopped;      /* before anything of it was submitted */
    uint32_t *slots;  /* [columns_max] where each column's K and V rows go */
    uint64_t unit_ns; /* of a segment for one tile of columns; 0: not known yet */
    int lost;
};

/* igpu/layout.c. Kv heads of a layer, 0 outside the program's layers, and its cache in the caller's
 * memory; whether X comes from and goes to the host's slot. */
uint32_t program_kv_heads(const struct hal_setup *setup, uint32_t layer);
struct kv_cache program_cache(const struct hal_setup *setup, uint32_t layer);
int program_takes_x(const struct hal_setup *setup);
int program_gives_x(const struct hal_setup *setup);
/* The tensor whose rows a pass's arguments carry, NULL without HAL_EMBED. */
const struct blob_tensor *program_embed(const struct hal_setup *setup);
struct program_layout program_layout(const struct hal_setup *setup);
/* NULL, or why the device cannot hold a program of that size. */
const char *program_fits(const struct igpu_model *model, const struct program_layout *layout);
struct range program_part(const struct igpu_program *program, enum part part);

/* igpu/steps.c. Whether there are steps for the kind. */
int step_is_known(enum hal_op_kind kind);
/* Step `part` (0 ..) of an operation in passes of `cols` columns; 0 where it has no
 * such step. */
int step_make(const struct igpu_program *program, const struct hal_op *op, uint32_t cols,
              uint32_t part, struct step *step);

/* igpu/record.c: sets, grids and commands. VK_SUCCESS, or what failed, with the call in *call. */
VkResult program_record(struct igpu_program *program, const char **call);

apus_status igpu_prepare_measure(const struct hal_setup *setup, struct hal_need *need);
apus_status igpu_prepare(void *memory, const struct hal_setup *setup);
void igpu_release(void *memory);

/* igpu/pass.c. program_run leaves the results on the device. */
apus_status program_run(struct igpu_program *program, const struct hal_pass *pass);
apus_status igpu_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket);
apus_status igpu_wait(void *memory, uint64_t ticket);
int igpu_done(void *memory, uint64_t ticket);
void igpu_cache_written(void *memory, uint32_t from, uint32_t to);

#endif
