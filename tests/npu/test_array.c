/* Control code that the device model runs: the products must be exact for every shape, array and
 * bucket of columns, and every word of the code must be needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "npu/gemv.h"
#include "tests/npu/sim/sim_parts.h"
#include "npu/txn.h"

enum { CODE_WORDS = 1 << 16 };

/* A product with its buffers at the device. */
struct product {
    struct gemv_shape shape;
    uint32_t rows, cols, columns, generation;
    uint8_t *weights; /* as in the blob */
    int8_t *x;        /* [columns][padded cols] */
    int32_t *want;    /* [columns][padded rows] */
    struct sim_buffer buffer[GEMV_ARGUMENTS];
    struct sim_command command;
    uint32_t code[CODE_WORDS];
    size_t words;
};

static uint32_t noise = 1;
static uint8_t byte(void) {
    noise = noise * 1664525u + 1013904223u;
    return (uint8_t)(noise >> 24);
}

/* Row r of the weights by which x is multiplied: for W8 the numbers, for others the numbers times
 * the scale of their group. */
static void weight_row(const struct product *p, uint32_t r, int32_t *row) {
    const uint8_t *panel = p->weights + r / 16 * panel_bytes(p->shape.type, p->cols);
    for (uint32_t k = 0, kp = padded_cols(p->cols); k < kp; k++) {
        if (p->shape.type == WEIGHT_W8) {
            row[k] = panel[k / 4 * 64 + r % 16 * 4 + k % 4] - 128;
            continue;
        }
        uint32_t g = k / GROUP;
        const uint8_t *at = panel + (size_t)(g / 4) * (1 + 4 * 8) * 64;
        int32_t scale = (at[g % 4 * 16 + r % 16] ^ 128) - 128;
        uint8_t two = at[64 + (g % 4 * 8 + k % GROUP / 8) * 64 + r % 16 * 4 + k % 4];
        static const int8_t table[16] = WEIGHT_TABLE(0);
        int32_t nibble = k % 8 < 4 ? two & 15 : two >> 4;
        row[k] = (p->shape.type == WEIGHT_W4T ? table[nibble] : nibble - 8) * scale;
    }
}

static int32_t dot(const int32_t *w, const int8_t *x, uint32_t count) {
    uint32_t sum = 0;
    for (uint32_t k = 0; k < count; k++) sum += (uint32_t)(w[k] * x[k]);
    return (int32_t)sum;
}

static void reference(struct product *p) {
    uint32_t kp = padded_cols(p->cols), rp = padded_rows(p->rows);
    int32_t *row = malloc(kp * sizeof *row);
    assert_non_null(row);
    for (uint32_t r = 0; r < rp; r++) {
        weight_row(p, r, row);
        for (uint32_t c = 0; c < p->columns; c++)
            p->want[c * rp + r] = dot(row, p->x + (size_t)c * kp, kp);
    }
    free(row);
}

static void make_buffer(struct sim_buffer *b, uint64_t bytes, uint64_t address) {
    *b = (struct sim_buffer){.kind = UAPI_BUFFER_SHARE, .bytes = bytes, .address = address};
    b->host = aligned_alloc(64, (bytes + 63) / 64 * 64);
    assert_non_null(b->host);
    sim_noise(b->host, bytes, (uint32_t)address);
}

static struct product *make(uint32_t type, uint32_t rows, uint32_t cols, uint32_t columns,
                            uint32_t generation) {
    struct product *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->rows = rows, p->cols = cols, p->columns = columns, p->generation = generation;
    int direct = gemv_shape_direct(&p->shape, type, rows, cols);
    if (!direct) gemv_shape_copied(&p->shape, type, rows, cols);
    uint64_t bytes = weight_bytes(type, rows, cols);
    uint32_t kp = padded_cols(cols), rp = padded_rows(rows), tokens = gemv_tokens(columns),
             operations;
    p->weights = malloc(bytes), p->x = malloc(columns * kp),
    p->want = malloc(columns * rp * sizeof *p->want);
    for (uint64_t i = 0; i < bytes; i++) p->weights[i] = byte();
    for (uint32_t i = 0; i < columns * kp; i++) p->x[i] = (int8_t)byte();
    reference(p);
    make_buffer(&p->buffer[GEMV_WEIGHTS], gemv_weight_bytes(&p->shape), 0x10000000);
    make_buffer(&p->buffer[GEMV_X], gemv_x_bytes(&p->shape, columns), 0x20000000);
    make_buffer(&p->buffer[GEMV_SUMS], gemv_sum_bytes(&p->shape, columns), 0x700030000000);
    if (direct)
        memcpy(p->buffer[GEMV_WEIGHTS].host, p->weights, bytes);
    else
        gemv_copy(&p->shape, rows, cols, p->weights, p->buffer[GEMV_WEIGHTS].host);
    memset(p->buffer[GEMV_X].host, 0, p->buffer[GEMV_X].bytes);
    for (uint32_t c = 0; c < columns; c++)
        for (uint32_t k = 0; k < kp; k++)
            p->buffer[GEMV_X].host[gemv_x_index(k, c, tokens)] = (uint8_t)p->x[c * kp + k];
    for (uint32_t i = 0; i < GEMV_ARGUMENTS; i++)
        p->command.buffer[p->command.buffers++] = &p->buffer[i];
    if (!gemv_fits(&p->shape, columns)) return p; /* there is no code for it */
    p->words = gemv_code(&p->shape, generation, columns, p->code, CODE_WORDS, &operations);
    assert_true(p->words <= CODE_WORDS);
    assert_int_equal(gemv_code(&p->shape, generation, columns, NULL, 0, &operations), p->words);
    return p;
}

static void drop(struct product *p) {
    for (uint32_t i = 0; i < GEMV_ARGUMENTS; i++) free(p->buffer[i].host);
    free(p->weights), free(p->x), free(p->want), free(p);
}

/* Loads the overlay again and runs the code. Returns 1 if every sum is right and the model does not
 * complain. */
static int runs_right(struct product *p, struct sim_array *a, const uint32_t *code, size_t words) {
    const uint64_t argument[GEMV_ARGUMENTS] = {p->buffer[0].address, p->buffer[1].address,
                                               p->buffer[2].address};
    struct sim_image image;
    uint32_t rp = padded_rows(p->rows);
    sim.complaint[0] = 0;
    sim_image(&image, p->generation);
    assert_int_equal(sim_array_load(a, (const uint8_t *)&image, sizeof image), 0);
    sim_noise(p->buffer[GEMV_SUMS].host, p->buffer[GEMV_SUMS].bytes, 77);
    a->command = &p->command;
    if (sim_firmware(a, code, (uint32_t)words, argument, GEMV_ARGUMENTS) || sim.complaint[0])
        return 0;
    const int32_t *sums = (const int32_t *)(const void *)p->buffer[GEMV_SUMS].host;
    for (uint32_t c = 0; c < p->columns; c++)
        for (uint32_t r = 0; r < rp; r++)
            if (sums[(size_t)(r / 16) * 16 * p->columns + gemv_sum_index(r % 16, c, p->columns)] !=
                p->want[c * rp + r])
                return 0;
    return 1;
}

static void products_are_exact(void **state) {
    (void)state;
    static const uint32_t shapes[][3] = {
        {WEIGHT_W8, 64, 64},    {WEIGHT_W8, 16, 192},   {WEIGHT_W8, 1000, 128},
        {WEIGHT_W8, 80, 1024},  {WEIGHT_W4, 64, 256},   {WEIGHT_W4, 48, 64},
        {WEIGHT_W4, 720, 320},  {WEIGHT_W4, 256, 1536}, {WEIGHT_W8, 9000, 64},
        {WEIGHT_W4T, 64, 256},  {WEIGHT_W4T, 720, 320}, {WEIGHT_W8, 64, 20000},
        {WEIGHT_W8, 512, 32832} /* 3 and 2 times over the columns */};
    for (uint32_t generation = NPU_XDNA1; generation <= NPU_XDNA2; generation++) {
        struct sim_array array;
        sim_array_open(&array, generation);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            for (uint32_t b = 0; b < GEMV_BUCKETS; b++) {
                struct product *p = make(shapes[s][0], shapes[s][1], shapes[s][2],
                                         gemv_bucket_columns(b), generation);
                if (gemv_fits(&p->shape, p->columns) && !runs_right(p, &array, p->code, p->words))
                    fail_msg("type %u, %u x %u, %u columns, generation %u: %s", shapes[s][0],
                             shapes[s][1], shapes[s][2], p->columns, generation, sim.complaint);
                drop(p);
            }
        sim_array_close(&array);
    }
}

/* A copy of the code without words at .. at + n - 1 and with one operation less. */
static size_t without(const struct product *p, size_t at, size_t n, uint32_t *out) {
    memcpy(out, p->code, at * sizeof *out);
    memcpy(out + at, p->code + at + n, (p->words - at - n) * sizeof *out);
    out[2]--;
    out[3] = (uint32_t)((p->words - n) * sizeof *out);
    return p->words - n;
}

/* Whether the same block of a memory or compute tile has been written before, word for word: each
 * part of the product writes its own again. */
static int written_before(const struct product *p, size_t at, size_t n) {
    if (p->code[at] != TXN_BLOCK || address_row(p->code[at + 2]) == ROW_SHIM) return 0;
    for (size_t before = TXN_HEADER_WORDS; before < at;
         before += txn_length(p->code, p->words, before))
        if (!memcmp(p->code + before, p->code + at, n * sizeof *p->code)) return 1;
    return 0;
}

static void nothing_can_be_left_out(void **state) {
    (void)state;
    static uint32_t code[CODE_WORDS];
    /* 8 quads, in every column; 2; one whose tasks are pushed in two parts; more than run together
     * on XDNA, with a token wait in between */
    static const uint32_t products[][5] = {{WEIGHT_W8, 496, 128, 1, NPU_XDNA2},
                                           {WEIGHT_W4, 80, 256, 16, NPU_XDNA2},
                                           {WEIGHT_W8, 64, 20000, 4, NPU_XDNA2},
                                           {WEIGHT_W8, 256, 32832, 1, NPU_XDNA1}};
    uint32_t kinds[256] = {0}, descriptors = 0;
    for (size_t i = 0; i < sizeof products / sizeof *products; i++)
        for (uint32_t generation = NPU_XDNA1; generation <= products[i][4]; generation++) {
            struct sim_array array;
            struct product *p =
                make(products[i][0], products[i][1], products[i][2], products[i][3], generation);
            sim_array_open(&array, generation);
            assert_true(runs_right(p, &array, p->code, p->words));
            for (size_t at = TXN_HEADER_WORDS, n; at < p->words; at += n) {
                n = txn_length(p->code, p->words, at);
                assert_true(n);
                if (written_before(p, at, n)) continue;
                kinds[p->code[at]]++;
                if (runs_right(p, &array, code, without(p, at, n, code)))
                    fail_msg("the operation at word %zu (%#x) is of no use", at, p->code[at]);
                /* every descriptor and parameter of a block is needed, too */
                uint32_t row = p->code[at] == TXN_BLOCK ? address_row(p->code[at + 2]) : 99,
                         offset = address_offset(p->code[at + 2]);
                size_t step = row == ROW_MEM                                 ? BD_WORDS_MEM
                              : row >= ROW_CORE && offset == CORE_PARAMETERS ? 1
                                                                             : n - TXN_BLOCK_WORDS;
                for (size_t k = TXN_BLOCK_WORDS; row != 99 && k < n; k += step) {
                    static const uint32_t empty[BD_WORDS_MEM];
                    if (!memcmp(p->code + at + k, empty, step * sizeof *empty)) continue;
                    memcpy(code, p->code, p->words * sizeof *code);
                    memset(code + at + k, 0, step * sizeof *code);
                    descriptors++;
                    if (runs_right(p, &array, code, p->words))
                        fail_msg("word %zu of the block at %zu is of no use", k, at);
                }
            }
            sim_array_close(&array);
            drop(p);
        }
    print_message("%u writes, %u blocks, %u patches, %u tokens, %u parts of blocks\n",
                  kinds[TXN_WRITE], kinds[TXN_BLOCK], kinds[TXN_PATCH], kinds[TXN_TOKEN],
                  descriptors);
    assert_true(kinds[TXN_WRITE] > 200 && kinds[TXN_BLOCK] > 100 && kinds[TXN_PATCH] > 20 &&
                kinds[TXN_TOKEN] == 16 && descriptors > 200);
}

/* What the cycle model counts: every weight and x are read once from memory, the kernel needs an
 * instruction for each 8 columns, and one channel is the busiest. Of 16 quads of panels XDNA's
 * columns get 2, 5, 5 and 4; the first reads all its panels through one channel, the others half of
 * each quad. XDNA2's columns get 1 and 3 or 2. */
static void time_is_counted(void **state) {
    (void)state;
    const double cycles[] = {1.25, 1.5}, bytes_per_ns[] = {47, 70},
                 busiest_panels[] = {5 * 2, 3 * 2};
    for (uint32_t generation = NPU_XDNA1; generation <= NPU_XDNA2; generation++)
        for (uint32_t b = 0; b < GEMV_BUCKETS; b++) {
            struct sim_array array;
            struct product *p = make(WEIGHT_W4, 1024, 512, gemv_bucket_columns(b), generation);
            sim_array_open(&array, generation);
            assert_true(runs_right(p, &array, p->code, p->words));
            struct sim_time t = sim_time(&array);
            uint64_t weights = gemv_weight_bytes(&p->shape),
                     macs = (uint64_t)1024 * 512 * gemv_tokens(p->columns);
            assert_int_equal(array.bytes_read, weights + gemv_x_bytes(&p->shape, p->columns));
            assert_int_equal(array.bytes_written, gemv_sum_bytes(&p->shape, p->columns));
            assert_int_equal(array.macs, macs);
            assert_float_equal(t.memory_ns, (double)array.bytes_read / bytes_per_ns[generation - 1],
                               1e-6);
            assert_float_equal(t.channel_ns,
                               busiest_panels[generation - 1] * p->shape.panel_bytes / 4 /
                                   cycles[generation - 1],
                               1e-6);
            assert_float_equal(
                t.work_ns, (double)macs / 128 / (4 * array.columns) / cycles[generation - 1], 1e-6);
            assert_int_equal(sim_time_ns(&array), (uint64_t)t.channel_ns);
            sim_array_close(&array);
            drop(p);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(products_are_exact),
                                       cmocka_unit_test(time_is_counted),
                                       cmocka_unit_test(nothing_can_be_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
