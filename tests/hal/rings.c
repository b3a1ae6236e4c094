/* Layers with windows, whose caches are rings, give the bits of whole caches in which ranges hide
 * what lies before the window. Rows that nobody has written hold what would show. */
#include "tests/hal/rings.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/ring.h"
#include "tests/hal/rig.h"

enum { COUNT = 60 };

#define WINDOW(width, has_sinks)                                                                   \
    {                                                                                              \
        .window = width, .q_gain = BLOB_ABSENT, .k_gain = BLOB_ABSENT, .router = BLOB_ABSENT,      \
        .sinks = has_sinks ? 0 : BLOB_ABSENT                                                       \
    }

static const struct random_shape windowed[] = {
    {.layers = 5,
     .dim = 64,
     .vocab = 80,
     .head_dim = 32,
     .positions = POSITIONS,
     .layer = {{.heads = 4, .kv_heads = 2, .ffn = 128, .variant = 1},
               {.heads = 2, .kv_heads = 2, .ffn = 64},
               {.heads = 6, .kv_heads = 1, .variant = 2},
               {.heads = 4, .kv_heads = 4, .ffn = 64, .variant = 3},
               {.heads = 2, .kv_heads = 1, .variant = 1}},
     .variant = {WINDOW(5, 1), WINDOW(17, 0), WINDOW(1, 1)}},
    {.layers = 2, /* none sees all */
     .dim = 64,
     .vocab = 50,
     .head_dim = 64,
     .positions = POSITIONS,
     .layer = {{.heads = 8, .kv_heads = 1, .ffn = 64, .variant = 1},
               {.heads = 2, .kv_heads = 2, .ffn = 64, .variant = 1}},
     .w4 = 1,
     .variant = {WINDOW(20, 1)}},
};

/* One pass of columns at positions first .. first + count - 1. */
static apus_status step(struct rig *r, const struct hal_model *model, uint32_t first,
                        uint32_t count) {
    struct hal_column column[HAL_VIEWS][COLUMNS] = {{{0}}};
    struct hal_pass pass = pass_of(r, column[0], count, 0);
    uint32_t ranges = 0;
    for (uint32_t v = 0; v < HAL_VIEWS && r->kv_slots[v]; v++) {
        pass.column[v] = column[v];
        for (uint32_t i = 0; i < count; i++) {
            const uint32_t at = first + i, window = model->window[v],
                           from = window && at + 1 > window ? at + 1 - window : 0,
                           n = ring_sight(r->kv_slots[v], from, at, at, r->range + ranges);
            column[v][i] = (struct hal_column){.id = id_at(at, model->dims->vocab),
                                               .position = at,
                                               .slot = at % r->kv_slots[v],
                                               .range = ranges,
                                               .ranges = n};
            ranges += n;
        }
    }
    return run_pass(r, &pass);
}

static void play(struct rig *r, const struct hal_model *model, uint32_t columns,
                 const float *want) {
    const uint32_t vocab = model->dims->vocab;
    rig_poison(r, model);
    for (uint32_t at = 0; at < COUNT;) {
        const uint32_t n = COUNT - at < columns ? COUNT - at : columns;
        assert_int_equal(step(r, model, at, n), APUS_OK);
        for (uint32_t i = 0; i < n; i++)
            if (memcmp(r->slot[SLOT_LOGITS] + i * r->program.stride[SLOT_LOGITS],
                       want + (size_t)(at + i) * vocab, vocab * sizeof *want))
                fail_msg("position %u, %u columns a pass, differs", at + i, columns);
        at += n;
    }
}

void windows_in_rings(void **unused) {
    (void)unused;
    static const uint32_t columns[] = {1, 2, 5, 16};
    for (size_t s = 0; s < sizeof windowed / sizeof *windowed; s++) {
        struct hal_model model = random_model(&windowed[s], (uint32_t)s + 1),
                         all = random_model(&windowed[s], (uint32_t)s + 1);
        const uint32_t vocab = model.dims->vocab;
        float *want = calloc(COUNT * vocab, sizeof *want);
        struct rig *ref = rig_open(&hal_cpu_engine, &model, APUS_CPU_REF, 1);
        rig_poison(ref, &model);
        for (uint32_t i = 0; i < COUNT; i++) {
            assert_int_equal(step(ref, &model, i, 1), APUS_OK);
            memcpy(want + i * vocab, ref->slot[SLOT_LOGITS], vocab * sizeof *want);
        }
        /* The windows tell: without them the last logits are others. */
        memset(model.window, 0, sizeof model.window);
        for (uint32_t v = 0; v < 8; v++)
            ((struct blob_variant *)(uintptr_t)model.variants)[v].window = 0;
        struct rig *blind = rig_open(&hal_cpu_engine, &model, APUS_CPU_REF, 1);
        for (uint32_t i = 0; i < COUNT; i++) assert_int_equal(step(blind, &model, i, 1), APUS_OK);
        assert_memory_not_equal(blind->slot[SLOT_LOGITS], want + (COUNT - 1) * vocab,
                                vocab * sizeof *want);
        rig_close(blind);
        for (int cpu = APUS_CPU_REF; cpu <= last_cpu(); cpu++)
            for (uint32_t threads = 1; threads <= last_threads(); threads++)
                for (size_t n = 0; n < sizeof columns / sizeof *columns; n++) {
                    uint32_t slots[HAL_VIEWS] = {SLOTS};
                    for (uint32_t v = 1; v < HAL_VIEWS; v++)
                        if (all.window[v])
                            slots[v] = (all.window[v] + columns[n] - 1 + KV_PANEL - 1) / KV_PANEL *
                                       KV_PANEL;
                    struct rig *r = rig_open_rings(tested, &all, (apus_cpu)cpu, threads, slots);
                    if (!r) continue;
                    play(r, &all, columns[n], want);
                    rig_close(r);
                }
        rig_close(ref);
        free(want);
        random_model_free(&model);
        random_model_free(&all);
    }
}
