/* Open documents: positions in every unit, edits, bounds. pygls judges edits too
 * (documents_oracle.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/complete/documents.h"

#define EMOJI  "\xf0\x9f\x99\x82" /* 4 bytes, 2 units, 1 character */
#define UMLAUT "\xc3\xa4"         /* 2, 1, 1 */

static size_t at(const char *text, uint32_t line, uint32_t column, enum column_unit unit) {
    return position_offset(text, strlen(text), (struct position){line, column}, unit);
}

static void columns_count_in_units(void **state) {
    const char *text = "a" EMOJI "b" UMLAUT "c\nx";
    (void)state;
    static const size_t utf16[] = {0, 1, 1, 5, 6, 8, 9, 9}, utf32[] = {0, 1, 5, 6, 8, 9, 9},
                        utf8[] = {0, 1, 1, 1, 1, 5, 6, 6, 8, 9, 9};
    for (uint32_t i = 0; i < sizeof utf16 / sizeof *utf16; i++)
        assert_int_equal(at(text, 0, i, COLUMN_UTF16), utf16[i]);
    for (uint32_t i = 0; i < sizeof utf32 / sizeof *utf32; i++)
        assert_int_equal(at(text, 0, i, COLUMN_UTF32), utf32[i]);
    for (uint32_t i = 0; i < sizeof utf8 / sizeof *utf8; i++)
        assert_int_equal(at(text, 0, i, COLUMN_UTF8), utf8[i]);
    assert_int_equal(at(text, 1, 0, COLUMN_UTF16), 10);
}

static void positions_outside_are_clamped(void **state) {
    (void)state;
    assert_int_equal(at("ab\r\ncd", 0, 100, COLUMN_UTF16), 2);
    assert_int_equal(at("ab\r\ncd", 1, UINT32_MAX, COLUMN_UTF8), 6);
    assert_int_equal(at("ab\r\ncd", 2, 0, COLUMN_UTF16), 6);
    assert_int_equal(at("ab\n", UINT32_MAX, 3, COLUMN_UTF16), 3);
    assert_int_equal(at("", 0, 0, COLUMN_UTF16), 0);
    assert_int_equal(at("", 4, 4, COLUMN_UTF16), 0);
    assert_int_equal(at("a\rb\n\r\nc", 1, 5, COLUMN_UTF16), 3); /* \r alone ends a line */
    assert_int_equal(at("a\rb\n\r\nc", 2, 5, COLUMN_UTF16), 4);
    assert_int_equal(at("a\rb\n\r\nc", 3, 0, COLUMN_UTF16), 6);
    assert_int_equal(at("\xf0\x9f"
                        "a",
                        0, 1, COLUMN_UTF16),
                     2); /* no UTF-8 */
    assert_int_equal(at("\x80\xff"
                        "a",
                        0, 2, COLUMN_UTF16),
                     2);
}

static void lines_are_found(void **state) {
    const char *text = "a\r\nbb\rc\n\nd";
    (void)state;
    assert_int_equal(line_front(text, 4), 3);
    assert_int_equal(lines_back(text, 10, 0), 9);
    assert_int_equal(lines_back(text, 10, 1), 8);
    assert_int_equal(lines_back(text, 10, 2), 6);
    assert_int_equal(lines_back(text, 10, 3), 3);
    assert_int_equal(lines_back(text, 10, 4), 0);
    assert_int_equal(lines_back(text, 10, 9), 0);
    assert_int_equal(lines_forward(text, 10, 0, 1), 3);
    assert_int_equal(lines_forward(text, 10, 0, 2), 6);
    assert_int_equal(lines_forward(text, 10, 4, 2), 8);
    assert_int_equal(lines_forward(text, 10, 0, 99), 10);
}

/* Every offset of a random text comes back from its position, in each unit; and edits at random
 * positions give what they give by hand. */
static void edits_match_those_by_hand(void **state) {
    static const char *const words[] = {"a", "bc", UMLAUT, EMOJI, "\n", "\r\n", "\r", "  "};
    struct documents documents = {0};
    struct document *document = documents_open(&documents, "untitled:1", "c", 1, "", 0);
    char *mirror = calloc(1, 1 << 16);
    uint64_t random = 3;
    (void)state;
    assert_non_null(document);
    assert_non_null(mirror);
    for (int i = 0; i < 4000; i++) {
        char added[32] = "";
        size_t ends[2], length = strlen(mirror);
        enum column_unit unit = (enum column_unit)(i % 3);
        for (int j = 0; j < 2; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t offset = length ? (random >> 33) % (length + 1) : 0;
            while (offset && ((uint8_t)mirror[offset] & 0xc0) == 0x80) offset--;
            if (offset && mirror[offset] == '\n' && mirror[offset - 1] == '\r') offset--;
            struct position position = offset_position(mirror, length, offset, unit);
            ends[j] = position_offset(document->text, document->bytes, position, unit);
            assert_int_equal(ends[j], offset);
        }
        for (int j = 0; j < i % 4; j++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            strcat(added, words[random >> 61]);
        }
        size_t from = ends[0] < ends[1] ? ends[0] : ends[1], to = ends[0] + ends[1] - from;
        if (to - from > 40 && length < 20000) to = from;
        memmove(mirror + from + strlen(added), mirror + to, length - to + 1);
        memcpy(mirror + from, added, strlen(added));
        assert_int_equal(document_replace(&documents, document, from, to, added, strlen(added)), 0);
        assert_int_equal(document->bytes, strlen(mirror));
        assert_int_equal(documents.bytes, document->bytes);
        assert_memory_equal(document->text, mirror, document->bytes);
        assert_int_equal(document->cursor, from + strlen(added));
    }
    documents_free(&documents);
    assert_int_equal(documents.bytes, 0);
    free(mirror);
}

static void what_is_too_large_is_lost(void **state) {
    struct documents documents = {0};
    char *large = calloc(1, DOCUMENT_BYTES_MAX + 1), name[32];
    (void)state;
    assert_non_null(large);
    memset(large, 'x', DOCUMENT_BYTES_MAX);
    struct document *document =
        documents_open(&documents, "file:///a", "c", 1, large, DOCUMENT_BYTES_MAX + 1);
    assert_non_null(document);
    assert_true(document->lost && !document->text && !document->bytes);
    assert_int_equal(document_replace(&documents, document, 0, 0, large, DOCUMENT_BYTES_MAX), 0);
    assert_false(document->lost);
    assert_int_equal(document_replace(&documents, document, 0, 0, "y", 1), -1);
    assert_true(document->lost);
    /* all together */
    for (int i = 0; i < DOCUMENTS_BYTES_MAX / DOCUMENT_BYTES_MAX + 1; i++) {
        name[0] = (char)('A' + i);
        name[1] = 0;
        document = documents_open(&documents, name, "c", 1, large, DOCUMENT_BYTES_MAX);
        assert_non_null(document);
        assert_int_equal(document->lost, i == DOCUMENTS_BYTES_MAX / DOCUMENT_BYTES_MAX);
    }
    assert_true(documents.bytes <= DOCUMENTS_BYTES_MAX);
    documents_close(&documents, documents_find(&documents, "A"));
    assert_int_equal(document_replace(&documents, document, 0, 0, large, 10), 0);
    documents_free(&documents);
    free(large);
}

static void documents_have_names_and_keys(void **state) {
    struct documents documents = {0};
    char name[DOCUMENT_NAME_MAX + 2], many[16];
    (void)state;
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    assert_null(documents_open(&documents, name, "c", 1, "", 0));
    struct document *first = documents_open(&documents, "a", "c", 1, "x", 1);
    uint64_t key = first->key;
    assert_ptr_equal(documents_find(&documents, "a"), first);
    assert_null(documents_find(&documents, "b"));
    struct document *again = documents_open(&documents, "a", "cpp", 7, "yy", 2);
    assert_true(again->key != key && again->version == 7 && again->bytes == 2);
    assert_string_equal(again->language, "cpp");
    assert_int_equal(documents.count, 1);
    for (int i = 1; i < DOCUMENTS_MAX; i++) {
        snprintf(many, sizeof many, "%d", i);
        assert_non_null(documents_open(&documents, many, "", 1, "", 0));
    }
    assert_null(documents_open(&documents, "one more", "", 1, "", 0));
    documents_free(&documents);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_count_in_units),
        cmocka_unit_test(positions_outside_are_clamped),
        cmocka_unit_test(lines_are_found),
        cmocka_unit_test(edits_match_those_by_hand),
        cmocka_unit_test(what_is_too_large_is_lost),
        cmocka_unit_test(documents_have_names_and_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
