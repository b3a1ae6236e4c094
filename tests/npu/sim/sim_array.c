/* The array of tiles: registers, tile memory, and everything that moves until nothing does. */
#include <stdlib.h>
#include <string.h>

#include "tests/npu/sim/sim_parts.h"

void sim_tile_start(struct sim_array *a, uint32_t column, uint32_t row) {
    struct sim_tile *t = &a->tile[column][row];
    uint8_t *memory = t->memory;
    memset(t, 0, sizeof *t);
    t->memory = memory;
    t->bytes = row == ROW_MEM ? MEM_BYTES : row >= ROW_CORE ? CORE_BYTES : 0;
    if (t->bytes && !t->memory) t->memory = aligned_alloc(64, t->bytes);
    if (t->memory) sim_noise(t->memory, t->bytes, column * 8 + row);
    for (uint32_t i = 0; i < sim_locks(row); i++) t->lock[i] = sim_first_lock(row, i);
    for (uint32_t i = 0; i < sim_channels(row); i++) {
        t->to_memory[i].column = t->to_stream[i].column = column;
        t->to_memory[i].row = t->to_stream[i].row = row;
        t->to_memory[i].index = t->to_stream[i].index = i;
        t->to_memory[i].to_memory = 1;
    }
}

void sim_array_open(struct sim_array *a, uint32_t generation) {
    memset(a, 0, sizeof *a);
    a->generation = generation;
    a->columns = array_columns(generation);
}

void sim_array_close(struct sim_array *a) {
    for (uint32_t c = 0; c < ARRAY_COLUMNS_MAX; c++)
        for (uint32_t r = 0; r < ARRAY_ROWS; r++) free(a->tile[c][r].memory);
    memset(a, 0, sizeof *a);
}

int sim_array_load(struct sim_array *a, const uint8_t *file, uint64_t bytes) {
    struct sim_image image, own;
    if (bytes < sizeof image) return sim_complain("the overlay's image is too short");
    memcpy(&image, file, sizeof image);
    sim_image(&own, a->generation);
    if (memcmp(image.id, own.id, sizeof own.id) != 0)
        return sim_complain("the overlay is not the device model's");
    if (image.generation != a->generation || image.columns != a->columns ||
        image.routes > IMAGE_ROUTES_MAX)
        return sim_complain("the overlay is for another array");
    for (uint32_t c = 0; c < a->columns; c++)
        for (uint32_t r = 0; r < ARRAY_ROWS; r++) sim_tile_start(a, c, r);
    for (uint32_t i = 0; i < image.routes; i++) {
        const struct sim_route *r = &image.route[i];
        struct sim_channel *from = &a->tile[r->column][r->row].to_stream[r->channel];
        if (from->outs == STREAMS_OUT) return sim_complain("a stream has too many ends");
        from->out[from->outs++] = &a->tile[r->to_column][r->to_row].to_memory[r->to_channel];
    }
    a->loaded = 1;
    return 0;
}

/* --------------------------------------------------------------------------------- registers -- */

static struct sim_tile *tile_at(struct sim_array *a, uint32_t address, uint32_t *row) {
    uint32_t column = address_column(address);
    *row = address_row(address);
    if (!a->loaded || column >= a->columns || *row >= ARRAY_ROWS || address_offset(address) % 4) {
        sim_complain("control code reaches %#x, where the partition has nothing", address);
        return NULL;
    }
    return &a->tile[column][*row];
}

/* The channel whose queue lies at an offset, or NULL. */
static struct sim_channel *queue_at(struct sim_tile *t, uint32_t row, uint32_t offset) {
    uint32_t in = row == ROW_SHIM  ? SHIM_S2MM_QUEUE
                  : row == ROW_MEM ? MEM_S2MM_QUEUE
                                   : CORE_S2MM_QUEUE;
    uint32_t out = row == ROW_SHIM  ? SHIM_MM2S_QUEUE
                   : row == ROW_MEM ? MEM_MM2S_QUEUE
                                    : CORE_MM2S_QUEUE;
    for (uint32_t i = 0; i < sim_channels(row); i++) {
        if (offset == in + i * QUEUE_STRIDE) return &t->to_memory[i];
        if (offset == out + i * QUEUE_STRIDE) return &t->to_stream[i];
    }
    return NULL;
}

/* Writes a channel's control register. The model has only those that tokens need. */
static int write_control(struct sim_tile *t, uint32_t row, uint32_t offset, uint32_t value) {
    uint32_t channel = (offset - SHIM_S2MM_CONTROL) / QUEUE_STRIDE;
    if (row != ROW_SHIM || offset < SHIM_S2MM_CONTROL ||
        (offset - SHIM_S2MM_CONTROL) % QUEUE_STRIDE || channel >= SHIM_CHANNELS)
        return 0;
    if (value & ~(0x1fu << CONTROL_CONTROLLER_SHIFT))
        return sim_complain("control word %#x does more than this model does", value);
    t->to_memory[channel].controller = value >> CONTROL_CONTROLLER_SHIFT;
    return 1;
}

static int bd_in_use(const struct sim_tile *t, uint32_t row, uint32_t bd) {
    for (uint32_t i = 0; i < sim_channels(row); i++)
        for (int d = 0; d < 2; d++) {
            const struct sim_channel *c = d ? &t->to_memory[i] : &t->to_stream[i];
            if (c->busy && (c->bd == bd || c->now.bd == bd)) return 1;
            for (uint32_t q = 0; q < c->queued; q++)
                if (c->queue[q].bd == bd) return 1;
        }
    return 0;
}

/* Whether a channel can use a descriptor: a memory tile's even channels can use the first half of
 * its descriptors, its odd channels the second half. */
static int bd_reachable(const struct sim_channel *c, uint32_t bd) {
    return bd < sim_bds(c->row) && (c->row != ROW_MEM || (bd >= MEM_BDS / 2) == (c->index % 2));
}

static int push(struct sim_channel *c, uint32_t value) {
    struct sim_task task = {value & 0x3f, (value >> 16 & 0xff) + 1, (int)(value >> 31)};
    if (value & 0x7f00ffc0) return sim_complain("queue word %#x has bits that mean nothing", value);
    if (!bd_reachable(c, task.bd))
        return sim_complain("channel %u of row %u cannot use descriptor %u", c->index, c->row,
                            task.bd);
    if (c->queued + (c->busy ? 1 : 0) >= QUEUE_DEPTH)
        return sim_complain("a queue of row %u overflows", c->row);
    c->queue[c->queued++] = task;
    return 0;
}

static int write_bd(struct sim_tile *t, uint32_t row, uint32_t offset, uint32_t value) {
    uint32_t bd = offset / BD_STRIDE, word = offset % BD_STRIDE / 4;
    if (bd >= sim_bds(row) || word >= (row >= ROW_CORE ? BD_WORDS_CORE : BD_WORDS_MEM))
        return sim_complain("no register of a descriptor of row %u at %#x", row, offset);
    if (bd_in_use(t, row, bd))
        return sim_complain("descriptor %u of row %u is changed while it is in use", bd, row);
    t->bd[bd].word[word] = value;
    t->bd[bd].iteration = 0;
    return 0;
}

int sim_array_write(struct sim_array *a, uint32_t address, uint32_t value) {
    uint32_t row, offset = address_offset(address);
    struct sim_tile *t = tile_at(a, address, &row);
    if (!t) return -1;
    struct sim_channel *c = queue_at(t, row, offset);
    if (c) return push(c, value);
    int done = write_control(t, row, offset, value);
    if (done) return done < 0 ? -1 : 0;
    uint32_t bds = row == ROW_SHIM ? SHIM_BD : row == ROW_MEM ? MEM_BD : CORE_BD;
    if (offset >= bds && offset < bds + sim_bds(row) * BD_STRIDE)
        return write_bd(t, row, offset - bds, value);
    if (row >= ROW_CORE && offset < CORE_BYTES) {
        if (t->core.at_work) return sim_complain("a core's memory is written while it works");
        memcpy(t->memory + offset, &value, sizeof value);
        return 0;
    }
    return sim_complain("control code writes to register %#x, which this model does not have",
                        address);
}

int sim_array_block(struct sim_array *a, uint32_t address, const uint32_t *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (sim_array_write(a, address + i * 4, values[i])) return -1;
    return 0;
}

int sim_array_patch(struct sim_array *a, uint32_t address, uint64_t value) {
    uint32_t row, at = address_offset(address) - SHIM_BD;
    struct sim_tile *t = tile_at(a, address, &row);
    if (!t) return -1;
    if (row != ROW_SHIM || at >= SHIM_BDS * BD_STRIDE || at % BD_STRIDE != 4)
        return sim_complain("an address is patched into no descriptor of a shim");
    struct sim_bd *b = &t->bd[at / BD_STRIDE];
    if (b->word[1] || b->word[2] & 0xffff)
        return sim_complain("an address is patched over another one");
    if (bd_in_use(t, row, at / BD_STRIDE))
        return sim_complain("an address is patched into a descriptor in use");
    b->word[1] = (uint32_t)value;
    b->word[2] = (b->word[2] & 0xffff0000) | ((uint32_t)(value >> 32) & 0xffff);
    return 0;
}

/* -------------------------------------------------------------------------------------- work -- */

int sim_array_run(struct sim_array *a) {
    int moved = 1;
    while (moved) {
        moved = 0;
        for (uint32_t c = 0; c < a->columns; c++)
            for (uint32_t r = 0; r < ARRAY_ROWS; r++) {
                struct sim_tile *t = &a->tile[c][r];
                for (uint32_t i = 0; i < 2 * sim_channels(r); i++) {
                    struct sim_channel *h = i % 2 ? &t->to_memory[i / 2] : &t->to_stream[i / 2];
                    if (!h->busy && !h->queued) continue;
                    int m = sim_channel_step(a, h);
                    if (m < 0) return -1;
                    moved |= m;
                }
                int m = r >= ROW_CORE ? sim_core_step(a, t) : 0;
                if (m < 0) return -1;
                moved |= m;
            }
    }
    return 0;
}

int sim_array_token(struct sim_array *a, uint32_t column, uint32_t columns, uint32_t direction,
                    uint32_t channel) {
    for (int take = 0; take < 2; take++)
        for (uint32_t c = column; c < column + columns; c++) {
            struct sim_tile *t = &a->tile[c][ROW_SHIM];
            struct sim_channel *ch = direction ? &t->to_stream[channel] : &t->to_memory[channel];
            if (!ch->tokens) return 0;
            if (take) ch->tokens--;
        }
    return 1;
}

int sim_array_quiet(const struct sim_array *a) {
    for (uint32_t c = 0; c < a->columns; c++)
        for (uint32_t r = 0; r < ARRAY_ROWS; r++) {
            const struct sim_tile *t = &a->tile[c][r];
            for (uint32_t i = 0; i < 2 * sim_channels(r); i++) {
                const struct sim_channel *h = i % 2 ? &t->to_memory[i / 2] : &t->to_stream[i / 2];
                if (h->busy || h->queued)
                    return sim_complain(
                        "a channel of row %u is still at work when the control code ends", r);
                if (h->tokens) return sim_complain("a token of row %u is never waited for", r);
                if (h->in.count) return sim_complain("words are left in a stream into row %u", r);
            }
            if (t->core.at_work)
                return sim_complain("a core is still at work when the control code ends");
            for (uint32_t i = 0; i < sim_locks(r); i++)
                if (t->lock[i] != sim_first_lock(r, i))
                    return sim_complain("lock %u of row %u is left at %d", i, r, t->lock[i]);
        }
    return 0;
}
