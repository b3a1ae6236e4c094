/* XXH64 against its published values, and in pieces against whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "weights/hash.h"

static void known_values(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t hash;
    } known[] = {{"", 0xEF46DB3751D8E999},
                 {"a", 0xD24EC4F1A98C6E5B},
                 {"abc", 0x44BC2CF5AD770999},
                 {"xxhash", 0x32DD38952C4BC720},
                 {"Nobody inspects the spammish repetition", 0xFBCEA83C8A378BF1}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(hash64(known[i].text, strlen(known[i].text)), known[i].hash);
}

static void pieces_equal_whole(void **state) {
    (void)state;
    uint8_t data[150];
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)(i * 167 + 13);
    for (size_t n = 0; n <= sizeof data; n++) {
        uint64_t whole = hash64(data, n);
        for (size_t cut = 0; cut <= n; cut++) {
            struct hash64 h;
            hash64_begin(&h);
            hash64_add(&h, data, cut);
            /* looking changes nothing */
            if (cut % 7 == 0) assert_int_equal(hash64_end(&h), hash64(data, cut));
            hash64_add(&h, data + cut, n - cut);
            assert_int_equal(hash64_end(&h), whole);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values),
                                       cmocka_unit_test(pieces_equal_whole)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
