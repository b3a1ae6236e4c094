/* JSON as Python writes it: what a strict reader refuses passes where nobody looks, and is named
 * where somebody does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "weights/pack/checkpoint/json_fields.h"
#include "weights/pack/checkpoint/json_text.h"

/* In memory that ends with the text, so that the sanitizer sees who looks behind it. */
static json_t *loaded(const char *text, struct diag *d) {
    size_t bytes = strlen(text);
    char *exact = malloc(bytes ? bytes : 1);
    assert_non_null(exact);
    memcpy(exact, text, bytes);
    *d = (struct diag){{0}};
    json_t *root = json_object_of_bytes("file", exact, bytes, RULES_PYTHON, d);
    free(exact);
    return root;
}

static void what_is_read_is_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *text, *sentence; /* NULL: "key" is sound */
    } cases[] = {
        {"{\"key\": 1, \"other\": NaN}", NULL},
        {"{\"key\": 1, \"other\": -Infinity, \"x\": [1e400, -1e400]}", NULL},
        {"{\"key\": [{\"a\": 1}, {\"a\": 2}]}", NULL},
        {"{\"key\": 1, \"key\": 1}", NULL},
        {"{\"other\": {\"a\": 1, \"a\": {\"b\": NaN}}, \"key\": \"NaN, Infinity, {\\\"a\\\": 1, "
         "\\\"a\\\": 2}\"}",
         NULL},
        {"{\"key\": 1e30, \"x\": 123456789012345678901234567890}", NULL},
        {"{\"key\": NaN}", "file: key is NaN"},
        {"{\"key\": [1, Infinity]}", "file: key is infinite"},
        {"{\"key\": {\"a\": {\"b\": [[-Infinity]]}}}", "file: key: b is a number too large"},
        {"{\"key\": -1e999}", "file: key is a number too large"},
        {"{\"key\": 1, \"x\": 2, \"key\": 3}",
         "file: key is there several times with different values"},
        {"{\"key\": {\"a\": 1, \"b\": 0, \"a\": 2}}", "file: key: a is there several times"},
        {"{\"key\": {\"a\": [NaN], \"a\": {}}}", "file: key: a is there several times"},
    };
    struct diag d;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        json_t *root = loaded(cases[i].text, &d);
        if (!root) fail_msg("%s: %s", cases[i].text, d.text);
        bool sound = json_sound(root, "file", "key", &d);
        if (sound != !cases[i].sentence || (!sound && !strstr(d.text, cases[i].sentence)))
            fail_msg("%s: \"%s\"", cases[i].text, d.text);
        json_decref(root);
    }
}

static void integers_of_any_size_are_numbers(void **state) {
    (void)state;
    struct diag d;
    uint64_t value = 7;
    double real = 0;
    json_t *root = loaded("{\"a\": 9223372036854775807, \"b\": 9223372036854775808, \"c\": "
                          "-99999999999999999999, \"d\": 2.5}",
                          &d);
    assert_non_null(root);
    assert_int_equal(field_uint(root, "file", "a", UINT64_MAX, &value, &d), FIELD_FOUND);
    assert_true(value == INT64_MAX);
    assert_int_equal(field_uint(root, "file", "b", 100, &value, &d), FIELD_BAD);
    assert_string_equal(d.text, "file: b is 9.22337e+18, outside 0 to 100");
    assert_int_equal(field_float(root, "file", "c", &real, &d), FIELD_FOUND);
    assert_true(real == -1e20);
    diag_clear(&d);
    assert_int_equal(field_uint(root, "file", "d", 100, &value, &d), FIELD_BAD);
    assert_string_equal(d.text, "file: d is not an integer");
    json_decref(root);
}

/* What is no JSON stays wrong, and its line is the file's. */
static void wrong_text_stays_wrong(void **state) {
    (void)state;
    static const char *const wrong[] = {"",
                                        "{",
                                        "{\"",
                                        "{\"a",
                                        "{\"a\"",
                                        "{\"a\":",
                                        "{\"a\":}",
                                        "{\"a\":1]",
                                        "{\"a\":1 2}",
                                        "{\"a\\",
                                        "[}",
                                        "{\"a\":\nnan}",
                                        "{\"a\":\nNaNs}",
                                        "{\"a\":\n01}",
                                        "{1:2}",
                                        "{\"a\" 1}",
                                        "{,}",
                                        "{\"a\":1}}",
                                        "{\"a\":-}",
                                        "{\"a\":+1}",
                                        "{\"\\u0000\":1}",
                                        "{\"a\":\n}",
                                        "[1]",
                                        "{\"a\":[{},[]],12",
                                        "-7",
                                        "9223372036854775808",
                                        "{\"a\": 1234"};
    struct diag d;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        json_t *root = loaded(wrong[i], &d);
        if (root || !d.text[0]) fail_msg("%s was taken", wrong[i]);
        if (strchr(wrong[i], '\n')) assert_non_null(strstr(d.text, "line 2"));
    }
    size_t bytes;
    char *deep = malloc(300000), *strict;
    assert_non_null(deep);
    memset(deep, '[', 300000);
    assert_non_null(strict = json_text_strict(deep, 300000, &bytes));
    assert_int_equal(bytes, 300000);
    free(strict);
    free(deep);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_read_is_refused_by_name),
                                       cmocka_unit_test(integers_of_any_size_are_numbers),
                                       cmocka_unit_test(wrong_text_stays_wrong)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
