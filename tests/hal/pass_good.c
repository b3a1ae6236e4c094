/* What a pass may say that its columns see, and each way in which it can be wrong. Engines assert
 * hal_pass_good in builds that check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "hal/program.h"

enum { SLOTS = 64 };

/* A column in slot 30 with these ranges. */
static int good(const struct kv_range *range, uint32_t ranges, uint32_t tail, uint32_t mask) {
    struct hal_column c = {.slot = 30, .range = 1, .ranges = ranges, .tail = tail, .mask = mask};
    struct kv_range all[16] = {{0, 0}};
    if (ranges) memcpy(all + 1, range, (ranges < 15 ? ranges : 15) * sizeof *range);
    struct hal_pass pass = {
        .columns = 1, .column = {&c}, .range = all, .ranges = ranges < 15 ? ranges + 1 : 16};
    return hal_pass_good(&pass, (const uint32_t[HAL_VIEWS]){SLOTS});
}

#define GOOD(tail, mask, ...)                                                                      \
    assert_true(good((struct kv_range[]){__VA_ARGS__},                                             \
                     sizeof(struct kv_range[]){__VA_ARGS__} / sizeof(struct kv_range), tail,       \
                     mask))
#define WRONG(tail, mask, ...)                                                                     \
    assert_false(good((struct kv_range[]){__VA_ARGS__},                                            \
                      sizeof(struct kv_range[]){__VA_ARGS__} / sizeof(struct kv_range), tail,      \
                      mask))

static void ranges_ascend_apart(void **unused) {
    (void)unused;
    GOOD(0, 0, {0, 31});
    GOOD(0, 0, {30, 31});
    GOOD(0, 0, {2, 9}, {20, 31}, {63, 64});
    GOOD(0, 0, {2, 9}, {9, 31});     /* they may touch */
    WRONG(0, 0, {30, 30}, {30, 31}); /* empty */
    WRONG(0, 0, {31, 30});           /* ends before it begins */
    WRONG(0, 0, {20, 31}, {2, 9});   /* unsorted */
    WRONG(0, 0, {2, 21}, {20, 31});  /* overlap */
    WRONG(0, 0, {20, 31}, {20, 31}); /* twice */
    WRONG(0, 0, {30, 31}, {63, 65}); /* beyond the cache */
    WRONG(0, 0, {30, 31}, {64, 65});
    WRONG(0, 0, {30, UINT32_MAX});
    WRONG(0, 0, {0, 30}); /* not itself */
    GOOD(0, 0, {0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}, {12, 13}, {30, 31});
    WRONG(0, 0, {0, 1}, {2, 3}, {4, 5}, {6, 7}, {8, 9}, {10, 11}, {12, 13}, {14, 15}, {30, 31});
}

static void masks_stand_beside_ranges(void **unused) {
    (void)unused;
    assert_true(good(NULL, 0, 30, 1));
    assert_false(good(NULL, 0, 30, 0)); /* nothing at all */
    assert_false(good(NULL, 0, 30, 2)); /* not itself */
    GOOD(28, 4, {0, 20});
    GOOD(20, 1u << 10 | 1, {0, 20});
    WRONG(19, 1u << 11 | 1, {0, 20}); /* slot 19 twice */
    WRONG(25, 1, {20, 31});
    GOOD(58, 1u << 5, {0, 31});
    WRONG(58, 1u << 6, {0, 31}); /* beyond the cache */
    WRONG(UINT32_MAX, 1, {0, 31});
    WRONG(20, 1u << 16, {0, 31}); /* beyond the mask */
}

static void columns_are_of_the_pass(void **unused) {
    (void)unused;
    struct hal_column c[2];
    struct kv_range range[2];
    struct hal_pass pass = {.columns = 2, .column = {c}, .range = range, .ranges = 2};
    hal_line(c, range, 0, 7, 30);
    hal_line(c, range, 1, 8, 31);
    assert_true(hal_pass_good(&pass, (const uint32_t[HAL_VIEWS]){SLOTS}));
    assert_true(hal_sees(&pass, &c[1], 30));
    assert_false(hal_sees(&pass, &c[0], 31));
    assert_false(
        hal_pass_good(&pass, (const uint32_t[HAL_VIEWS]){16})); /* slots beyond the cache */
    c[1].range = 2; /* a range that the pass does not have */
    assert_false(hal_pass_good(&pass, (const uint32_t[HAL_VIEWS]){SLOTS}));
    c[1].range = UINT32_MAX;
    assert_false(hal_pass_good(&pass, (const uint32_t[HAL_VIEWS]){SLOTS}));
    c[1].range = 1;
    c[1].slot = 30; /* which the other column writes */
    assert_false(hal_pass_good(&pass, (const uint32_t[HAL_VIEWS]){SLOTS}));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranges_ascend_apart),
                                       cmocka_unit_test(masks_stand_beside_ranges),
                                       cmocka_unit_test(columns_are_of_the_pass)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
