/* The section's checks: nothing that vocab_open lets through can make the tokenizer read or write
 * where it should not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tokenizer/made.h"

static const struct made_piece PIECES[] = {{"_", -9},          {"a", -9},  {"b", -9}, {"_a", -1},
                                           {"ab\xC3\xA9", -2}, {"ab", -2}, {"__", -3}};

static void *made(int spm, size_t *bytes) {
    return spm ? made_spm(PIECES, sizeof PIECES / sizeof *PIECES, VOCAB_PREFIX, bytes)
               : made_bpe(VOCAB_PRE_QWEN2, VOCAB_NFC, "t h\0th e\0_ the\0a b\0ab ab\0", bytes);
}

/* A copy at the end of its own block, so that the address sanitizer sees a byte read past it. */
static uint8_t *copy_of(const void *section, size_t bytes) {
    uint8_t *copy = malloc(bytes ? bytes : 1);
    assert_non_null(copy);
    if (bytes) memcpy(copy, section, bytes);
    return copy;
}

/* Opens a damaged section; where that works, everything is tried on it. Returns whether it
 * opened. */
static int survive(const uint8_t *section, size_t bytes) {
    static const char text[] =
        "the abababab<|end|>x<user><s>  ! e\xCC\x81\xE0\xA5\x98 ab\xC3\xA9 \xFF\x80 aa12\n";
    struct vocab v;
    const char *why = NULL;
    memset(&v, 0x5A, sizeof v);
    struct vocab before = v;
    if (vocab_open(&v, section, bytes, &why) != APUS_OK) {
        assert_non_null(why);
        assert_memory_equal(&v, &before, sizeof v); /* untouched */
        return 0;
    }
    int32_t ids[1024];
    for (uint32_t flags = 0; flags < 4; flags++) {
        size_t n = made_ids(&v, text, sizeof text - 1, flags, ids);
        for (size_t i = 0; i < n; i++) assert_in_range(ids[i], 0, v.header->rows - 1);
        uint8_t back[256];
        tokenizer_decode(&v, ids, n, 1, 1, back, sizeof back);
    }
    for (uint32_t id = 0; id < v.header->rows; id++)
        tokenizer_special(&v, vocab_bytes(&v, id), vocab_length(&v, id));
    return 1;
}

static void truncated(void **state) {
    (void)state;
    for (int spm = 0; spm < 2; spm++) {
        size_t bytes;
        void *section = made(spm, &bytes);
        for (size_t n = 0; n < bytes; n++) {
            uint8_t *copy = copy_of(section, n);
            assert_false(survive(copy, n)); /* the last table ends with the section */
            free(copy);
        }
        assert_true(survive(section, bytes));
        free(section);
    }
}

static void every_word_bent(void **state) {
    (void)state;
    static const uint32_t values[] = {
        0, 1, 2, 3, 255, 256, 4096, 0x10FFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF};
    for (int spm = 0; spm < 2; spm++) {
        size_t bytes, refused = 0;
        void *section = made(spm, &bytes);
        uint8_t *copy = copy_of(section, bytes);
        for (size_t at = 0; at + 4 <= bytes; at += 4) {
            for (size_t i = 0; i < sizeof values / sizeof *values + 2; i++) {
                uint32_t word;
                memcpy(&word, (uint8_t *)section + at, 4);
                word = i < 12 ? values[i] : i == 12 ? word + 1 : word - 1;
                memcpy(copy + at, &word, 4);
                refused += !survive(copy, bytes);
                memcpy(copy + at, (uint8_t *)section + at, 4);
            }
        }
        assert_true(refused > bytes / 8); /* most of these are wrong and are seen to be */
        free(copy);
        free(section);
    }
}

static void every_bit_flipped(void **state) {
    (void)state;
    for (int spm = 0; spm < 2; spm++) {
        size_t bytes;
        void *section = made(spm, &bytes);
        uint8_t *copy = copy_of(section, bytes);
        for (size_t at = 0; at < bytes; at++)
            for (int bit = 0; bit < 8; bit++) {
                copy[at] ^= (uint8_t)(1 << bit);
                survive(copy, bytes);
                copy[at] ^= (uint8_t)(1 << bit);
            }
        free(copy);
        free(section);
    }
}

/* Each of these is wrong in one way, with the sentence that says so. */
static void refused(uint8_t *copy, size_t bytes, const char *part) {
    struct vocab v;
    const char *why = "";
    assert_int_equal(vocab_open(&v, copy, bytes, &why), APUS_E_FORMAT);
    if (!strstr(why, part)) fail_msg("\"%s\" does not say \"%s\"", why, part);
}

/* Names are names, markers control tokens; a section without templates has none. */
static void templates_bent(void **state) {
    (void)state;
    size_t bytes;
    uint8_t *copy = made(0, &bytes);
    struct vocab_header *h = (struct vocab_header *)(void *)copy;
    struct vocab_templates *t = (struct vocab_templates *)(void *)(copy + h->templates);
    struct vocab v = made_open(copy, bytes);
    assert_ptr_equal(v.templates, t);
    assert_string_equal(t->fim, "qwen");
    static const char *const name = "tokenizer: the name of a template is none";
    t->fim[0] = 'Q', refused(copy, bytes, name), t->fim[0] = 'q';
    t->chat[7] = 'x', refused(copy, bytes, name), t->chat[7] = 0;
    memset(t->chat, 'x', sizeof t->chat), refused(copy, bytes, name);
    memset(t->chat, 0, sizeof t->chat), made_open(copy, bytes);
    static const char *const marker = "tokenizer: a template's marker is no control token";
    uint32_t id = t->markers[0];
    t->markers[0] = 'a', refused(copy, bytes, marker);
    t->markers[0] = h->rows, refused(copy, bytes, marker);
    t->markers[0] = id + 2, refused(copy, bytes, marker); /* user-defined: text becomes it */
    t->markers[0] = id;
    memset(t->fim, 0, sizeof t->fim);
    refused(copy, bytes, "tokenizer: markers of no template");
    h->templates = 0;
    v = made_open(copy, bytes);
    assert_null(v.templates);
    free(copy);
}

static void says_what_is_wrong(void **state) {
    (void)state;
    size_t bytes;
    void *section = made(0, &bytes);
    uint8_t *copy = copy_of(section, bytes);
    struct vocab_header *h = (struct vocab_header *)(void *)copy;
    const struct vocab_header good = *h;
    uint32_t *slots = (uint32_t *)(void *)(copy + h->slots);
    struct vocab_added *added = (struct vocab_added *)(void *)(copy + h->added);
#define BENT(change, part)                                                                         \
    do {                                                                                           \
        change;                                                                                    \
        refused(copy, bytes, part);                                                                \
        memcpy(copy, section, bytes);                                                              \
    } while (0)
    BENT(h->magic++, "VOCB");
    BENT(h->kind = 3, "kind");
    BENT(h->pre = VOCAB_PRE_COUNT, "word rule");
    BENT(h->pre = VOCAB_PRE_NONE, "word rule");
    BENT(h->flags |= 1u << 31, "flags");
    BENT(h->flags |= VOCAB_PREFIX, "flags");
    BENT(h->rows = 0, "number of pieces");
    BENT(h->rows = UINT32_MAX, "number of pieces");
    BENT(h->symbols--, "symbols");
    BENT(h->bos = (int32_t)h->rows, "bos");
    BENT(h->eos = -2, "eos");
    BENT((h->flags |= VOCAB_ADD_BOS, h->bos = -1), "bos");
    BENT(h->bytes_count = UINT32_MAX, "outside");
    BENT(h->pairs = UINT32_MAX - 3, "outside");
    BENT(h->pairs += 2, "outside");
    BENT(h->pairs_count = UINT32_MAX, "outside");
    BENT(h->offsets = 0, "outside");
    BENT(h->slots_count--, "hash table");
    BENT(h->ends_count = 65, "end tokens");
    BENT(added[0].id = 'a', "another type");
    BENT(added[1] = added[0], "not ascending");
    BENT(added[0].flags |= 16, "no piece");
    BENT(copy[h->types + 'a'] = 7, "type");
    BENT(copy[h->types + 'a'] = 0, "type");
    BENT(for (uint32_t i = 0; i < good.slots_count; i++) slots[i] =
             slots[i] == VOCAB_NONE ? 'a' : slots[i],
         "hash table");
#undef BENT
    refused(copy + 4, bytes - 4, "VOCB");
    struct vocab v;
    const char *why;
    assert_int_equal(vocab_open(&v, copy + 1, bytes - 1, &why), APUS_E_FORMAT); /* not aligned */
    free(copy);
    free(section);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(truncated),          cmocka_unit_test(templates_bent),
        cmocka_unit_test(every_word_bent),    cmocka_unit_test(every_bit_flipped),
        cmocka_unit_test(says_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
