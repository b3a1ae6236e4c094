/* Prompts made of parts, through the public functions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/parts.h"
#include "tests/tokenizer/made.h"
#include "weights/blob.h"

/* A blob that has nothing but a vocabulary. */
static apus_blob blob_with(const struct vocab *v) {
    apus_blob blob = {{0}};
    struct blob inside = {.vocab = *v};
    inside.mark = blob_mark(&inside);
    _Static_assert(sizeof inside <= sizeof blob, "apus_blob holds a struct blob");
    memcpy(&blob, &inside, sizeof inside);
    return blob;
}

#define TEXT(s)                                                                                    \
    { APUS_PART_TEXT, 0, s, sizeof(s) - 1 }
#define TEXT_AS(s, f)                                                                              \
    { APUS_PART_TEXT, f, s, sizeof(s) - 1 }
#define SPECIAL(s)                                                                                 \
    { APUS_PART_SPECIAL, 0, s, sizeof(s) - 1 }

struct fixture {
    void *section;
    apus_blob blob;
};

static struct fixture open_spm(void) {
    static const struct made_piece pieces[] = {{"_", -9},  {"a", -9},  {"b", -9},
                                               {"_a", -1}, {"ab", -2}, {"_ab", 0}};
    size_t bytes;
    struct fixture f = {made_spm(pieces, 6, VOCAB_PREFIX | VOCAB_ADD_BOS, &bytes), {{0}}};
    struct vocab v = made_open(f.section, bytes);
    f.blob = blob_with(&v);
    return f;
}

static void expect(const struct fixture *f, const apus_part *parts, size_t count,
                   const int32_t *expected, size_t expected_count) {
    int32_t ids[64];
    size_t n, need = apus_tokenize_scratch(&f->blob, parts_text_bytes(parts, count));
    void *scratch = malloc(need);
    assert_int_equal(apus_tokenize(&f->blob, parts, count, ids, 64, &n, scratch, need), APUS_OK);
    assert_int_equal(n, expected_count);
    assert_memory_equal(ids, expected, n * sizeof *ids);
    for (size_t room = 0; room < n; room++) { /* too little room: the ids that fit, and the right
                                                 count */
        int32_t some[64];
        memset(some, 0x77, sizeof some);
        assert_int_equal(apus_tokenize(&f->blob, parts, count, some, room, &n, scratch, need),
                         APUS_E_SPACE);
        assert_int_equal(n, expected_count);
        assert_memory_equal(some, expected, room * sizeof *ids);
        assert_int_equal(some[room], 0x77777777);
    }
    free(scratch);
}
#define EXPECT(f, parts, ...)                                                                      \
    do {                                                                                           \
        const int32_t wanted[] = {__VA_ARGS__};                                                    \
        expect(&f, parts, sizeof parts / sizeof *parts, wanted, sizeof wanted / sizeof *wanted);   \
    } while (0)

static void parts_become_ids(void **state) {
    (void)state;
    struct fixture f = open_spm();
    const int32_t own[] = {5, 2};
    const apus_part joined[] = {
        {APUS_PART_BOS, 0, NULL, 0}, TEXT("a"), TEXT(""), TEXT("b a"), SPECIAL("</s>"),
        {APUS_PART_IDS, 0, own, 2}};
    EXPECT(f, joined, 1, 264, 262, 2, 5, 2); /* the first two texts are one word */
    const apus_part suffix[] = {TEXT("a"), TEXT_AS("b", APUS_TEXT_NO_PREFIX)};
    EXPECT(f, suffix, 262, 261); /* other flags: another text, here without its space */
    const apus_part trusted[] = {TEXT_AS("a</s>a", APUS_TEXT_SPECIALS)};
    EXPECT(f, trusted, 262, 2, 262);
    const apus_part plain[] = {TEXT("</s>")};
    EXPECT(f, plain, 259, 3 + '<', 3 + '/', 3 + 's', 3 + '>');
    free(f.section);
}

static void refuses(const struct fixture *f, const apus_part *part, apus_status status) {
    int32_t ids[4] = {7, 7, 7, 7};
    size_t n = 99;
    uint64_t scratch[256];
    assert_int_equal(apus_tokenize(&f->blob, part, 1, ids, 4, &n, scratch, sizeof scratch), status);
    assert_int_equal(n, 99);
    assert_int_equal(ids[0], 7);
}

static void wrong_parts_change_nothing(void **state) {
    (void)state;
    struct fixture f = open_spm();
    const int32_t past = 266, negative = -1, lowest = INT32_MIN;
    const apus_part parts[] = {SPECIAL("<pad>"),
                               SPECIAL(""),
                               SPECIAL("a"),
                               {APUS_PART_IDS, 0, &past, 1},
                               {APUS_PART_IDS, 0, &negative, 1},
                               {APUS_PART_IDS, 0, &lowest, 1}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) refuses(&f, &parts[i], APUS_E_TOKEN);
    const apus_part bad[] = {{(apus_part_kind)4, 0, "a", 1}, {(apus_part_kind)-1, 0, "a", 1},
                             {APUS_PART_TEXT, 4, "a", 1},    {APUS_PART_TEXT, 0, NULL, 1},
                             {APUS_PART_IDS, 0, NULL, 1},    {APUS_PART_SPECIAL, 0, NULL, 3}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) refuses(&f, &bad[i], APUS_E_ARGUMENT);
    const apus_part huge[] = {{APUS_PART_TEXT, 0, "a", TOKENIZER_TEXT_MAX + 1},
                              {APUS_PART_TEXT, 0, "a", SIZE_MAX}};
    for (size_t i = 0; i < 2; i++) refuses(&f, &huge[i], APUS_E_SPACE); /* nothing of it is read */
    assert_int_equal(apus_tokenize_scratch(&f.blob, SIZE_MAX), SIZE_MAX);

    const apus_part text = TEXT("ab a");
    size_t n = 99, need = apus_tokenize_scratch(&f.blob, 4);
    uint64_t scratch[256];
    int32_t ids[8];
    assert_int_equal(apus_tokenize(&f.blob, &text, 1, ids, 8, &n, scratch, need - 1), APUS_E_SPACE);
    assert_int_equal(apus_tokenize(&f.blob, &text, 1, ids, 8, &n, NULL, 0), APUS_E_SPACE);
    assert_int_equal(apus_tokenize(&f.blob, &text, 1, ids, 8, &n, (char *)scratch + 4, need),
                     APUS_E_SPACE);
    assert_int_equal(n, 99);
    assert_int_equal(apus_tokenize(NULL, &text, 1, ids, 8, &n, scratch, need), APUS_E_ARGUMENT);
    assert_int_equal(apus_tokenize(&f.blob, NULL, 1, ids, 8, &n, scratch, need), APUS_E_ARGUMENT);
    assert_int_equal(apus_tokenize(&f.blob, &text, 1, NULL, 8, &n, scratch, need), APUS_E_ARGUMENT);
    assert_int_equal(apus_tokenize(&f.blob, &text, 1, ids, 8, NULL, scratch, need),
                     APUS_E_ARGUMENT);
    free(f.section);
}

static void ids_become_text(void **state) {
    (void)state;
    struct fixture f = open_spm();
    const int32_t ids[] = {1, 264, 262}, wrong[] = {1, 266};
    char text[16];
    size_t n;
    assert_int_equal(apus_detokenize(&f.blob, ids, 3, 1, 0, text, 16, &n), APUS_OK);
    assert_int_equal(n, 4);
    assert_memory_equal(text, "ab a", 4);
    assert_int_equal(apus_detokenize(&f.blob, ids, 3, 0, 1, text, 16, &n), APUS_OK);
    assert_memory_equal(text, "<s> ab a", 8);
    assert_int_equal(apus_detokenize(&f.blob, ids, 3, 1, 0, NULL, 0, &n), APUS_E_SPACE);
    assert_int_equal(n, 4);
    assert_int_equal(apus_detokenize(&f.blob, wrong, 2, 1, 0, text, 16, &n), APUS_E_TOKEN);
    assert_int_equal(apus_detokenize(&f.blob, NULL, 0, 1, 0, NULL, 0, &n), APUS_OK);
    assert_int_equal(n, 0);
    free(f.section);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_become_ids),
        cmocka_unit_test(wrong_parts_change_nothing),
        cmocka_unit_test(ids_become_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
