/* The sizes of all parts of a program. Measuring and preparing use the same walk, which needs no
 * device. */
#include "igpu/program.h"

#include "hal/act.h"

static uint32_t larger(uint32_t a, uint32_t b) { return a > b ? a : b; }

uint32_t program_kv_heads(const struct hal_setup *s, uint32_t layer) {
    return layer >= s->layers.first && layer < s->layers.end ? s->model->layers[layer].kv_heads : 0;
}

struct kv_cache program_cache(const struct hal_setup *s, uint32_t layer) {
    struct kv_cache cache = hal_cache(s, layer);
    cache.kv_heads = program_kv_heads(s, layer);
    return cache;
}

int program_takes_x(const struct hal_setup *s) { return s->layers.first > 0; }
int program_gives_x(const struct hal_setup *s) { return s->layers.end < s->model->dims->layers; }

/* The widest vector that is quantized, the most and the widest heads, the most pieces of a tensor,
 * the most experts of a layer and of a column. */
struct widest {
    uint32_t width, heads, head_dim, pieces, experts, active;
};

static struct widest find_widest(const struct hal_setup *s) {
    struct widest w = {GROUP, 0, 0, 1, 0, 0};
    for (uint32_t i = 0; i < s->program->count; i++) {
        const struct hal_op *op = &s->program->ops[i];
        w.width = larger(w.width, op->width);
        w.heads = larger(w.heads, op->shape.heads);
        w.head_dim = larger(w.head_dim, op->shape.head_dim);
        w.experts = larger(w.experts, op->mixture.experts);
        w.active = larger(w.active, op->mixture.active);
        const int multiplies = op->kind == HAL_GEMV || op->kind == HAL_EXPERTS;
        for (uint32_t k = 0; multiplies && k < op->weights.count; k++) {
            const struct blob_tensor *t = &s->model->tensors[hal_weight(s->program, op, k)];
            uint32_t panels = padded_rows(t->rows) / PANEL_ROWS, each = piece_panels(t);
            w.pieces = larger(w.pieces, (panels + each - 1) / each);
        }
    }
    return w;
}

const struct blob_tensor *program_embed(const struct hal_setup *s) {
    for (uint32_t i = 0; i < s->program->count; i++)
        if (s->program->ops[i].kind == HAL_EMBED)
            return &s->model->tensors[hal_weight(s->program, &s->program->ops[i], 0)];
    return NULL;
}

/* Adds a part of count * bytes bytes. A part that no layer needs has 4 bytes, because it is bound
 * all the same. */
static void add(struct program_layout *l, enum part part, struct place *walk, uint64_t count,
                uint64_t bytes) {
    uint64_t all = place_product(count, bytes);
    l->bytes[part] = all ? all : 4;
    l->offset[part] = place_next_to(walk, 1, l->bytes[part], PART_ALIGN);
}

static void place_work(struct program_layout *l, const struct hal_setup *s,
                       const struct widest *w) {
    const size_t *stride = s->program->stride;
    uint32_t hd = w->head_dim;
    uint32_t columns = s->columns_max, kp = padded_cols(w->width);
    struct place walk = {0};
    add(l, PART_X, &walk, columns, stride[SLOT_X]);
    add(l, PART_Q, &walk, columns, stride[SLOT_Q]);
    add(l, PART_K, &walk, columns, stride[SLOT_K]);
    add(l, PART_V, &walk, columns, stride[SLOT_V]);
    add(l, PART_G, &walk, columns, stride[SLOT_G]);
    add(l, PART_U, &walk, columns, stride[SLOT_U]);
    add(l, PART_ACT, &walk, (columns + TILE - 1) / TILE, act_tile_words(kp, TILE) * 4);
    l->qi_words = w->heads * (hd / 4 + 1);
    add(l, PART_QI, &walk, columns, (uint64_t)l->qi_words * 4);
    add(l, PART_STATE, &walk, (uint64_t)columns * w->heads,
        (uint64_t)(STATE_WORDS + STATE_DIGITS * hd) * 4);
    add(l, PART_LARGEST, &walk, (uint64_t)columns * larger(w->active, 1), 4);
    add(l, PART_ROUTER, &walk, columns, stride[SLOT_ROUTER]);
    add(l, PART_CHOICES, &walk, (uint64_t)columns * w->active, CHOICE_WORDS * 4);
    add(l, PART_RUNS, &walk, w->experts, 2 * 4);
    add(l, PART_PAIRS, &walk, ((uint64_t)columns * w->active + TILE - 1) / TILE,
        act_tile_words(kp, TILE) * 4);
    l->work_bytes = walk.end;
}

/* Bytes of the rows that a pass writes for a layer: words of K and V and two scales for every kv
 * head of every column. */
static uint64_t fresh_bytes(const struct hal_setup *s, uint32_t layer) {
    return (uint64_t)s->columns_max * program_kv_heads(s, layer) *
           (s->model->dims->head_dim / 2 + 2) * 4;
}

static void place_host(struct program_layout *l, const struct hal_setup *s) {
    const struct blob_model *m = s->model->dims;
    const struct blob_tensor *embed = program_embed(s);
    uint64_t columns = s->columns_max;
    struct place walk = {0}, fresh = {0};
    l->rope_at = ARGS_TABLE + (uint32_t)columns * COLUMN_WORDS;
    l->rows_at = l->rope_at + s->model->rope_tables * (uint32_t)columns * m->head_dim;
    l->row_words = embed ? padded_cols(embed->cols) / 4 : 0;
    uint32_t end = l->rows_at + (uint32_t)columns * l->row_words;
    for (uint32_t v = 0; v < HAL_VIEWS && (!v || s->kv_slots[v]); v++) {
        struct view_layout *at = &l->view[v];
        at->columns_at = v ? end : ARGS_TABLE;
        at->ranges_at = end + (v ? (uint32_t)columns * COLUMN_WORDS : 0);
        at->splits_at = at->ranges_at + (uint32_t)columns * HAL_RANGES_MAX * 2;
        end = at->splits_at + (s->kv_slots[v] + SPLIT - 1) / SPLIT;
    }
    add(l, PART_ARGS, &walk, end, 4);
    add(l, PART_GRIDS, &walk, l->steps, sizeof(VkDispatchIndirectCommand));
    add(l, PART_STATUS, &walk, 1 + (uint64_t)m->layers, 4);
    add(l, PART_LOGITS, &walk, HAL_LOGITS_MAX, s->program->stride[SLOT_LOGITS]);
    for (uint32_t i = 0; i < m->layers; i++)
        place_next_to(&fresh, 1, fresh_bytes(s, i), PART_ALIGN);
    add(l, PART_FRESH, &walk, 1, fresh.end);
    l->host_bytes = walk.end;
}

struct program_layout program_layout(const struct hal_setup *s) {
    struct program_layout l = {0};
    struct place walk = {0};
    struct widest w = find_widest(s);
    const struct blob_model *m = s->model->dims;
    l.steps = s->program->count * 3 * w.pieces; /* three steps for each operation, or the pieces of
                                                   three weights */
    l.segments = m->layers + 1;
    place_work(&l, s, &w);
    place_host(&l, s);
    for (uint32_t i = 0; i < m->layers; i++) {
        struct kv_cache cache = program_cache(s, i);
        uint64_t bytes = kv_bytes(&cache);
        l.kv_bytes += bytes;
        if (bytes > l.kv_largest) l.kv_largest = bytes;
    }
    place_next(&walk, 1, sizeof(struct igpu_program));
    l.kv = place_next(&walk, m->layers, sizeof(struct heap));
    l.sets = place_next(&walk, l.steps, sizeof(VkDescriptorSet));
    l.grids = place_next(&walk, l.steps, sizeof(struct grid));
    l.segment_end = place_next(&walk, l.segments, sizeof(uint32_t));
    l.commands = place_next(&walk, (uint64_t)l.segments * BUCKETS, sizeof(VkCommandBuffer));
    l.slots = place_next(&walk, (uint64_t)s->columns_max * HAL_VIEWS, sizeof(uint32_t));
    l.memory = walk.end;
    return l;
}

const char *program_fits(const struct igpu_model *model, const struct program_layout *l) {
    uint64_t range = model->device.facts.storage_range;
    for (uint32_t i = 0; i < PARTS; i++)
        if (l->bytes[i] > range)
            return "a pass of so many columns needs a larger buffer than this device lets a shader "
                   "access; a smaller chunk fits";
    if (l->kv_largest > range)
        return "a layer's cache needs a larger buffer than this device lets a shader access; a "
               "shorter context fits";
    if (l->work_bytes > REGION_BYTES || l->host_bytes > REGION_BYTES)
        return "a pass of so many columns needs more than 1 GiB on the device; a smaller chunk "
               "fits";
    return 0;
}

struct range program_part(const struct igpu_program *p, enum part part) {
    return heap_range(part < PARTS_WORK ? &p->work : &p->host, p->at.offset[part],
                      p->at.bytes[part]);
}
