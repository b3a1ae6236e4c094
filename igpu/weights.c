#include "igpu/weights.h"

#include <assert.h>
#include <string.h>

static uint32_t panels_of(const struct blob_tensor *t) { return padded_rows(t->rows) / PANEL_ROWS; }

/* The result is a multiple of 4 panels, so that a piece begins at a multiple of 256 bytes, which
 * every driver accepts as an offset. */
uint32_t piece_panels(const struct blob_tensor *t) {
    uint64_t most = PIECE_BYTES / panel_bytes(t->type, t->cols);
    if (most > PIECE_PANELS_MAX) most = PIECE_PANELS_MAX;
    return (uint32_t)most & ~3u;
}

/* A walk over the pieces of all tensors that the layers use, in the order of the section of
 * weights. */
struct walk {
    const struct hal_model *model;
    struct hal_range layers;
    uint32_t tensor, piece;
};

static int is_used(const struct walk *w, uint32_t tensor) {
    const struct blob_model *m = w->model->dims;
    if (tensor == m->head) return w->layers.end == m->layers;
    for (uint32_t i = w->layers.first; i < w->layers.end; i++) {
        const struct blob_layer *layer = &w->model->layers[i];
        if (layer_variant(layer, w->model->variants)->router == tensor) return 1;
        for (uint32_t t = 0; t < LT_COUNT; t++)
            if (layer->tensor[t] == tensor) return 1;
    }
    return 0;
}

static int walk_next(struct walk *w, uint64_t *begin, uint64_t *end) {
    const struct blob_model *m = w->model->dims;
    for (; w->tensor < m->tensors; w->tensor++, w->piece = 0) {
        const struct blob_tensor *t = &w->model->tensors[w->tensor];
        uint32_t each = piece_panels(t), count = panels_of(t), from = w->piece * each;
        if (weight_traits(t->type)->form == WEIGHT_ROWS || from >= count || !is_used(w, w->tensor))
            continue;
        uint32_t to = count - from < each ? count : from + each;
        *begin = t->offset + (uint64_t)from * panel_bytes(t->type, t->cols);
        *end = t->offset + (uint64_t)to * panel_bytes(t->type, t->cols);
        w->piece++;
        return 1;
    }
    return 0;
}

/* Lays out the regions in order. A region takes further pieces while its bytes do not exceed
 * REGION_BYTES. If `regions` is NULL the regions are only counted. */
static uint32_t lay_regions(const struct hal_model *model, struct hal_range layers,
                            struct region *regions, uint64_t *bytes) {
    struct walk w = {model, layers, 0, 0};
    struct region r = {0};
    uint64_t begin, end;
    uint32_t count = 0;
    *bytes = 0;
    for (int more = walk_next(&w, &begin, &end); more; count++) {
        r.begin = begin, r.end = end;
        while ((more = walk_next(&w, &begin, &end)) && end - r.begin <= REGION_BYTES) r.end = end;
        if (regions) regions[count] = r;
        *bytes += r.end - r.begin;
    }
    return count;
}

uint32_t regions_count(const struct hal_model *model, struct hal_range layers) {
    uint64_t bytes;
    return lay_regions(model, layers, NULL, &bytes);
}

uint64_t regions_bytes(const struct hal_model *model, struct hal_range layers) {
    uint64_t bytes;
    lay_regions(model, layers, NULL, &bytes);
    return bytes;
}

static VkResult open_region(struct region *r, struct device *device, const uint8_t *weights,
                            uint64_t *imported) {
    uint64_t bytes = r->end - r->begin;
    if (device->facts.import && !heap_import(&r->heap, device, weights + r->begin, bytes)) {
        *imported += bytes;
        return VK_SUCCESS;
    }
    VkResult result = heap_open(&r->heap, device, HEAP_DEVICE, bytes);
    if (!result) memcpy(r->heap.map, weights + r->begin, bytes);
    return result;
}

VkResult regions_open(struct region *regions, struct device *device, const struct hal_model *model,
                      struct hal_range layers, uint64_t *imported) {
    uint64_t bytes;
    uint32_t count = lay_regions(model, layers, regions, &bytes);
    *imported = 0;
    for (uint32_t i = 0; i < count; i++) {
        VkResult r = open_region(&regions[i], device, model->weights, imported);
        if (!r) continue;
        regions_close(regions, i, device);
        return r;
    }
    return VK_SUCCESS;
}

void regions_close(struct region *regions, uint32_t count, struct device *device) {
    for (uint32_t i = 0; i < count; i++) heap_close(&regions[i].heap, device);
}

struct range region_piece(const struct region *regions, const struct blob_tensor *t, uint32_t piece,
                          uint32_t *panels) {
    uint32_t each = piece_panels(t), count = panels_of(t), from = piece * each;
    uint64_t stride = panel_bytes(t->type, t->cols), begin = t->offset + from * stride;
    assert(from < count);
    *panels = count - from < each ? count - from : each;
    while (begin >= regions->end) regions++;
    return heap_range(&regions->heap, begin - regions->begin, *panels * stride);
}

uint64_t rows_count(const struct hal_model *model) {
    uint64_t most = 0;
    for (uint32_t i = 0; i < model->dims->tensors; i++) {
        const struct blob_tensor *t = &model->tensors[i];
        uint64_t end = (uint64_t)t->row_scales + padded_rows(t->rows);
        if (end > most) most = end;
        end = (uint64_t)t->bias + padded_rows(t->rows);
        if (t->bias != BLOB_ABSENT && end > most) most = end;
    }
    return most;
}
