/* A pair of blobs with a target of 32016 rows and a draft of 32000, run together: real_pair
 * TARGET.apus DRAFT.apus. tests/speculate/test_pairs.py makes them. */
#include "tests/speculate/fixture.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 32000, INFILL_ROWS = 32016, REAL_CONTEXT = 2200, MADE = 28 };

static const char *paths[2];
static const apus_model *target, *draft;
static struct result *want, *got;
static uint64_t proposed, accepted;

static const apus_model *open_file(const char *path, uint32_t rows, uint32_t positions) {
    apus_map map;
    apus_blob blob;
    apus_info info = {.size = sizeof info};
    apus_memory need = {.size = sizeof need};
    apus_model *model;
    assert_int_equal(apus_map_open(&map, path), 0);
    assert_int_equal(apus_blob_open(&blob, map.data, map.size, NULL), APUS_OK);
    assert_int_equal(apus_blob_describe(&blob, &info), APUS_OK);
    assert_int_equal(info.vocab, rows);
    assert_int_equal(info.max_positions, positions);
    const apus_model_config config = {
        .size = sizeof config, .blob = &blob, .port = apus_port_host()};
    assert_int_equal(apus_model_measure(&config, &need), APUS_OK);
    assert_int_equal(
        apus_model_open(&model, &config, keep(aligned_alloc(64, need.bytes)), need.bytes), APUS_OK);
    return model;
}

static void set_prompt(apus_session *s, const apus_part *parts, size_t count) {
    assert_int_equal(apus_prompt(s, parts, count, 0), APUS_OK);
}

static apus_sampling settings(int kind) {
    apus_sampling s = sampling_of(kind);
    s.max_tokens = MADE;
    s.stops_count = 0;
    return s;
}

/* The prompt with and without the draft, greedy and sampled, and with the same session again after
 * other prompts. */
static void same_with_draft(apus_session *plain, apus_session *fast, const apus_part *parts,
                            size_t count, apus_logits_fn logits) {
    for (int kind = 0; kind < 3; kind++) {
        apus_sampling sampling = settings(kind);
        sampling.logits = logits;
        set_prompt(plain, parts, count);
        set_prompt(fast, parts, count);
        generate(plain, &sampling, 0, want);
        generate(fast, &sampling, 0, got);
        assert_same(got, want);
        proposed += got->stats.proposed;
        accepted += got->stats.accepted;
    }
}

static apus_session *open_pair(uint32_t proposals, uint32_t context) {
    return open_session((apus_config){.model = target,
                                      .draft = proposals ? draft : NULL,
                                      .proposals = proposals,
                                      .context = context,
                                      .prompt_bytes = 4096});
}

static const apus_part code[] = {{APUS_PART_BOS, 0, NULL, 0},
                                 {APUS_PART_TEXT, 0, "def fibonacci(n):\n    if n < 2:\n", 33}};

/* Ids above the draft's rows come again and again, single ones and a run. */
static void above_the_draft(void *unused, float *logits, uint32_t vocab, const int32_t *ids,
                            size_t count) {
    (void)unused, (void)ids;
    if (count % 5 != 3 && count / 4 % 5 != 2) return;
    for (uint32_t id = ROWS; id < vocab; id++) logits[id] += 100 + (float)((id + count) % 16);
}

static void every_length_gives_the_same(void **unused) {
    (void)unused;
    static const uint32_t lengths[] = {1, 4, 15};
    apus_session *plain = open_pair(0, 256);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        apus_session *fast = open_pair(lengths[i], 256);
        same_with_draft(plain, fast, code, 2, NULL);
        same_with_draft(plain, fast, code, 2, above_the_draft);
        int above = 0;
        for (size_t k = 0; k < got->count; k++) above += got->ids[k] >= ROWS;
        assert_true(above > 5);
        close_session(fast);
    }
    close_session(plain);
}

/* Prefix, suffix and the text between, in both orders, through markers that the draft has no rows
 * for, while suffix and prefix are edited. */
static void fills_in_the_middle(void **unused) {
    (void)unused;
    static const char pre[] = "\xe2\x96\x81<PRE>", suf[] = "\xe2\x96\x81<SUF>",
                      mid[] = "\xe2\x96\x81<MID>";
    static const char *const prefixes[] = {"def add(a, b):\n    ",
                                           "def add(a, b):\n    return a + ",
                                           "def add(a, b):\n    return a + "},
                             *const suffixes[] = {"\n\nprint(add(1, 2))\n",
                                                  "\n\nprint(add(1, 2))\n", "\n\nprint(add(3))\n"};
    const uint64_t before = accepted;
    apus_session *plain = open_pair(0, 256), *fast = open_pair(4, 256);
    for (int order = 0; order < 2; order++)
        for (int edit = 0; edit < 3; edit++) {
            const apus_part bos = {APUS_PART_BOS, 0, NULL, 0},
                            p = {APUS_PART_SPECIAL, 0, pre, sizeof pre - 1},
                            s = {APUS_PART_SPECIAL, 0, suf, sizeof suf - 1},
                            m = {APUS_PART_SPECIAL, 0, mid, sizeof mid - 1},
                            prefix = {APUS_PART_TEXT, 0, prefixes[edit], strlen(prefixes[edit])},
                            suffix = {APUS_PART_TEXT, APUS_TEXT_NO_PREFIX, suffixes[edit],
                                      strlen(suffixes[edit])};
            const apus_part psm[] = {bos, p, prefix, s, suffix, m},
                            spm[] = {bos, p, s, suffix, m, prefix};
            same_with_draft(plain, fast, order ? spm : psm, 6, NULL);
        }
    assert_true(accepted > before);
    close_session(plain);
    close_session(fast);
}

/* Past the 2048 positions of the draft. */
static void goes_past_the_draft(void **unused) {
    (void)unused;
    static int32_t ids[2030];
    const apus_part part = {APUS_PART_IDS, 0, ids, 2030};
    for (int i = 0; i < 2030; i++) ids[i] = 300 + i * i % 7919;
    apus_session *plain = open_pair(0, REAL_CONTEXT), *fast = open_pair(5, REAL_CONTEXT);
    apus_sampling sampling = settings(1);
    sampling.max_tokens = 60;
    set_prompt(plain, &part, 1);
    set_prompt(fast, &part, 1);
    generate(plain, &sampling, 0, want);
    generate(fast, &sampling, 0, got);
    assert_same(got, want);
    proposed += got->stats.proposed, accepted += got->stats.accepted;
    close_session(plain);
    close_session(fast);
}

/* The other way round: a draft with more rows than its target. */
static void a_draft_with_more_rows(void **unused) {
    (void)unused;
    apus_session *plain = open_session((apus_config){.model = draft, .context = 128}),
                 *fast = open_session((apus_config){
                     .model = draft, .draft = target, .proposals = 3, .context = 128});
    same_with_draft(plain, fast, code, 2, NULL);
    close_session(plain);
    close_session(fast);
}

static void they_agree_now_and_then(void **unused) {
    (void)unused;
    print_message("%d of %d proposals accepted\n", (int)accepted, (int)proposed);
    assert_true(accepted * 20 > proposed && accepted < proposed);
}

static int open_both(void **unused) {
    (void)unused;
    target = open_file(paths[0], INFILL_ROWS, 16384);
    draft = open_file(paths[1], ROWS, 2048);
    want = keep(calloc(1, sizeof *want)), got = keep(calloc(1, sizeof *got));
    return 0;
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_length_gives_the_same), cmocka_unit_test(fills_in_the_middle),
        cmocka_unit_test(goes_past_the_draft), cmocka_unit_test(a_draft_with_more_rows),
        cmocka_unit_test(they_agree_now_and_then)};
    if (argc != 3) return 2;
    paths[0] = argv[1], paths[1] = argv[2];
    return cmocka_run_group_tests(tests, open_both, NULL);
}
