/* Which vector registers an image switches on, from made-up cpuid leaves: no emulator that is free
 * has AVX-512, so that this is where its branch runs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apps/firmware/vector_state.h"

enum { XSAVE = 1 << 26, AVX = 1 << 28, AVX512F = 1 << 16, AVX2 = 1 << 5 };

static void follows_the_leaves(void **state) {
    (void)state;
    static const struct {
        struct cpuid_leaves leaves;
        uint64_t expected;
    } row[] = {
        {{0, 0, 0, 0}, 0},
        /* leaves end before 13, whatever the bits say */
        {{12, XSAVE | AVX, AVX512F, 0xff}, 0},
        {{13, AVX, AVX512F, 0xff}, 0},
        {{13, XSAVE, 0, 0x3}, 0x3},
        /* parts without the instructions, and instructions without the parts */
        {{13, XSAVE, AVX512F, 0xe7}, 0x3},
        {{13, XSAVE | AVX, AVX512F, 0x3}, 0x3},
        {{13, XSAVE | AVX, AVX2, 0x7}, 0x7},
        {{13, XSAVE | AVX, AVX2, 0xe7}, 0x7},
        /* AVX-512 needs its masks and both halves of its registers */
        {{13, XSAVE | AVX, AVX512F, 0x27}, 0x7},
        {{13, XSAVE | AVX, AVX512F, 0x67}, 0x7},
        {{13, XSAVE | AVX, AVX512F, 0xc7}, 0x7},
        {{13, XSAVE | AVX, AVX512F, 0xe7}, 0xe7},
        /* a Zen 4's, and a Sapphire Rapids' with AMX and what the image has no use for */
        {{16, XSAVE | AVX, AVX2 | AVX512F, 0x2e7}, 0xe7},
        {{32, XSAVE | AVX, AVX2 | AVX512F, 0x602e7}, 0xe7},
        /* upper halves of XCR0 count as they are */
        {{13, XSAVE | AVX, AVX512F, UINT64_C(0x4000000000000007)}, 0x7},
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++)
        assert_int_equal(vector_state(&row[i].leaves), row[i].expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(follows_the_leaves)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
