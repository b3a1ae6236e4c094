/* The memory functions of images do what libc's do, at every alignment and overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

/* port/image_memory.c under names of its own: this program has a libc. */
void *image_memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *image_memmove(void *to, const void *from, size_t bytes);
void *image_memset(void *to, int value, size_t bytes);
int image_memcmp(const void *a, const void *b, size_t bytes);
size_t image_strlen(const char *text);

enum { SIZE = 96, LONGEST = 40, AT = 24 };

static void fill(uint8_t *bytes) {
    for (uint32_t i = 0; i < SIZE; i++) bytes[i] = (uint8_t)(i * 37 + 11);
}

static void copies_are_libcs(void **state) {
    (void)state;
    uint8_t from[SIZE], ours[SIZE], libcs[SIZE];
    for (size_t bytes = 0; bytes <= LONGEST; bytes++)
        for (uint32_t f = 0; f < 9; f++)
            for (uint32_t t = 0; t < 9; t++) {
                fill(from);
                memset(ours, 0xee, SIZE);
                memset(libcs, 0xee, SIZE);
                assert_ptr_equal(image_memcpy(ours + t, from + f, bytes), ours + t);
                memcpy(libcs + t, from + f, bytes);
                assert_memory_equal(ours, libcs, SIZE);
            }
}

static void moves_overlap(void **state) {
    (void)state;
    uint8_t ours[SIZE], libcs[SIZE];
    for (size_t bytes = 0; bytes <= LONGEST; bytes++)
        for (uint32_t t = 0; t < 2 * AT; t++) {
            fill(ours);
            fill(libcs);
            assert_ptr_equal(image_memmove(ours + t, ours + AT, bytes), ours + t);
            memmove(libcs + t, libcs + AT, bytes);
            assert_memory_equal(ours, libcs, SIZE);
        }
}

static void sets_are_libcs(void **state) {
    (void)state;
    uint8_t ours[SIZE], libcs[SIZE];
    for (size_t bytes = 0; bytes <= LONGEST; bytes++)
        for (uint32_t t = 0; t < 9; t++) {
            fill(ours);
            fill(libcs);
            assert_ptr_equal(image_memset(ours + t, 0x1f3, bytes), ours + t); /* the low byte */
            memset(libcs + t, 0xf3, bytes);
            assert_memory_equal(ours, libcs, SIZE);
        }
}

static int sign(int x) { return (x > 0) - (x < 0); }

static void comparisons_are_libcs(void **state) {
    (void)state;
    uint8_t a[SIZE], b[SIZE];
    for (size_t bytes = 0; bytes <= LONGEST; bytes++)
        for (uint32_t at = 0; at < LONGEST; at++)
            for (int change = -1; change <= 1; change++) {
                fill(a);
                fill(b);
                b[3 + at] = (uint8_t)(b[3 + at] + change * 128); /* signed bytes would be wrong */
                assert_int_equal(sign(image_memcmp(a + 3, b + 3, bytes)),
                                 sign(memcmp(a + 3, b + 3, bytes)));
            }
}

static void lengths_are_libcs(void **state) {
    (void)state;
    assert_int_equal(image_strlen(""), 0);
    assert_int_equal(image_strlen("nine text"), 9);
    assert_int_equal(image_strlen("\xff\x80"), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_libcs),  cmocka_unit_test(moves_overlap),
        cmocka_unit_test(sets_are_libcs),    cmocka_unit_test(comparisons_are_libcs),
        cmocka_unit_test(lengths_are_libcs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
