#include "npu/gemv.h"

#include <assert.h>
#include <string.h>

/* ------------------------------------------------------------------------------------ shapes -- */

int gemv_shape_direct(struct gemv_shape *s, uint32_t type, uint32_t rows, uint32_t cols) {
    const struct weight_traits *w = weight_traits(type);
    uint32_t groups = padded_cols(cols) / GROUP;
    s->type = type;
    s->panels = padded_rows(rows) / PANEL_ROWS;
    /* the groups of a block, if the type has blocks with scales */
    s->groups = w->block_lines ? WEIGHT_BLOCK : groups % 2 ? 1 : 2;
    s->chunk_bytes = (w->block_lines + s->groups * w->group_lines) * WEIGHT_LINE;
    s->chunks = (groups + s->groups - 1) / s->groups;
    s->panel_bytes = s->chunks * s->chunk_bytes;
    return s->panels >= CORE_ROWS && groups % s->groups == 0;
}

void gemv_shape_copied(struct gemv_shape *s, uint32_t type, uint32_t rows, uint32_t cols) {
    gemv_shape_direct(s, type, rows, cols);
    if (s->panels < CORE_ROWS) s->panels = CORE_ROWS;
}

void gemv_copy(const struct gemv_shape *s, uint32_t rows, uint32_t cols, const uint8_t *panels,
               uint8_t *out) {
    uint32_t have = padded_rows(rows) / PANEL_ROWS;
    size_t from = panel_bytes(s->type, cols);
    memset(out, weight_traits(s->type)->zero, gemv_weight_bytes(s));
    for (uint32_t p = 0; p < have; p++)
        memcpy(out + (size_t)p * s->panel_bytes, panels + p * from, from);
}

/* ------------------------------------------------------------------------------ control code -- */

/* What each descriptor is for. A memory tile's even channels can use the first half of its
 * descriptors, its odd channels the second half.
 *
 * Weights come through both channels of a shim, the panels of two tiles through each. In the first
 * column x takes one channel, so all four panels come through the other. A memory tile has six
 * channels in: two for weights, one for x, and three for the sums of three tiles. The sums of the
 * fourth tile go directly to the shim. */
enum { SHIM_BD_W = 0, SHIM_BD_X = 1, SHIM_BD_Y = 2, SHIM_BD_W2 = 3, SHIM_BD_LAST = 4 };
enum { SHIM_MM2S_W = 0, SHIM_MM2S_X = 1, SHIM_MM2S_W2 = 1, SHIM_S2MM_Y = 0, SHIM_S2MM_LAST = 1 };
enum {
    MEM_S2MM_W = 0,
    MEM_S2MM_X = 1,
    MEM_S2MM_Y = 2,
    MEM_S2MM_W2 = 5,
    MEM_MM2S_W = 0,
    MEM_MM2S_X = 4,
    MEM_MM2S_Y = 5
};
enum {
    MEM_BD_W_IN = 0,
    MEM_BD_X_OUT = 6,
    MEM_BD_ODD = 24,
    MEM_BD_Y_OUT = 26,
    MEM_BD_X_IN = 29,
    MEM_BD_W2_IN = 30,
    MEM_BDS_HALF = 9
};
enum { CORE_BD_W = 0, CORE_BD_X = 1, CORE_BD_Y = 2 };
enum { CORE_S2MM_W = 0, CORE_S2MM_X = 1, CORE_MM2S_Y = 0 };
enum { LAST = CORE_ROWS - 1, HALF = CORE_ROWS / 2 }; /* the last tile; half of the tiles */

static uint32_t mem_bd_w_out(uint32_t t) { return t % 2 ? 24 + t / 2 : 4 + t / 2; }
static uint32_t mem_bd_y_in(uint32_t t) { return t % 2 ? 32 : 7 + t / 2; }
/* How many tiles get their weights through a column's first channel. */
static uint32_t first_tiles(uint32_t column) { return column ? HALF : CORE_ROWS; }

/* A part of the product that one column computes in one go: `quads` quads of panels, beginning with
 * panel `panel`. */
struct part {
    uint32_t column, panel, quads;
};

struct job {
    const struct gemv_shape *shape;
    struct txn *txn;
    uint32_t columns; /* of x */
    uint32_t tokens;
    uint32_t x_words, sum_words; /* words of x, and of the sums of a panel */
};

static struct descriptor buffer(uint32_t base, uint32_t words) {
    return (struct descriptor){
        .base = base, .words = words, .next = -1, .acquire = -1, .acquire_value = -1};
}

/* A descriptor that uses two buffers in turn, which lie `apart` bytes from each other. Each run
 * acquires one lock and releases the other. */
static struct descriptor two_buffers(uint32_t base, uint32_t words, uint32_t apart, int32_t acquire,
                                     int32_t release) {
    struct descriptor d = buffer(base, words);
    d.iterations = 2;
    d.iteration_step = apart / 4;
    d.acquire = acquire;
    d.release = release;
    d.release_value = 1;
    return d;
}

static void put(const struct descriptor *d, uint32_t row, uint32_t *half, uint32_t bd) {
    descriptor_pack(d, row, half + (size_t)(bd % MEM_BD_ODD) * BD_WORDS_MEM);
}

/* The descriptor that follows the `at`-th of `count` descriptors from `from` on, or -1 after the
 * last. */
static int32_t chained(uint32_t from, uint32_t at, uint32_t count) {
    return at + 1 < count ? (int32_t)(from + at + 1) : -1;
}

/* The memory tile's descriptors for the weights of tile t, in and out. */
static void mem_weights(const struct job *j, const struct part *p, uint32_t t, uint32_t *even,
                        uint32_t *odd) {
    uint32_t first = first_tiles(p->column), chunk = j->shape->chunk_bytes / 4,
             w = MEM_W + 2 * t * MEM_BUFFER;
    int32_t empty = MEM_LOCK_W_EMPTY + (int32_t)t, full = MEM_LOCK_W_FULL + (int32_t)t;
    struct descriptor d = two_buffers(w, chunk, MEM_BUFFER, empty, full);
    d.next = t < first ? chained(MEM_BD_W_IN, t, first)
                       : chained(MEM_BD_W2_IN, t - first, CORE_ROWS - first);
    if (t < first)
        put(&d, ROW_MEM, even, MEM_BD_W_IN + t);
    else
        put(&d, ROW_MEM, odd, MEM_BD_W2_IN + t - first);
    d = two_buffers(w, chunk, MEM_BUFFER, full, empty);
    put(&d, ROW_MEM, t % 2 ? odd : even, mem_bd_w_out(t));
}

/* Writes all of a memory tile's descriptors, in two blocks. A column without work gets x like all
 * columns, and does not use it. */
static void mem_descriptors(const struct job *j, const struct part *p) {
    uint32_t even[MEM_BDS_HALF * BD_WORDS_MEM] = {0}, odd[MEM_BDS_HALF * BD_WORDS_MEM] = {0};
    struct descriptor d;
    for (uint32_t t = 0; t < CORE_ROWS; t++) mem_weights(j, p, t, even, odd);
    for (uint32_t t = 0; t < LAST; t++) {
        uint32_t y = MEM_Y + 2 * t * MEM_Y_BUFFER;
        int32_t empty = MEM_LOCK_Y_EMPTY + (int32_t)t, full = MEM_LOCK_Y_FULL + (int32_t)t;
        d = two_buffers(y, j->sum_words, MEM_Y_BUFFER, empty, full);
        put(&d, ROW_MEM, t % 2 ? odd : even, mem_bd_y_in(t));
        d = two_buffers(y, j->sum_words, MEM_Y_BUFFER, full, empty);
        d.next = chained(MEM_BD_Y_OUT, t, LAST);
        put(&d, ROW_MEM, odd, MEM_BD_Y_OUT + t);
    }
    d = buffer(MEM_X, j->x_words);
    d.release = MEM_LOCK_X;
    d.release_value = (int32_t)p->quads;
    put(&d, ROW_MEM, odd, MEM_BD_X_IN);
    d = buffer(MEM_X, j->x_words);
    d.acquire = MEM_LOCK_X;
    put(&d, ROW_MEM, even, MEM_BD_X_OUT);
    if (p->quads) {
        txn_block(j->txn, tile_address(p->column, ROW_MEM, MEM_BD), even,
                  MEM_BDS_HALF * BD_WORDS_MEM);
        txn_block(j->txn, tile_address(p->column, ROW_MEM, MEM_BD + MEM_BD_ODD * BD_STRIDE), odd,
                  MEM_BDS_HALF * BD_WORDS_MEM);
    } else {
        const uint32_t *x_in = odd + (size_t)(MEM_BD_X_IN - MEM_BD_ODD) * BD_WORDS_MEM;
        txn_block(j->txn, tile_address(p->column, ROW_MEM, MEM_BD + MEM_BD_X_IN * BD_STRIDE), x_in,
                  BD_WORDS_MEM);
    }
}

static void block_descriptor(struct txn *t, uint32_t column, uint32_t row, uint32_t bd,
                             const struct descriptor *d) {
    uint32_t words[BD_WORDS_MAX], count = descriptor_pack(d, row, words);
    txn_block(t, tile_address(column, row, (row == ROW_MEM ? MEM_BD : CORE_BD) + bd * BD_STRIDE),
              words, count);
}

static void core_descriptors(const struct job *j, const struct part *p) {
    const struct gemv_shape *s = j->shape;
    uint32_t x = s->groups * GROUP * j->tokens / 4;
    const uint32_t parameters[GEMV_PARAMETERS] = {s->type, s->groups, j->tokens, s->chunks,
                                                  p->quads};
    struct descriptor in_w =
        two_buffers(CORE_W, s->chunk_bytes / 4, CORE_BUFFER, LOCK_W_EMPTY, LOCK_W_FULL);
    struct descriptor in_x = two_buffers(CORE_X, x, CORE_BUFFER, LOCK_X_EMPTY, LOCK_X_FULL);
    struct descriptor out =
        two_buffers(CORE_Y, j->sum_words, CORE_Y_BUFFER, LOCK_Y_FULL, LOCK_Y_EMPTY);
    if (j->columns < 8) { /* only the first columns of the 8 of each row */
        out.wrap[0] = j->columns;
        out.step[1] = 8;
        out.wrap[1] = PANEL_ROWS;
    }
    for (uint32_t row = ROW_CORE; row < ARRAY_ROWS; row++) {
        txn_block(j->txn, tile_address(p->column, row, CORE_PARAMETERS), parameters,
                  GEMV_PARAMETERS);
        block_descriptor(j->txn, p->column, row, CORE_BD_W, &in_w);
        block_descriptor(j->txn, p->column, row, CORE_BD_X, &in_x);
        block_descriptor(j->txn, p->column, row, CORE_BD_Y, &out);
    }
}

static void shim_descriptor(const struct job *j, uint32_t column, uint32_t bd,
                            const struct descriptor *d, uint32_t argument, uint64_t offset) {
    block_descriptor(j->txn, column, ROW_SHIM, bd, d);
    txn_patch(j->txn, tile_address(column, ROW_SHIM, SHIM_BD + bd * BD_STRIDE + 4), argument,
              offset);
}

/* Reads the weights of `panels` panels of each quad, beginning with panel `from` of the quad: a
 * chunk of each panel, then the next chunk of each, then the next quad. */
static void shim_weights(const struct job *j, const struct part *p, uint32_t bd, uint32_t from,
                         uint32_t panels) {
    const struct gemv_shape *s = j->shape;
    uint32_t chunk = s->chunk_bytes / 4, panel = s->panel_bytes / 4;
    struct descriptor d = buffer(0, chunk * panels * s->chunks);
    d.wrap[0] = chunk;
    d.step[1] = panel;
    d.wrap[1] = panels;
    d.step[2] = chunk;
    d.iterations = p->quads;
    d.iteration_step = CORE_ROWS * panel;
    shim_descriptor(j, p->column, bd, &d, GEMV_WEIGHTS,
                    (uint64_t)(p->panel + from) * s->panel_bytes);
}

/* Writes the sums of `panels` panels of each quad, beginning with panel `from` of the quad. */
static void shim_sums(const struct job *j, const struct part *p, uint32_t bd, uint32_t from,
                      uint32_t panels) {
    struct descriptor d = buffer(0, p->quads * panels * j->sum_words);
    d.wrap[0] = panels * j->sum_words;
    d.step[1] = CORE_ROWS * j->sum_words;
    d.wrap[1] = p->quads;
    shim_descriptor(j, p->column, bd, &d, GEMV_SUMS,
                    (uint64_t)(p->panel + from) * j->sum_words * 4);
}

static void shim_descriptors(const struct job *j, const struct part *p) {
    uint32_t first = first_tiles(p->column);
    if (!p->column) {
        struct descriptor d = buffer(0, j->x_words);
        shim_descriptor(j, p->column, SHIM_BD_X, &d, GEMV_X, 0);
    }
    if (!p->quads) return;
    shim_weights(j, p, SHIM_BD_W, 0, first);
    if (first < CORE_ROWS) shim_weights(j, p, SHIM_BD_W2, first, CORE_ROWS - first);
    shim_sums(j, p, SHIM_BD_Y, 0, LAST);
    shim_sums(j, p, SHIM_BD_LAST, LAST, 1);
}

static void push(struct txn *t, uint32_t queue, uint32_t channel, uint32_t bd, uint32_t runs,
                 int token) {
    for (; runs; runs -= runs < REPEAT_MAX ? runs : REPEAT_MAX)
        txn_write(t, queue + channel * QUEUE_STRIDE,
                  queue_word(bd, runs < REPEAT_MAX ? runs : REPEAT_MAX, token));
}

/* Starts the channels, in the order from where the sums arrive back to where the weights are
 * read. */
static void start(const struct job *j, const struct part *p) {
    struct txn *t = j->txn;
    uint32_t mem = tile_address(p->column, ROW_MEM, 0), shim = tile_address(p->column, ROW_SHIM, 0);
    uint32_t quads = p->quads, chunks = quads * j->shape->chunks;
    push(t, mem + MEM_S2MM_QUEUE, MEM_S2MM_X, MEM_BD_X_IN, 1, 0);
    if (!quads) return;
    push(t, shim + SHIM_S2MM_QUEUE, SHIM_S2MM_Y, SHIM_BD_Y, 1, 1);
    push(t, shim + SHIM_S2MM_QUEUE, SHIM_S2MM_LAST, SHIM_BD_LAST, 1, 1);
    push(t, mem + MEM_MM2S_QUEUE, MEM_MM2S_Y, MEM_BD_Y_OUT, quads, 0);
    for (uint32_t i = 0; i < CORE_ROWS; i++) {
        uint32_t core = tile_address(p->column, ROW_CORE + i, 0);
        if (i < LAST) push(t, mem + MEM_S2MM_QUEUE, MEM_S2MM_Y + i, mem_bd_y_in(i), quads, 0);
        push(t, core + CORE_MM2S_QUEUE, CORE_MM2S_Y, CORE_BD_Y, quads, 0);
        push(t, core + CORE_S2MM_QUEUE, CORE_S2MM_X, CORE_BD_X, chunks, 0);
        push(t, core + CORE_S2MM_QUEUE, CORE_S2MM_W, CORE_BD_W, chunks, 0);
        push(t, mem + MEM_MM2S_QUEUE, MEM_MM2S_W + i, mem_bd_w_out(i), chunks, 0);
    }
    push(t, mem + MEM_MM2S_QUEUE, MEM_MM2S_X, MEM_BD_X_OUT, quads, 0);
    push(t, mem + MEM_S2MM_QUEUE, MEM_S2MM_W, MEM_BD_W_IN, chunks, 0);
    if (p->column) push(t, mem + MEM_S2MM_QUEUE, MEM_S2MM_W2, MEM_BD_W2_IN, chunks, 0);
    push(t, shim + SHIM_MM2S_QUEUE, SHIM_MM2S_W, SHIM_BD_W, quads, 0);
    if (p->column) push(t, shim + SHIM_MM2S_QUEUE, SHIM_MM2S_W2, SHIM_BD_W2, quads, 0);
}

/* How many quads a column can take in one go: a lock counts to 63, and a queue takes 4 tasks of 256
 * runs. */
static uint32_t quads_of_column(const struct gemv_shape *s) {
    uint32_t most = QUEUE_DEPTH * REPEAT_MAX / s->chunks;
    return most > LOCK_MAX ? LOCK_MAX : most ? most : 1;
}

/* Gives each quad to the column that will have computed it first. A quad takes twice as long in the
 * first column. */
static void assign_quads(struct part *part, uint32_t array, uint32_t count) {
    for (; count; count--) {
        uint32_t best = 0;
        for (uint32_t c = 1; c < array; c++)
            if (part[c].quads + 1 < (part[best].quads + 1) * (best ? 1 : 2)) best = c;
        part[best].quads++;
    }
}

/* The columns that get some of `count` quads lie next to each other. Column 0 is the last one to
 * get any. */
static uint32_t busy_from(uint32_t array, uint32_t count) { return count < array ? 1 : 0; }
static uint32_t busy_columns(uint32_t array, uint32_t count) {
    return count < array ? count : array;
}

/* Computes quads first .. first + count - 1 on the array's columns. The channel of x, in the first
 * column, starts last. */
static void run_together(const struct job *j, uint32_t array, uint32_t first, uint32_t count) {
    struct part part[ARRAY_COLUMNS_MAX] = {{0, 0, 0}};
    assign_quads(part, array, count);
    for (uint32_t c = 0; c < array; c++) {
        part[c].column = c;
        if (!part[c].quads) continue;
        /* The last quad of a tensor ends with its last panel, and so may compute up to 3 panels of
         * the quad before again. */
        uint32_t end = (first + part[c].quads) * CORE_ROWS,
                 past = end > j->shape->panels ? end - j->shape->panels : 0;
        part[c].panel = first * CORE_ROWS - past;
        first += part[c].quads;
    }
    for (uint32_t c = 0; c < array; c++) {
        mem_descriptors(j, &part[c]);
        if (part[c].quads) core_descriptors(j, &part[c]);
        shim_descriptors(j, &part[c]);
    }
    for (uint32_t c = 0; c < array; c++) start(j, &part[c]);
    push(j->txn, tile_address(0, ROW_SHIM, SHIM_MM2S_QUEUE), SHIM_MM2S_X, SHIM_BD_X, 1, 0);
    txn_token(j->txn, busy_from(array, count), busy_columns(array, count), TXN_S2MM, SHIM_S2MM_Y);
    txn_token(j->txn, busy_from(array, count), busy_columns(array, count), TXN_S2MM,
              SHIM_S2MM_LAST);
}

/* Sets the number that the tokens of sums carry, so that they arrive. It stays until the context
 * ends, and is written with every command, because each may be the first one. */
static void name_controllers(struct txn *t, uint32_t from, uint32_t columns) {
    for (uint32_t c = from; c < from + columns; c++)
        for (uint32_t channel = 0; channel < SHIM_CHANNELS; channel++)
            txn_write(t, tile_address(c, ROW_SHIM, SHIM_S2MM_CONTROL + channel * QUEUE_STRIDE),
                      SHIM_CONTROLLER << CONTROL_CONTROLLER_SHIFT);
}

size_t gemv_code(const struct gemv_shape *s, uint32_t generation, uint32_t columns, uint32_t *words,
                 size_t room, uint32_t *operations) {
    assert(columns == gemv_bucket_columns(gemv_bucket(columns)) && gemv_fits(s, columns));
    assert(s->panels >= CORE_ROWS && s->chunk_bytes % 4 == 0 && s->chunk_bytes <= CORE_BUFFER);
    struct txn t;
    const struct job j = {s,
                          &t,
                          columns,
                          gemv_tokens(columns),
                          (uint32_t)(gemv_x_bytes(s, columns) / 4),
                          PANEL_ROWS * columns};
    uint32_t array = array_columns(generation), quads = (s->panels + CORE_ROWS - 1) / CORE_ROWS;
    uint32_t most = quads_of_column(s) * (2 * array - 1) / 2, times = (quads + most - 1) / most,
             each = (quads + times - 1) / times;
    txn_begin(&t, words, room);
    name_controllers(&t, busy_from(array, each), busy_columns(array, each));
    for (uint32_t first = 0; first < quads; first += each)
        run_together(&j, array, first, quads - first < each ? quads - first : each);
    *operations = t.operations;
    return txn_end(&t, generation, array);
}
