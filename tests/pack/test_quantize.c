/* Rounding: error bounds, the format's promises, and the byte layouts through a second reader. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/pack/random.h"
#include "tests/pack/unpack.h"
#include "weights/pack/quantize/panels.h"
#include "weights/pack/quantize/quantize.h"

enum { WIDEST = 65536 };
static float w[WIDEST], room[BLOB_DIM_MAX];
static int8_t q[WIDEST], scale[WIDEST / GROUP];

/* Rows as models have them, and as they should not. */
static void fill(uint32_t cols, int kind, uint64_t seed) {
    memset(w, 0, sizeof w);
    for (uint32_t c = 0; c < cols; c++) {
        float x = random_normal(&seed);
        switch (kind) {
        case 0:
            w[c] = 0.02f * x;
            break;
        case 1:
            w[c] = x * x * x;
            break; /* heavy tails */
        case 2:
            w[c] = x * (c / GROUP % 2 ? 1e-4f : 1);
            break; /* groups of very different size */
        case 3:
            w[c] = c % 97 == 3 ? 50 * x : 0.01f * x;
            break; /* outliers */
        case 4:
            w[c] = c == cols / 2 ? x : 0;
            break; /* one weight */
        case 5:
            w[c] = x > 0 ? 1 : -1;
            break;
        default:
            w[c] = fabsf(x) * 0x1p40f;
            break; /* one sign, large */
        }
    }
}

static double squared_error(const struct quantized_row *row, uint32_t cols) {
    double sum = 0;
    for (uint32_t c = 0; c < cols; c++) {
        double value = (double)row->row_scale * (row->scale[c / GROUP] * row->q[c]);
        sum += ((double)w[c] - value) * ((double)w[c] - value);
    }
    return sum;
}

/* Nearest with the scale largest / highest level per run of `run` columns. */
static double plain_error(uint32_t cols, uint32_t run, enum weight_type type) {
    const struct levels to = levels_of(type);
    const double levels = (double)to.high;
    double sum = 0;
    for (uint32_t from = 0; from < cols; from += run) {
        double max = 0;
        uint32_t end = from + run < cols ? from + run : cols;
        for (uint32_t c = from; c < end; c++) max = fmax(max, fabs((double)w[c]));
        for (uint32_t c = from; c < end && max > 0; c++) {
            double e =
                (double)w[c] -
                (double)nearest_level((float)((double)w[c] / max * levels), to) * max / levels;
            sum += e * e;
        }
    }
    return sum;
}

static struct quantized_row quantize(enum weight_type type, uint32_t cols) {
    struct quantized_row row = {.q = q, .scale = scale};
    struct quantizer quantizer = quantizer_rounding(type);
    memset(q, 77, sizeof q), memset(scale, 77, sizeof scale);
    quantizer.rows(&quantizer, w, 1, cols, room, &row);
    return row;
}

static bool in_table(int weight) {
    static const int8_t table[16] = WEIGHT_TABLE(0);
    for (int i = 0; i < 16; i++)
        if (table[i] == weight) return true;
    return false;
}

static void check_promises(enum weight_type type, uint32_t cols, const struct quantized_row *row) {
    const struct levels to = levels_of(type);
    const int low = (int)to.low, high = (int)to.high;
    uint64_t sum = 0;
    for (uint32_t c = 0; c < padded_cols(cols); c++) {
        assert_in_range(row->q[c] + 128, low + 128, high + 128);
        if (to.table) assert_true(in_table(row->q[c]));
        sum += (uint64_t)abs(row->scale[c / GROUP] * row->q[c]);
        if (c >= cols) assert_int_equal(row->q[c], 0);
    }
    assert_true(127 * sum < (uint64_t)1 << 31);
    assert_true(quantized_reach(row, cols) == 127 * sum);
    assert_true(row->row_scale == 0 ? !signbit(row->row_scale) && sum == 0
                                    : row->row_scale >= 0x1p-50f && row->row_scale <= 0x1p50f);
}

/* Against all sixteen, which the packer does not compare. Halfway between two either is right. */
static void levels_of_the_table(void **state) {
    (void)state;
    static const int8_t table[16] = WEIGHT_TABLE(0);
    const struct levels to = levels_of(WEIGHT_W4T);
    assert_true(to.low == table[0] && to.high == table[15]);
    for (int i = 0; i < 16; i++) assert_int_equal(table_place(table[i]), i);
    for (int n = -1600; n <= 1600; n++) {
        const float x = (float)n / 100, got = nearest_level(x, to);
        float least = INFINITY;
        for (int i = 0; i < 16; i++) least = fminf(least, fabsf(x - (float)table[i]));
        assert_true(in_table((int)got) && fabsf(x - got) == least);
    }
}

static const enum weight_type GROUPED[] = {WEIGHT_W4, WEIGHT_W4T, WEIGHT_W5, WEIGHT_W6};
static const uint32_t COLS[] = {1, 15, 16, 63, 64, 65, 100, 576, 1000, 1536, 4096};

static void never_worse_than_plain_rounding(void **state) {
    (void)state;
    for (size_t n = 0; n < sizeof COLS / sizeof COLS[0]; n++) {
        for (int kind = 0; kind < 7; kind++) {
            for (uint64_t seed = 1; seed <= 4; seed++) {
                uint32_t cols = COLS[n];
                fill(cols, kind, seed * 1000 + cols);
                struct quantized_row row = quantize(WEIGHT_W8, cols);
                check_promises(WEIGHT_W8, cols, &row);
                double norm = 0;
                for (uint32_t c = 0; c < cols; c++) norm += (double)w[c] * (double)w[c];
                assert_true(squared_error(&row, cols) <=
                            plain_error(cols, cols, WEIGHT_W8) * 1.00001 + 1e-12 * norm);
                for (size_t t = 0; t < sizeof GROUPED / sizeof GROUPED[0]; t++) {
                    row = quantize(GROUPED[t], cols);
                    check_promises(GROUPED[t], cols, &row);
                    /* one scale per 64 in floating point, though ours are integers: the price of
                     * those is the last term */
                    assert_true(squared_error(&row, cols) <=
                                plain_error(cols, GROUP, GROUPED[t]) * 1.02 + 1e-4 * norm);
                }
            }
        }
    }
}

/* On normal weights the search must beat plain rounding by what it costs time for. */
static void search_pays(void **state) {
    (void)state;
    double ours4 = 0, plain4 = 0, table = 0, ours8 = 0, plain8 = 0;
    for (uint64_t seed = 1; seed <= 50; seed++) {
        fill(4096, 0, seed);
        struct quantized_row row = quantize(WEIGHT_W4, 4096);
        ours4 += squared_error(&row, 4096), plain4 += plain_error(4096, GROUP, WEIGHT_W4);
        row = quantize(WEIGHT_W4T, 4096);
        table += squared_error(&row, 4096);
        row = quantize(WEIGHT_W8, 4096);
        ours8 += squared_error(&row, 4096), plain8 += plain_error(4096, 4096, WEIGHT_W8);
    }
    print_message("squared error against plain rounding: 4 bits %.3f, with the table %.3f, 8 bits "
                  "%.3f\n",
                  ours4 / plain4, table / plain4, ours8 / plain8);
    assert_true(ours4 < 0.85 * plain4 && table < 0.9 * ours4 && ours8 < plain8);
}

static void rows_of_nothing(void **state) {
    (void)state;
    static const float values[] = {0, 0x1p-60f, 1e-40f, -1e-44f};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        for (int type = WEIGHT_W8; type < WEIGHT_TYPES; type++) {
            memset(w, 0, sizeof w);
            for (uint32_t c = 0; c < 100; c++) w[c] = values[i];
            struct quantized_row row = quantize((enum weight_type)type, 100);
            assert_true(row.row_scale == 0 && !signbit(row.row_scale));
            for (uint32_t c = 0; c < 128; c++) assert_int_equal(row.q[c], 0);
            check_promises((enum weight_type)type, 100, &row);
        }
    }
    memset(w, 0, sizeof w);
    w[3] = 0x1p-39f, w[70] = 1e-38f; /* the least that is kept, beside a group that is nothing */
    struct quantized_row row = quantize(WEIGHT_W4, 128);
    check_promises(WEIGHT_W4, 128, &row);
    assert_true(fabs((double)(row.row_scale * (float)(row.scale[0] * row.q[3])) / 0x1p-39 - 1) <
                    0.01 &&
                row.q[70] * row.scale[1] == 0);
}

/* Every weight at its limit, as wide as the format allows: still inside 32-bit sums. */
static void widest_rows_fit(void **state) {
    (void)state;
    for (uint32_t cols = 16384; cols <= WIDEST; cols *= 2) {
        struct quantized_row row;
        for (size_t t = 0; t < sizeof GROUPED / sizeof GROUPED[0]; t++) {
            fill(cols, 5, 9);
            row = quantize(GROUPED[t], cols);
            check_promises(GROUPED[t], cols, &row);
            assert_true(squared_error(&row, cols) < 0.02 * cols);
            fill(cols, 0, 9);
            row = quantize(GROUPED[t], cols);
            check_promises(GROUPED[t], cols, &row);
        }
        fill(cols < 65536 ? cols : 65536, 5, 9);
        row = quantize(WEIGHT_W8, cols);
        check_promises(WEIGHT_W8, cols, &row);
    }
}

/* A line of a sparse type, all of whose bytes are `code`, always keeps two columns of four. */
static void every_code_keeps_two(void **state) {
    (void)state;
    static uint8_t panel[PANEL_ROWS * 128];
    uint32_t pairs = 0;
    for (uint32_t code = 0; code < 256; code++)
        for (uint32_t flags = 0; flags < 256; flags += 255) {
            const size_t bytes = panel_bytes(WEIGHT_W8S, 128);
            assert_int_equal(bytes, 19 * 64); /* fewer than there is room for */
            memset(panel, 1, bytes);
            memset(panel, (int)flags, 64);
            memset(panel + 64, (int)code, 64);
            for (uint32_t c = 0; c < 64; c += 4) {
                uint32_t kept = 0, which = 0;
                for (uint32_t i = 0; i < 4; i++) {
                    const int kept_here = unpack_weight(WEIGHT_W8S, 128, panel, 3, c + i);
                    kept += kept_here == 1, which |= (uint32_t)kept_here << i;
                }
                assert_int_equal(kept, 2);
                pairs |= 1u << which;
            }
        }
    assert_int_equal(pairs, 1 << 3 | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 12);
}

static void layouts_round_trip(void **state) {
    (void)state;
    static const uint32_t cols_list[] = {1, 8, 63, 64, 128, 192, 256, 257, 320, 576, 1000};
    uint64_t seed = 5;
    for (int type = WEIGHT_W8; type < WEIGHT_TYPES; type++) {
        const struct levels to = levels_of((enum weight_type)type);
        for (size_t n = 0; n < sizeof cols_list / sizeof cols_list[0]; n++) {
            uint32_t cols = cols_list[n], kp = padded_cols(cols),
                     rows = 1 + random_below(&seed, 16);
            struct quantized_row row[PANEL_ROWS];
            static int8_t integers[PANEL_ROWS * 1024], scales[PANEL_ROWS * 1024];
            static uint8_t out[PANEL_ROWS * 1024];
            memset(integers, 0, sizeof integers);
            size_t bytes =
                type == WEIGHT_ROW8 ? (size_t)kp * PANEL_ROWS : panel_bytes((uint32_t)type, cols);
            assert_true(bytes <= sizeof out);
            memset(out, 0xEE, bytes);
            for (uint32_t r = 0; r < rows; r++) {
                row[r] = (struct quantized_row){.q = integers + (size_t)r * kp,
                                                .scale = scales + (size_t)r * kp,
                                                .row_scale = 1};
                for (uint32_t c = 0; c < cols; c++)
                    row[r].q[c] = (int8_t)nearest_level(
                        (float)random_below(&seed, (uint32_t)(to.high - to.low) + 1) + to.low, to);
                if (weight_traits((uint32_t)type)->sparse) drop_half(row[r].q, cols, &seed);
                for (uint32_t g = 0; g < kp / GROUP; g++)
                    row[r].scale[g] = (int8_t)((int)random_below(&seed, 256) - 128);
            }
            layout_panel((enum weight_type)type, cols, row, rows, out);
            for (uint32_t r = 0; r < PANEL_ROWS; r++) {
                for (uint32_t c = 0; c < kp; c++) {
                    assert_int_equal(unpack_weight((uint32_t)type, cols, out, r, c),
                                     r < rows ? row[r].q[c] : 0);
                    if (weight_traits((uint32_t)type)->scale_bits)
                        assert_int_equal(unpack_scale((uint32_t)type, cols, out, r, c),
                                         r < rows ? row[r].scale[c / GROUP] : 0);
                }
            }
        }
    }
}

/* The scales line of a short last block is 0 where it has no group. */
static void absent_groups_are_zero(void **state) {
    (void)state;
    int8_t integers[320] = {0}, scales[5] = {1, 2, 3, 4, 5};
    uint8_t out[(2 + 40) * 64];
    struct quantized_row row = {.q = integers, .scale = scales, .row_scale = 1};
    assert_int_equal(panel_bytes(WEIGHT_W4, 320), sizeof out);
    memset(out, 0xEE, sizeof out);
    layout_panel(WEIGHT_W4, 320, &row, 1, out);
    const uint8_t *line = out + 33 * 64;
    assert_int_equal(line[0], 5);
    for (int i = 1; i < 64; i++) assert_int_equal(line[i], 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(never_worse_than_plain_rounding),
                                       cmocka_unit_test(levels_of_the_table),
                                       cmocka_unit_test(search_pays),
                                       cmocka_unit_test(rows_of_nothing),
                                       cmocka_unit_test(widest_rows_fit),
                                       cmocka_unit_test(every_code_keeps_two),
                                       cmocka_unit_test(layouts_round_trip),
                                       cmocka_unit_test(absent_groups_are_zero)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
