#include "hal/kv.h"

#include <assert.h>
#include <string.h>

#include "hal/place.h"
#include "hal/scalar.h"

/* A kv head is four strips, one after another, each made of panels of 16 slots: K, V, their scales.
 * So a type says only how many bits a value has and how a row lies within its panels. */
enum strip { K, V, KSCALE, VSCALE, STRIPS };

static const uint8_t value_bits[KV_TYPES] = {[KV_8] = 8};

/* Bytes of one panel. */
static size_t strip_panel(const struct kv_cache *c, uint32_t strip) {
    return strip < KSCALE ? (size_t)KV_PANEL * c->head_dim * value_bits[c->type] / 8
                          : KV_PANEL * sizeof(float);
}

/* Where the panel of a slot begins. The cache may be a saved one, which may have any alignment. */
static uint8_t *panel_of(const struct kv_cache *c, uint32_t head, uint32_t strip, uint32_t slot) {
    size_t at = head * (size_t)kv_head_bytes(c);
    for (uint32_t s = 0; s < strip; s++) at += c->slots / KV_PANEL * strip_panel(c, s);
    return c->data + at + slot / KV_PANEL * strip_panel(c, strip);
}

uint64_t kv_head_bytes(const struct kv_cache *c) {
    uint64_t panel = 0;
    for (uint32_t s = 0; s < STRIPS; s++) panel += strip_panel(c, s);
    return place_up(c->slots / KV_PANEL * panel, PLACE_LINE);
}

uint64_t kv_bytes(const struct kv_cache *c) { return place_product(c->kv_heads, kv_head_bytes(c)); }

struct kv_head kv_head_of(const struct kv_cache *c, uint32_t head) {
    assert(head < c->kv_heads && (uintptr_t)c->data % PLACE_LINE == 0);
    return (struct kv_head){panel_of(c, head, K, 0), (int8_t *)panel_of(c, head, V, 0),
                            (float *)(void *)panel_of(c, head, KSCALE, 0),
                            (float *)(void *)panel_of(c, head, VSCALE, 0)};
}

/* -------------------------------------------------------------------------------------- KV_8 -- */

static void store_k8(uint8_t *panel, uint32_t slot, uint32_t head_dim, const int8_t *q) {
    for (uint32_t c = 0; c < head_dim; c += 4) {
        uint8_t *at = panel + kv8_k_index(slot, c, head_dim);
        for (uint32_t i = 0; i < 4; i++) at[i] = (uint8_t)(q[c + i] + 128);
    }
}

static void store_v8(uint8_t *panel, uint32_t slot, uint32_t head_dim, const int8_t *q) {
    uint8_t *at = panel + kv8_v_index(slot, 0, head_dim);
    for (uint32_t c = 0; c < head_dim; c++) at[(size_t)c * 4] = (uint8_t)q[c];
}

/* Copies the bytes of K and V from one slot to another, or zeroes them where there is no source.
 * Slots are counted from the beginning of their panels. */
static void move_row8(uint8_t *k, uint8_t *v, uint32_t to, const uint8_t *from_k,
                      const uint8_t *from_v, uint32_t from, uint32_t head_dim) {
    for (uint32_t c = 0; c < head_dim; c++) {
        k[kv8_k_index(to, c, head_dim)] = from_k ? from_k[kv8_k_index(from, c, head_dim)] : 0;
        v[kv8_v_index(to, c, head_dim)] = from_v ? from_v[kv8_v_index(from, c, head_dim)] : 0;
    }
}

/* -------------------------------------------------------------------------------- every type -- */

void kv_store(const struct kv_cache *c, uint32_t head, uint32_t slot, enum kv_part part,
              const int8_t *q, float scale) {
    assert(head < c->kv_heads && slot < c->slots && (uintptr_t)c->data % PLACE_LINE == 0);
    assert(c->slots % KV_PANEL == 0 && c->head_dim % 16 == 0 && q);
    uint8_t *panel = panel_of(c, head, part, slot);
    uint32_t at = slot % KV_PANEL;
    switch (c->type) {
    case KV_8:
        if (part == KV_K)
            store_k8(panel, at, c->head_dim, q);
        else
            store_v8(panel, at, c->head_dim, q);
        break;
    }
    float *scales = (float *)(void *)panel_of(c, head, part == KV_K ? KSCALE : VSCALE, slot);
    scales[at] = scale;
}

/* Copies the row of one kv head to slot `to`, or zeroes the row there where `from` is NULL. */
static void move_row(const struct kv_cache *c, uint32_t head, uint32_t to, const uint32_t *from) {
    static const uint8_t zero[sizeof(float)];
    uint8_t *strip[STRIPS];
    const uint8_t *of[STRIPS] = {NULL};
    uint32_t from_at = from ? *from % KV_PANEL : 0, to_at = to % KV_PANEL;
    for (uint32_t s = 0; s < STRIPS; s++) {
        strip[s] = panel_of(c, head, s, to);
        if (from) of[s] = panel_of(c, head, s, *from);
    }
    switch (c->type) {
    case KV_8:
        move_row8(strip[K], strip[V], to_at, of[K], of[V], from_at, c->head_dim);
        break;
    }
    for (uint32_t s = KSCALE; s <= VSCALE; s++)
        memcpy(strip[s] + to_at * sizeof(float), from ? of[s] + from_at * sizeof(float) : zero,
               sizeof(float));
}

void kv_move(const struct kv_cache *c, uint32_t from, uint32_t to) {
    assert(from < c->slots && to < c->slots);
    for (uint32_t h = 0; h < c->kv_heads; h++) move_row(c, h, to, &from);
}

void kv_zero(const struct kv_cache *c, uint32_t from, uint32_t to) {
    assert(from <= to && to <= c->slots);
    for (uint32_t h = 0; h < c->kv_heads; h++) {
        uint32_t slot = from;
        for (; slot < to && slot % KV_PANEL; slot++) move_row(c, h, slot, NULL);
        const size_t panels = (to - slot) / KV_PANEL;
        for (uint32_t s = 0; s < STRIPS && panels; s++)
            memset(panel_of(c, h, s, slot), 0, panels * strip_panel(c, s));
        for (slot += (uint32_t)panels * KV_PANEL; slot < to; slot++) move_row(c, h, slot, NULL);
    }
}

void kv_copy(const struct kv_cache *target, uint32_t to, const struct kv_cache *source,
             uint32_t from, uint32_t count) {
    assert(target->type == source->type && target->kv_heads == source->kv_heads &&
           target->head_dim == source->head_dim);
    assert(to % KV_PANEL == 0 && from % KV_PANEL == 0 && count % KV_PANEL == 0);
    assert(to + count <= target->slots && from + count <= source->slots);
    for (uint32_t h = 0; h < target->kv_heads && count; h++)
        for (uint32_t s = 0; s < STRIPS; s++)
            memcpy(panel_of(target, h, s, to), panel_of(source, h, s, from),
                   count / KV_PANEL * strip_panel(target, s));
}

/* ------------------------------------------------------------------------------ saved states -- */

/* The saved rows as a cache. The functions that read it do not write to it, so data may be
 * constant. */
static struct kv_cache saved(const struct kv_cache *like, uint32_t first, uint32_t count,
                             const void *data) {
    struct kv_cache s = *like;
    s.data = (uint8_t *)(uintptr_t)data;
    s.slots = (first % KV_PANEL + count + KV_PANEL - 1) / KV_PANEL * KV_PANEL;
    return s;
}

uint64_t kv_saved_bytes(const struct kv_cache *c, uint32_t first, uint32_t count) {
    struct kv_cache s = saved(c, first, count, NULL);
    return kv_bytes(&s);
}

/* How many of the saved cache's slots from `at` on lie one after another in the cache, where the
 * first of them lies in slot *slot. */
static uint32_t run_of(const struct kv_cache *c, const struct kv_cache *s, uint32_t first,
                       uint32_t at, uint32_t *slot) {
    assert(s->slots <= c->slots);
    *slot = (first - first % KV_PANEL + at) % c->slots;
    const uint32_t left = s->slots - at, room = c->slots - *slot;
    return left < room ? left : room;
}

void kv_export(const struct kv_cache *c, uint32_t first, uint32_t count, void *data) {
    struct kv_cache s = saved(c, first, count, data);
    assert(data || !kv_bytes(&s));
    for (uint32_t at = 0, slot, run; at < s.slots; at += run) {
        run = run_of(c, &s, first, at, &slot);
        kv_copy(&s, at, c, slot, run);
    }
    kv_zero(&s, 0, s.slots ? first % KV_PANEL : 0);
    kv_zero(&s, s.slots ? first % KV_PANEL + count : 0, s.slots);
}

uint32_t kv_saved_bad(const struct kv_cache *c, uint32_t first, uint32_t count, const void *data) {
    struct kv_cache s = saved(c, first, count, data);
    for (uint32_t h = 0; h < s.kv_heads; h++) {
        const uint8_t *scales = panel_of(&s, h, KSCALE, 0);
        for (uint32_t i = 0; i < 2 * s.slots; i++) { /* the scales of V follow those of K */
            uint32_t b;
            memcpy(&b, scales + i * sizeof b, sizeof b);
            if (b && (b < SNAP_LOW || b > SNAP_HIGH)) return h;
        }
    }
    return s.kv_heads;
}

void kv_import(const struct kv_cache *c, uint32_t first, uint32_t count, const void *data) {
    struct kv_cache s = saved(c, first, count, data);
    assert(kv_saved_bad(c, first, count, data) == c->kv_heads);
    for (uint32_t at = 0, slot, run; at < s.slots; at += run) {
        run = run_of(c, &s, first, at, &slot);
        kv_copy(c, slot, &s, at, run);
    }
}
