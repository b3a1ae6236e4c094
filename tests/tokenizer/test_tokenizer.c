/* What the tokenizers do, on vocabularies small enough to see it. The libraries they equal are
 * asked in compare_*.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/pretokenize.h"
#include "text/unicode.h"
#include "tests/tokenizer/made.h"

/* Ids of `text` shown as their pieces with '|' between, '_' for a space, and specials spelled
 * out. */
static const char *shown(const struct vocab *v, const char *text, uint32_t flags) {
    static char out[4096];
    int32_t ids[512];
    size_t n = made_ids(v, text, strlen(text), flags, ids), at = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p;
        size_t bytes = tokenizer_piece(v, (uint32_t)ids[i], 1, &p);
        if (i) out[at++] = '|';
        if (vocab_type(v, (uint32_t)ids[i]) == VOCAB_BYTE)
            at += (size_t)sprintf(out + at, "<%02X>", p[0]);
        else
            for (size_t k = 0; k < bytes; k++) out[at++] = p[k] == ' ' ? '_' : (char)p[k];
    }
    out[at] = 0;
    return out;
}

/* ----------------------------------------------------------------------------------- merging -- */

#define THE "t h\0th e\0_ the\0a b\0b c\0a a\0"

static void merges_go_by_rank(void **state) {
    (void)state;
    size_t bytes;
    void *section = made_bpe(VOCAB_PRE_GPT2, 0, THE, &bytes);
    struct vocab v = made_open(section, bytes);
    assert_string_equal(shown(&v, "the the", 0), "the|_the");
    assert_string_equal(shown(&v, "abc", 0), "ab|c"); /* a b comes before b c */
    assert_string_equal(shown(&v, "aaabc", 0), "aa|ab|c");
    assert_string_equal(shown(&v, "aaaaa", 0), "aa|aa|a"); /* the leftmost of equals */
    assert_string_equal(shown(&v, "", 0), "");
    free(section);
}

static void scores_go_before_places(void **state) {
    (void)state;
    static const struct made_piece pieces[] = {{"_", -9},  {"a", -9},  {"b", -9},    {"aa", -1},
                                               {"ab", -1}, {"_a", -3}, {"aaaa", -2}, {"bb", 0}};
    size_t bytes;
    void *section = made_spm(pieces, 8, VOCAB_PREFIX, &bytes);
    struct vocab v = made_open(section, bytes);
    assert_string_equal(shown(&v, "aab", 0), "_|aa|b"); /* aa and ab have one score: the left one
                                                           wins */
    assert_string_equal(shown(&v, "aaaaa", 0), "_|aaaa|a");
    assert_string_equal(shown(&v, "abb", 0), "_a|bb"); /* bb is best */
    assert_string_equal(shown(&v, "a a", 0), "_a|_a");
    assert_string_equal(shown(&v, "a a", TOKENIZER_NO_PREFIX), "a|_a");
    assert_string_equal(shown(&v, "", 0), "");
    assert_string_equal(shown(&v, " ", 0), "_|_");
    free(section);
}

/* A character that is part of a piece but none itself, and one that is neither. */
static void unknown_characters_become_bytes(void **state) {
    (void)state;
    static const struct made_piece pieces[] = {{"a", -9}, {"a\xC3\xA9", -1}, {"_\xC3\xA9", -2}};
    size_t bytes;
    void *section = made_spm(pieces, 3, VOCAB_PREFIX, &bytes);
    struct vocab v = made_open(section, bytes);
    assert_string_equal(shown(&v, "a\xC3\xA9", TOKENIZER_NO_PREFIX), "a\xC3\xA9");
    assert_string_equal(shown(&v, "\xC3\xA9", 0), "_\xC3\xA9");
    assert_string_equal(shown(&v, "\xC3\xA9", TOKENIZER_NO_PREFIX), "<C3>|<A9>");
    assert_string_equal(shown(&v, "a", 0), "<E2>|<96>|<81>|a"); /* U+2581 is no piece here */
    assert_string_equal(shown(&v, "\xE2\x82\xAC", TOKENIZER_NO_PREFIX), "<E2>|<82>|<AC>");
    /* as sentencepiece: U+FFFD */
    assert_string_equal(shown(&v, "\xFF", TOKENIZER_NO_PREFIX), "<EF>|<BF>|<BD>");
    free(section);
}

static void one_endless_word(void **state) {
    (void)state;
    enum { N = 1 << 20 };
    size_t bytes;
    void *section =
        made_bpe(VOCAB_PRE_GPT2, 0, "a a\0aa aa\0aaaa aaaa\0aaaaaaaa aaaaaaaa\0", &bytes);
    struct vocab v = made_open(section, bytes);
    char *text = malloc(N);
    int32_t *ids = malloc(N * sizeof *ids);
    memset(text, 'a', N);
    assert_int_equal(made_ids(&v, text, N, 0, ids), N / 16); /* quadratic work would take hours */
    for (size_t i = 0; i < N / 16; i++) assert_int_equal(ids[i], 259);
    free(ids);
    free(text);
    free(section);
}

/* ------------------------------------------------------------------------------ added tokens -- */

static void control_tokens_only_where_allowed(void **state) {
    (void)state;
    size_t bytes;
    void *section = made_bpe(VOCAB_PRE_GPT2, 0, THE, &bytes);
    struct vocab v = made_open(section, bytes);
    assert_string_equal(shown(&v, "a<|end|>b", 0), "a|<|||e|n|d|||>|b");
    assert_string_equal(shown(&v, "a<|end|>b", TOKENIZER_SPECIALS), "a|<|end|>|b");
    /* the longest */
    assert_string_equal(shown(&v, "<|end|>x<|end|>", TOKENIZER_SPECIALS), "<|end|>x|<|end|>");
    assert_string_equal(shown(&v, "<tool><|end|", 0), "<tool>|<|||e|n|d||");
    assert_string_equal(shown(&v, "a  !b", 0), "a|__!|b");
    assert_int_equal(tokenizer_special(&v, (const uint8_t *)"<|end|>", 7), 262);
    assert_int_equal(tokenizer_special(&v, (const uint8_t *)"<|end|>x", 8), 263);
    assert_int_equal(tokenizer_special(&v, (const uint8_t *)"<|end|", 6), -1);
    assert_int_equal(tokenizer_special(&v, (const uint8_t *)"the", 3), -1);
    assert_int_equal(tokenizer_special(&v, (const uint8_t *)"", 0), -1);
    free(section);
}

static void prefix_comes_once_in_a_text(void **state) {
    (void)state;
    static const struct made_piece pieces[] = {{"_", -9}, {"a", -9}, {"_a", -1}};
    size_t bytes;
    void *section = made_spm(pieces, 3, VOCAB_PREFIX, &bytes);
    struct vocab v = made_open(section, bytes);
    assert_string_equal(shown(&v, "a<user>a", 0), "_a|<user>|a"); /* as sentencepiece */
    assert_string_equal(shown(&v, "<user>a", 0), "_|<user>|a");
    assert_string_equal(shown(&v, "a<s>a</s>", TOKENIZER_SPECIALS), "_a|<s>|_a|</s>");
    assert_string_equal(shown(&v, "<s>", 0), "_|<3C>|<73>|<3E>");
    free(section);
    section =
        made_spm(pieces, 3, VOCAB_PREFIX | VOCAB_PREFIX_FIRST | VOCAB_PREFIX_UNLESS_SPACE, &bytes);
    v = made_open(section, bytes);
    assert_string_equal(shown(&v, "a<s>a", TOKENIZER_SPECIALS), "_a|<s>|a");
    assert_string_equal(shown(&v, " a", 0), "_a");
    free(section);
}

/* ------------------------------------------------------------------------------------- bytes -- */

static void bytes_come_back(void **state) {
    (void)state;
    static const uint8_t text[] =
        "a\xFF\xC3(\xE2\x82\xED\xA0\x80\xF4\x90\x80\x80 \xC0\x80\0the\xF0\x9F\x98";
    size_t bytes, n = sizeof text - 1;
    int32_t ids[64];
    uint8_t back[64];
    for (uint32_t pre = 1; pre < VOCAB_PRE_COUNT; pre++) {
        void *section =
            made_bpe((enum vocab_pre)pre, pre == VOCAB_PRE_QWEN2 ? VOCAB_NFC : 0, THE, &bytes);
        struct vocab v = made_open(section, bytes);
        size_t count = made_ids(&v, text, n, 0, ids);
        assert_int_equal(tokenizer_decode(&v, ids, count, 1, 0, back, sizeof back), n);
        assert_memory_equal(back, text, n);
        assert_int_equal(made_ids(&v, "a\xF5z", 3, 0, ids), 2); /* a byte without a piece is left
                                                                   out */
        free(section);
    }
}

static void decoding_drops_what_is_implicit(void **state) {
    (void)state;
    static const struct made_piece pieces[] = {{"_", -9}, {"a", -9}, {"_a", -1}};
    size_t bytes;
    void *section = made_spm(pieces, 3, VOCAB_PREFIX, &bytes);
    struct vocab v = made_open(section, bytes);
    const int32_t ids[] = {1, 261, 261, 3 + 0xC3, 3 + 0xA9, 2};
    uint8_t text[32];
    assert_int_equal(tokenizer_decode(&v, ids, 6, 1, 0, text, 32), 5);
    assert_memory_equal(text, "a a\xC3\xA9", 5);
    assert_int_equal(tokenizer_decode(&v, ids, 6, 0, 0, text, 32), 6);
    assert_memory_equal(text, " a a\xC3\xA9", 6);
    assert_int_equal(tokenizer_decode(&v, ids, 6, 1, 1, text, 32), 13);
    assert_memory_equal(text, "<s> a a\xC3\xA9</s>", 13);
    memset(text, '#', 32);
    /* the size needed, and no byte past the room */
    assert_int_equal(tokenizer_decode(&v, ids, 6, 1, 0, text, 2), 5);
    assert_memory_equal(text, "a #", 3);
    free(section);
}

/* ------------------------------------------------------------------------------------- words -- */

static const char *words_of(enum vocab_pre pre, const char *text) {
    static char out[1024];
    struct word_scan w = word_scan_begin(pre, (const uint8_t *)text, strlen(text));
    size_t at = 0;
    for (size_t begin; word_scan_next(&w, &begin);) {
        if (at) out[at++] = '|';
        for (size_t i = begin; i < w.at; i++)
            out[at++] = text[i] == ' ' ? '_' : text[i] == '\n' ? '$' : text[i];
    }
    out[at] = 0;
    return out;
}

static void words_by_rule(void **state) {
    (void)state;
    static const struct {
        enum vocab_pre pre;
        const char *text, *words;
    } CASES[] = {
        {VOCAB_PRE_GPT2, "it's  12345 a\n\n  b ", "it|'s|_|_12345|_a|$$_|_b|_"},
        {VOCAB_PRE_GPT2, "x='S' \t", "x|='|S|'|_\t"},
        {VOCAB_PRE_DIGITS_GPT2, "a  12 b3", "a|__|1|2|_b|3"}, /* spaces before a digit end their
                                                                 stretch: they stay together */
        {VOCAB_PRE_DIGITS_GPT2, "  x", "_|_x"},
        {VOCAB_PRE_LLAMA3, "I'LL be 12345\n\n x(y)\n", "I|'LL|_be|_|123|45|$$|_x|(y|)$"},
        {VOCAB_PRE_LLAMA3, "a  \n  b", "a|__$|_|_b"},
        {VOCAB_PRE_LLAMA3, "'\xC5\xBFx", "'\xC5\xBF|x"}, /* long s folds to s */
        {VOCAB_PRE_QWEN2, "a 12 _b", "a|_|1|2|__|b"},
        {VOCAB_PRE_TEKKEN, "XMLHttpRequest iPhone", "XMLHttp|Request|_i|Phone"},
        {VOCAB_PRE_TEKKEN, "HTML a/b //\n/", "HTML|_a|/b|_//$/"},
        {VOCAB_PRE_TEKKEN,
         "A\xCA\xB0"
         "BC",
         "A\xCA\xB0|BC"}, /* an uncased letter ends the first pattern */
        {VOCAB_PRE_O200K, "HTML's iPHONE'Ll 12345's a/b'S//\n/",
         "HTML's|_i|PHONE'Ll|_|123|45|'s|_a|/b'S|//$/"},
        {VOCAB_PRE_O200K, "x' \xCC\x81's", "x|'|_\xCC\x81's"}, /* a mark is a letter */
        {VOCAB_PRE_O200K, "ab'", "ab|'"},
        {VOCAB_PRE_QWEN2, "q\xCC\x81z", "q|\xCC\x81z"},
        {VOCAB_PRE_QWEN35, "q\xCC\x81z \xCC\x81 1", "q\xCC\x81z|_\xCC\x81|_|1"},
        {VOCAB_PRE_DEEPSEEK_CODER, "ab12, \n\nc.. \xE4\xBD\xA0 d  ",
         "ab|1|2|,|_|$|$|c|..|_|\xE4\xBD\xA0|_d|__"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_string_equal(words_of(CASES[i].pre, CASES[i].text), CASES[i].words);
}

/* --------------------------------------------------------------------------------------- NFC -- */

static void composes(const char *text, const char *expected) {
    uint8_t out[256];
    uint64_t work[512];
    size_t n = strlen(text), bytes = nfc((const uint8_t *)text, n, out, work);
    assert_int_equal(bytes, strlen(expected));
    assert_memory_equal(out, expected, bytes);
}

static void normalizes(void **state) {
    (void)state;
    composes("abc", "abc");
    composes("e\xCC\x81", "\xC3\xA9");                     /* e + acute */
    composes("a\xCC\x81\xCC\xA3", "\xE1\xBA\xA1\xCC\x81"); /* below comes first, and joins */
    composes("\xCC\x81"
             "e",
             "\xCC\x81"
             "e");
    /* Angstrom sign */
    composes("\xE2\x84\xAB", "\xC3\x85");
    /* excluded from composition: grows */
    composes("\xE0\xA5\x98", "\xE0\xA4\x95\xE0\xA4\xBC");
    composes("\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB", "\xED\x95\x9C"); /* Hangul */
    /* nothing joins over a bad byte */
    composes("e\xFF\xCC\x81", "e\xFF\xCC\x81");
    /* three times as long */
    composes("\xF0\x9D\x85\xA0", "\xF0\x9D\x85\x98\xF0\x9D\x85\xA5\xF0\x9D\x85\xAE");
}

/* A long run of accents out of order is sorted in n log n, and in place. */
static void many_accents(void **state) {
    (void)state;
    enum { N = 200000 };
    uint8_t *text = malloc(1 + 4 * N), *out = malloc(3 * (1 + 4 * N));
    uint64_t *work = malloc(nfc_work(1 + 4 * N) * sizeof *work);
    text[0] = 'q';
    for (size_t i = 0; i < N; i++) {
        text[1 + 4 * i] = text[3 + 4 * i] = 0xCC;
        text[2 + 4 * i] = text[4 + 4 * i] = i % 2 ? 0xA3 : 0x81;
    }
    assert_int_equal(nfc(text, 1 + 4 * N, out, work), 1 + 4 * N);
    assert_memory_equal(out, "q\xCC\xA3\xCC\xA3", 5);
    for (size_t i = 0; i < 2 * N; i++) assert_int_equal(out[2 + 2 * i], i < N ? 0xA3 : 0x81);
    free(work);
    free(out);
    free(text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(merges_go_by_rank),
        cmocka_unit_test(scores_go_before_places),
        cmocka_unit_test(unknown_characters_become_bytes),
        cmocka_unit_test(one_endless_word),
        cmocka_unit_test(control_tokens_only_where_allowed),
        cmocka_unit_test(prefix_comes_once_in_a_text),
        cmocka_unit_test(bytes_come_back),
        cmocka_unit_test(decoding_drops_what_is_implicit),
        cmocka_unit_test(words_by_rule),
        cmocka_unit_test(normalizes),
        cmocka_unit_test(many_accents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
