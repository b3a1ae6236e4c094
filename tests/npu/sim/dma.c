/* A channel: takes tasks from its queue, runs their descriptors, acquires and releases locks, and
 * moves words between memory and streams. */
#include <string.h>

#include "tests/npu/sim/sim_parts.h"

static struct sim_tile *tile_of(struct sim_array *a, const struct sim_channel *c) {
    return &a->tile[c->column][c->row];
}

static int begin_descriptor(struct sim_array *a, struct sim_channel *c, uint32_t bd) {
    const struct sim_bd *b = &tile_of(a, c)->bd[bd];
    if (c->row == ROW_MEM && (bd >= MEM_BDS / 2) != (c->index % 2))
        return sim_complain("a chain of descriptors leaves its channel's half");
    if (!sim_decode(&c->d, c->row, b->word) || !c->d.words)
        return sim_complain("descriptor %u of row %u is not valid", bd, c->row);
    if (c->d.acquire >= (int32_t)sim_locks(c->row) ||
        (c->d.release_value && (c->d.release < 0 || c->d.release >= (int32_t)sim_locks(c->row))))
        return sim_complain("descriptor %u of row %u has no such lock", bd, c->row);
    if (c->d.acquire >= 0 && c->d.acquire_value >= 0)
        return sim_complain("a lock is waited for by equality, which nothing here uses");
    c->bd = bd;
    c->at = 0;
    c->started = 0;
    return 0;
}

static int begin_task(struct sim_array *a, struct sim_channel *c) {
    c->now = c->queue[0];
    memmove(c->queue, c->queue + 1, --c->queued * sizeof *c->queue);
    c->busy = 1;
    return begin_descriptor(a, c, c->now.bd);
}

/* Acquires the lock of the present descriptor. Returns 1 if that is possible. */
static int acquire(struct sim_array *a, struct sim_channel *c) {
    int32_t *lock = c->d.acquire >= 0 ? &tile_of(a, c)->lock[c->d.acquire] : NULL;
    if (lock && *lock < -c->d.acquire_value) return 0;
    if (lock) *lock += c->d.acquire_value;
    c->started = 1;
    return 1;
}

static int end_descriptor(struct sim_array *a, struct sim_channel *c) {
    struct sim_tile *t = tile_of(a, c);
    struct sim_bd *b = &t->bd[c->bd];
    if (c->d.release_value) {
        t->lock[c->d.release] += c->d.release_value;
        if (t->lock[c->d.release] > LOCK_MAX || t->lock[c->d.release] < 0)
            return sim_complain("lock %d of row %u counts to %d", c->d.release, c->row,
                                t->lock[c->d.release]);
    }
    b->iteration = (b->iteration + 1) % c->d.iterations;
    if (c->d.next >= 0) {
        uint32_t next = (uint32_t)c->d.next;
        return next < sim_bds(c->row)
                   ? begin_descriptor(a, c, next)
                   : sim_complain("a descriptor goes on to one that is not there");
    }
    if (--c->now.runs) return begin_descriptor(a, c, c->now.bd);
    if (c->now.token && c->controller == SHIM_CONTROLLER)
        c->tokens++; /* else the token gets lost */
    c->busy = 0;
    return 0;
}

/* Where the present word lies, in bytes. *run gets how many words lie there in a row. */
static uint64_t place(const struct sim_array *a, const struct sim_channel *c, uint32_t *run) {
    const struct descriptor *d = &c->d;
    uint32_t inner = d->wrap[0] ? d->wrap[0] : d->words, i = c->at % inner, rest = c->at / inner;
    uint32_t j = d->wrap[1] ? rest % d->wrap[1] : rest, k = d->wrap[1] ? rest / d->wrap[1] : 0;
    uint32_t left = d->words - c->at;
    *run = d->step[0] != 1 ? 1 : inner - i < left ? inner - i : left;
    uint64_t iteration =
        (uint64_t)a->tile[c->column][c->row].bd[c->bd].iteration * d->iteration_step;
    return d->base + 4 * ((uint64_t)i * d->step[0] + (uint64_t)j * d->step[1] +
                          (uint64_t)k * d->step[2] + iteration);
}

static uint8_t *memory_at(struct sim_array *a, const struct sim_channel *c, uint64_t at,
                          uint64_t bytes) {
    struct sim_tile *t = tile_of(a, c);
    if (t->memory) {
        if (at + bytes <= t->bytes) return t->memory + at;
        sim_complain("a descriptor of row %u reaches past the tile's memory", c->row);
        return NULL;
    }
    for (uint32_t i = 0; i < a->command->buffers; i++) {
        struct sim_buffer *b = a->command->buffer[i];
        if (at >= b->address && at - b->address < b->bytes)
            return sim_access(b, at - b->address, bytes, c->to_memory);
    }
    sim_complain("the device reaches %#llx, which is in no buffer of the command",
                 (unsigned long long)at);
    return NULL;
}

static uint32_t room(const struct sim_channel *c) {
    uint32_t least = STREAM_WORDS;
    for (uint32_t i = 0; i < c->outs; i++)
        if (STREAM_WORDS - c->out[i]->in.count < least) least = STREAM_WORDS - c->out[i]->in.count;
    return c->outs ? least : 0;
}

/* Words in a row from a place in a stream's ring to its end. */
static uint32_t to_the_end(uint32_t at, uint32_t words) {
    return STREAM_WORDS - at < words ? STREAM_WORDS - at : words;
}

static void send(struct sim_channel *c, const uint8_t *from, uint32_t words) {
    for (uint32_t i = 0; i < c->outs; i++) {
        struct sim_stream *s = &c->out[i]->in;
        uint32_t at = (s->from + s->count) % STREAM_WORDS, first = to_the_end(at, words);
        memcpy(&s->word[at], from, (size_t)first * 4);
        memcpy(s->word, from + (size_t)first * 4, (size_t)(words - first) * 4);
        s->count += words;
    }
}

static void receive(struct sim_channel *c, uint8_t *to, uint32_t words) {
    struct sim_stream *s = &c->in;
    uint32_t first = to_the_end(s->from, words);
    memcpy(to, &s->word[s->from], (size_t)first * 4);
    memcpy(to + (size_t)first * 4, s->word, (size_t)(words - first) * 4);
    s->from = (s->from + words) % STREAM_WORDS;
    s->count -= words;
}

/* Moves as many words as can be moved now. */
static int move(struct sim_array *a, struct sim_channel *c) {
    uint32_t can = c->to_memory ? c->in.count : room(c), run, moved = 0;
    while (can && c->at < c->d.words) {
        uint64_t at = place(a, c, &run);
        if (run > can) run = can;
        uint8_t *memory = memory_at(a, c, at, (uint64_t)run * 4);
        if (!memory) return -1;
        if (c->to_memory)
            receive(c, memory, run);
        else
            send(c, memory, run);
        if (c->row == ROW_SHIM) *(c->to_memory ? &a->bytes_written : &a->bytes_read) += run * 4u;
        c->moved += run;
        c->at += run;
        can -= run;
        moved = 1;
    }
    return (int)moved;
}

int sim_channel_step(struct sim_array *a, struct sim_channel *c) {
    int moved = 0;
    if (!c->busy) {
        if (!c->queued) return 0;
        if (begin_task(a, c)) return -1;
    }
    if (!c->started) {
        if (!acquire(a, c)) return 0;
        moved = 1;
    }
    int m = move(a, c);
    if (m < 0) return -1;
    if (c->at == c->d.words) {
        if (end_descriptor(a, c)) return -1;
        m = 1;
    }
    return moved | m;
}
