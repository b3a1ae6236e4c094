/* The framing of the protocol: frames in any pieces, headers that lie, bodies that are too large,
 * JSON that is not quite. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/complete/lsp_frames.h"

static void put(struct frames *frames, const char *bytes, size_t count) {
    while (count) {
        size_t room, n;
        char *to = frames_space(frames, &room);
        assert_non_null(to);
        n = count < room ? count : room;
        memcpy(to, bytes, n);
        frames_add(frames, n);
        bytes += n;
        count -= n;
    }
}

static void frames_come_in_any_pieces(void **state) {
    static const char sent[] = "Content-Length: 2\r\n\r\n{}"
                               "content-type: application/vscode-jsonrpc; charset=utf-8\r\n"
                               "CONTENT-LENGTH:  5 \r\n\r\n[1,2]"
                               "Content-Length: 0\r\n\r\n"
                               "Content-Length: 3\r\n\r\nend";
    static const char *const bodies[] = {"{}", "[1,2]", "", "end"};
    (void)state;
    for (size_t step = 1; step < sizeof sent; step++) {
        struct frames frames = {0};
        char *body;
        size_t bytes, found = 0;
        for (size_t at = 0; at < sizeof sent - 1; at += step) {
            put(&frames, sent + at, sizeof sent - 1 - at < step ? sizeof sent - 1 - at : step);
            while (frames_next(&frames, &body, &bytes) == FRAME_BODY) {
                assert_true(found < 4);
                assert_int_equal(bytes, strlen(bodies[found]));
                assert_string_equal(body, bodies[found++]);
            }
        }
        assert_int_equal(found, 4);
        assert_int_equal(frames_next(&frames, &body, &bytes), FRAME_MORE);
        frames_free(&frames);
    }
}

static void headers_that_lie_break(void **state) {
    static const char *const wrong[] = {
        "\r\n",
        "Content-Type: x\r\n\r\n",
        "Content-Length: \r\n\r\n",
        "Content-Length: -1\r\n\r\n",
        "Content-Length: 1x\r\n\r\n",
        "Content-Length: 0x10\r\n\r\n",
        "Content-Length: 9999999999999999999\r\n\r\n",
        "Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "Content-Length: 1\n\n{",
        "{\"jsonrpc\": \"2.0\"}\r\n",
        "GET / HTTP/1.1\r\n\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct frames frames = {0};
        char *body;
        size_t bytes;
        put(&frames, wrong[i], strlen(wrong[i]));
        assert_int_equal(frames_next(&frames, &body, &bytes), FRAME_BROKEN);
        assert_non_null(frames.wrong);
        put(&frames, "Content-Length: 2\r\n\r\n{}", 23);
        assert_int_equal(frames_next(&frames, &body, &bytes), FRAME_BROKEN);
        frames_free(&frames);
    }
    /* a header without an end */
    struct frames frames = {0};
    char *body, long_header[FRAME_HEADER_MAX];
    size_t bytes;
    memset(long_header, 'a', sizeof long_header);
    put(&frames, long_header, sizeof long_header - 1);
    assert_int_equal(frames_next(&frames, &body, &bytes), FRAME_MORE);
    put(&frames, "a", 1);
    assert_int_equal(frames_next(&frames, &body, &bytes), FRAME_BROKEN);
    frames_free(&frames);
}

static void bodies_that_are_too_large_are_skipped(void **state) {
    struct frames frames = {0};
    char *body, *large = malloc(1 << 20);
    size_t bytes, skipped = 0;
    (void)state;
    assert_non_null(large);
    memset(large, 'x', 1 << 20);
    memcpy(large, "front", 5);
    put(&frames, "Content-Length: 1073741824\r\n\r\n", 30);
    for (int i = 0; i < 1024; i++) {
        put(&frames, large, 1 << 20);
        enum frame_kind kind = frames_next(&frames, &body, &bytes);
        if (kind == FRAME_SKIPPED)
            skipped++;
        else
            assert_int_equal(kind, FRAME_MORE);
        assert_true(frames.capacity < 4 << 20);
    }
    assert_int_equal(skipped, 1);
    assert_int_equal(bytes, FRAME_SKIPPED_FRONT);
    assert_memory_equal(body, "frontxx", 7);
    put(&frames, "Content-Length: 2\r\n\r\n{}", 23);
    assert_int_equal(frames_next(&frames, &body, &bytes), FRAME_BODY);
    assert_string_equal(body, "{}");
    /* the largest one comes whole */
    snprintf(large, 64, "Content-Length: %d\r\n\r\n", FRAME_BODY_MAX);
    put(&frames, large, strlen(large));
    memset(large, ' ', 1 << 20);
    for (int i = 0; i < FRAME_BODY_MAX >> 20; i++) {
        assert_int_equal(frames_next(&frames, &body, &bytes), FRAME_MORE);
        put(&frames, large, 1 << 20);
    }
    assert_int_equal(frames_next(&frames, &body, &bytes), FRAME_BODY);
    assert_int_equal(bytes, FRAME_BODY_MAX);
    frames_free(&frames);
    free(large);
}

static void what_is_not_quite_json_becomes_json(void **state) {
    static const struct {
        const char *sent, *read;
    } cases[] = {
        {"[\"a\xff\xc3\"]", "[\"a??\"]"},
        {"[\"\xc3\xa4\xf0\x9f\x99\x82\"]", "[\"\xc3\xa4\xf0\x9f\x99\x82\"]"},
        {"[\"\xed\xa0\x80\xc0\x80\"]", "[\"?????\"]"}, /* a surrogate, a long NUL */
        {"[\"\\ud83d\\ude42\"]", "[\"\\ud83d\\ude42\"]"},
        {"[\"\\ud83d\"]", "[\"\\ufffd\"]"},
        {"[\"\\ude42\\ud83dx\"]", "[\"\\ufffd\\ufffdx\"]"},
        {"[\"\\ud83d\\ud83d\\ude42\"]", "[\"\\ufffd\\ud83d\\ude42\"]"},
        {"[\"\\\\ud83d\"]", "[\"\\\\ud83d\"]"}, /* a backslash and letters */
        {"[\"\\n\\\"\"]", "[\"\\n\\\"\"]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char body[64];
        strcpy(body, cases[i].sent);
        frame_repair(body, strlen(body));
        assert_string_equal(body, cases[i].read);
        json_t *json = json_loads(body, JSON_ALLOW_NUL, NULL);
        assert_non_null(json);
        json_decref(json);
    }
    char cut[] = "\\ud83d\\u", end[] = "\\", half[] = "\\\xff";
    frame_repair(cut, strlen(cut));
    frame_repair(end, 1);
    frame_repair(half, 2);
    assert_string_equal(cut, "\\ufffd\\u");
    assert_string_equal(half, "\\?");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_in_any_pieces),
        cmocka_unit_test(headers_that_lie_break),
        cmocka_unit_test(bodies_that_are_too_large_are_skipped),
        cmocka_unit_test(what_is_not_quite_json_becomes_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
