/* An engine with a prepared program on a random model, and its cache: what the tests of engines run
 * passes on. */
#ifndef TESTS_HAL_RIG_H
#define TESTS_HAL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "hal/hal.h"
#include "tests/hal/random_model.h"

enum { TOKENS = 34, SLOTS = 640, POSITIONS = 64, COLUMNS = 48 };
enum { SHAPES = 8 };
extern const struct random_shape shapes[SHAPES];

/* The engine under test, and how it may be asked to compute: instruction sets and threads are the
 * CPU's. */
extern const struct hal_engine *tested;
extern const char *device, *options;
extern apus_map overlay;     /* of an NPU */
extern enum kv_type kv_type; /* of the caches of rigs that are opened from here on */
int last_cpu(void);
uint32_t last_threads(void);

struct rig {
    const struct hal_engine *engine;
    apus_port port; /* the host's, or with a clock of the test's */
    struct hal_program program;
    struct hal_op *ops;
    uint32_t *weight;
    uint8_t *kv[8], *slot[HAL_SLOTS];
    uint32_t kv_slots[HAL_VIEWS];
    void *model_memory, *memory;
    apus_pool *pool;
    uint32_t cancel;
    uint64_t chosen_bytes;                           /* of passes since rig_clear */
    struct kv_range range[COLUMNS * HAL_RANGES_MAX]; /* of the pass; those of a line from 0 on */
};

/* NULL if this machine lacks the mask. rig_open: all threads compute all the time. */
struct rig *rig_open_on(const struct hal_engine *engine, const struct hal_model *model,
                        apus_cpu cpu, uint32_t threads, const apus_port *port);
struct rig *rig_open(const struct hal_engine *engine, const struct hal_model *model, apus_cpu cpu,
                     uint32_t threads);
/* With caches of so many slots for each view. */
struct rig *rig_open_rings(const struct hal_engine *engine, const struct hal_model *model,
                           apus_cpu cpu, uint32_t threads, const uint32_t kv_slots[HAL_VIEWS]);
void rig_close(struct rig *rig);
/* As freshly opened: nothing in the cache that the caller sees. */
void rig_clear(struct rig *rig, const struct hal_model *model);
/* Rows that nobody has written, or that a column does not see, hold what would show: values of 127
 * and scales that are no numbers. */
void rig_poison(struct rig *rig, const struct hal_model *model);
struct kv_cache cache_of(const struct rig *rig, const struct hal_model *model, uint32_t layer);

/* Columns of a line: first .. first + count - 1. */
void linear(struct rig *rig, struct hal_column *column, uint32_t first, uint32_t count,
            uint32_t vocab);
int32_t id_at(uint32_t position, uint32_t vocab);
struct hal_pass pass_of(struct rig *rig, const struct hal_column *columns, uint32_t count,
                        uint32_t logits_from);
apus_status run(struct rig *rig, const struct hal_column *columns, uint32_t count,
                uint32_t logits_from);
apus_status run_pass(struct rig *rig, const struct hal_pass *pass);

#endif
