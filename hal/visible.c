/* What the columns of a pass see of the cache, slot by slot, and as far as layers see. */
#include "hal/program.h"

#include <string.h>

int hal_sees(const struct hal_pass *pass, const struct hal_column *c, uint32_t slot) {
    const struct kv_range *range = pass->range + c->range;
    assert(c->range <= pass->ranges && c->ranges <= pass->ranges - c->range);
    for (uint32_t i = 0; i < c->ranges; i++)
        if (slot >= range[i].begin && slot < range[i].end) return 1;
    return slot >= c->tail && slot - c->tail < HAL_TREE_MAX && c->mask >> (slot - c->tail) & 1;
}

static int ranges_good(const struct hal_pass *pass, const struct hal_column *c, uint32_t kv_slots) {
    uint32_t end = 0;
    if (c->ranges > HAL_RANGES_MAX || c->range > pass->ranges ||
        c->ranges > pass->ranges - c->range)
        return 0;
    for (uint32_t i = 0; i < c->ranges; i++) {
        const struct kv_range *r = &pass->range[c->range + i];
        if (r->begin < end || r->begin >= r->end || r->end > kv_slots) return 0;
        end = r->end;
    }
    return 1;
}

/* The mask names slots of the cache that are in no range. */
static int mask_good(const struct hal_pass *pass, const struct hal_column *c, uint32_t kv_slots) {
    struct hal_column without = *c;
    without.mask = 0;
    if (c->mask >> HAL_TREE_MAX) return 0;
    for (uint32_t i = 0; i < HAL_TREE_MAX; i++)
        if (c->mask >> i & 1 && (c->tail >= kv_slots || i >= kv_slots - c->tail ||
                                 hal_sees(pass, &without, c->tail + i)))
            return 0;
    return 1;
}

static int columns_good(const struct hal_pass *pass, const struct hal_column *column,
                        uint32_t kv_slots) {
    for (uint32_t i = 0; i < pass->columns; i++) {
        const struct hal_column *c = &column[i];
        if (c->id != pass->column[0][i].id || c->position != pass->column[0][i].position) return 0;
        if (c->slot >= kv_slots || !ranges_good(pass, c, kv_slots) ||
            !mask_good(pass, c, kv_slots) || !hal_sees(pass, c, c->slot))
            return 0;
        for (uint32_t k = 0; k < i; k++) /* no row is written twice */
            if (column[k].slot == c->slot) return 0;
    }
    return 1;
}

int hal_pass_good(const struct hal_pass *pass, const uint32_t kv_slots[HAL_VIEWS]) {
    int good = pass->column[0] != NULL;
    for (uint32_t v = 0; good && v < HAL_VIEWS; v++)
        if (pass->column[v]) good = columns_good(pass, pass->column[v], kv_slots[v]);
    return good;
}

static uint32_t window_of(const struct hal_model *model, uint32_t layer) {
    return layer_variant(&model->layers[layer], model->variants)->window;
}

void hal_set_windows(struct hal_model *model) {
    uint32_t views = 1;
    memset(model->window, 0, sizeof model->window);
    for (uint32_t i = 0; i < model->dims->layers; i++) {
        const uint32_t window = window_of(model, i);
        uint32_t v = 0;
        while (v < views && model->window[v] != window) v++;
        assert(v < HAL_VIEWS);
        if (v == views) model->window[views++] = window;
    }
}

uint32_t hal_view_of(const struct hal_model *model, uint32_t layer) {
    const uint32_t window = window_of(model, layer);
    uint32_t v = 0;
    while (model->window[v] != window) {
        v++;
        assert(v < HAL_VIEWS);
    }
    return v;
}
