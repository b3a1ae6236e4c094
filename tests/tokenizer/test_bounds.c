/* What tokenizers made to be slow, or to be read wrong, cost and give. Time is the processor's, and
 * only its growth counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/tokenizer/made.h"

struct added {
    char text[256];
    enum vocab_type type;
    uint8_t flags;
};

/* The 256 bytes, then the added tokens in their order. */
static void *section_of(const struct added *added, uint32_t count, size_t *bytes) {
    struct diag d = {{0}};
    struct builder b;
    assert_true(builder_init(&b, 256 + count, &d));
    b.kind = VOCAB_BPE;
    b.pre = VOCAB_PRE_GPT2;
    b.order = BUILDER_MERGES;
    for (uint32_t i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        assert_true(builder_piece(&b, i, &byte, 1, VOCAB_NORMAL, 0, 0, &d));
    }
    for (uint32_t i = 0; i < count; i++)
        assert_true(builder_piece(&b, 256 + i, added[i].text, strlen(added[i].text), added[i].type,
                                  0, BUILDER_ADDED | added[i].flags, &d));
    assert_true(builder_index(&b, &d));
    void *section = builder_finish(&b, bytes, &d);
    if (!section) fail_msg("%s", d.text);
    builder_free(&b);
    return section;
}

static double now(void) { return (double)clock() / CLOCKS_PER_SEC; }

static uint32_t draw(uint32_t *state, uint32_t below) {
    *state = *state * 1664525u + 1013904223u;
    return (uint32_t)(((uint64_t)(*state >> 8) * below) >> 24);
}

/* ----------------------------------------------------------------------------- added tokens -- */

/* The longest of a pass that begins here: its index, or -1. */
static int longest(const struct added *added, int count, const char *text, size_t left, int pass) {
    int best = -1;
    for (int i = 0; i < count; i++) {
        size_t n = strlen(added[i].text);
        if ((added[i].flags & VOCAB_ADDED_SECOND) != pass || n > left ||
            memcmp(added[i].text, text, n) != 0)
            continue;
        if (best < 0 || n > strlen(added[best].text)) best = i;
    }
    return best;
}

static size_t plainly(const struct added *added, int count, const char *text, size_t bytes,
                      int pass, int specials, int32_t *ids) {
    size_t n = 0, from = 0;
    for (size_t at = 0; at <= bytes; at++) {
        int found = at < bytes ? longest(added, count, text + at, bytes - at, pass) : -1;
        if (at < bytes && found < 0) continue;
        int passed = found >= 0 && added[found].type == VOCAB_CONTROL && !specials;
        if (!passed && pass == 0)
            n += plainly(added, count, text + from, at - from, VOCAB_ADDED_SECOND, specials,
                         ids + n);
        for (; !passed && pass && from < at; from++) ids[n++] = (uint8_t)text[from];
        if (found < 0) break;
        if (!passed) ids[n++] = 256 + found;
        at += strlen(added[found].text) - 1;
        if (!passed) from = at + 1;
    }
    return n;
}

static void the_longest_of_each_pass_is_found(void **state) {
    (void)state;
    enum { LISTS = 60, TEXTS = 20, BYTES = 120 };
    uint32_t random = 7;
    for (int list = 0; list < LISTS; list++) {
        struct added added[40];
        int count = 0, most = 1 + (int)draw(&random, 40);
        for (int i = 0; i < most; i++) {
            struct added *a = &added[count];
            size_t n = 1 + draw(&random, 8);
            for (size_t k = 0; k < n; k++) a->text[k] = (char)('a' + draw(&random, 2));
            a->text[n] = 0;
            a->type = draw(&random, 4) ? VOCAB_USER : VOCAB_CONTROL;
            a->flags = draw(&random, 3) ? 0 : VOCAB_ADDED_SECOND;
            int known = 0;
            for (int k = 0; k < count; k++) known |= strcmp(added[k].text, a->text) == 0;
            count += !known;
        }
        size_t bytes;
        void *section = section_of(added, (uint32_t)count, &bytes);
        struct vocab v = made_open(section, bytes);
        for (int t = 0; t < TEXTS; t++) {
            char text[BYTES];
            int32_t ids[2 * BYTES], want[2 * BYTES];
            size_t n = draw(&random, BYTES + 1);
            for (size_t i = 0; i < n; i++) text[i] = (char)('a' + draw(&random, 16) % 3 % 2);
            for (int specials = 0; specials < 2; specials++) {
                size_t expected = plainly(added, count, text, n, 0, specials, want);
                assert_int_equal(made_ids(&v, text, n, specials ? TOKENIZER_SPECIALS : 0, ids),
                                 expected);
                assert_memory_equal(ids, want, expected * sizeof *ids);
            }
        }
        free(section);
    }
}

/* Seconds for a text of one letter under 300 added tokens that begin with `common` of it: no place
 * of it is one of them. */
static double seconds_of(size_t beginning) {
    enum { TOKENS = 300, BYTES = 1 << 16 };
    static struct added added[TOKENS];
    static char text[BYTES];
    static int32_t ids[BYTES];
    for (int i = 0; i < TOKENS; i++) {
        added[i] = (struct added){.type = VOCAB_USER};
        memset(added[i].text, 'a', beginning);
        snprintf(added[i].text + beginning, 4, "%03u", (100u + (unsigned)i) % 1000u);
    }
    size_t bytes;
    void *section = section_of(added, TOKENS, &bytes);
    struct vocab v = made_open(section, bytes);
    memset(text, 'a', BYTES);
    double begun = now();
    assert_int_equal(made_ids(&v, text, BYTES, 0, ids), BYTES);
    double taken = now() - begun;
    free(section);
    return taken;
}

static void long_beginnings_in_common_cost_little(void **state) {
    (void)state;
    double few = 1e9, many = 1e9;
    for (int i = 0; i < 5; i++) {
        double a = seconds_of(8), b = seconds_of(248);
        few = a < few ? a : few, many = b < many ? b : many;
    }
    print_message("300 added tokens: %.0f ns a byte with 8 bytes in common, %.0f with 248\n",
                  few / 2 * 1e9 / 65536, many / 2 * 1e9 / 65536);
    assert_true(many < 14 * few); /* a step for each byte in common was 28 times */
}

/* What one begins with is found where it is named: a section that names something else is
 * refused. */
static void the_one_inside_is_the_right_one(void **state) {
    (void)state;
    static const struct added added[] = {{"<a", VOCAB_USER, 0},
                                         {"<a>", VOCAB_USER, 0},
                                         {"<a>b", VOCAB_CONTROL, 0},
                                         {"<a>c", VOCAB_USER, 0},
                                         {"<b", VOCAB_USER, 0}};
    static const uint32_t inner[] = {0, 1, 2, 2, 0};
    size_t bytes;
    uint8_t *section = section_of(added, 5, &bytes);
    struct vocab v = made_open(section, bytes);
    for (uint32_t i = 0; i < 5; i++)
        assert_int_equal(v.added[i].flags >> VOCAB_ADDED_INNER, inner[i]);
    for (uint32_t i = 0; i < 5; i++)
        for (uint32_t wrong = 0; wrong < 8; wrong++) {
            uint32_t flags = v.added[i].flags, bent = wrong << VOCAB_ADDED_INNER | (flags & 7);
            const char *why = "";
            struct vocab bad;
            if (bent == flags) continue;
            memcpy(section + v.header->added + i * 8 + 4, &bent, 4);
            assert_int_equal(vocab_open(&bad, section, bytes, &why), APUS_E_FORMAT);
            assert_non_null(strstr(why, "pack the model again"));
            memcpy(section + v.header->added + i * 8 + 4, &flags, 4);
        }
    free(section);
}

/* ---------------------------------------------------------------------- pieces that collide -- */

enum { STAGES = 14, BLOCK = 4 };

struct trial {
    uint32_t state;
    uint8_t bytes[BLOCK];
};

static int by_state(const void *a, const void *b) {
    const struct trial *x = a, *y = b;
    return (x->state > y->state) - (x->state < y->state);
}

static uint32_t step(uint32_t h, const uint8_t *bytes) {
    for (int i = 0; i < BLOCK; i++) h = (h ^ bytes[i]) * 16777619u;
    return h;
}

/* For each stage two blocks that bring the hash from one state to the same other one: 2^STAGES
 * texts of one hash. */
static void make_blocks(uint8_t block[STAGES][2][BLOCK]) {
    enum { TRIALS = 1 << 18 };
    struct trial *trials = malloc(TRIALS * sizeof *trials);
    uint32_t h = 2166136261u ^ 0x5EED, random = 3;
    for (int stage = 0; stage < STAGES; stage++) {
        for (int i = 0; i < TRIALS; i++) {
            for (int k = 0; k < BLOCK; k++) trials[i].bytes[k] = (uint8_t)(33 + draw(&random, 94));
            trials[i].state = step(h, trials[i].bytes);
        }
        qsort(trials, TRIALS, sizeof *trials, by_state);
        int i = 1;
        while (i < TRIALS && (trials[i].state != trials[i - 1].state ||
                              memcmp(trials[i].bytes, trials[i - 1].bytes, BLOCK) == 0))
            i++;
        assert_true(i < TRIALS);
        memcpy(block[stage][0], trials[i - 1].bytes, BLOCK);
        memcpy(block[stage][1], trials[i].bytes, BLOCK);
        h = trials[i].state;
    }
    free(trials);
}

/* Seconds to index and find 2^stages pieces of one hash. */
static double seconds_to_find(uint8_t block[STAGES][2][BLOCK], int stages) {
    struct diag d = {{0}};
    struct builder b;
    uint32_t count = 1u << stages, hash = 0;
    uint8_t text[STAGES * BLOCK];
    assert_true(builder_init(&b, count, &d));
    b.kind = VOCAB_BPE;
    double begun = now();
    for (int round = 0; round < 2; round++)
        for (uint32_t i = 0; i < count; i++) {
            for (int stage = 0; stage < stages; stage++)
                memcpy(text + stage * BLOCK, block[stage][i >> stage & 1], BLOCK);
            size_t n = (size_t)(stages * BLOCK);
            if (round == 0) {
                assert_true(i == 0 || vocab_hash(0x5EED, text, n) == hash);
                hash = vocab_hash(0x5EED, text, n);
                assert_true(builder_piece(&b, i, text, n, VOCAB_NORMAL, 0, 0, &d));
                if (i + 1 == count && !builder_index(&b, &d)) fail_msg("%s", d.text);
            } else
                assert_int_equal(builder_find(&b, text, n), i);
        }
    double taken = now() - begun;
    text[0] = 0;
    assert_int_equal(builder_find(&b, text, (size_t)(stages * BLOCK)), VOCAB_NONE);
    builder_free(&b);
    return taken;
}

static void pieces_that_collide_are_found(void **state) {
    (void)state;
    uint8_t block[STAGES][2][BLOCK];
    make_blocks(block);
    double few = 1e9, many = 1e9;
    for (int i = 0; i < 3; i++) {
        double a = seconds_to_find(block, STAGES - 3), b = seconds_to_find(block, STAGES);
        few = a < few ? a : few, many = b < many ? b : many;
    }
    print_message("colliding pieces: %.2f ms for %d, %.2f ms for %d\n", few * 1e3,
                  1 << (STAGES - 3), many * 1e3, 1 << STAGES);
    assert_true(many < 24 * few); /* 8 times as many; each with each other would be 64 */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_longest_of_each_pass_is_found),
        cmocka_unit_test(long_beginnings_in_common_cost_little),
        cmocka_unit_test(the_one_inside_is_the_right_one),
        cmocka_unit_test(pieces_that_collide_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
