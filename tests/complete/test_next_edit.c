/* Next edits without a model: the bytes of the prompt, the history that it is made of, and what
 * answers become, hostile ones too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/complete/next_edit.h"

/* ---- history */

/* Puts `text` in the place of the document's text and notes that. */
static void become(struct history *history, struct document *document, const char *text) {
    history_note(history, document->key, "a.py", document->text, document->bytes, text,
                 strlen(text));
    document->text = (char *)text;
    document->bytes = strlen(text);
}

static struct document document_of(const char *text) {
    return (struct document){.text = (char *)text, .bytes = strlen(text), .key = 7};
}

static void expect_change(const struct history *history, size_t i, const char *before,
                          const char *after) {
    assert_true(i < history->count);
    const struct history_change *change = &history->list[i];
    assert_int_equal(change->before.bytes, strlen(before));
    assert_int_equal(change->after.bytes, strlen(after));
    if (*before) assert_memory_equal(change->before.text, before, strlen(before));
    if (*after) assert_memory_equal(change->after.text, after, strlen(after));
}

static void typing_is_one_change(void **state) {
    struct history history = {.count = 0};
    struct document document = document_of("a\nx = gree\nc\nd\n");
    (void)state;
    become(&history, &document, "a\nx = greet\nc\nd\n");
    become(&history, &document, "a\nx = greeti\nc\nd\n");
    become(&history, &document, "a\nx = greetin\nmore\nc\nd\n");
    assert_int_equal(history.count, 1);
    expect_change(&history, 0, "x = gree", "x = greetin\nmore");
    assert_ptr_equal(history_last(&history, 7), &history.list[0]);
    assert_null(history_last(&history, 8));
    become(&history, &document, "a\nx = greetin\nmore\nc\nD\n"); /* in another place */
    assert_int_equal(history.count, 2);
    expect_change(&history, 1, "d", "D");
    become(&history, &document, "a\nx = greetin\nmore\nc\nd\n"); /* back again: nothing happened */
    become(&history, &document, "A\nx = greetin\nmore\nc\nd\n");
    assert_int_equal(history.count, 2);
    expect_change(&history, 1, "a", "A");
    become(&history, &document, "A\nmore\nc\nd\n"); /* the line next to it is deleted */
    expect_change(&history, 1, "a\nx = greetin", "A");
    history_end(&history, 7);
    become(&history, &document, "A2\nmore\nc\nd\n");
    assert_int_equal(history.count, 3);
    for (int i = 0; i < 10; i++) {
        become(&history, &document, i % 2 ? "1\n2\n3\n4" : "1\n2\n3\n4\n5");
        history_end(&history, 7);
    }
    assert_int_equal(history.count, HISTORY_CHANGES);
    history_free(&history);
    assert_int_equal(history.count, 0);
}

/* The model sees \n alone, and an answer that undoes the last change is known by that. */
static void line_ends_are_one_kind(void **state) {
    static const char *const ends[] = {"\n", "\r\n", "\r"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char text[3][60];
        const char *second[3] = {"x = gree", "x = greet", "x = greet()"};
        struct history history = {.count = 0};
        struct next_edit edit;
        struct next_edit_change change;
        for (int n = 0; n < 3; n++)
            sprintf(text[n], "a%s%s%sc%sd%s", ends[i], second[n], ends[i], ends[i], ends[i]);
        struct document document = document_of(text[0]);
        become(&history, &document, text[1]);
        become(&history, &document, text[2]);
        assert_int_equal(history.count, 1);
        expect_change(&history, 0, "x = gree", "x = greet()");
        assert_int_equal(next_edit_open(&edit, &document, 3, &history), 0);
        assert_int_equal(edit.original_bytes, 14);
        assert_memory_equal(edit.original, "a\nx = gree\nc\nd", 14);
        assert_int_equal(next_edit_read(&edit, "a\nx = gree\nc\nd\n", 15, 1, &change), 0);
        next_edit_free(&edit);
        history_free(&history);
    }
}

static void long_changes_are_not_remembered(void **state) {
    struct history history = {.count = 0};
    struct document document = document_of("a\n");
    char *lines = calloc(1, 3 * HISTORY_BYTES_MAX);
    (void)state;
    for (int i = 0; i < HISTORY_LINES_MAX + 1; i++) strcat(lines, "x\n");
    become(&history, &document, lines);
    assert_int_equal(history.count, 0);
    document = document_of("a\n");
    memset(lines, 'x', HISTORY_BYTES_MAX + 1);
    lines[HISTORY_BYTES_MAX + 1] = 0;
    become(&history, &document, lines);
    assert_int_equal(history.count, 0);
    history_free(&history);
    free(lines);
}

/* ---- prompt */

/* The text of a prompt, with the marker spelled out. */
static char *spelled(const struct part_list *list) {
    static char text[1 << 16];
    size_t n = 0;
    assert_false(list->failed);
    for (size_t i = 0; i < list->count; i++) {
        const apus_part *part = &list->parts[i];
        if (part->kind == APUS_PART_IDS) n += (size_t)sprintf(text + n, "<|file_sep|>");
        if (part->kind != APUS_PART_TEXT) continue;
        assert_int_equal(part->flags, 0); /* what looks like a marker is text */
        memcpy(text + n, part->data, part->count);
        n += part->count;
    }
    text[n] = 0;
    return text;
}

/* The example of run_model.py, which is published with sweep-next-edit-1.5B, and what it prints of
 * it: the context file has no line end at its end here. */
static void prompt_is_the_published_one(void **state) {
    static const char expected[] = "<|file_sep|>utils.py\n"
                                   "def get_time_of_day():\n"
                                   "    return \"evening\"\n"
                                   "<|file_sep|>greet.py.diff\n"
                                   "original:\n"
                                   "def greet():\n"
                                   "    print(\"Hello!\")\n"
                                   "updated:\n"
                                   "def greet(name):\n"
                                   "    print(f\"Hello, {name}!\")\n"
                                   "<|file_sep|>original/greet.py\n"
                                   "def greet(name):\n"
                                   "    print(f\"Hello, {name}!\")\n"
                                   "\n"
                                   "greet(\"Alice\")\n"
                                   "<|file_sep|>current/greet.py\n"
                                   "from utils import get_time_of_day\n"
                                   "\n"
                                   "def greet(name):\n"
                                   "    print(f\"Hello, {name}!\")\n"
                                   "\n"
                                   "greet(\"Alice\")\n"
                                   "<|file_sep|>updated/greet.py";
    struct history history = {.count = 0};
    struct document document =
        document_of("def greet():\n    print(\"Hello!\")\n\ngreet(\"Alice\")");
    const struct fim_file file = {{"utils.py", 8},
                                  {"def get_time_of_day():\n    return \"evening\"\n", 44}};
    const int32_t separator = 3;
    struct next_edit edit;
    struct part_list list = {0};
    (void)state;
    history_note(&history, 7, "greet.py", document.text, document.bytes,
                 "def greet(name):\n    print(f\"Hello, {name}!\")\n\ngreet(\"Alice\")", 61);
    document = document_of("def greet(name):\n    print(f\"Hello, {name}!\")\n\ngreet(\"Alice\")");
    assert_int_equal(document.bytes, 61);
    history_end(&history, 7);
    become(
        &history, &document,
        "from utils import get_time_of_day\n\ndef greet(name):\n    print(f\"Hello, {name}!\")\n\n"
        "greet(\"Alice\")");
    assert_int_equal(next_edit_open(&edit, &document, 40, &history), 0);
    assert_true(next_edit_prompt(&list, &edit, &separator, "greet.py", &file, 1, &history, 7));
    assert_string_equal(spelled(&list), expected);
    part_list_free(&list);
    next_edit_free(&edit);
    history_free(&history);
}

/* The oldest changes are left out, and files have the line ends of their editor. */
static void prompt_has_three_changes(void **state) {
    static const char *const texts[] = {"0\n", "1\n", "2\n", "3\n", "4\n"};
    struct history history = {.count = 0};
    struct document document = document_of(texts[0]);
    const struct fim_file file = {{"b.py", 4}, {"x\r\n", 3}};
    const int32_t separator = 3;
    struct next_edit edit;
    struct part_list list = {0};
    (void)state;
    for (int i = 1; i < 5; i++) {
        become(&history, &document, texts[i]);
        history_end(&history, 7);
    }
    assert_int_equal(next_edit_open(&edit, &document, 0, &history), 0);
    assert_true(next_edit_prompt(&list, &edit, &separator, "a.py", &file, 1, &history, 7));
    const char *text = spelled(&list);
    assert_memory_equal(text, "<|file_sep|>b.py\nx\n<|file_sep|>a.py.diff\noriginal:\n1\n", 53);
    part_list_free(&list);
    next_edit_free(&edit);
    history_free(&history);
}

/* The window before a change that began above it has the change's lines first. */
static void a_change_reaches_into_the_window(void **state) {
    char text[2][400] = {"", ""};
    struct history history = {.count = 0};
    struct next_edit edit;
    (void)state;
    for (int i = 0; i < 40; i++)
        for (int n = 0; n < 2; n++)
            sprintf(text[n] + strlen(text[n]), "%s%d\n", n && i >= 8 && i < 12 ? "new " : "", i);
    struct document document = document_of(text[0]);
    become(&history, &document, text[1]);
    size_t at = (size_t)(strstr(text[1], "\n20\n") - text[1]) + 1;
    assert_int_equal(next_edit_open(&edit, &document, at, &history), 0);
    assert_int_equal(edit.first, 10);
    assert_memory_equal(edit.window, "new 10\nnew 11\n12\n", 17);
    assert_memory_equal(edit.original, "8\n9\n10\n11\n12\n13\n", 16);
    next_edit_free(&edit);
    history_free(&history);
}

static void window_is_21_lines(void **state) {
    char text[4000] = "";
    struct history history = {.count = 0};
    struct next_edit edit;
    (void)state;
    for (int i = 0; i < 100; i++) sprintf(text + strlen(text), "line %d\r\n", i);
    struct document document = document_of(text);
    size_t at = (size_t)(strstr(text, "line 50\r") - text) + 3;
    assert_int_equal(next_edit_open(&edit, &document, at, &history), 0);
    assert_int_equal(edit.first, 40);
    assert_int_equal(edit.lines, 21);
    assert_memory_equal(edit.window, "line 40\nline 41\n", 16);
    assert_memory_equal(edit.window + edit.bytes - 8, "\nline 60", 8);
    assert_int_equal(edit.original_bytes, edit.bytes);
    next_edit_free(&edit);
    for (size_t where = 0; where <= document.bytes; where += document.bytes) { /* both ends */
        assert_int_equal(next_edit_open(&edit, &document, where, &history), 0);
        assert_int_equal(edit.first, where ? 90 : 0);
        assert_int_equal(edit.lines, where ? 10 : 11); /* without the empty last line */
        assert_false(edit.is_at_end);
        next_edit_free(&edit);
    }
    document = document_of("");
    assert_int_equal(next_edit_open(&edit, &document, 0, &history), 0);
    assert_int_equal(edit.lines, 1);
    assert_true(edit.is_at_end);
    next_edit_free(&edit);
    char *wide = malloc(NEXT_EDIT_WINDOW_BYTES + 2);
    memset(wide, 'x', NEXT_EDIT_WINDOW_BYTES + 1);
    wide[NEXT_EDIT_WINDOW_BYTES + 1] = 0;
    document = document_of(wide);
    assert_int_equal(next_edit_open(&edit, &document, 5, &history), -1);
    free(wide);
}

/* ---- answers */

/* The window and what it was before; an answer; the window that comes of it, or NULL: nothing. */
struct example {
    const char *window, *original, *answer, *made;
    int cut_off;
};

/* The window with the change made; freed by the caller. */
static char *make(const struct next_edit *edit, const struct next_edit_change *change) {
    char *made = malloc(edit->bytes + change->bytes + 2);
    const char *at = edit->window, *end = edit->window + edit->bytes;
    size_t n = 0, any = 0;
    for (size_t i = 0; i <= edit->lines; i++) {
        if (i == change->from && change->lines) {
            if (any++) made[n++] = '\n';
            memcpy(made + n, change->text, change->bytes);
            n += change->bytes;
        }
        if (i == edit->lines) break;
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t bytes = (size_t)((stop ? stop : end) - at);
        if (i < change->from || i >= change->to) {
            if (any++) made[n++] = '\n';
            memcpy(made + n, at, bytes);
            n += bytes;
        }
        at += bytes + (stop != NULL);
    }
    made[n] = 0;
    return made;
}

static struct next_edit edit_of(const char *window, const char *original) {
    struct next_edit edit = {.window = strdup(window),
                             .bytes = strlen(window),
                             .lines = 1,
                             .original = strdup(original),
                             .original_bytes = strlen(original)};
    for (const char *at = window; (at = strchr(at, '\n')); at++) edit.lines++;
    return edit;
}

static void answers_become_changes(void **state) {
    static const struct example examples[] = {
        /* changed, added, deleted lines; the line end before the next marker may come or not */
        {"a\nb\nc", "a\nb\nc", "a\nB\nc\n", "a\nB\nc", 0},
        {"a\nb\nc", "a\nb\nc", "a\nB\nc", "a\nB\nc", 0},
        {"a\nb\nc", "a\nb\nc", "a\nb\nb2\nc\n", "a\nb\nb2\nc", 0},
        {"a\nb\nc", "a\nb\nc", "a\nc\n", "a\nc", 0},
        {"a\nb\nc", "a\nb\nc", "a\nb\nc\nd\n", "a\nb\nc\nd", 0},
        {"", "", "first\nsecond\n", "first\nsecond", 0},
        {"a\n\n\nb", "a", "a\n\n\nB\n", "a\n\n\nB", 0},
        /* the rest is taken as unchanged once two lines are the window's again */
        {"a\nb\nc\nd\ne", "", "a\nB\nc\nd\n", "a\nB\nc\nd\ne", 1},
        {"a\nb\nc\nd\ne", "", "a\nX\nb\nc\nno", "a\nX\nb\nc\nd\ne", 1},
        {"a\nb\nc\nd\ne", "", "a\nd\ne\n", "a\nd\ne", 1},
        {"a\nb\n\n\ne\nf", "", "a\nB\n\n\nE\nf\n", "a\nB\n\n\nE\nf",
         0}, /* blank ones say nothing */
        /* nothing */
        {"a\nb\nc", "x", "a\nb\nc\n", NULL, 0},                      /* no change */
        {"a\nb\nc", "a\nB\nc", "a\nB\nc\n", NULL, 0},                /* the last change undone */
        {"a\nb\nc\nd\ne", "a\nB\nc\nd\ne", "a\nB\nc\nd\n", NULL, 0}, /* and the rest unsaid */
        {"a\nb\nc", "x", "a\nb\n", NULL, 0},                         /* it stops */
        {"a\nb\nc\nd", "x", "a\nB\n", NULL, 0},                      /* it stops behind a change */
        {"a\nb\nc\nd", "x", "A", NULL, 0},
        {"a\nb\nc", "x", "", NULL, 0},
        {"a\nb\nc", "x", "\n \n", NULL, 0}, /* nothing in it */
        {"a\nb", "x", "\n \n", NULL, 0},
        {"a\nb\nc", "x", "a\nB", NULL, 1}, /* cut off */
        {"a\nb\nc", "x", "a\nB\nB\n", NULL, 1},
        {"a\nb", "x", "a\ncalled()\ncalled()\ncalled()\n", NULL, 0}, /* it loops */
        {"a\nb", "x", "a\nname.of.name.of.name.of.name.of.name.of.name.of.\n", NULL, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct example *example = &examples[i];
        struct next_edit edit = edit_of(example->window, example->original);
        struct next_edit_change change;
        int is = next_edit_read(&edit, example->answer, strlen(example->answer), !example->cut_off,
                                &change);
        char *made = is ? make(&edit, &change) : NULL;
        if (!made != !example->made || (made && strcmp(made, example->made) != 0))
            fail_msg("[%s] with [%s]: expected [%s], found [%s]", example->window, example->answer,
                     example->made ? example->made : "nothing", made ? made : "nothing");
        free(made);
        free(change.text);
        next_edit_free(&edit);
    }
}

/* Any answer to any window: what is changed lies inside, makes another text than the window and the
 * one before, and once there is enough of an answer no more of it changes that. */
static void hostile_answers(void **state) {
    static const char *const words[] = {"\n",   "\n",       "a\n",      "b\n", "call()\n",
                                        "\n\n", "x",        "\r",       " ",   "<|file_sep|>",
                                        "\xff", "\xc3\xa4", "call()\n", "b\n"};
    enum { WORDS = sizeof words / sizeof *words, TEXTS = 40000 };
    uint64_t random = 11;
    size_t changes = 0, early = 0;
    (void)state;
    for (int i = 0; i < TEXTS; i++) {
        char text[3][200] = {"", "", ""};
        for (int part = 0; part < 3; part++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            for (int n = (int)(random >> 60); n >= 0; n--) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                strcat(text[part], words[(random >> 33) % WORDS]);
            }
        }
        struct next_edit edit = edit_of(text[0], text[1]);
        struct next_edit_change change, front_change;
        size_t bytes = strlen(text[2]);
        if (next_edit_read(&edit, text[2], bytes, 1, &change)) {
            changes++;
            assert_true(change.from <= change.to && change.to <= edit.lines);
            char *made = make(&edit, &change);
            assert_string_not_equal(made, text[0]);
            free(made);
        }
        for (size_t front = 0; front <= bytes; front++) {
            if (!next_edit_enough(&edit, text[2], front)) continue;
            early++;
            int is = next_edit_read(&edit, text[2], front, 0, &front_change);
            assert_int_equal(is, change.text != NULL);
            if (is) assert_int_equal(front_change.bytes, change.bytes);
            if (is) assert_memory_equal(front_change.text, change.text, change.bytes);
            free(front_change.text);
            break;
        }
        free(change.text);
        next_edit_free(&edit);
    }
    assert_true(changes > TEXTS / 4 && early > TEXTS / 20);
    struct next_edit edit = edit_of("a\nb", "a\nb");
    struct next_edit_change change;
    char *many = malloc(60000);
    for (int i = 0; i < 60000; i++) many[i] = i % 2 ? '\n' : (char)('a' + i % 26);
    assert_true(next_edit_enough(&edit, many, 60000));
    assert_int_equal(next_edit_read(&edit, many, 60000, 1, &change), 0);
    assert_int_equal(next_edit_read(&edit, "a\nB\0", 4, 1, &change), 0); /* a zero byte */
    many[0] = 0;                                                         /* no loop, and too long */
    for (int i = 0; i < NEXT_EDIT_ADDED + 3; i++) sprintf(many + strlen(many), "line %d\n", i);
    assert_int_equal(next_edit_read(&edit, many, strlen(many), 1, &change), 0);
    free(many);
    next_edit_free(&edit);
}

/* The edit that a client makes gives the document with the window changed, wherever the window is,
 * in every unit, whatever its line ends are. */
static void edits_have_their_place(void **state) {
    static const char *const lines[] = {"a",     "",         "\xc3\xa4\xf0\x9f\x99\x82",
                                        "b = 1", "called()", " "};
    enum { TEXTS = 3000, LINES = 40 };
    struct history history = {.count = 0};
    uint64_t random = 5;
    size_t made = 0, at_end = 0;
    (void)state;
    for (int i = 0; i < TEXTS; i++) {
        char text[LINES * 12] = "", wanted[2 * LINES * 12] = "", answer[LINES * 12] = "";
        const char *end = i % 3 ? "\n" : "\r\n";
        random = random * 6364136223846793005u + 1442695040888963407u;
        int count = 1 + (int)((random >> 33) % LINES);
        for (int line = 0; line < count; line++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            if (line) strcat(text, end);
            strcat(text, lines[(random >> 33) % 6]);
        }
        struct document document = document_of(text);
        struct next_edit edit;
        struct next_edit_change change;
        struct next_edit_place place;
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t at = (random >> 33) % (document.bytes + 1);
        assert_int_equal(next_edit_open(&edit, &document, at, &history), 0);
        /* the window with some lines changed */
        const char *from = edit.window;
        for (size_t line = 0; line < edit.lines; line++) {
            size_t left = edit.bytes - (size_t)(from - edit.window);
            const char *stop = left ? memchr(from, '\n', left) : NULL;
            size_t n = stop ? (size_t)(stop - from) : left;
            random = random * 6364136223846793005u + 1442695040888963407u;
            uint32_t what = (random >> 33) % 12;
            if (what) sprintf(answer + strlen(answer), "%.*s\n", (int)n, from);
            if (what == 1) strcat(answer, "new one\n");
            from += n + (stop != NULL);
        }
        if (next_edit_read(&edit, answer, strlen(answer), 1, &change)) {
            enum column_unit unit = (enum column_unit)(i % 3);
            assert_int_equal(next_edit_place(&edit, &change, unit, &place), 0);
            size_t start = position_offset(text, document.bytes, place.start, unit),
                   stop = position_offset(text, document.bytes, place.end, unit);
            assert_true(start <= stop);
            char *window = make(&edit, &change);
            /* lines before the window, the window, lines behind it, all with \n */
            size_t front = position_offset(text, document.bytes, (struct position){edit.first, 0},
                                           COLUMN_UTF8),
                   back = position_offset(
                       text, document.bytes,
                       (struct position){edit.first + (uint32_t)edit.lines - 1, UINT32_MAX},
                       COLUMN_UTF8);
            sprintf(wanted, "%.*s%s%s", (int)front, text, window, text + back);
            char found[3 * LINES * 12];
            sprintf(found, "%.*s%.*s%s", (int)start, text, (int)place.bytes, place.text,
                    text + stop);
            for (char *both[] = {wanted, found}, **each = both; each < both + 2; each++) {
                char *to = *each;
                for (char *c = *each; *c; c++)
                    if (*c != '\r') *to++ = *c;
                *to = 0;
            }
            assert_string_equal(found, wanted);
            made++, at_end += edit.is_at_end != 0;
            free(window);
            free(place.text);
        }
        free(change.text);
        next_edit_free(&edit);
    }
    assert_true(made > TEXTS / 4 && at_end > TEXTS / 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(typing_is_one_change),
        cmocka_unit_test(line_ends_are_one_kind),
        cmocka_unit_test(long_changes_are_not_remembered),
        cmocka_unit_test(prompt_is_the_published_one),
        cmocka_unit_test(prompt_has_three_changes),
        cmocka_unit_test(a_change_reaches_into_the_window),
        cmocka_unit_test(window_is_21_lines),
        cmocka_unit_test(answers_become_changes),
        cmocka_unit_test(hostile_answers),
        cmocka_unit_test(edits_have_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
