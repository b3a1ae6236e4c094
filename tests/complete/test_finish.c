/* What is shown of a model's text: examples in several languages, and for any text that what is
 * decided while it comes is what is decided at its end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/complete/finish.h"

/* A document with | at the cursor; what the model writes; what is shown of it. */
struct example {
    const char *document, *text, *shown;
    uint32_t lines;
    int cut_off; /* by a limit */
};

static struct finish rules_of(const char *document) {
    const char *cursor = strchr(document, '|');
    return (struct finish){.before = document,
                           .before_bytes = (size_t)(cursor - document),
                           .after = cursor + 1,
                           .after_bytes = strlen(cursor + 1),
                           .loops = 1,
                           .block = 1};
}

static void compare(const struct example *example) {
    struct finish rules = rules_of(example->document);
    rules.lines = example->lines;
    size_t bytes = strlen(example->text),
           shown = finish_length(&rules, example->text, bytes, !example->cut_off, 0);
    if (shown != strlen(example->shown) || memcmp(example->text, example->shown, shown) != 0)
        fail_msg("in [%s] of [%s]: expected [%s], found [%.*s]", example->document, example->text,
                 example->shown, (int)shown, example->text);
}
#define COMPARE(examples)                                                                          \
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) compare(&examples[i])

static void ends_with_the_block(void **state) {
    static const struct example examples[] = {
        /* what the cursor's line opens */
        {"def add(a, b):|\n", "\n    return a + b\n\ndef sub(a, b):\n", "\n    return a + b", 0, 0},
        {"def f(x):|\n", "\n    if x:\n        y()\n    else:\n        z()\nf(1)\n",
         "\n    if x:\n        y()\n    else:\n        z()", 0, 0},
        {"if a:|\n", "\n    b()\nelif c:\n    d()\nprint()\n", "\n    b()\nelif c:\n    d()", 0, 0},
        {"int f(int x) {|\n", "\n    return x;\n}\n\nint g(void) {\n", "\n    return x;\n}", 0, 0},
        {"\tif (x) {|\n", "\n\t\ty();\n\t} else {\n\t\tz();\n\t}\n\treturn 1;\n",
         "\n\t\ty();\n\t} else {\n\t\tz();\n\t}", 0, 0},
        {"call(|\n", "\n    a,\n    b,\n)\nx = 1\n", "\n    a,\n    b,\n)", 0, 0},
        {"def f(|\n", "\n    a,\n) -> int:\n    return a\n\nb\n",
         "\n    a,\n) -> int:\n    return a", 0, 0},
        {"while x do|\n", "\n  y()\nend\nz()\n", "\n  y()\nend", 0, 0},
        {"f() {|\n", "\n  a\n\n  b\n}\n", "\n  a\n\n  b\n}", 0, 0}, /* an empty line inside */
        /* a statement: its neighbours at the same indentation, no empty line, nothing further left
         */
        {"    x = |\n", "1\n    y = 2\n\n    z = 3\n", "1\n    y = 2", 0, 0},
        {"    return |\n", "x;\n}\n", "x;", 0, 0},
        {"        |\n", "a()\n        b()\n    c()\n", "a()\n        b()", 0, 0},
        {"    return |\n", "x\n\n\ndef g():\n    pass\n", "x", 0, 0},
        /* a blank line has the indentation of what comes */
        {"def f():\n|\n", "    return 1\n\ndef g():\n", "    return 1", 0, 0},
        {"|\n", "def f():\n    return 1\n\ndef g():\n", "def f():\n    return 1", 0, 0},
        {"class A:\n    |\n", "def f(self):\n        return 1\n\n    def g(self):\n",
         "def f(self):\n        return 1", 0, 0},
        /* tabs beside blanks: column 4 either way */
        {"    if x:|\n", "\n\t\treturn\n\tyield\n", "\n\t\treturn", 0, 0},
        /* line ends of the other kind */
        {"if x:|\r\n", "\r\n    y\r\nz\r\n", "\r\n    y", 0, 0},
        /* nothing but blanks is nothing */
        {"x|\n", "", "", 0, 0},
        {"x|\n", " \n\n", "", 0, 0},
    };
    (void)state;
    COMPARE(examples);
}

static void never_repeats_what_follows(void **state) {
    static const struct example examples[] = {
        /* the rest of the line */
        {"f(|)\n", "x, y)", "x, y", 0, 0},
        {"f(|)\n", "x, y)\nz = 1\n", "x, y", 0, 0},
        {"f(|):\n", "x, y):\n    return x\n", "x, y", 0, 0},
        {"f(|)\n", "len(x)", "len(x)", 0, 0}, /* a pair of its own */
        {"f(g(|)\n", "y))", "y)", 0, 0},
        {"s = \"|\"\n", "abc\"", "abc", 0, 0},
        {"s = |\"\n", "\"abc\"", "\"abc\"", 0, 0},
        {"x = |, b)\n", "a, b) # as above", "a", 0, 0},
        {"max|imum\n", "imum", "", 0, 0},
        {"f(|)\n", "\n    a,\n    b\n)\n", "\n    a,\n    b", 0, 0},
        {"f(|)\n", "\n    g(\n        a\n    )\n)\n", "\n    g(\n        a\n    )", 0, 0},
        /* the next line */
        {"def f():|\n    return 1\n", "\n    return 1\n", "", 0, 0},
        {"def f(x):|\n\n    return x\n", "\n    x += 1\n    return x\n", "\n    x += 1", 0, 0},
        {"f() {|\n}\n", "\n    a;\n}\n", "\n    a;", 0, 0},
        {"f() {|\n}\n", "\n    if (a) {\n        b;\n    }\n}\n",
         "\n    if (a) {\n        b;\n    }", 0, 0},
        {"a = 1\n|\nb = 2\n", "b = 2\n", "", 0, 0},
        {"    b|\n    bcd\n", "cd\n    e", "", 0, 0},
    };
    (void)state;
    COMPARE(examples);
    struct finish rules = rules_of("f(|)\n");
    rules.repeats = 1;
    assert_int_equal(finish_length(&rules, "x)", 2, 1, 0), 2);
}

static void lines_are_whole(void **state) {
    static const struct example examples[] = {
        {"x = |\n", "1\ny = 2\n", "1", 1, 0},
        {"x = |\n", "1\ny = 2\nz = 3\n", "1\ny = 2", 2, 0},
        {"def f():|\n", "\n    return 1\n", "", 1, 0},
        {"x = |\n", "first + second + thi", "first + second +", 1, 1},
        {"x = |\n", "fir", "fir", 1, 1},
        {"x = |\n", "1\ny = 2\nz =", "1\ny = 2", 0, 1},
        {"x = \"|\n", "\xc3\xa4 \xf0\x9f\x99", "\xc3\xa4", 0, 1},
        {"x = |\n", "\xc3\xa4\xf0\x9f\x99", "\xc3\xa4", 0, 1},
        {"f(|)\n", "a, b) wor", "a, b", 0, 1},
        {"f(|)\n", "a, b) ", "a, b", 0, 1},
    };
    (void)state;
    COMPARE(examples);
}

static void other_rules(void **state) {
    (void)state;
    struct finish rules = rules_of("    x = |\n");
    rules.least = -1.5;
    assert_int_equal(finish_length(&rules, "1", 1, 1, -1.5), 1);
    assert_int_equal(finish_length(&rules, "1", 1, 1, -1.6), 0);
    rules.least = 0;
    assert_int_equal(finish_length(&rules, "1", 1, 1, -100), 1);

    /* llama.cpp's n_indent alone */
    const char *text = "1\n\n\n\n    y\n   z\n";
    rules.block = 0;
    rules.indent = 4;
    assert_int_equal(finish_length(&rules, text, strlen(text), 1, 0), 10);
    rules.indent = 0;
    assert_int_equal(finish_length(&rules, text, strlen(text), 1, 0), 15);
}

static void loops_are_cut(void **state) {
    static const struct example examples[] = {
        /* the text's own lines */
        {"|\n", "total += 1\ntotal += 1\ntotal += 1\n", "total += 1", 0, 0},
        {"f():\n    |\n", "first()\n    other()\n    first()\n    other()\n    fir",
         "first()\n    other()", 0, 1},
        {"|\n", "one()\n\ntwo()\n\none()\n\ntwo()\n", "one()", 0, 0}, /* the block */
        {"def f():|\n", "\n    one()\n\n    two()\n\n    one()\n    two()\n",
         "\n    one()\n\n    two()", 0, 0},
        /* lines in front of the cursor */
        {"self.left = 1\n|\n", "self.left = 1\n", "", 0, 0},
        {"self.left = 1\nself.|\n", "left = 1\n", "", 0, 0},
        {"first()\nother()\n|\n", "first()\nother()\nfirst()\n", "", 0, 0},
        {"first()\nother()|\n", "\nthird()\nfirst()\n", "\nthird()\nfirst()", 0, 0},
        {"first()\nother()|\n", "\nfirst()\nother()\n", "", 0, 0},
        {"last()\n|\n", "first()\nother()\nfirst()\nother()\n", "first()\nother()", 0, 0},
        /* one piece in a line */
        {"x = |\n", "name.parent.name.parent.name.parent.name.parent.na", "", 0, 1},
        {"x = |\n", "1\ny = max(value, max(value, max(value, max(value, max(value, ", "1", 0, 1},
        {"f(|)\n", "argument, argument, argument, argument, argument, ", "", 0, 1},
    };
    (void)state;
    COMPARE(examples);
    struct finish rules = rules_of("|\n");
    const char *text = "total += 1\ntotal += 1\n";
    assert_true(finish_enough(&rules, text, strlen(text)));
    rules.loops = 0;
    assert_false(finish_enough(&rules, text, strlen(text)));
    assert_int_equal(finish_length(&rules, text, strlen(text), 1, 0), strlen(text) - 1);
}

static void honest_repeats_stay(void **state) {
    static const struct example examples[] = {
        /* tables */
        {"    {0, 1},\n    |\n", "{0, 2},\n    {0, 3},\n    {0, 4},\n",
         "{0, 2},\n    {0, 3},\n"
         "    {0, 4},",
         0, 0},
        {"    0, 0, 0, 0,\n    |\n", "0, 0, 0, 0,\n    0, 0, 0, 0,\n    0, 0, 0, 0,\n",
         "0, 0, 0, 0,\n    0, 0, 0, 0,\n    0, 0, 0, 0,", 0, 0},
        {"x = [|\n", "None, None, None, None, None, None, None, None, None]",
         "None, None, None, None, None, None, None, None, None]", 0, 0},
        {"    NULL,\n    |\n", "NULL,\n    NULL,\n", "NULL,\n    NULL,", 0, 0},
        {"    [|\n", "0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],",
         "0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00],", 0, 0},
        {"|\n", "a.push(1)\na.push(2)\na.push(3)\n", "a.push(1)\na.push(2)\na.push(3)", 0, 0},
        /* what closes, what is checked each time, what stands at another depth */
        {"f() {|\n", "\n    if (a) {\n        if (b) {\n            c();\n        }\n    }\n}\n",
         "\n    if (a) {\n        if (b) {\n            c();\n        }\n    }\n}", 0, 0},
        {"f() {|\n", "\n    a = x();\n    if (!a) return;\n    b = y();\n    if (!a) return;\n}\n",
         "\n    a = x();\n    if (!a) return;\n    b = y();\n    if (!a) return;\n}", 0, 0},
        {"f():|\n", "\n    if a:\n        return None\n    return None\n",
         "\n    if a:\n        return None\n    return None", 0, 0},
        /* the user has begun to repeat */
        {"first()\nother()\nfirst()\n|\n", "other()\nthird()\n", "other()\nthird()", 0, 0},
        {"/* |\n", "-------------------------------------------------- */",
         "-------------------------------------------------- */", 0, 0},
    };
    (void)state;
    COMPARE(examples);
}

/* Code that people wrote: of twelve lines in a row of the project's own sources the rule against
 * loops may touch one in 500. */
static void real_code_stays(void **state) {
    static const char *const patterns[] = {"apps/*/*.c", "runtime/*.c", "tests/*/*.c",
                                           "tests/*/*.py"};
    enum { LINES = 12, STEP = 4, BYTES_MAX = 1 << 20 };
    char *text = malloc(BYTES_MAX);
    size_t lines = 0, texts = 0, cut = 0;
    glob_t files = {0};
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++)
        glob(patterns[i], i ? GLOB_APPEND : 0, NULL, &files);
    assert_true(files.gl_pathc > 100); /* it runs in the project's folder */
    for (size_t i = 0; i < files.gl_pathc; i++) {
        FILE *file = fopen(files.gl_pathv[i], "r");
        size_t bytes = fread(text, 1, BYTES_MAX, file), end = 0;
        fclose(file);
        for (size_t at = 0; at < bytes; at++) {
            if ((at && text[at - 1] != '\n') || lines++ % STEP) continue;
            for (int line = 0; line < LINES && end < bytes; line++)
                for (end = line ? end + 1 : at; end < bytes && text[end] != '\n';) end++;
            struct finish rules = {.before = text, .before_bytes = at, .after = ""};
            size_t whole = finish_length(&rules, text + at, end - at, 1, 0);
            rules.loops = 1;
            texts++;
            cut += finish_length(&rules, text + at, end - at, 1, 0) != whole;
        }
    }
    globfree(&files);
    free(text);
    assert_true(texts > 5000);
    if (cut * 500 > texts) fail_msg("of %zu texts the rule against loops cut %zu", texts, cut);
}

/* For any document, rules and text: what is shown is a front of the text without an empty line at
 * its end, and by rules that do not look behind the cursor all of it is shown again; and once
 * finish_enough has said so, no matter what follows, finish_length says the same, of the front as
 * of the whole, ended or not. */
static void coming_text_is_decided_the_same(void **state) {
    static const char *const words[] = {
        "\n",   "\n",   "\n    ",   "\n        ", "\n\t",     "\n\n",    "a",
        "b",    "else", "end",      "}",          "{",        "(",       ")",
        "\"",   " ",    "  ",       "\xc3\xa4",   ":",        "\r\n",    "x = 1",
        "b\n}", "\n}",  "call()\n", "\nother",    "name.of.", "name.of."};
    enum { WORDS = sizeof words / sizeof *words, TEXTS = 60000 };
    uint64_t random = 7;
    size_t decided = 0, shown_some = 0;
    (void)state;
    for (int i = 0; i < TEXTS; i++) {
        char parts[3][160] = {"", "", ""};
        for (int part = 0; part < 3; part++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            for (int n = (int)(random >> 60); n >= 0 && strlen(parts[part]) < 100; n--) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                strcat(parts[part], words[(random >> 33) % WORDS]);
            }
        }
        random = random * 6364136223846793005u + 1442695040888963407u;
        struct finish rules = {.before = parts[0],
                               .before_bytes = strlen(parts[0]),
                               .after = parts[1],
                               .after_bytes = strlen(parts[1]),
                               .tab = (uint32_t)(random >> 33) % 3 * 4,
                               .lines = (uint32_t)(random >> 40) % 4,
                               .indent = (uint32_t)(random >> 45) % 3 * 2,
                               .block = (random >> 50) % 4 > 0,
                               .loops = (random >> 53) % 4 > 0,
                               .repeats = (random >> 55) % 4 == 0};
        const char *text = parts[2];
        size_t bytes = strlen(text), shown = finish_length(&rules, text, bytes, 1, 0);
        assert_true(shown <= bytes);
        if (shown) {
            shown_some++;
            assert_true(text[shown - 1] != '\n');
            if (rules.repeats && finish_length(&rules, text, shown, 1, 0) != shown)
                fail_msg("[%s|%s] of [%s]: %zu bytes are shown, and of these less", parts[0],
                         parts[1], text, shown);
        }
        for (size_t front = 0; front <= bytes; front++) {
            if (!finish_enough(&rules, text, front)) continue;
            decided++;
            if (finish_length(&rules, text, front, 1, 0) != shown ||
                finish_length(&rules, text, front, 0, 0) != shown ||
                finish_length(&rules, text, bytes, 0, 0) != shown)
                fail_msg("[%s|%s] of [%s], decided after %zu bytes: expected %zu to be shown",
                         parts[0], parts[1], text, front, shown);
        }
    }
    assert_true(decided > TEXTS && shown_some > TEXTS / 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ends_with_the_block), cmocka_unit_test(never_repeats_what_follows),
        cmocka_unit_test(lines_are_whole),     cmocka_unit_test(other_rules),
        cmocka_unit_test(loops_are_cut),       cmocka_unit_test(honest_repeats_stay),
        cmocka_unit_test(real_code_stays),     cmocka_unit_test(coming_text_is_decided_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
