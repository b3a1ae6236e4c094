/* The seam between the runtime and an engine (CPU, iGPU, NPU). An engine is one constant table of
 * functions in two phases:
 *
 *   setup    slow, may fail, may call drivers       probe  model_*  prepare_*
 *   steady   nothing allocated or created, bounded  submit  wait
 *
 * The unit of work is a whole prepared program, not an operation. Memory comes from the caller:
 * every phase is measured, then opened in memory of exactly that size and alignment 64. Results
 * obey docs/numerics.md bit for bit on every engine. */
#ifndef HAL_HAL_H
#define HAL_HAL_H

#include "apus/apus.h"
#include "hal/program.h"

struct hal_need {
    uint64_t bytes;        /* of the caller's memory, which is 64-aligned */
    uint64_t driver_bytes; /* what drivers take in addition */
};

struct hal_model_setup {
    const struct hal_model *model;
    const struct hal_program *program; /* the whole model's; NULL while measuring */
    const apus_port *port;             /* may be NULL, as may its members */
    apus_cpu cpu;                      /* mask; the CPU engine */
    const char *device, *options;      /* as in apus_engine_config, like the overlay, which must not
                                     change while the model is open */
    const void *overlay;
    size_t overlay_bytes;
    const void *pipeline_cache; /* what model_pipeline_cache gave, unchanged, or NULL; it may come
                                   from another device; read only while opening */
    size_t pipeline_cache_bytes;
    struct hal_range layers; /* the layers whose weights are needed: those of the programs */
};

/* Matrix products of a CPU program that another engine computes. (The NPU has integer products
 * only, so every float step stays with the CPU.) One thread of the pass calls it, and the others
 * wait. */
struct hal_matrices {
    /* Computes the whole operation HAL_GEMV for `columns` columns of SLOT_A (hal/act.h): writes
     * every output slot, or adds to it. Sets *bad |= 1 where a value leaves the range of snap().
     * APUS_OK or APUS_E_ENGINE. */
    apus_status (*multiply)(void *user, const struct hal_op *op, uint32_t columns, uint32_t *bad);
    void *user;
    const uint8_t *takes; /* [operations of the program] nonzero: it computes this one; NULL: it
                             computes none */
};

struct hal_setup {
    const struct hal_model *model;
    const struct hal_program *program;
    struct hal_range layers; /* the program's layers; caches of other layers are not touched */
    const apus_port *port;
    void *model_memory;       /* as model_open left it */
    apus_pool *pool;          /* the CPU's threads (hal/pool.h); NULL: only the caller's thread. Not
                                 read while measuring */
    uint8_t *slot[HAL_SLOTS]; /* columns_max (LOGITS: HAL_LOGITS_MAX) columns each; host memory */
    uint8_t *const *kv;       /* [layers] the layer's cache (hal/kv.h), NULL without attention; may
                                 be NULL while measuring */
    enum kv_type kv_type;
    uint32_t kv_slots[HAL_VIEWS]; /* of the caches of each view's layers: multiples of KV_PANEL, at
                                     least columns_max; 0: the model has no such view */
    uint32_t columns_max;         /* 1 .. HAL_COLUMNS_MAX */
    uint32_t threads;             /* at most so many of the pool's; at least 1 */
    struct hal_matrices matrices; /* the CPU engine only */
};

static inline struct kv_cache hal_cache(const struct hal_setup *setup, uint32_t layer) {
    assert(layer < setup->model->dims->layers);
    return (struct kv_cache){setup->kv ? setup->kv[layer] : NULL, setup->kv_type,
                             setup->kv_slots[hal_view_of(setup->model, layer)],
                             setup->model->layers[layer].kv_heads, setup->model->dims->head_dim};
}

/* Whether a setup that is not for measuring obeys the rules above. prepare asserts it. */
static inline int hal_setup_good(const struct hal_setup *setup) {
    int good = setup->model && setup->program && setup->model_memory && setup->kv &&
               setup->layers.first < setup->layers.end &&
               setup->layers.end <= setup->model->dims->layers && setup->columns_max >= 1 &&
               setup->columns_max <= HAL_COLUMNS_MAX && setup->threads >= 1;
    for (uint32_t v = 0; good && v < HAL_VIEWS; v++)
        good = setup->kv_slots[v] % KV_PANEL == 0 &&
               (setup->kv_slots[v] ? setup->kv_slots[v] >= setup->columns_max : v > 0);
    for (uint32_t i = 0; good && i < HAL_SLOTS; i++)
        good = (uintptr_t)setup->slot[i] % PLACE_LINE == 0 &&
               setup->program->stride[i] % PLACE_LINE == 0;
    return good;
}

/* In the form of apus_probe. */
typedef void hal_say(void *user, const char *engine, int available, const char *text);

struct hal_engine {
    const char *name;

    /* Says in words what the engine would need on this machine, in one or more calls of say. Like
     * every function of an engine, it looks at the machine only through the port. */
    void (*probe)(const apus_port *port, hal_say *say, void *user);

    /* Whether the engine computes this operation of the model as it is: its kind, the types of its
     * weights (weight: their indices), its shape. Layers with an operation that the engine does not
     * take are given to the CPU. NULL where the engine takes everything that the CPU takes. */
    int (*takes)(const struct hal_model *model, const struct hal_op *op, const uint32_t *weight);

    /* A model on the engine: weights imported or uploaded, code chosen. Any number of programs on
     * any threads share it. */
    apus_status (*model_measure)(const struct hal_model_setup *setup, struct hal_need *need);
    apus_status (*model_open)(void *memory, const struct hal_model_setup *setup);
    void (*model_close)(void *memory);
    /* What was compiled for the device, as in apus_model_pipeline_cache. NULL where nothing is
     * compiled. */
    apus_status (*model_pipeline_cache)(const void *memory, void *data, size_t capacity,
                                        size_t *bytes);
    const char *(*model_detail)(const void *memory); /* the code in use: "avx512" */

    /* A program with its slots and cache. Pointers to slots and cache are not read while
     * measuring. */
    apus_status (*prepare_measure)(const struct hal_setup *setup, struct hal_need *need);
    apus_status (*prepare)(void *memory, const struct hal_setup *setup);
    void (*release)(void *memory);

    /* Starts a pass. Tickets complete in order. The pass and its columns may be freed when submit
     * returns. */
    apus_status (*submit)(void *memory, const struct hal_pass *pass, uint64_t *ticket);
    /* APUS_OK: results and cache rows are in the caller's memory. APUS_PARTIAL: the pass was
     * stopped; its rows and results are undefined until it is resumed. Each call takes it further,
     * unless it was cancelled before. What it needs to continue is in the slots and the program's
     * memory, and another pass overwrites that. APUS_E_NUMERIC: a value left the range of snap(),
     * and rows and results are undefined. APUS_E_ENGINE: the engine is lost, and with it everything
     * that it had of the pass. */
    apus_status (*wait)(void *memory, uint64_t ticket);

    /* Whether wait would return at once. With this function, the caller's thread may do other work
     * between submit and wait. NULL where it computes in these two itself. */
    int (*done)(void *memory, uint64_t ticket);

    /* The caller has itself changed rows of a view's caches in slots from .. to - 1 (a restored
     * state, a branch that was kept). NULL where the engine reads the caller's cache in place. */
    void (*cache_written)(void *memory, uint32_t view, uint32_t from, uint32_t to);
};

/* Every engine of this build, best first; NULL ends the list. Defined by the runtime's engine
 * list. */
extern const struct hal_engine *const hal_engines[];
const struct hal_engine *hal_engine_find(const char *name); /* NULL if this build has no engine of
                                                               that name */

extern const struct hal_engine hal_cpu_engine;  /* cpu/backend.c */
extern const struct hal_engine hal_igpu_engine; /* igpu/engine.c, in builds with APUS_IGPU */
extern const struct hal_engine hal_npu_engine;  /* npu/npu_backend.c, in builds with APUS_NPU */

#endif
