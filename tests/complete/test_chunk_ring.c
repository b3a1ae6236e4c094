/* The ring of pieces of other files: what is picked, what gives way, what is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "apps/complete/chunk_ring.h"

/* `lines` lines with words that no other number has. */
static char *text_of(int number, int lines) {
    char *text = calloc(1, (size_t)lines * 64 + 1), line[64];
    assert_non_null(text);
    for (int i = 0; i < lines; i++) {
        snprintf(line, sizeof line, "a%d_%d = b%d_%d\n", number, i, number, i);
        strcat(text, line);
    }
    return text;
}

static void pick(struct chunk_ring *ring, int number) {
    char *text = text_of(number, 8), name[16];
    snprintf(name, sizeof name, "%d.py", number);
    assert_int_equal(ring_pick(ring, name, text, strlen(text), 0), 1);
    free(text);
}

static void likeness_is_that_of_words(void **state) {
    (void)state;
    assert_true(text_likeness("a b c", 5, "c, b; a", 7) == 1.0);
    assert_true(text_likeness("a b c d", 7, "c d e f", 7) == 0.5);
    assert_true(text_likeness("a", 1, "b", 1) == 0.0);
    assert_true(text_likeness("", 0, "", 0) == 1.0);
    assert_true(text_likeness("a a a b", 7, "a b b b", 7) == 1.0);
}

static void lines_around_the_place_are_picked(void **state) {
    struct chunk_ring ring = {0};
    char *text = text_of(1, 200), wanted[64];
    size_t bytes = strlen(text);
    (void)state;
    const char *place = strstr(text, "a1_100 ");
    assert_int_equal(ring_pick(&ring, "x.py", text, bytes, (size_t)(place - text)), 1);
    snprintf(wanted, sizeof wanted, "a1_%d = ", 100 - CHUNK_LINES / 2);
    assert_memory_equal(ring.waiting[0].text, wanted, strlen(wanted));
    size_t lines = 0;
    for (size_t i = 0; i < ring.waiting[0].bytes; i++) lines += ring.waiting[0].text[i] == '\n';
    assert_int_equal(lines, CHUNK_LINES);
    assert_string_equal(ring.waiting[0].name, "x.py");
    /* at the end, as many lines, which are the last ones */
    assert_int_equal(ring_pick(&ring, "x.py", text, bytes, bytes), 1);
    snprintf(wanted, sizeof wanted, "a1_%d = ", 200 - CHUNK_LINES);
    assert_memory_equal(ring.waiting[1].text, wanted, strlen(wanted));
    /* what is known, or says nothing */
    assert_int_equal(ring_pick(&ring, "x.py", text, bytes, bytes), 0);
    assert_int_equal(ring_pick(&ring, "x.py", "a\nb\n", 4, 0), 0);
    assert_int_equal(ring_pick(&ring, "x.py", "", 0, 0), 0);
    ring_free(&ring);
    free(text);
}

static void pieces_have_bounds(void **state) {
    struct chunk_ring ring = {0};
    size_t bytes = 1000000;
    char *text = malloc(bytes);
    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < bytes; i++)
        text[i] = i % 1000 == 999 ? '\n' : (char)('a' + i / 999 % 26);
    for (size_t at = 0; at <= bytes; at += bytes / 8) {
        assert_int_equal(ring_pick(&ring, "x", text, bytes, at), 1);
        const struct chunk *last = &ring.waiting[ring.waiting_count - 1];
        assert_true(last->bytes <= CHUNK_BYTES_MAX && last->bytes > CHUNK_BYTES_MAX / 2);
        size_t from = (size_t)((const char *)memmem(text, bytes, last->text, last->bytes) - text);
        assert_true(from % 1000 == 0 && last->text[last->bytes - 1] == '\n');
    }
    memset(text, 'x', bytes); /* one line */
    assert_int_equal(ring_pick(&ring, "x", text, bytes, 5), 0);
    ring_free(&ring);
    free(text);
}

static void the_oldest_gives_way(void **state) {
    struct chunk_ring ring = {0};
    (void)state;
    assert_int_equal(ring_move(&ring), 0);
    for (int i = 0; i < RING_WAITING + 3; i++) pick(&ring, i);
    assert_int_equal(ring.waiting_count, RING_WAITING);
    assert_string_equal(ring.waiting[0].name, "3.py");
    for (int i = 0; i < RING_WAITING; i++) assert_int_equal(ring_move(&ring), 1);
    for (int i = 100; i < 102; i++) {
        pick(&ring, i);
        assert_int_equal(ring_move(&ring), 1);
    }
    assert_int_equal(ring.count, RING_CHUNKS);
    assert_string_equal(ring.ring[0].name, "5.py");
    assert_string_equal(ring.ring[RING_CHUNKS - 1].name, "101.py");
    ring.most = 2;
    pick(&ring, 200);
    ring_move(&ring);
    assert_int_equal(ring.count, 2);
    ring_free(&ring);
}

static void what_is_alike_gives_way(void **state) {
    struct chunk_ring ring = {0};
    char *text = text_of(1, 20);
    (void)state;
    pick(&ring, 7);
    assert_int_equal(ring_pick(&ring, "old", text, strlen(text), 0), 1);
    ring_move(&ring);
    ring_move(&ring);
    memcpy(strstr(text, "a1_5 "), "z", 1); /* one word of forty */
    assert_int_equal(ring_pick(&ring, "new", text, strlen(text), 0), 1);
    assert_int_equal(ring.count, 1);
    assert_string_equal(ring.ring[0].name, "7.py");
    ring_move(&ring);
    assert_string_equal(ring.ring[1].name, "new");
    /* the cursor comes near it */
    ring_avoid(&ring, text, strlen(text), 10);
    assert_int_equal(ring.count, 1);
    ring_avoid(&ring, "something else", 14, 0);
    assert_int_equal(ring.count, 1);
    ring_free(&ring);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(likeness_is_that_of_words),
        cmocka_unit_test(lines_around_the_place_are_picked),
        cmocka_unit_test(pieces_have_bounds),
        cmocka_unit_test(the_oldest_gives_way),
        cmocka_unit_test(what_is_alike_gives_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
