/* apus/easy.h: a session out of paths; whatever is wrong, nothing stays open and closing is
 * allowed. A sanitizer sees memory that is left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "apus/easy.h"

#define PAIR "weights/models/pair/"

static int mallocs, refused_at; /* the number of the call that gets nothing; 0: none */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size) { return ++mallocs == refused_at ? NULL : __real_malloc(size); }

static void is_closed(apus_easy *easy) {
    static const apus_easy none;
    assert_memory_equal(easy, &none, sizeof none);
    apus_easy_close(easy);
    assert_memory_equal(easy, &none, sizeof none);
}

static void a_session_writes(void **state) {
    (void)state;
    apus_easy easy;
    const apus_config options = {.context = 64, .threads = 1, .proposals = 3};
    assert_int_equal(apus_easy_open(&easy, PAIR "target.apus", PAIR "draft.apus", &options), 0);
    const apus_part text = {.kind = APUS_PART_TEXT, .data = "def f(", .count = 6};
    const apus_sampling greedy = {.size = sizeof greedy, .max_tokens = 8};
    apus_piece piece = {.size = sizeof piece};
    assert_int_equal(apus_prompt(easy.session, &text, 1, 0), APUS_OK);
    assert_int_equal(apus_begin(easy.session, &greedy), APUS_OK);
    while (!piece.stop) assert_int_equal(apus_next(easy.session, &piece), APUS_OK);
    apus_stats stats = {.size = sizeof stats};
    assert_int_equal(apus_get_stats(easy.session, &stats), APUS_OK);
    assert_int_equal(stats.context, 64);
    assert_int_equal(stats.threads, 1);
    assert_int_equal(stats.new_tokens, 8);
    assert_true(stats.proposed > 0);
    apus_easy_close(&easy);
    is_closed(&easy);
}

static void what_cannot_be_opened_is_closed(void **state) {
    (void)state;
    apus_easy easy;
    assert_int_equal(apus_easy_open(&easy, PAIR "none", NULL, NULL), APUS_E_FORMAT);
    is_closed(&easy);
    assert_int_equal(apus_easy_open(&easy, PAIR "README.md", NULL, NULL), APUS_E_FORMAT);
    is_closed(&easy);
    assert_int_equal(apus_easy_open(&easy, PAIR "target.apus", PAIR "none", NULL), APUS_E_FORMAT);
    is_closed(&easy);
    const apus_config wrong = {.threads = 65};
    assert_int_equal(apus_easy_open(&easy, PAIR "target.apus", NULL, &wrong), APUS_E_ARGUMENT);
    is_closed(&easy);
}

/* Of the target's memory, the draft's and the arena, each is refused once. */
static void without_memory_nothing_is_open(void **state) {
    (void)state;
    apus_easy easy;
    const apus_config options = {.context = 64, .threads = 1};
    for (int at = 1; at <= 3; at++) {
        mallocs = 0, refused_at = at;
        assert_int_equal(apus_easy_open(&easy, PAIR "target.apus", PAIR "draft.apus", &options),
                         APUS_E_SPACE);
        assert_int_equal(mallocs, at);
        is_closed(&easy);
    }
    refused_at = 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_writes),
        cmocka_unit_test(what_cannot_be_opened_is_closed),
        cmocka_unit_test(without_memory_nothing_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
