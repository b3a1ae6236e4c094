/* Requests, slots and prompts of a middle by themselves, with the pair that ships. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/complete/middle_prompt.h"
#include "apps/complete/request.h"
#include "apps/complete/slots.h"

#define TARGET "weights/models/pair/target.apus"

static struct settings settings = {
    .model = TARGET, .engine = "cpu", .draft_engine = "cpu", .threads = 1};
static struct loaded loaded;

static int load(void **state) {
    (void)state;
    return load_model(&loaded, &settings);
}

static int unload_all(void **state) {
    (void)state;
    unload(&loaded);
    return 0;
}

/* What was put in comes out, wherever the block has moved meanwhile; bounds hold. */
static void test_request(void **state) {
    (void)state;
    struct request *request = request_new();
    char text[1000];
    memset(text, 'x', sizeof text);
    assert_int_equal(request_stop(request, "stop", 4), 0);
    assert_int_equal(request_stop(request, text, 64), EINVAL);
    assert_int_equal(request_stop(request, "", 0), EINVAL);
    for (int i = 0; i < REQUEST_TEXTS_MAX; i++) {
        const int32_t ids[3] = {i, i + 1, i + 2};
        int error = i % 2 ? request_add(request, REQUEST_PREFIX, text, (size_t)i % 1000)
                          : request_add_part(request, APUS_PART_IDS, 0, ids, 3);
        assert_int_equal(error, 0);
    }
    assert_int_equal(request_add(request, REQUEST_PREFIX, "", 0), E2BIG);
    for (int i = 0; i < REQUEST_TEXTS_MAX; i += 2) {
        const int32_t *ids = request_data(request, &request->texts[i]);
        assert_int_equal((uintptr_t)ids % sizeof *ids, 0);
        assert_int_equal(ids[2], i + 2);
    }
    assert_memory_equal(request->stops[0].text, "stop", 4);
    assert_true(request_size(request) < 2 * REQUEST_BYTES_MAX);
    request_free(request);

    request = request_new();
    char *large = calloc(1, REQUEST_BYTES_MAX);
    assert_int_equal(request_add(request, REQUEST_PREFIX, large, REQUEST_BYTES_MAX), E2BIG);
    assert_int_equal(request->texts_count, 0);
    free(large);
    request_free(request);
}

static void hold(struct slots *slots, uint32_t slot, const int32_t *ids, size_t count) {
    const apus_part part = {.kind = APUS_PART_IDS, .data = ids, .count = count};
    assert_int_equal(slots_take(slots, slot), 0);
    assert_int_equal(apus_prompt(slots->slot[slot].session, &part, 1, 0), 0);
}

/* The longest common front decides, then the wish, then who was not used for longest. */
static void test_slots(void **state) {
    (void)state;
    struct slots slots;
    const int32_t a[6] = {5, 6, 7, 8, 9, 10}, b[6] = {5, 6, 70, 80, 90, 100}, c[6] = {50, 60, 7};
    assert_int_equal(slots_open(&slots, &loaded, &settings, 3, 64), 0);
    assert_int_equal(slots_choose(&slots, a, 6, 2), 2);
    hold(&slots, 0, a, 6);
    hold(&slots, 1, b, 6);
    assert_int_equal(slots_choose(&slots, c, 3, -1), 2); /* the free one */
    assert_int_equal(slots_take(&slots, 2), 0);
    assert_int_equal(slots_choose(&slots, a, 6, -1), -1);
    slots.slot[1].gives_way = 1;
    assert_int_equal(slots_choose(&slots, a, 6, -1), 1);
    for (uint32_t i = 0; i < 3; i++) slots_give(&slots, i);
    assert_int_equal(slots_common(&slots, 0, b, 6), 2);
    assert_int_equal(slots_choose(&slots, a, 6, 1), 0);
    assert_int_equal(slots_choose(&slots, b, 6, 0), 1);
    assert_int_equal(slots_choose(&slots, c, 3, -1), 0); /* least recently used */
    assert_int_equal(slots_choose(&slots, c, 3, 1), 1);  /* but for a wish */
    slots_close(&slots);
}

static size_t make(const struct fim *fim, const char *prefix, int32_t **ids, int *truncated) {
    struct prompt_ids prompt;
    char why[REQUEST_WHY] = "";
    struct request *request = request_new();
    request->max_tokens = 16;
    assert_int_equal(request_add(request, REQUEST_EXTRA, "other = 1\n", 10), 0);
    assert_int_equal(request_add(request, REQUEST_PREFIX, prefix, strlen(prefix)), 0);
    assert_int_equal(prompt_make(&prompt, &loaded.blob, fim, request, 256, why), REQUEST_DONE);
    assert_true(prompt.count < 256 - 16);
    request_free(request);
    *ids = prompt.ids, *truncated = prompt.truncated;
    return prompt.count;
}

/* A prefix that is too long keeps its end, and its front stays for as long as a line is typed. */
static void test_middle(void **state) {
    (void)state;
    struct fim fim;
    fim_open(&fim, &loaded.blob, NULL, NULL);
    char prefix[9000] = "";
    for (int i = 0; i < 400; i++) snprintf(prefix + strlen(prefix), 32, "value_%d = 12\n", i);
    int truncated, moved = 0;
    int32_t *before, *ids;
    size_t count = make(&fim, prefix, &before, &truncated);
    assert_true(truncated);
    for (int key = 0; key < 20; key++) {
        strcat(prefix, "x");
        size_t n = make(&fim, prefix, &ids, &truncated);
        assert_true(truncated);
        moved += n < 8 || count < 8 || memcmp(ids, before, 8 * sizeof *ids) != 0;
        free(before);
        before = ids, count = n;
    }
    free(before);
    assert_true(moved <= 1);
    make(&fim, "x = 1\n", &ids, &truncated);
    assert_false(truncated);
    free(ids);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_request), cmocka_unit_test(test_slots),
                                       cmocka_unit_test(test_middle)};
    return cmocka_run_group_tests(tests, load, unload_all);
}
