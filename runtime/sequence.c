#include "runtime/sequence.h"

#include <assert.h>
#include <string.h>

#include "hal/place.h"
#include "runtime/config.h"
#include "runtime/graph.h"
#include "runtime/ring.h"
#include "runtime/sample.h"
#include "weights/refuse.h"

static uint64_t place_slots(const apus_model *model, uint64_t columns, uint64_t slot[HAL_SLOTS]) {
    struct lives lives;
    uint64_t bytes[HAL_SLOTS];
    graph_lives(&model->hal, &lives);
    for (uint32_t i = 0; i < HAL_SLOTS; i++)
        bytes[i] =
            place_product(i == SLOT_LOGITS ? HAL_LOGITS_MAX : columns, model->program.stride[i]);
    return lives_place(&lives, bytes, slot);
}

/* Fills in the model's engines. The memory of their programs is not placed yet. */
static uint32_t list_engines(const apus_model *m, struct sequence_engine engine[MODEL_ENGINES],
                             uint32_t *parts) {
    *parts = m->parts;
    for (uint32_t i = 0; i < m->engines; i++) {
        const struct model_engine *e = &m->engine[i];
        engine[i] = (struct sequence_engine){
            .engine = e->engine, .model_memory = e->memory, .layers = e->layers};
        engine[i].program = graph_part(&m->hal, &m->program, e->layers);
    }
    return m->engines;
}

/* A ring of a window and of all that a pass writes, of which the first column still sees a whole
 * window. The further row is for a pass that failed: the position before it can be evaluated again.
 * The last 15 let a saved window of any first position be imported by panels (hal/kv.h). */
static struct sequence_view view_of(const struct sequence_config *c, uint32_t view) {
    const uint32_t window = c->model->hal.window[view], all = round_up(c->positions, KV_PANEL);
    if (view && !window) return (struct sequence_view){0};
    if (!window || window >= c->positions) return (struct sequence_view){.slots = all};
    const uint32_t ring = round_up(window + c->chunk + KV_PANEL - 1, KV_PANEL);
    return (struct sequence_view){.window = window, .slots = ring < all ? ring : all};
}

void sequence_slots(const struct sequence_config *c, uint32_t slots[HAL_VIEWS]) {
    for (uint32_t v = 0; v < HAL_VIEWS; v++) slots[v] = view_of(c, v).slots;
}

static struct hal_setup engine_setup(const struct sequence_config *c,
                                     const struct sequence_engine *of) {
    struct hal_setup setup = {.model = &c->model->hal,
                              .program = &of->program,
                              .layers = of->layers,
                              .port = &c->model->port,
                              .model_memory = of->model_memory,
                              .pool = c->pool,
                              .kv_type = c->kv_type,
                              .columns_max = c->chunk,
                              .threads = c->threads};
    sequence_slots(c, setup.kv_slots);
    return setup;
}

apus_status sequence_measure(const struct sequence_config *c, struct sequence_layout *l) {
    const struct hal_model *m = &c->model->hal;
    struct hal_need need;
    struct place walk = {0};
    struct sequence_engine engine[MODEL_ENGINES];
    uint32_t parts, engines = list_engines(c->model, engine, &parts);
    l->driver_bytes = 0;
    uint64_t ranges = c->chunk;
    for (uint32_t v = 0; v < HAL_VIEWS; v++) {
        const int ring = view_of(c, v).window != 0;
        l->column[v] = place_next(&walk, !v || ring ? c->chunk : 0, sizeof(struct hal_column));
        if (ring) ranges += (uint64_t)c->chunk * RING_RANGES;
    }
    l->range = place_next(&walk, ranges, sizeof(struct kv_range));
    l->kv_table = place_next(&walk, m->dims->layers, sizeof(uint8_t *));
    for (uint32_t i = 0; i < engines; i++) {
        struct hal_setup setup = engine_setup(c, &engine[i]);
        apus_status status = engine[i].engine->prepare_measure(&setup, &need);
        if (status) return status;
        l->engine[i] = place_next(&walk, 1, need.bytes);
        l->driver_bytes += need.driver_bytes;
    }
    l->slots = place_next(&walk, 1, place_slots(c->model, c->chunk, l->slot));
    l->kv = walk.end;
    for (uint32_t i = 0; i < m->dims->layers; i++) {
        struct hal_setup setup = engine_setup(c, &engine[0]);
        struct kv_cache cache = hal_cache(&setup, i);
        place_next(&walk, 1, kv_bytes(&cache));
    }
    l->bytes = walk.end;
    return APUS_OK;
}

struct kv_cache sequence_cache(const struct sequence *t, uint32_t layer) {
    assert(layer < t->hal.dims->layers);
    return (struct kv_cache){t->kv[layer], t->kv_type, t->view[hal_view_of(&t->hal, layer)].slots,
                             t->hal.layers[layer].kv_heads, t->hal.dims->head_dim};
}

static void place_kv(struct sequence *t, uint8_t *at) {
    for (uint32_t i = 0; i < t->hal.dims->layers; i++) {
        struct kv_cache cache = sequence_cache(t, i);
        size_t bytes = (size_t)kv_bytes(&cache);
        t->kv[i] = bytes ? at : NULL;
        at += bytes;
    }
}

apus_status sequence_open(struct sequence *t, const struct sequence_config *c,
                          const struct sequence_layout *l, void *memory) {
    assert((uintptr_t)memory % PLACE_LINE == 0);
    memset(t, 0, sizeof *t);
    t->model = c->model;
    t->hal = c->model->hal;
    t->chunk = c->chunk;
    t->kv_type = c->kv_type;
    t->logits_at = NO_LOGITS;
    for (uint32_t v = 0; v < HAL_VIEWS; v++) {
        struct sequence_view *view = &t->view[v];
        *view = view_of(c, v);
        view->column = !v || view->window ? place_at(memory, l->column[v])
                       : view->slots      ? t->view[0].column
                                          : NULL;
    }
    t->range = place_at(memory, l->range);
    t->kv = place_at(memory, l->kv_table);
    t->engines = list_engines(c->model, t->engine, &t->parts);
    for (uint32_t i = 0; i < t->engines; i++) t->engine[i].memory = place_at(memory, l->engine[i]);
    for (uint32_t i = 0; i < HAL_SLOTS; i++) t->slot[i] = place_at(memory, l->slots + l->slot[i]);
    place_kv(t, place_at(memory, l->kv));
    t->stride = t->model->program.stride;
    for (uint32_t i = 0; i < t->engines; i++) {
        struct hal_setup setup = engine_setup(c, &t->engine[i]);
        setup.model = &t->hal;
        setup.kv = t->kv;
        memcpy(setup.slot, t->slot, sizeof setup.slot);
        apus_status status = t->engine[i].engine->prepare(t->engine[i].memory, &setup);
        if (!status) continue;
        t->engines = i;
        sequence_close(t);
        return status;
    }
    return APUS_OK;
}

void sequence_close(struct sequence *t) {
    for (uint32_t i = t->engines; i-- > 0;) t->engine[i].engine->release(t->engine[i].memory);
}

/* Panels of slots are zeroed before their first use (hal/kv.h). */
void sequence_reserve(struct sequence *t, uint32_t end) {
    assert(end <= t->view[0].slots);
    uint32_t from = t->kv_reserved, to = round_up(end, KV_PANEL);
    if (to <= from) return;
    for (uint32_t i = 0; i < t->hal.dims->layers; i++) {
        struct kv_cache cache = sequence_cache(t, i);
        if (from < cache.slots) kv_zero(&cache, from, to < cache.slots ? to : cache.slots);
    }
    t->kv_reserved = to;
}

void sequence_cache_written(struct sequence *t, uint32_t from, uint32_t to) {
    assert(from <= to && to <= t->view[0].slots);
    for (const struct sequence_engine *e = sequence_engine(t), *end = e + t->parts; e < end; e++)
        for (uint32_t v = 0; v < HAL_VIEWS && e->engine->cache_written; v++) {
            struct kv_range range[RING_RANGES];
            if (!t->view[v].slots) continue;
            const uint32_t ranges = ring_ranges(t->view[v].slots, from, to, range);
            for (uint32_t i = 0; i < ranges; i++)
                e->engine->cache_written(e->memory, v, range[i].begin, range[i].end);
        }
}

/* Whether the rings have all that a position behind the first `evaluated`, or the last of these,
 * is evaluated from. */
static int holds(const struct sequence *t, uint32_t evaluated) {
    for (uint32_t v = 0; v < HAL_VIEWS && evaluated; v++) {
        const struct sequence_view *view = &t->view[v];
        const uint32_t far =
            view->window && evaluated > view->window ? evaluated - view->window : 0;
        if (view->kept > far) return 0;
    }
    return 1;
}

static void go_back(struct sequence *t, uint32_t evaluated) {
    t->evaluated = evaluated;
    t->stopped = 0;
    for (uint32_t v = 0; v < HAL_VIEWS && !evaluated; v++) t->view[v].kept = 0;
}

void sequence_rewind(struct sequence *t, uint32_t position) {
    if (t->logits_at != NO_LOGITS && t->logits_at >= position) t->logits_at = NO_LOGITS;
    if (position > t->evaluated) position = t->evaluated;
    if (!holds(t, position)) position = 0;
    if (position < t->evaluated) {
        go_back(t, position);
        t->logits_at = NO_LOGITS;
    }
}

void sequence_again(struct sequence *t) {
    assert(t->evaluated);
    go_back(t, holds(t, t->evaluated) ? t->evaluated - 1 : 0);
    t->logits_at = NO_LOGITS;
}

int sequence_lacks(const struct sequence *t) { return !holds(t, t->evaluated); }

static void submit(struct sequence *t) {
    const struct sequence_engine *e = sequence_engine(t) + t->part;
    t->submit_status = e->engine->submit(e->memory, &t->pass, &t->ticket);
}

/* Completes the part that was submitted, then computes the parts that follow it. */
static apus_status wait(struct sequence *t) {
    for (;;) {
        const struct sequence_engine *e = sequence_engine(t) + t->part;
        apus_status status = t->submit_status;
        if (!status) status = e->engine->wait(e->memory, t->ticket);
        if (status || t->part + 1 == t->parts) return status;
        t->part++;
        t->pass.resume = 0;
        submit(t);
    }
}

/* Starts the pass of the columns that are filled in: the first `line` of them are one line, the
 * rest are branches. With `resume` it continues in the part that was stopped. sequence_end returns
 * its status. */
static void begin(struct sequence *t, uint32_t line, uint32_t branches, uint32_t logits,
                  struct hal_stop stop, int resume) {
    t->pass = (struct hal_pass){.columns = line + branches,
                                .logits_from = line + branches - logits,
                                .range = t->range,
                                .ranges = t->ranges,
                                .stop = stop,
                                .chosen_bytes = &t->chosen_bytes,
                                .resume = resume};
    const uint32_t end = t->evaluated + line + branches;
    for (uint32_t v = 0; v < HAL_VIEWS; v++) {
        struct sequence_view *view = &t->view[v];
        t->pass.column[v] = view->column;
        if (view->window && end > view->slots && end - view->slots > view->kept)
            view->kept = end - view->slots;
    }
    t->line = line;
    t->stopped = 0;
    if (!resume) t->part = 0;
    sequence_reserve(t, end);
    t->logits_at = NO_LOGITS; /* the slot is about to be overwritten */
    submit(t);
}

/* Where the head has rows for some ids only, their logits move to the places of the ids. An id is
 * never less than its row, so the last row goes first and none is overwritten before it moved. */
static void spread(const struct hal_model *model, float *logits) {
    const struct blob_draft *draft = model_draft(model->dims);
    const uint32_t *ids = head_ids(draft);
    uint32_t end = model->dims->vocab;
    for (uint32_t row = draft->head_rows; row-- > 0; end = ids[row]) {
        float value = logits[row];
        while (end > ids[row] + 1) logits[--end] = LOGIT_NONE;
        logits[ids[row]] = value;
    }
    while (end) logits[--end] = LOGIT_NONE;
}

static void spread_all(struct sequence *t) {
    if (head_rows(t->hal.dims) == t->hal.dims->vocab) return;
    for (uint32_t row = 0; row < t->logits; row++)
        spread(&t->hal, (float *)(void *)(t->slot[SLOT_LOGITS] + row * t->stride[SLOT_LOGITS]));
}

apus_status sequence_end(struct sequence *t) {
    apus_status status = wait(t);
    while (status == APUS_E_ENGINE && t->at + t->parts < t->engines) {
        port_log(&t->model->port, APUS_LOG_WARN,
                 "the engine failed; the cpu goes on from the last good pass");
        t->at += t->parts;
        t->parts = 1;
        t->part = 0;
        t->pass.resume = 0;
        submit(t);
        status = wait(t);
    }
    t->stopped = status == APUS_PARTIAL;
    if (status) return status;
    t->evaluated += t->line;
    t->branches = t->pass.columns - t->line;
    t->logits = t->pass.columns - t->pass.logits_from;
    spread_all(t);
    if (t->logits && !t->branches) t->logits_at = t->evaluated - 1;
    t->passes++;
    hal_stop_step(&t->pass.stop);
    return APUS_OK;
}

int sequence_is_busy(const struct sequence *t) {
    const struct sequence_engine *e = sequence_engine(t);
    return e->engine->done && !t->submit_status && !e->engine->done(e->memory, t->ticket);
}

/* The columns of rings: as those of view 0, whose slots are positions, but as far as the window and
 * where the ring has them. All that a column of view 0 sees are positions before its own, and its
 * own slot, which lies behind the line's if the column is a branch. */
static void line_up_rings(struct sequence *t, uint32_t columns) {
    for (uint32_t v = 1; v < HAL_VIEWS; v++) {
        const struct sequence_view *view = &t->view[v];
        for (uint32_t i = 0; i < columns && view->window; i++) {
            struct hal_column c = t->view[0].column[i];
            const uint32_t first =
                c.position + 1 > view->window ? c.position + 1 - view->window : 0;
            c.range = t->ranges;
            c.ranges = ring_sight(view->slots, first, c.position, c.slot, t->range + c.range);
            c.slot %= view->slots;
            c.tail = c.mask = 0;
            t->ranges += c.ranges;
            view->column[i] = c;
        }
    }
}

static void line_up(struct sequence *t, const int32_t *ids, uint32_t columns) {
    for (uint32_t i = 0; i < columns; i++)
        hal_line(t->view[0].column, t->range, i, ids[i], t->evaluated + i);
    t->ranges = columns;
}

/* How many of these ids are the first columns of the stopped pass. A pass with branches is never
 * continued. */
static uint32_t stopped_columns(const struct sequence *t, const int32_t *ids, uint32_t count) {
    uint32_t n = 0;
    if (!t->stopped || t->pass.columns != t->line || t->view[0].column[0].position != t->evaluated)
        return 0;
    while (n < t->line && n < count && t->view[0].column[n].id == ids[n]) n++;
    return n;
}

uint32_t sequence_columns(const struct sequence *t, const int32_t *ids, uint32_t count) {
    uint32_t same = stopped_columns(t, ids, count);
    return same ? same : count < t->chunk ? count : t->chunk;
}

apus_status sequence_pass(struct sequence *t, const int32_t *ids, uint32_t columns, uint32_t logits,
                          struct hal_stop stop) {
    assert(columns >= 1 && columns <= t->chunk && logits <= columns && logits <= HAL_LOGITS_MAX);
    assert(columns <= t->view[0].slots - t->evaluated);
    if (hal_stop_no_step(&stop)) return APUS_PARTIAL;
    int resume = stopped_columns(t, ids, columns) == columns;
    if (!resume) {
        line_up(t, ids, columns);
        line_up_rings(t, columns);
    }
    begin(t, columns, 0, logits, stop, resume);
    apus_status status = sequence_end(t);
    if (status != APUS_E_NUMERIC || !resume) return status;
    /* The value may have come from a column that is dropped now. */
    begin(t, columns, 0, logits, stop, 0);
    return sequence_end(t);
}

void sequence_begin(struct sequence *t, const int32_t *ids, uint32_t line,
                    const struct sequence_branch *branch, uint32_t branches, struct hal_stop stop) {
    assert(line >= 1 && line + branches <= t->chunk && line + branches <= HAL_LOGITS_MAX);
    assert(line + branches <= t->view[0].slots - t->evaluated);
    const uint32_t first = t->evaluated;
    line_up(t, ids, line);
    if (branches) t->range[t->ranges++] = (struct kv_range){0, first};
    for (uint32_t i = 0; i < branches; i++) {
        uint32_t before = branch[i].beside + 1, own = line + i;
        t->view[0].column[own] = (struct hal_column){.id = branch[i].id,
                                                     .position = first + before,
                                                     .slot = first + own,
                                                     .range = line,
                                                     .ranges = first ? 1 : 0,
                                                     .tail = first,
                                                     .mask = ((1u << before) - 1) | 1u << own};
    }
    line_up_rings(t, line + branches);
    begin(t, line, branches, line + branches, stop, 0);
}

void sequence_resume(struct sequence *t, struct hal_stop stop) {
    assert(t->stopped);
    begin(t, t->line, t->pass.columns - t->line, t->pass.columns, stop, 1);
}

void sequence_commit(struct sequence *t, uint32_t branch) {
    assert(branch < t->branches);
    const struct hal_column *c = &t->view[0].column[t->logits - t->branches + branch];
    const uint32_t position = c->position, slot = c->slot;
    if (slot != position) {
        for (uint32_t i = 0; i < t->hal.dims->layers; i++) {
            struct kv_cache cache = sequence_cache(t, i);
            kv_move(&cache, slot % cache.slots, position % cache.slots);
        }
        sequence_cache_written(t, position, position + 1);
    }
    t->evaluated = position + 1;
    t->logits_at = NO_LOGITS;
}

const float *sequence_logits(const struct sequence *t, uint32_t row) {
    assert(row < t->logits);
    return (const float *)(const void *)(t->slot[SLOT_LOGITS] + row * t->stride[SLOT_LOGITS]);
}
