/* The quantized column as C and as the shaders have it (hal/act.h, igpu/shaders/act.glsl): the
 * shaders' file is compiled here as it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hal/act.h"

/* The file's functions are C as well, once they have names of their own. */
typedef uint32_t uint;
uint glsl_tile_words(uint kp, uint cols);
uint glsl_q(uint group, uint column, uint cols);
uint glsl_gsum(uint kp, uint group, uint column, uint cols);
uint glsl_scale(uint kp, uint column, uint cols);
#define act_tile_words glsl_tile_words
#define act_q          glsl_q
#define act_gsum       glsl_gsum
#define act_scale      glsl_scale
#include "igpu/shaders/act.glsl"
#undef act_tile_words
#undef act_q
#undef act_gsum
#undef act_scale

static const uint32_t tiles[] = {1, 2, 4, 8, 16}, widths[] = {64, 128, 576, 1536, 11008, 65536};

static void shaders_agree(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof tiles / sizeof *tiles; t++)
        for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
            uint32_t cols = tiles[t], kp = widths[w];
            assert_true(act_tile_words(kp, cols) == glsl_tile_words(kp, cols));
            for (uint32_t c = 0; c < cols; c++) {
                assert_true(act_tile_scale(kp, c, cols) == glsl_scale(kp, c, cols));
                for (uint32_t g = 0; g < kp / GROUP; g++) {
                    assert_true(act_tile_values(g, c, cols) == glsl_q(g, c, cols));
                    assert_true(act_tile_gsum(kp, g, c, cols) == glsl_gsum(kp, g, c, cols));
                }
            }
        }
}

/* Every word of a tile belongs to one part of one column. */
static void parts_fill_a_tile(void **state) {
    (void)state;
    for (size_t t = 0; t < sizeof tiles / sizeof *tiles; t++) {
        uint32_t cols = tiles[t], kp = 576, words = (uint32_t)act_tile_words(kp, cols);
        uint8_t *seen = calloc(words, 1);
        assert_non_null(seen);
        for (uint32_t c = 0; c < cols; c++) {
            for (uint32_t g = 0; g < kp / GROUP; g++) {
                for (uint32_t i = 0; i < ACT_GROUP_WORDS; i++)
                    seen[act_tile_values(g, c, cols) + i]++;
                seen[act_tile_gsum(kp, g, c, cols)]++;
            }
            seen[act_tile_scale(kp, c, cols)]++;
        }
        for (uint32_t i = 0; i < words; i++) assert_int_equal(seen[i], 1);
        free(seen);
    }
}

/* In the caller's memory a column is a tile by itself. */
static void a_column_is_a_tile_of_one(void **state) {
    (void)state;
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++) {
        uint32_t kp = widths[w];
        assert_true(act_gsum_at(kp) == 4 * act_tile_gsum(kp, 0, 0, 1));
        assert_true(act_scale_at(kp) == 4 * act_tile_scale(kp, 0, 1));
        assert_true(act_stride(kp) >= 4 * act_tile_words(kp, 1));
        assert_true(act_stride(kp) < 4 * act_tile_words(kp, 1) + PLACE_LINE);
        assert_int_equal(act_stride(kp) % PLACE_LINE, 0);
        _Alignas(64) static uint8_t column[128 * 1024];
        assert_true(act_stride(kp) <= sizeof column);
        *act_scale(column, kp) = 0.5f;
        act_gsum(column, kp)[kp / GROUP - 1] = -7;
        assert_true(act_scale_of(column, kp) == 0.5f);
        assert_ptr_equal(act_gsum(column, kp) + kp / GROUP, act_scale(column, kp));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(shaders_agree),
                                       cmocka_unit_test(parts_fill_a_tile),
                                       cmocka_unit_test(a_column_is_a_tile_of_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
