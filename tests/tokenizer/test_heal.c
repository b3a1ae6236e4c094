/* What stays of a text that is healed has the same ids whatever follows it, under every word rule.
 * Texts of few letters, in which words, spaces and user-defined tokens meet at every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tokenizer/made.h"
#include "text/heal.h"

enum { TEXTS = 4000, LONGEST = 40, MOST = 4 * LONGEST };

static uint64_t rng = 7;
static uint32_t random_of(uint32_t n) {
    rng = rng * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((rng >> 33) % n);
}

static size_t make_text(char *text, size_t most) {
    static const char *const part[] = {
        "th", "e", "in", "t", "n", "h", "s", "'", " ",  " ",   "  ",  "\n",     "\t", "1",  "23",
        "(",  ")", "<",  "!", "E", "T", "_", "é", "日", "<to", "ol>", "<tool>", "́",   "\r", "/"};
    size_t bytes = 0;
    uint32_t parts = random_of(12);
    for (uint32_t i = 0; i < parts; i++) {
        const char *p = part[random_of(random_of(2) ? 10 : sizeof part / sizeof *part)];
        if (bytes + strlen(p) > most) break;
        memcpy(text + bytes, p, strlen(p));
        bytes += strlen(p);
    }
    return bytes;
}

struct sums {
    size_t bytes, kept, healed;
};

static struct sums heal_texts(const struct vocab *v, const char *name) {
    void *scratch = malloc(heal_scratch(v));
    struct sums sums = {0, 0, 0};
    assert_non_null(scratch);
    for (int i = 0; i < TEXTS; i++) {
        char text[LONGEST + 1];
        int32_t all[MOST], kept[MOST];
        size_t bytes = make_text(text, LONGEST), cut = bytes ? random_of((uint32_t)bytes + 1) : 0;
        size_t keep = heal_keep(v, (const uint8_t *)text, cut, 0, scratch);
        assert_true(keep <= cut);
        sums.bytes += cut, sums.kept += keep, sums.healed += keep < cut;
        int implicit = v->header->flags & VOCAB_PREFIX && keep == cut;
        if (implicit) continue; /* its space cannot be taken back */
        size_t n = made_ids(v, text, bytes, 0, all), k = made_ids(v, text, keep, 0, kept);
        if (k > n || memcmp(all, kept, k * sizeof *all) != 0) {
            text[bytes] = 0;
            fail_msg("%s: of \"%.*s\" %zu bytes are kept, and \"%s\" follows", name, (int)cut, text,
                     keep, text + cut);
        }
    }
    free(scratch);
    return sums;
}

static void what_stays_has_the_same_ids(void **unused) {
    (void)unused;
    static const char merges[] = "t h\0th e\0_ th\0_ the\0i n\0in t\0_ int\0int h\0s _\0_ _\0__ _\0"
                                 "the n\0n t\0nt h\0e n\0the s\0\n \n\0( )\0_ (\0E T\0";
    for (int pre = VOCAB_PRE_GPT2; pre < VOCAB_PRE_COUNT; pre++) {
        size_t bytes;
        void *section = made_bpe((enum vocab_pre)pre, 0, merges, &bytes);
        struct vocab v = made_open(section, bytes);
        char name[32];
        snprintf(name, sizeof name, "rule %d", pre);
        struct sums s = heal_texts(&v, name);
        assert_true(s.healed > TEXTS / 4 && s.kept > s.bytes / 2); /* some, and not all */
        free(section);
    }
}

static void sentencepiece_too(void **unused) {
    (void)unused;
    static const struct made_piece pieces[] = {
        {"_", -1},     {"t", -2},     {"h", -3},    {"e", -4},    {"n", -5},
        {"i", -6},     {"s", -7},     {"th", -8},   {"_the", -9}, {"the", -10},
        {"_in", -11},  {"_int", -12}, {"int", -13}, {"in", -14},  {"__", -15},
        {"____", -16}, {"then", -17}, {"_th", -18}, {"nth", -19}, {"nt", -20}};
    const uint32_t flags[] = {0, VOCAB_PREFIX, VOCAB_PREFIX | VOCAB_PREFIX_FIRST,
                              VOCAB_PREFIX | VOCAB_PREFIX_UNLESS_SPACE};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        size_t bytes;
        void *section = made_spm(pieces, sizeof pieces / sizeof *pieces, flags[i], &bytes);
        struct vocab v = made_open(section, bytes);
        struct sums s = heal_texts(&v, "sentencepiece");
        assert_true(s.healed > TEXTS / 4);
        free(section);
    }
}

static size_t keep_of(const struct vocab *v, const char *text) {
    void *scratch = malloc(heal_scratch(v));
    size_t keep = heal_keep(v, (const uint8_t *)text, strlen(text), 0, scratch);
    free(scratch);
    return keep;
}

static void as_expected(void **unused) {
    (void)unused;
    size_t bytes;
    void *section = made_bpe(VOCAB_PRE_GPT2, 0, "t h\0th e\0_ the\0i n\0in t\0int h\0", &bytes);
    struct vocab v = made_open(section, bytes);
    assert_int_equal(keep_of(&v, ""), 0);
    assert_int_equal(keep_of(&v, "xyz"), 3);     /* nothing goes on from there */
    assert_int_equal(keep_of(&v, "x th"), 1);    /* " the" */
    assert_int_equal(keep_of(&v, "xth"), 1);     /* "the" */
    assert_int_equal(keep_of(&v, "x t"), 1);     /* " the", by its first two */
    assert_int_equal(keep_of(&v, "in"), 0);      /* "int" */
    assert_int_equal(keep_of(&v, "inte"), 4);    /* no piece begins with "e" */
    assert_int_equal(keep_of(&v, "int"), 0);     /* "inth" */
    assert_int_equal(keep_of(&v, "x<too"), 1);   /* "<tool>" */
    assert_int_equal(keep_of(&v, "x<tool>"), 7); /* is whole */
    assert_int_equal(keep_of(&v, "x<|end|"), 7); /* a control token is never made of text */
    assert_int_equal(keep_of(&v, "x \xc3"), 1);  /* a cut character */
    free(section);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_stays_has_the_same_ids),
        cmocka_unit_test(sentencepiece_too),
        cmocka_unit_test(as_expected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
