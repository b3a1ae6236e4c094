/* The walk that places everything in the caller's memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hal/place.h"

static void parts_begin_at_lines(void **state) {
    (void)state;
    struct place walk = {0};
    assert_int_equal(place_next(&walk, 1, 1), 0);
    assert_int_equal(place_next(&walk, 3, 32), 64);
    assert_int_equal(place_next(&walk, 0, 8), 192);
    assert_int_equal(place_next(&walk, 1, 64), 192);
    assert_int_equal(place_next_to(&walk, 1, 1, 4096), 256);
    assert_int_equal(walk.end, 4096);
    assert_int_equal(place_up(0, PLACE_LINE), 0);
    assert_int_equal(place_up(65, PLACE_LINE), 128);
}

static void offsets_become_pointers(void **state) {
    (void)state;
    uint8_t memory[256];
    struct place walk = {0};
    uint64_t a = place_next(&walk, 1, 65), b = place_next(&walk, 2, 4);
    assert_int_equal(walk.end, 192);
    assert_ptr_equal(place_at(memory, a), memory);
    assert_ptr_equal(place_at(memory, b), memory + 128);
}

/* Whatever is added to it in whatever order, a walk whose parts cannot be counted stays at the end,
 * and the end is no size that a caller could give. */
static void walks_saturate(void **state) {
    (void)state;
    static const uint64_t parts[][2] = {{UINT64_MAX, 1},
                                        {UINT64_MAX, UINT64_MAX},
                                        {UINT64_C(1) << 32, UINT64_C(1) << 32},
                                        {(UINT64_C(1) << 40) + 1, UINT64_C(1) << 24},
                                        {PLACE_FULL, 1},
                                        {PLACE_FULL - 63, 1}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (uint64_t before = 0; before < 130; before += 65) {
            struct place walk = {0};
            place_next(&walk, 1, before);
            place_next(&walk, parts[i][0], parts[i][1]);
            place_next(&walk, 3, 7);
            assert_true(walk.end == PLACE_FULL);
            place_next(&walk, 1, UINT64_MAX);
            assert_true(walk.end == PLACE_FULL);
        }
    assert_true(place_product(UINT64_C(1) << 31, UINT64_C(1) << 32) == UINT64_C(1) << 63);
    assert_true(place_product(0, UINT64_MAX) == 0 && place_product(UINT64_MAX, 0) == 0);
    assert_true(place_up(UINT64_MAX, 4096) == PLACE_FULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_begin_at_lines),
                                       cmocka_unit_test(offsets_become_pointers),
                                       cmocka_unit_test(walks_saturate)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
