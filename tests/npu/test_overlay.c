/* Overlays are files from anywhere. What is wrong with one must be said, and nothing outside the
 * file may be read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "npu/array.h"
#include "npu/overlay.h"
#include "tests/npu/sim/sim.h"

/* The model's overlay, in memory of exactly its size, so that the sanitizers notice accesses behind
 * it. */
static uint8_t *whole(uint32_t generation, size_t *bytes) {
    *bytes = (size_t)sim_overlay(generation, NULL, 0);
    uint8_t *file = malloc(*bytes);
    assert_non_null(file);
    assert_int_equal(sim_overlay(generation, file, *bytes), *bytes);
    return file;
}

/* What is found lies inside the file. */
static int sound(const uint8_t *file, size_t bytes) {
    struct overlay o;
    if (overlay_read(&o, file, bytes)) return 0;
    assert_ptr_equal(o.file, file);
    assert_true(o.image >= file && o.image_bytes &&
                o.image_bytes <= bytes - (size_t)(o.image - file));
    return 1;
}

static void set_length(uint8_t *file, size_t bytes) {
    for (int i = 0; i < 8; i++) file[304 + i] = (uint8_t)((uint64_t)bytes >> 8 * i);
}

static void an_overlay_is_read(void **state) {
    (void)state;
    for (uint32_t generation = NPU_XDNA1; generation <= NPU_XDNA2; generation++) {
        size_t bytes;
        struct overlay o;
        uint8_t *file = whole(generation, &bytes);
        assert_true(sound(file, bytes));
        assert_null(overlay_read(&o, file, bytes));
        assert_int_equal(o.columns, array_columns(generation));
        assert_memory_equal(o.id, overlay_of_model, sizeof o.id);
        free(file);
    }
}

/* A file that is cut at every length, once as it is and once with that length in its header. */
static void a_cut_overlay_is_refused(void **state) {
    (void)state;
    size_t bytes;
    uint8_t *file = whole(NPU_XDNA2, &bytes);
    for (size_t n = 0; n < bytes; n++) {
        uint8_t *cut = malloc(n + !n);
        assert_non_null(cut);
        memcpy(cut, file, n);
        assert_false(sound(cut, n));
        if (n >= 312) set_length(cut, n);
        sound(cut, n);
        free(cut);
    }
    free(file);
}

/* In each byte in turn every bit is flipped, and each four bytes in turn become the largest number.
 * The file must be refused or read soundly. */
static void a_damaged_overlay_is_read_soundly(void **state) {
    (void)state;
    static const uint8_t all[] = {255, 255, 255, 255};
    size_t bytes, refused = 0;
    uint8_t *file = whole(NPU_XDNA2, &bytes), *damaged = malloc(bytes);
    assert_non_null(damaged);
    for (size_t at = 0; at < bytes; at++)
        for (int how = 0; how < 9; how++) {
            memcpy(damaged, file, bytes);
            if (how < 8)
                damaged[at] ^= (uint8_t)(1 << how);
            else
                memcpy(damaged + at, all, at + sizeof all <= bytes ? sizeof all : bytes - at);
            refused += !sound(damaged, bytes);
        }
    assert_true(refused > 9 * 16); /* the magic and the length at least */
    free(damaged);
    free(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_overlay_is_read),
                                       cmocka_unit_test(a_cut_overlay_is_refused),
                                       cmocka_unit_test(a_damaged_overlay_is_read_soundly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
