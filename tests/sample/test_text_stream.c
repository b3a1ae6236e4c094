/* Text assembly: whatever the borders, what is shown adds up to the same text, in whole characters,
 * and stops at the same byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "text/text_stream.h"
#include "tests/pack/tiny_blob.h"
#include "weights/blob.h"

static uint64_t rng = 1;
static uint32_t random32(void) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(rng >> 32);
}

/* Where the text to show ends: before the first stop text that is complete, the longest of those
 * that end there; or n. */
static size_t stops_at(const uint8_t *text, size_t n, const apus_stop *stops, uint32_t count) {
    for (size_t end = 1; end <= n; end++) {
        size_t longest = 0;
        for (uint32_t i = 0; i < count; i++)
            if (stops[i].bytes <= end && stops[i].bytes > longest &&
                memcmp(text + end - stops[i].bytes, stops[i].text, stops[i].bytes) == 0)
                longest = stops[i].bytes;
        if (longest) return end - longest;
    }
    return n;
}

static size_t length_by_lead(uint8_t b) { return b < 0xc0 ? 1 : b < 0xe0 ? 2 : b < 0xf0 ? 3 : 4; }

/* Whether p[0 .. k) begins a longer character: by all code points, between whose ends lead and
 * second byte run evenly. */
static int begins_character(const uint8_t *p, size_t k) {
    static const uint32_t codes[][2] = {{0x80, 0x7ff},      {0x800, 0xfff},      {0x1000, 0xcfff},
                                        {0xd000, 0xd7ff},   {0xe000, 0xffff},    {0x10000, 0x3ffff},
                                        {0x40000, 0xfffff}, {0x100000, 0x10ffff}};
    size_t length = length_by_lead(p[0]);
    if (k >= length || p[0] >= 0xf8) return 0;
    uint32_t value = p[0] & (0x7fu >> length);
    for (size_t i = 1; i < k; i++) {
        if (p[i] >> 6 != 2) return 0;
        value = value << 6 | (p[i] & 63);
    }
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        size_t of = codes[i][0] < 0x800     ? 2
                    : codes[i][0] < 0x10000 ? 3
                                            : 4,
               shift = 6 * (length - k);
        if (of == length && value >= codes[i][0] >> shift && value <= codes[i][1] >> shift)
            return 1;
    }
    return 0;
}

/* Whether a cut at `cut` divides a character of text[0 .. n), the last of which may be
 * unfinished. */
static int divides_character(const uint8_t *text, size_t cut, size_t n) {
    for (size_t back = 1; back <= 3 && back <= cut; back++) {
        const uint8_t *p = text + cut - back;
        size_t length = length_by_lead(p[0]), there = n - (cut - back);
        if (length <= back) continue;
        if (there < length ? begins_character(p, there)
                           : begins_character(p, length - 1) && p[length - 1] >> 6 == 2)
            return 1;
    }
    return 0;
}

enum { TEXT_MAX = 200 };

/* Feeds text in pieces that end at the borders (bit i: behind byte i) and checks every promise. */
static void feed(const uint8_t *text, size_t n, const apus_stop *stops, uint32_t count,
                 const uint8_t *border) {
    static uint8_t memory[TEXT_MAX + STOP_BYTES_MAX + 4];
    struct text_stream out;
    uint8_t shown[TEXT_MAX];
    size_t end = stops_at(text, n, stops, count), shown_count = 0, at = 0, bytes;
    const char *piece;
    text_stream_open(&out, NULL, memory, sizeof memory);
    text_stream_begin(&out, stops, count, 0);
    int stopped = 0;
    while (at < n && !stopped) {
        size_t next = at + 1;
        while (next < n && !border[next - 1]) next++;
        stopped = text_stream_add_bytes(&out, text + at, next - at);
        at = next;
        assert_int_equal(out.total, at);
        if (random32() % 4 == 0) continue; /* two rounds taken together */
        text_stream_take(&out, &piece, &bytes);
        assert_true(shown_count + bytes <= end);
        memcpy(shown + shown_count, piece, bytes);
        shown_count += bytes;
        assert_memory_equal(shown, text, shown_count);
        if (!stopped) assert_false(divides_character(text, shown_count, at));
        if (!stopped && !divides_character(text, at, at)) { /* no more is held than a stop text may
                                                               need */
            size_t may = 0;
            for (uint32_t i = 0; i < count; i++)
                for (size_t k = 1; k < stops[i].bytes && k <= at; k++)
                    if (k > may && memcmp(text + at - k, stops[i].text, k) == 0) may = k;
            assert_true(shown_count + may + (may ? 3 : 0) >= at);
        }
        text_stream_take(&out, &piece, &bytes);
        assert_int_equal(bytes, 0);
    }
    if (!stopped) text_stream_end(&out);
    text_stream_take(&out, &piece, &bytes);
    memcpy(shown + shown_count, piece, bytes);
    shown_count += bytes;
    assert_int_equal(stopped, end < n);
    assert_int_equal(shown_count, end);
    assert_memory_equal(shown, text, end);
}

static void every_border(const char *text, const apus_stop *stops, uint32_t count) {
    size_t n = strlen(text);
    uint8_t border[TEXT_MAX] = {0};
    for (size_t i = 0; i <= n; i++)
        for (size_t j = i; j <= n; j++) {
            memset(border, 0, sizeof border);
            border[i] = border[j] = 1;
            feed((const uint8_t *)text, n, stops, count, border);
        }
    memset(border, 1, sizeof border);
    feed((const uint8_t *)text, n, stops, count, border);
}

static void stops_across_every_border(void **state) {
    (void)state;
    const apus_stop stops[] = {{"\n\nUser:", 7}, {"</s>", 4}, {"\xf0\x9f\x98\x80!", 5}, {"aab", 3}};
    every_border("Hello \xf0\x9f\x98\x80 world\n\nUser: what", stops, 4);
    every_border("x\n\n\nUser:", stops, 4);
    every_border("no stop </s here \n\nUser", stops, 4);
    every_border("aaaaaaab", stops, 4);
    every_border("gr\xc3\xbc\xc3\x9f \xe2\x82\xac\xf0\x9f\x98\x80\xf0\x9f\x98\x80!", stops, 4);
    every_border("</</s</s></s>", stops, 4);
    every_border("", stops, 4);
    every_border("</s>", stops, 4);
    every_border("\xf0\x9f\x98 cut, \xff bad, \xc3", stops, 4);
    every_border("plain", NULL, 0);
}

static void random_texts_with_random_stops(void **state) {
    (void)state;
    for (int round = 0; round < 30000; round++) {
        uint8_t text[TEXT_MAX], border[TEXT_MAX];
        char words[APUS_STOPS_MAX][STOP_BYTES_MAX];
        apus_stop stops[APUS_STOPS_MAX];
        uint32_t letters = 2 + random32() % 2, count = random32() % (APUS_STOPS_MAX + 1);
        size_t n = random32() % 80;
        for (size_t i = 0; i < n; i++)
            text[i] = (uint8_t)('a' + random32() % letters), border[i] = random32() % 3 == 0;
        for (uint32_t i = 0; i < count; i++) {
            stops[i] =
                (apus_stop){words[i], 1 + random32() % (random32() % 4 ? 6 : STOP_BYTES_MAX)};
            if (random32() % 3 == 0 && n > stops[i].bytes)
                memcpy(words[i], text + random32() % (n - stops[i].bytes), stops[i].bytes);
            else
                for (size_t k = 0; k < stops[i].bytes; k++)
                    words[i][k] = (char)('a' + random32() % letters);
        }
        feed(text, n, stops, count, border);
    }
}

/* Characters of every length, and bytes that are none; stops that begin inside of characters,
 * too. */
static void random_utf8(void **state) {
    (void)state;
    static const char *const parts[] = {"a",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xed\x9f\xbf",
                                        "\xf0\x9f\x98\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "\x80",
                                        "\xc0\xaf",
                                        "\xe0\x80",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xf5",
                                        "\xff",
                                        "\xf0\x9f",
                                        "\xe2\x82",
                                        "\xc3",
                                        "\n"};
    for (int round = 0; round < 30000; round++) {
        uint8_t text[TEXT_MAX], border[TEXT_MAX];
        size_t n = 0, parts_count = random32() % 20;
        for (size_t i = 0; i < parts_count; i++) {
            const char *p = parts[random32() % (random32() % 3 ? 6 : sizeof parts / sizeof *parts)];
            memcpy(text + n, p, strlen(p));
            n += strlen(p);
        }
        for (size_t i = 0; i < n; i++) border[i] = random32() % 2 == 0;
        apus_stop stops[2] = {{"\xa9\xe2", 2}, {"\x82\xac\xf0\x9f\x98", 5}};
        feed(text, n, stops, random32() % 3, border);
    }
}

/* Every byte is a piece with its own id; 256 is a control token. */
static void ids_become_their_bytes(void **state) {
    (void)state;
    struct text_stream out;
    struct blob blob;
    char why[BLOB_WHY];
    const char *text;
    size_t bytes, size;
    void *data = tiny_blob(&(struct tiny_spec){0}, &size);
    assert_int_equal(blob_open(&blob, data, size, why), APUS_OK);
    size_t need = text_stream_bytes(&blob.vocab);
    void *memory = malloc(need);
    const apus_stop stop = {"abba", 4};
    text_stream_open(&out, &blob.vocab, memory, need);
    for (int run = 0; run < 2; run++) { /* the second begins anew */
        text_stream_begin(&out, &stop, 1, 0);
        assert_false(text_stream_add(&out, 256)); /* a control token shows nothing */
        assert_false(text_stream_add(&out, 'c'));
        text_stream_take(&out, &text, &bytes);
        assert_int_equal(bytes, 1);
        assert_memory_equal(text, "c", 1);
        assert_false(text_stream_add(&out, 'a'));
        assert_false(text_stream_add(&out, 'b'));
        text_stream_take(&out, &text, &bytes);
        assert_non_null(text);
        assert_int_equal(bytes, 0);
        assert_false(text_stream_add(&out, 'b'));
        if (run == 0)
            text_stream_end(&out);
        else
            assert_true(text_stream_add(&out, 'a'));
        text_stream_take(&out, &text, &bytes);
        assert_int_equal(bytes, run == 0 ? 3 : 0);
        assert_memory_equal(text, "abb", bytes);
        if (run == 1) assert_true(text_stream_add(&out, 'x')); /* nothing follows a stop */
        text_stream_take(&out, &text, &bytes);
        assert_int_equal(bytes, 0);
    }
    free(memory);
    free(data);
}

/* What is held for stop texts, and as many of the longest pieces as a round may give, fit; a
 * sanitizer sees one byte more. */
static void the_memory_is_enough(void **state) {
    (void)state;
    struct blob blob;
    char why[BLOB_WHY], held[STOP_BYTES_MAX];
    const char *text;
    size_t size, bytes, longest = 0, held_bytes = sizeof held - 1;
    void *data = tiny_blob(&(struct tiny_spec){0}, &size);
    assert_int_equal(blob_open(&blob, data, size, why), APUS_OK);
    for (uint32_t id = 0; id < blob.model->vocab; id++)
        longest = vocab_length(&blob.vocab, id) > longest ? vocab_length(&blob.vocab, id) : longest;
    size_t need = text_stream_bytes(&blob.vocab);
    uint8_t *memory = malloc(need), *piece = malloc(longest);
    memset(held, 'x', sizeof held);
    memset(piece, 'y', longest);
    struct text_stream out;
    text_stream_open(&out, &blob.vocab, memory, need);
    text_stream_begin(&out, &(apus_stop){held, sizeof held}, 1, 0);
    for (size_t i = 0; i < held_bytes; i++) text_stream_add(&out, 'x');
    text_stream_take(&out, &text, &bytes);
    assert_int_equal(bytes, 0);
    for (int i = 0; i < TEXT_STREAM_IDS; i++)
        assert_false(text_stream_add_bytes(&out, piece, longest));
    text_stream_take(&out, &text, &bytes);
    assert_int_equal(bytes, held_bytes + TEXT_STREAM_IDS * longest);
    free(piece);
    free(memory);
    free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stops_across_every_border),
        cmocka_unit_test(random_texts_with_random_stops), cmocka_unit_test(random_utf8),
        cmocka_unit_test(ids_become_their_bytes), cmocka_unit_test(the_memory_is_enough)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
