#include "hal/kv.h"

#include <assert.h>
#include <string.h>

#include "hal/place.h"
#include "hal/scalar.h"
#include "weights/format.h"

/* A kv head is four strips, one after another, each made of panels of 16 slots: K, V, their
 * scales. */
enum strip { K = KV_K, V = KV_V, KSCALE, VSCALE, STRIPS };

/* Bytes of one panel. */
static size_t strip_panel(const struct kv_cache *c, uint32_t strip) {
    return strip < KSCALE
               ? (size_t)KV_PANEL * c->head_dim * kv_bits(c->type, (enum kv_part)strip) / 8
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

/* -------------------------------------------------------------------------------------- rows -- */

/* The 16 levels that give a normal distribution the least squared error, for rows whose largest
 * magnitude, 127, is 2.6 times their root mean square. The outermost are nearer, because nothing is
 * beyond 127. */
const int8_t kv_levels[16] = {-125, -101, -79, -61, -46, -32, -19, -6,
                              6,    19,   32,  46,  61,  79,  101, 125};

/* The code of the nearest level, of two the upper one. */
static uint8_t code_of(int8_t q) {
    static const int8_t least[16] = {-128, -113, -90, -70, -53, -39, -25, -12,
                                     0,    13,   26,  39,  54,  70,  90,  113};
    uint32_t code = 0;
    for (uint32_t step = 8; step; step /= 2) code += q >= least[code + step] ? step : 0;
    return (uint8_t)code;
}

static uint32_t row_bytes(const struct kv_cache *c, enum kv_part part) {
    return c->head_dim * kv_bits(c->type, part) / 8;
}

/* Byte `byte` of a row of K or V. Panel and slot are those of panel_of, the slot counted from the
 * panel's beginning. */
static uint8_t *row_byte(uint8_t *panel, enum kv_part part, uint32_t slot, uint32_t byte,
                         uint32_t row) {
    return panel + (part == KV_K ? kv_k_index(slot, byte, row) : kv_v_index(slot, byte, row));
}

/* The row's bytes, one after another. */
static void make_row(const struct kv_cache *c, enum kv_part part, const int8_t *q, uint8_t *row) {
    if (kv_bits(c->type, part) == 8) {
        for (uint32_t i = 0; i < c->head_dim; i++)
            row[i] = (uint8_t)(part == KV_K ? q[i] + 128 : q[i]);
        return;
    }
    const uint32_t half = part == KV_K ? 4 : 8; /* channels of low halves, then of high ones */
    for (uint32_t g = 0; g < c->head_dim; g += 2 * half)
        for (uint32_t i = 0; i < half; i++)
            row[g / 2 + i] = (uint8_t)(code_of(q[g + i]) | code_of(q[g + half + i]) << 4);
}

/* -------------------------------------------------------------------------------- every type -- */

void kv_store(const struct kv_cache *c, uint32_t head, uint32_t slot, enum kv_part part,
              const int8_t *q, float scale) {
    assert(head < c->kv_heads && slot < c->slots && (uintptr_t)c->data % PLACE_LINE == 0);
    assert(c->slots % KV_PANEL == 0 && c->head_dim % 16 == 0 && q);
    assert(c->head_dim <= BLOB_HEAD_DIM_MAX);
    uint8_t row[BLOB_HEAD_DIM_MAX], *panel = panel_of(c, head, part, slot);
    const uint32_t at = slot % KV_PANEL, bytes = row_bytes(c, part);
    make_row(c, part, q, row);
    for (uint32_t i = 0; i < bytes; i++) *row_byte(panel, part, at, i, bytes) = row[i];
    float *scales = (float *)(void *)panel_of(c, head, part == KV_K ? KSCALE : VSCALE, slot);
    scales[at] = scale;
}

/* Copies the row of one kv head to slot `to`, or zeroes the row there where `from` is NULL. */
static void move_row(const struct kv_cache *c, uint32_t head, uint32_t to, const uint32_t *from) {
    static const uint8_t zero[sizeof(float)];
    const uint32_t from_at = from ? *from % KV_PANEL : 0, to_at = to % KV_PANEL;
    for (enum kv_part part = KV_K; part <= KV_V; part = (enum kv_part)(part + 1)) {
        const uint32_t bytes = row_bytes(c, part);
        uint8_t *panel = panel_of(c, head, part, to),
                *of = from ? panel_of(c, head, part, *from) : NULL;
        for (uint32_t i = 0; i < bytes; i++)
            *row_byte(panel, part, to_at, i, bytes) =
                of ? *row_byte(of, part, from_at, i, bytes) : 0;
    }
    for (uint32_t s = KSCALE; s <= VSCALE; s++)
        memcpy(panel_of(c, head, s, to) + to_at * sizeof(float),
               from ? panel_of(c, head, s, *from) + from_at * sizeof(float) : zero, sizeof(float));
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
