/* One pass: writes the arguments into mapped memory, submits once (a long prompt several times),
 * waits, and copies the results out. Nothing is created, recorded or updated here. */
#include <assert.h>
#include <string.h>

#include "igpu/program.h"

_Static_assert(sizeof(struct kv_range) == 8, "two words to a shader");

/* All of these are chosen, not measured. A wait returns after WAIT_NS nanoseconds, and after
 * WAITS_MAX waits (a minute), or SOFTWARE_WAITS_MAX (half an hour) on a software device, the device
 * counts as lost. SLICE_NS is for how many nanoseconds a prompt may hold a device that also draws
 * the screen. */
enum { WAIT_NS = 1000000000, WAITS_MAX = 60, SOFTWARE_WAITS_MAX = 1800, SLICE_NS = 100000000 };

static uint32_t *host_words(const struct igpu_program *p, enum part part) {
    return (uint32_t *)(void *)(p->host.map + p->at.offset[part]);
}

static uint64_t now(const struct igpu_program *p) {
    const apus_port *port = &p->model->device.port;
    return port->now_ns ? port->now_ns(port->user) : 0;
}

static uint32_t bits_of(float x) {
    uint32_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

/* The first slot at or after `slot` that the column sees, or UINT32_MAX if there is none. */
static uint32_t seen_from(const struct hal_pass *pass, const struct hal_column *c, uint32_t slot) {
    const struct kv_range *range = pass->range + c->range;
    uint32_t found = UINT32_MAX;
    for (uint32_t i = 0; i < c->ranges && found == UINT32_MAX; i++)
        if (slot < range[i].end) found = slot < range[i].begin ? range[i].begin : slot;
    for (uint32_t i = 0; c->mask >> i; i++)
        if (c->mask >> i & 1 && c->tail + i >= slot && c->tail + i < found) found = c->tail + i;
    return found;
}

/* Writes the first slots of the runs of SPLIT slots in which some column sees a slot. Returns how
 * many runs there are. */
static uint32_t write_splits(uint32_t *split, const struct hal_pass *pass, uint32_t view) {
    uint32_t count = 0, slot = 0;
    for (;;) {
        uint32_t next = UINT32_MAX;
        for (uint32_t i = 0; i < pass->columns && next >= slot + SPLIT; i++) {
            const uint32_t seen = seen_from(pass, &pass->column[view][i], slot);
            if (seen < next) next = seen;
        }
        if (next == UINT32_MAX) return count;
        split[count] = next / SPLIT * SPLIT;
        slot = split[count++] + SPLIT;
    }
}

/* Where a column's rows go and what it sees, for the layers of a view. */
static void write_sight(const struct igpu_program *p, uint32_t *args, uint32_t view, uint32_t i,
                        const struct hal_pass *pass) {
    const struct hal_column *c = &pass->column[view][i];
    const struct view_layout *at = &p->at.view[view];
    uint32_t *word = args + at->columns_at + i * COLUMN_WORDS;
    word[COLUMN_SLOT] = c->slot;
    word[COLUMN_RANGES] = c->ranges;
    word[COLUMN_TAIL] = c->tail;
    word[COLUMN_MASK] = c->mask;
    memcpy(args + at->ranges_at + (size_t)i * HAL_RANGES_MAX * 2, pass->range + c->range,
           c->ranges * sizeof(struct kv_range));
    p->slots[view * p->setup.columns_max + i] = c->slot;
}

/* What all views have of a column. */
static void write_column(const struct igpu_program *p, uint32_t *args, uint32_t i,
                         const struct hal_pass *pass) {
    const struct hal_column *c = &pass->column[0][i];
    const struct hal_model *m = p->setup.model;
    const struct blob_tensor *e = p->embed;
    uint32_t *word = args + ARGS_TABLE + i * COLUMN_WORDS, hd = m->dims->head_dim;
    for (uint32_t t = 0; t < m->rope_tables; t++)
        memcpy(args + p->at.rope_at + ((size_t)t * p->setup.columns_max + i) * hd,
               hal_rope(m, t, c->position), hd * sizeof(float));
    if (!e) return;
    word[COLUMN_SCALE] = bits_of(m->rows[e->row_scales + (uint32_t)c->id]);
    memcpy(args + p->at.rows_at + (size_t)i * p->at.row_words,
           m->weights + e->offset + (uint64_t)(uint32_t)c->id * padded_cols(e->cols),
           p->at.row_words * sizeof(uint32_t));
}

static void write_grids(const struct igpu_program *p, const struct hal_pass *pass,
                        const uint32_t splits[HAL_VIEWS]) {
    VkDispatchIndirectCommand *out = (VkDispatchIndirectCommand *)(void *)host_words(p, PART_GRIDS);
    uint32_t run =
        p->bucket == PROMPT && p->model->device.facts.matrix ? MATRIX_TILES * TILE : TILE;
    for (uint32_t i = 0; i < p->steps; i++) {
        const struct grid *g = &p->grids[i];
        uint32_t columns = g->tail ? pass->columns - pass->logits_from : pass->columns;
        switch (g->rule) {
        case RULE_COLUMNS:
            out[i] = (VkDispatchIndirectCommand){columns, 1, 1};
            break;
        case RULE_X:
            out[i] = (VkDispatchIndirectCommand){g->x, 1, 1};
            break;
        case RULE_X_COLUMNS:
            out[i] = (VkDispatchIndirectCommand){g->x, columns * g->vectors, 1};
            break;
        case RULE_TILES_X:
            out[i] = (VkDispatchIndirectCommand){(columns + TILE - 1) / TILE, g->x, 1};
            break;
        case RULE_RUNS_X:
            out[i] = (VkDispatchIndirectCommand){(columns + run - 1) / run, g->x, 1};
            break;
        case RULE_SPLITS:
            out[i] = (VkDispatchIndirectCommand){splits[g->view], g->x, columns};
            break;
        }
    }
}

static void write_arguments(struct igpu_program *p, const struct hal_pass *pass) {
    uint32_t *args = host_words(p, PART_ARGS);
    args[ARGS_COLUMNS] = pass->columns;
    args[ARGS_LOGITS_FROM] = pass->logits_from;
    for (uint32_t i = 0; i < pass->columns; i++) write_column(p, args, i, pass);
    uint32_t splits[HAL_VIEWS] = {0};
    for (uint32_t v = 0; v < HAL_VIEWS && pass->column[v]; v++) {
        for (uint32_t i = 0; i < pass->columns; i++) write_sight(p, args, v, i, pass);
        splits[v] = write_splits(args + p->at.view[v].splits_at, pass, v);
    }
    write_grids(p, pass, splits);
    if (!p->next_segment) *host_words(p, PART_STATUS) = 0;
}

static uint32_t bucket_of(uint32_t columns) {
    uint32_t b = 0;
    while (b < BUCKETS - 1 && bucket_cols(b) < columns) b++;
    return b;
}

/* How many segments the next submission takes: all that are left, but of a long prompt only as many
 * as should take SLICE_NS. */
static uint32_t slice(const struct igpu_program *p) {
    uint32_t left = p->segments - p->next_segment;
    if (p->columns <= TILE) return left;
    if (!p->unit_ns) return 1;
    uint64_t most = SLICE_NS / (p->unit_ns * ((p->columns + TILE - 1) / TILE));
    return most < 1 ? 1 : most < left ? (uint32_t)most : left;
}

static VkResult submit_slice(struct igpu_program *p) {
    struct device *d = &p->model->device;
    uint64_t value = p->submitted + 1;
    const VkCommandBuffer *commands =
        p->commands + (size_t)p->bucket * p->at.segments + p->next_segment;
    p->in_flight = slice(p);
    p->began_ns = now(p);
    device_lock(d);
    VkResult r = device_submit(d, commands, p->in_flight, p->timeline, value);
    device_unlock(d);
    if (r) return r;
    p->submitted = value;
    p->submissions++;
    return VK_SUCCESS;
}

static VkResult wait_slice(struct igpu_program *p) {
    struct device *d = &p->model->device;
    VkSemaphoreWaitInfo info = {.sType = VK_STRUCTURE_TYPE_SEMAPHORE_WAIT_INFO,
                                .semaphoreCount = 1,
                                .pSemaphores = &p->timeline,
                                .pValues = &p->submitted};
    uint32_t most = d->facts.type == VK_PHYSICAL_DEVICE_TYPE_CPU ? SOFTWARE_WAITS_MAX : WAITS_MAX;
    VkResult r = VK_TIMEOUT;
    for (uint32_t i = 0; r == VK_TIMEOUT && i < most; i++)
        r = d->vk.WaitSemaphores(d->handle, &info, WAIT_NS);
    if (r) return r;
    uint64_t ns = now(p) - p->began_ns, tiles = (p->columns + TILE - 1) / TILE;
    if (p->columns > TILE) p->unit_ns = ns / (tiles * p->in_flight) + 1;
    p->next_segment += p->in_flight;
    return VK_SUCCESS;
}

static apus_status give_up(struct igpu_program *p, const char *call, VkResult r) {
    p->lost = 1;
    return igpu_fail(p->model, call, r);
}

/* Starts the pass at segment next_segment. A pass that continues stays in its bucket, which also
 * takes fewer columns. */
static apus_status start(struct igpu_program *p, const struct hal_pass *pass) {
    assert(hal_pass_good(pass, p->setup.kv_slots) && pass->columns <= p->setup.columns_max);
    p->columns = pass->columns;
    p->logits_from = pass->logits_from;
    p->chosen_bytes = pass->chosen_bytes;
    if (!p->next_segment) p->bucket = bucket_of(pass->columns);
    write_arguments(p, pass);
    VkResult r = submit_slice(p);
    return r ? give_up(p, "vkQueueSubmit", r) : APUS_OK;
}

static int cancelled(const struct igpu_program *p) {
    return p->stop.cancel && __atomic_load_n(p->stop.cancel, __ATOMIC_RELAXED) & HAL_CANCEL;
}

static int late(const struct igpu_program *p) {
    return p->stop.deadline_ns && now(p) >= p->stop.deadline_ns;
}

/* Adds what the pass has read of experts' weights. */
static void count_chosen(const struct igpu_program *p) {
    const struct hal_program *program = p->setup.program;
    const uint32_t *experts = host_words(p, PART_STATUS) + 1;
    for (uint32_t i = 0; p->chosen_bytes && i < program->count; i++) {
        const struct hal_op *op = &program->ops[i];
        for (uint32_t k = 0; op->kind == HAL_EXPERTS && k < op->weights.count; k++)
            *p->chosen_bytes +=
                experts[op->layer] *
                hal_expert_bytes(op, &p->setup.model->tensors[hal_weight(program, op, k)]);
    }
}

/* Waits for the pass, and submits the segments that are left of it. */
static apus_status finish(struct igpu_program *p) {
    for (;;) {
        VkResult r = wait_slice(p);
        if (r) return give_up(p, "vkWaitSemaphores", r);
        if (p->next_segment == p->segments) break;
        const apus_port *port = p->setup.port;
        if (port && port->watchdog) port->watchdog(port->user);
        if (cancelled(p) || late(p) || hal_stop_step(&p->stop)) return APUS_PARTIAL;
        r = submit_slice(p);
        if (r) return give_up(p, "vkQueueSubmit", r);
    }
    count_chosen(p);
    return *host_words(p, PART_STATUS) ? APUS_E_NUMERIC : APUS_OK;
}

apus_status program_run(struct igpu_program *p, const struct hal_pass *pass) {
    p->stop = pass->stop;
    p->next_segment = 0;
    apus_status s = start(p, pass);
    return s ? s : finish(p);
}

/* The columns' residual stream in the device's memory. */
static uint8_t *device_x(const struct igpu_program *p) {
    return (uint8_t *)p->work.map + p->at.offset[PART_X];
}
static size_t x_bytes(const struct igpu_program *p, uint32_t columns) {
    return columns * p->setup.program->stride[SLOT_X];
}

/* Copies K and V of the pass's columns into the caller's cache. */
static void copy_rows(const struct igpu_program *p) {
    const struct hal_model *m = p->setup.model;
    uint32_t hd = m->dims->head_dim;
    const uint8_t *layer = p->host.map + p->at.offset[PART_FRESH];
    for (uint32_t i = 0; i < m->dims->layers; i++) {
        const uint8_t *row = layer;
        const struct kv_cache cache = program_cache(&p->setup, i);
        const uint32_t *slots = p->slots + hal_view_of(m, i) * p->setup.columns_max;
        for (uint32_t c = 0; c < p->columns; c++)
            for (uint32_t h = 0; h < cache.kv_heads; h++, row += 2 * hd + 8) {
                float scale[2];
                memcpy(scale, row + 2 * hd, sizeof scale);
                kv_store(&cache, h, slots[c], KV_K, (const int8_t *)row, scale[0]);
                kv_store(&cache, h, slots[c], KV_V, (const int8_t *)row + hd, scale[1]);
            }
        layer +=
            place_up((uint64_t)p->setup.columns_max * cache.kv_heads * (2 * hd + 8), PART_ALIGN);
    }
}

apus_status igpu_submit(void *memory, const struct hal_pass *pass, uint64_t *ticket) {
    struct igpu_program *p = memory;
    if (p->lost) return APUS_E_ENGINE;
    *ticket = p->submitted + 1;
    p->stop = pass->stop;
    if (!pass->resume) p->next_segment = 0;
    p->stopped = cancelled(p);
    if (p->stopped) return APUS_OK;
    if (!p->next_segment && program_takes_x(&p->setup))
        memcpy(device_x(p), p->setup.slot[SLOT_X], x_bytes(p, pass->columns));
    return start(p, pass);
}

apus_status igpu_wait(void *memory, uint64_t ticket) {
    struct igpu_program *p = memory;
    (void)ticket; /* only one pass is in progress at a time */
    if (p->stopped) return APUS_PARTIAL;
    apus_status s = finish(p);
    if (s) return s;
    size_t stride = p->setup.program->stride[SLOT_LOGITS];
    if (program_gives_x(&p->setup))
        memcpy(p->setup.slot[SLOT_X], device_x(p), x_bytes(p, p->columns));
    else
        memcpy(p->setup.slot[SLOT_LOGITS], host_words(p, PART_LOGITS),
               (p->columns - p->logits_from) * stride);
    copy_rows(p);
    return APUS_OK;
}

/* Whether the submission in progress has ended. A long prompt's pass may have further ones, which
 * igpu_wait submits. */
int igpu_done(void *memory, uint64_t ticket) {
    struct igpu_program *p = memory;
    struct device *d = &p->model->device;
    uint64_t value;
    (void)ticket;
    return p->stopped || d->vk.GetSemaphoreCounterValue(d->handle, p->timeline, &value) ||
           value >= p->submitted;
}

/* Copies the panels that have any of the slots [from, to) from the view's caches of the caller to
 * the device's. */
void igpu_cache_written(void *memory, uint32_t view, uint32_t from, uint32_t to) {
    assert(from <= to && to <= ((const struct igpu_program *)memory)->setup.kv_slots[view]);
    struct igpu_program *p = memory;
    from -= from % KV_PANEL;
    to = round_up(to, KV_PANEL);
    for (uint32_t i = 0; i < p->setup.model->dims->layers; i++) {
        if (hal_view_of(p->setup.model, i) != view) continue;
        struct kv_cache host = program_cache(&p->setup, i), device = host;
        device.data = p->kv[i].map;
        kv_copy(&device, from, &host, from, to - from);
    }
}
