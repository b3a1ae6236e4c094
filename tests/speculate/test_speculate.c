/* Speculation never changes the output: ids, text, log-probabilities and logits of every session
 * with a draft, with lookup or with both are those of a session without, for every number of
 * proposals, greedy and sampled, on any threads, over prompts that reuse each other's beginning,
 * cancelled rounds and restored states. */
#include "tests/speculate/fixture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "speculate/pair.h"

static const char *const prompts[] = {"abcabcabcabcab", "abcabcabd", "abcabcabd and more of it",
                                      "x"};

static const struct tiny_spec target_spec = {.layers = 2, .seed = 1},
                              twin_spec = {.layers = 2, .seed = 1},
                              stranger_spec = {
                                  .layers = 1, .dim = 128, .heads = 2, .kv_heads = 1, .seed = 77};

static void never_changes_the_output(void **unused) {
    (void)unused;
    const apus_model *target = open_model(&target_spec),
                     *drafts[] = {NULL, open_model(&twin_spec), open_model(&stranger_spec)};
    struct result *want = calloc(SAMPLINGS * 4, sizeof *want), *got = calloc(1, sizeof *got);
    for (int kind = 0; kind < SAMPLINGS; kind++) {
        apus_session *plain = open_session((apus_config){.model = target});
        for (int p = 0; p < 4; p++) {
            apus_sampling sampling = sampling_of(kind);
            prompt(plain, prompts[p]);
            generate(plain, &sampling, 0, &want[kind * 4 + p]);
        }
        close_session(plain);
    }
    uint64_t proposed = 0, accepted = 0;
    for (size_t d = 0; d < 3; d++)
        for (uint32_t n = 0; n <= 15; n += n < 3 ? 1 : 4)
            for (int lookup = d == 0; lookup < 2; lookup++) {
                apus_config config = {.model = target,
                                      .draft = drafts[d],
                                      .proposals = n,
                                      .lookup = lookup,
                                      .threads = n == 6 ? 2 : 1,
                                      .chunk = n % 2 ? 0 : 9};
                apus_session *s = open_session(config);
                for (int kind = 0; kind < SAMPLINGS; kind++)
                    for (int p = 0; p < 4; p++) {
                        apus_sampling sampling = sampling_of(kind);
                        prompt(s, prompts[p]);
                        generate(s, &sampling, 0, got);
                        assert_same(got, &want[kind * 4 + p]);
                        proposed += got->stats.proposed;
                        accepted += got->stats.accepted;
                        if (d == 1 && n && !lookup && kind < 3 &&
                            got->count > 40) /* the twin proposes what the target chooses: the noise
                                                is shared */
                            assert_int_equal(got->stats.accepted, got->stats.proposed);
                    }
                close_session(s);
            }
    assert_true(accepted > 1000 && proposed > accepted);
    free(want);
    free(got);
}

/* Rounds that a cancel ends give what they had; going on from there gives the rest. */
static void cancelled_and_restored(void **unused) {
    (void)unused;
    const apus_model *target = open_model(&target_spec), *draft = open_model(&twin_spec);
    apus_sampling sampling = sampling_of(0);
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    apus_session *plain = open_session((apus_config){.model = target}),
                 *s = open_session(
                     (apus_config){.model = target, .draft = draft, .proposals = 4, .threads = 2}),
                 *fresh =
                     open_session((apus_config){.model = target, .draft = draft, .proposals = 6});
    prompt(plain, prompts[1]);
    prompt(s, prompts[1]);
    generate(plain, &sampling, 0, want);
    for (size_t made = 0; made < want->count;) {
        sampling.max_tokens = (uint32_t)(want->count - made);
        generate(s, &sampling, 3, got);
        assert_memory_equal(got->ids, want->ids + made, got->count * sizeof *got->ids);
        made += got->count;
        size_t bytes;
        assert_int_equal(apus_save(s, NULL, 0, &bytes), APUS_OK);
        void *state = malloc(bytes);
        assert_int_equal(apus_save(s, state, bytes, &bytes), APUS_OK);
        assert_int_equal(apus_restore(fresh, state, bytes), APUS_OK);
        free(state);
        const int32_t *ids, *restored;
        size_t count, restored_count;
        apus_ids(s, &ids, &count);
        apus_ids(fresh, &restored, &restored_count);
        assert_true(restored_count <= count && restored_count + 1 >= count);
        assert_memory_equal(ids, restored, restored_count * sizeof *ids);
        sampling.max_tokens = 3;
        generate(fresh, &sampling, 0, got);
        size_t at = restored_count - strlen(prompts[1]);
        for (size_t i = 0; i < got->count && at + i < want->count; i++)
            assert_int_equal(got->ids[i], want->ids[at + i]);
    }
    close_session(plain);
    close_session(s);
    close_session(fresh);
    free(want);
    free(got);
}

/* A draft whose context is shorter than the text slides its window; one with fewer rows than the
 * target never proposes the rest, one with more never proposes what the target lacks. */
static void windows_and_vocabularies(void **unused) {
    (void)unused;
    struct tiny_spec wide = target_spec, narrow = twin_spec, wider = twin_spec;
    wide.vocab = 300, narrow.vocab = 280, narrow.positions = 64, wider.vocab = 900;
    const apus_model *target = open_model(&wide),
                     *drafts[] = {open_model(&narrow), open_model(&wide), open_model(&wider)};
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    for (int kind = 0; kind < 3; kind++) {
        apus_sampling sampling = sampling_of(kind);
        sampling.max_tokens = 170;
        apus_session *plain = open_session((apus_config){.model = target});
        prompt(plain, prompts[0]);
        generate(plain, &sampling, 0, want);
        for (int d = 0; d < 3; d++) {
            apus_session *s = open_session((apus_config){
                .model = target, .draft = drafts[d], .draft_context = 64, .proposals = 5});
            for (int again = 0; again < 2; again++) {
                prompt(s, prompts[0]);
                generate(s, &sampling, 0, got);
                assert_same(got, want);
            }
            close_session(s);
        }
        close_session(plain);
    }
    free(want);
    free(got);
}

enum { REASON_BYTES = 200 };
static void keep_reason(void *reason, int level, const char *text) {
    assert_int_equal(level, APUS_LOG_ERROR);
    snprintf(reason, REASON_BYTES, "%s", text);
}

static void wrong_pairs_are_refused(void **unused) {
    (void)unused;
    char reason[REASON_BYTES] = "";
    const apus_port port = {.size = sizeof port, .user = reason, .log = keep_reason};
    struct tiny_spec short_draft = twin_spec;
    short_draft.positions = 63;
    size_t bytes;
    void *data = tiny_blob(&target_spec, &bytes);
    const apus_model *target = open_bytes(data, bytes, &port, APUS_CPU_BEST),
                     *small = open_model(&short_draft), *twin = open_model(&twin_spec);
    apus_memory need = {.size = sizeof need};
    apus_config config = {.size = sizeof config, .model = target, .draft = small};
    assert_int_equal(apus_measure(&config, &need), APUS_E_ARGUMENT);
    assert_non_null(strstr(reason, "the draft's max_positions is 63, must be 64 to "));
    config.draft = twin, config.proposals = 16;
    assert_int_equal(apus_measure(&config, &need), APUS_E_ARGUMENT);
    static const uint32_t contexts[] = {1, 63, 257, 100000};
    config.proposals = 0;
    for (size_t i = 0; i < 4; i++) {
        config.draft_context = contexts[i], reason[0] = 0;
        assert_int_equal(apus_measure(&config, &need), APUS_E_ARGUMENT);
        assert_non_null(strstr(reason, "draft_context"));
    }
    config.draft_context = 64;
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    config.draft_context = 256;
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
}

static void nothing_after_seven(void *unused, float *logits, uint32_t vocab, const int32_t *ids,
                                size_t count) {
    (void)unused, (void)ids;
    for (uint32_t i = 0; count >= 7 && i < vocab; i++) logits[i] = -INFINITY;
}

/* A choice that fails in the middle of a round does not take along what was chosen before it. */
/* Pairs of one family whose tables are padded to different numbers of rows (Qwen2.5-Coder 0.5B and
 * 7B: 151,936 and 152,064 rows for the same 151,665 pieces), and one whose draft has fewer pieces
 * (Qwen2.5 for Qwen3), in both directions. */
static void padded_vocabularies(void **unused) {
    (void)unused;
    static const struct {
        uint32_t vocab, pieces, draft_vocab, draft_pieces;
    } pairs[] = {{304, 280, 288, 280}, {288, 280, 304, 280}, {304, 284, 304, 280},
                 {288, 280, 304, 296}, {272, 272, 272, 264}, {304, 300, 272, 270}};
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    uint64_t accepted = 0;
    assert_true(want && got);
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct tiny_spec large = target_spec, small = twin_spec;
        large.words = small.words = 1;
        large.vocab = pairs[i].vocab, large.pieces = pairs[i].pieces;
        small.vocab = pairs[i].draft_vocab, small.pieces = pairs[i].draft_pieces;
        const apus_model *target = open_model(&large), *draft = open_model(&small);
        for (int kind = 0; kind < 3; kind++) {
            apus_sampling sampling = sampling_of(kind);
            apus_session *plain = open_session((apus_config){.model = target}),
                         *s = open_session(
                             (apus_config){.model = target, .draft = draft, .proposals = 4});
            prompt(plain, prompts[2]);
            prompt(s, prompts[2]);
            generate(plain, &sampling, 0, want);
            generate(s, &sampling, 0, got);
            assert_same(got, want);
            assert_true(got->stats.proposed > 0);
            accepted += got->stats.accepted;
            close_session(plain);
            close_session(s);
        }
    }
    assert_true(accepted > 10);
    free(want);
    free(got);
}

static void failures_come_after_what_was_made(void **unused) {
    (void)unused;
    const apus_model *target = open_model(&target_spec), *draft = open_model(&twin_spec);
    apus_sampling sampling = sampling_of(1);
    sampling.logits = nothing_after_seven;
    int32_t made[2][16];
    for (uint32_t n = 0; n <= 15; n += 5) {
        apus_session *s =
            open_session((apus_config){.model = target, .draft = n ? draft : NULL, .proposals = n});
        int32_t *to = made[n != 0];
        apus_piece piece = {.size = sizeof piece};
        size_t count = 0;
        prompt(s, prompts[0]);
        assert_int_equal(apus_begin(s, &sampling), APUS_OK);
        apus_status status;
        while ((status = apus_next(s, &piece)) == APUS_OK) {
            assert_true(!piece.stop && piece.count && count + piece.count <= 7);
            memcpy(to + count, piece.ids, piece.count * sizeof *to);
            count += piece.count;
        }
        assert_int_equal(status, APUS_E_NUMERIC);
        assert_int_equal(count, 7);
        assert_memory_equal(to, made[0], 7 * sizeof *to);
        close_session(s);
    }
}

/* A draft whose values leave the range of the numeric contract proposes nothing, and takes nothing
 * else along. */
static void a_draft_that_cannot_is_left_alone(void **unused) {
    (void)unused;
    size_t bytes;
    uint8_t *data = tiny_blob(&twin_spec, &bytes);
    assert_non_null(data);
    const struct blob_section *rows =
        &((const struct blob_header *)(const void *)data)->section[BLOB_ROWS];
    for (uint64_t i = 0; i + 4 <= rows->bytes; i += 4) {
        float scale;
        memcpy(&scale, data + rows->offset + i, 4);
        if (scale != 0) memcpy(data + rows->offset + i, &(float){0x1p50f}, 4);
    }
    tiny_reseal(data, bytes);
    const apus_model *target = open_model(&target_spec),
                     *draft = open_bytes(data, bytes, NULL, APUS_CPU_BEST);
    apus_session *plain = open_session((apus_config){.model = target}),
                 *s = open_session((apus_config){.model = target, .draft = draft});
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    for (int kind = 0; kind < 3; kind++) {
        apus_sampling sampling = sampling_of(kind);
        prompt(plain, prompts[kind]);
        prompt(s, prompts[kind]);
        generate(plain, &sampling, 0, want);
        generate(s, &sampling, 0, got);
        assert_same(got, want);
        assert_int_equal(got->stats.proposed, 0);
        /* the first id comes from the prompt */
        assert_int_equal(got->stats.off_rounds, got->stats.rounds - 1);
    }
    close_session(plain);
    close_session(s);
    free(want);
    free(got);
}

/* A draft that calls an ordinary piece something else was trained on another tokenizer. */
static void other_tokenizers_are_refused(void **unused) {
    (void)unused;
    char reason[REASON_BYTES] = "";
    const apus_port port = {.size = sizeof port, .user = reason, .log = keep_reason};
    size_t bytes;
    void *data = tiny_blob(&target_spec, &bytes);
    const apus_model *target = open_bytes(data, bytes, &port, APUS_CPU_BEST);
    char *draft = tiny_blob(&twin_spec, &bytes),
         *letters = draft ? memmem(draft, bytes, "abcdefgh", 8) : NULL;
    assert_non_null(letters);
    if (letters) memcpy(letters, "bacdefgh", 8);
    tiny_reseal(draft, bytes);
    apus_config config = {.size = sizeof config,
                          .model = target,
                          .draft = open_bytes(draft, bytes, NULL, APUS_CPU_BEST)};
    apus_memory need = {.size = sizeof need, .bytes = 77};
    apus_session *session = NULL;
    char arena[64];
    assert_int_equal(apus_measure(&config, &need), APUS_E_MISMATCH);
    assert_int_equal(need.bytes, 77);
    assert_non_null(strstr(reason, "different texts"));
    assert_int_equal(apus_open(&session, &config, arena, sizeof arena), APUS_E_MISMATCH);
    assert_null(session);
}

static void keep_note(void *note, int level, const char *text) {
    assert_int_equal(level, APUS_LOG_INFO);
    snprintf(note, REASON_BYTES, "%s", text);
}

/* One that calls a special token something else proposes everything but that, and the log names it.
 */
static void renamed_special_tokens_are_not_proposed(void **unused) {
    (void)unused;
    char said[REASON_BYTES] = "";
    const apus_port port = {.size = sizeof port, .user = said, .log = keep_note};
    size_t bytes;
    void *data = tiny_blob(&target_spec, &bytes);
    const apus_model *target = open_bytes(data, bytes, &port, APUS_CPU_BEST);
    char *draft = tiny_blob(&twin_spec, &bytes),
         *eos = draft ? memmem(draft, bytes, "<bos><eos>", 10) : NULL;
    assert_non_null(eos);
    if (eos) memcpy(eos, "<bos><eot>", 10);
    tiny_reseal(draft, bytes);
    struct result *want = calloc(1, sizeof *want), *got = calloc(1, sizeof *got);
    apus_session *plain = open_session((apus_config){.model = target});
    apus_session *s = open_session((apus_config){
        .model = target, .draft = open_bytes(draft, bytes, NULL, APUS_CPU_BEST), .proposals = 4});
    assert_non_null(strstr(said, "never proposed: ids 257"));
    apus_sampling sampling = sampling_of(0);
    prompt(plain, prompts[0]);
    prompt(s, prompts[0]);
    generate(plain, &sampling, 0, want);
    generate(s, &sampling, 0, got);
    assert_same(got, want);
    assert_true(got->stats.proposed > 0);
    close_session(plain);
    close_session(s);
    free(want);
    free(got);
}

/* What pair_check says of two vocabularies that differ in one thing. */
static void pairs_are_told_apart(void **unused) {
    (void)unused;
    struct tiny_spec more = target_spec;
    more.vocab = 400;
    struct blob a, b, large;
    char why[BLOB_WHY];
    const char *reason = NULL;
    struct pair_renamed renamed;
    size_t bytes;
    void *data = keep(tiny_blob(&target_spec, &bytes));
    assert_int_equal(blob_open(&a, data, bytes, why), APUS_OK);
    data = keep(tiny_blob(&more, &bytes));
    assert_int_equal(blob_open(&large, data, bytes, why), APUS_OK);
    assert_int_equal(pair_check(&a, &large, &renamed, &reason),
                     APUS_OK); /* more rows than the target, or fewer */
    assert_int_equal(pair_check(&large, &a, &renamed, &reason), APUS_OK);
    assert_int_equal(pair_vocab(&a, &large), 272);
    assert_int_equal(pair_vocab(&large, &a), 272);
    assert_null(reason);

    struct vocab_header header = *a.vocab.header;
    header.kind = VOCAB_SPM;
    b = a, b.vocab.header = &header;
    assert_int_equal(pair_check(&a, &b, &renamed, &reason), APUS_E_MISMATCH);
    assert_true(reason && strstr(reason, "another kind"));

    uint8_t *types = malloc(272), *pieces = malloc(a.vocab.header->bytes_count);
    assert_true(types && pieces);
    memcpy(types, a.vocab.types, 272);
    memcpy(pieces, a.vocab.bytes, a.vocab.header->bytes_count);
    b = a, b.vocab.bytes = pieces, b.vocab.types = types;
    assert_int_equal(pair_check(&a, &b, &renamed, &reason), APUS_OK);
    pieces[a.vocab.offsets[271]] ^= 1; /* rows that no text leads to may be called anything */
    assert_int_equal(pair_check(&a, &b, &renamed, &reason), APUS_OK);
    assert_int_equal(renamed.count, 0);
    pieces[a.vocab.offsets[257]] ^= 1; /* a special token may too, and is named */
    assert_int_equal(pair_check(&a, &b, &renamed, &reason), APUS_OK);
    assert_true(renamed.count == 1 && renamed.ids[0] == 257);
    types[257] = VOCAB_NORMAL; /* an ordinary piece may not */
    assert_int_equal(pair_check(&a, &b, &renamed, &reason), APUS_E_MISMATCH);
    assert_true(strstr(reason, "different texts"));
    types[257] = VOCAB_UNUSED;
    assert_int_equal(pair_check(&a, &b, &renamed, &reason), APUS_OK);
    types[0] = VOCAB_UNUSED, pieces[0] ^= 1;
    assert_int_equal(pair_check(&b, &a, &renamed, &reason), APUS_OK);
    types[0] = VOCAB_NORMAL;
    assert_int_equal(pair_check(&b, &a, &renamed, &reason), APUS_E_MISMATCH);
    free(types);
    free(pieces);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(never_changes_the_output),
                                       cmocka_unit_test(cancelled_and_restored),
                                       cmocka_unit_test(windows_and_vocabularies),
                                       cmocka_unit_test(padded_vocabularies),
                                       cmocka_unit_test(wrong_pairs_are_refused),
                                       cmocka_unit_test(other_tokenizers_are_refused),
                                       cmocka_unit_test(renamed_special_tokens_are_not_proposed),
                                       cmocka_unit_test(pairs_are_told_apart),
                                       cmocka_unit_test(failures_come_after_what_was_made),
                                       cmocka_unit_test(a_draft_that_cannot_is_left_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
