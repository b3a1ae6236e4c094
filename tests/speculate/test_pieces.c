/* What a piece tells of its ids: where their bytes begin in the text, what else was likely, and
 * what it is bound to begin with. The same with proposals and without, by every instruction set. */
#include "tests/speculate/fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Pieces of one byte, of any value, and of five. */
static const struct tiny_spec target_spec = {.seed = 3, .words = 1};

static struct {
    apus_blob blob;
    apus_info info;
    apus_session *session[8]; /* the first without proposals, in plain C */
    uint32_t count;
    struct result *want, *got;
} here;

static const apus_model *open_target(apus_cpu cpu) {
    size_t bytes;
    void *data = tiny_blob(&target_spec, &bytes);
    assert_int_equal(apus_blob_open(&here.blob, data, bytes, NULL), APUS_OK);
    return open_bytes(data, bytes, apus_port_host(), cpu);
}

static int open_all(void **unused) {
    (void)unused;
    const apus_model *target = open_target(APUS_CPU_BEST),
                     *relative = open_relative(&target_spec, 0x3f);
    for (apus_cpu cpu = APUS_CPU_REF; cpu <= apus_cpu_best(); cpu++)
        if (apus_cpu_has(cpu))
            here.session[here.count++] = open_session((apus_config){.model = open_target(cpu)});
    here.session[here.count++] =
        open_session((apus_config){.model = target, .draft = target, .proposals = 5});
    here.session[here.count++] = open_session(
        (apus_config){.model = target, .draft = relative, .proposals = 3, .lookup = 1});
    here.session[here.count++] = open_session((apus_config){.model = target, .lookup = 1});
    here.info.size = sizeof here.info;
    assert_int_equal(apus_blob_describe(&here.blob, &here.info), APUS_OK);
    here.want = malloc(sizeof *here.want);
    here.got = malloc(sizeof *here.got);
    assert_true(here.want && here.got);
    return 0;
}

static int close_all(void **unused) {
    (void)unused;
    for (uint32_t i = 0; i < here.count; i++) close_session(here.session[i]);
    free(here.want), free(here.got);
    return 0;
}

/* The same generation by every session; here.want is the first's. */
static void generate_by_all(const apus_sampling *sampling) {
    for (uint32_t i = 0; i < here.count; i++) {
        prompt(here.session[i], "aab aab \n");
        generate(here.session[i], sampling, 0, i ? here.got : here.want);
        if (i) assert_same(here.got, here.want);
    }
}

/* Bytes of an id, by the public function alone. */
static size_t spell(int32_t id, char *to) {
    size_t bytes = 0;
    assert_int_equal(apus_detokenize(&here.blob, &id, 1, 0, 0, to, 16, &bytes), APUS_OK);
    return bytes;
}

static void offsets_are_where_ids_begin(void **unused) {
    (void)unused;
    /* texts that one id completes, or two, and that a held back character stands before */
    const apus_stop stops[] = {{"\x41", 1}, {"zz", 2}, {"8><", 3}, {"9>", 2}, {"\x85<2", 3}};
    int cut = 0, behind = 0, held = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        apus_sampling sampling = sampling_of((int)(seed % SAMPLINGS));
        char text[IDS * 8];
        size_t bytes = 0;
        sampling.seed = seed;
        if (seed % 2) sampling.stops = stops, sampling.stops_count = 5;
        generate_by_all(&sampling);
        const struct result *r = here.want;
        for (size_t i = 0; i < r->count; i++) {
            assert_int_equal(r->offsets[i], bytes);
            behind += bytes >= r->bytes && r->stop == APUS_STOP_TEXT;
            held += bytes > r->shown[i];
            bytes += spell(r->ids[i], text + bytes);
        }
        assert_true(r->bytes <= bytes);
        assert_memory_equal(r->text, text, r->bytes);
        cut += r->stop == APUS_STOP_TEXT && r->bytes < bytes;
        if (r->stop != APUS_STOP_TEXT) assert_int_equal(r->bytes, bytes);
    }
    assert_true(cut > 5 && behind > 0 && held > 0); /* it met what it is for */
}

/* The ids and logits of a greedy generation are evaluated again, and ranked here. */
static void alternatives_are_the_likeliest(void **unused) {
    (void)unused;
    float *logits = malloc(here.info.vocab * sizeof *logits);
    assert_non_null(logits);
    for (uint32_t n = 0; n <= APUS_ALTERNATIVES_MAX; n += n ? 19 : 1) {
        for (int kind = 0; kind < SAMPLINGS; kind++) {
            apus_sampling sampling = sampling_of(kind);
            sampling.alternatives = n;
            generate_by_all(&sampling);
            const struct result *r = here.want;
            assert_int_equal(r->alternatives, n);
            prompt(here.session[0], "aab aab ");
            const int32_t newline = '\n';
            for (size_t i = 0; n && i < r->count; i++) {
                const int32_t *likely = r->likely + i * n;
                const float *log_probs = r->likely_log_probs + i * n;
                assert_int_equal(
                    apus_eval(here.session[0], i ? &r->ids[i - 1] : &newline, 1, logits, NULL),
                    APUS_OK);
                if (kind == 0) assert_int_equal(likely[0], r->ids[i]);
                for (uint32_t k = 0, rank; k < n; k++) {
                    for (uint32_t id = rank = 0; id < here.info.vocab; id++)
                        rank += logits[id] > logits[likely[k]] ||
                                (logits[id] == logits[likely[k]] && (int32_t)id < likely[k]);
                    assert_int_equal(rank, k);
                    if (likely[k] == r->ids[i]) assert_true(log_probs[k] == r->log_probs[i]);
                    if (k) assert_true(log_probs[k] <= log_probs[k - 1]);
                }
            }
        }
    }
    free(logits);
}

/* Whether what the id stands for is longer than bytes[.. count) and begins so. */
static int goes_on(int32_t id, const char *bytes, size_t count, int or_equal) {
    char piece[16];
    size_t n = spell(id, piece);
    return n + (or_equal != 0) > count && memcmp(piece, bytes, count) == 0;
}

/* The first id that the tokenizer makes of a text. */
static int32_t first_id(const char *text, size_t bytes) {
    static uint64_t scratch[1 << 13];
    int32_t ids[32];
    size_t count;
    const apus_part part = {APUS_PART_TEXT, APUS_TEXT_NO_PREFIX, text, bytes};
    assert_int_equal(apus_tokenize(&here.blob, &part, 1, ids, 32, &count, scratch, sizeof scratch),
                     APUS_OK);
    return ids[0];
}

/* What bind says, as a callback that looks at the bytes of all ids so far. */
struct bound {
    const char *bytes;
    size_t count;
};
static void only_what_agrees(void *user, float *logits, uint32_t vocab, const int32_t *ids,
                             size_t count) {
    const struct bound *bound = user;
    char piece[16];
    int may[512] = {0}, whole = 0;
    size_t at = 0;
    for (size_t i = 0; i < count; i++) at += spell(ids[i], piece);
    if (at >= bound->count) return;
    const char *rest = bound->bytes + at;
    const size_t left = bound->count - at;
    assert_true(vocab <= 512);
    for (uint32_t id = 0; id < vocab; id++) {
        may[id] = goes_on((int32_t)id, rest, left, 1);
        whole |= may[id] && spell((int32_t)id, piece) == left;
    }
    for (size_t end = 1; end <= left && !whole; end++) {
        int reached = end == left;
        for (uint32_t id = 0; id < vocab; id++)
            reached |= goes_on((int32_t)id, rest + end, left - end, 0);
        if (reached) may[first_id(rest, end)] = 1;
    }
    for (uint32_t id = 0; id < vocab; id++)
        if (!may[id]) logits[id] = -INFINITY;
}

static void bound_bytes_are_spelled_first(void **unused) {
    (void)unused;
    static const struct bound bounds[] = {{"<", 1},        {"<2", 2},    {"<25", 3},
                                          {"<264", 4},     {"<264>", 5}, {"a<26", 4},
                                          {"<259><26", 8}, {"<2x", 3},   {"\xe2\x82", 2},
                                          {"\0\0b", 3},    {"no <b", 5}, {"<258><258><2", 12},
                                          {" aab aab", 8}, {"\n", 1}};
    struct result *masked = malloc(sizeof *masked);
    int whole = 0, parts = 0;
    assert_non_null(masked);
    for (size_t b = 0; b < sizeof bounds / sizeof *bounds; b++) {
        for (int kind = 0; kind < SAMPLINGS; kind++) {
            char text[IDS * 8];
            size_t bytes = 0, bound = bounds[b].count;
            apus_sampling sampling = sampling_of(kind);
            sampling.seed = b + 1;
            sampling.max_tokens = 30;
            sampling.ignore_end = kind % 2;
            sampling.alternatives = 3;
            sampling.bind = bounds[b].bytes;
            sampling.bind_bytes = (uint32_t)bound;
            generate_by_all(&sampling);
            const struct result *r = here.want;
            for (size_t i = 0; i < r->count; i++) {
                assert_int_equal(r->offsets[i], bytes > bound ? bytes - bound : 0);
                size_t n = spell(r->ids[i], text + bytes);
                if (bytes < bound) assert_true(n > 0);
                whole += bytes < bound && n > 1, parts += bytes + n < bound;
                bytes += n;
            }
            assert_true(bytes >= bound + r->bytes);
            assert_memory_equal(text, bounds[b].bytes, bound);
            assert_memory_equal(text + bound, r->text, r->bytes);

            /* stop texts would be found in the bound bytes, too */
            if (sampling.stops_count) continue;
            sampling.bind_bytes = 0;
            sampling.logits = only_what_agrees;
            sampling.logits_user = (void *)(uintptr_t)&bounds[b];
            prompt(here.session[0], "aab aab \n");
            generate(here.session[0], &sampling, 0, masked);
            assert_int_equal(masked->count, r->count);
            assert_memory_equal(masked->ids, r->ids, r->count * sizeof *r->ids);
            assert_memory_equal(masked->log_probs, r->log_probs, r->count * sizeof *r->log_probs);
            assert_memory_equal(masked->likely, r->likely, 3 * r->count * sizeof *r->likely);
        }
    }
    free(masked);
    assert_true(whole > 20 && parts > 20); /* by pieces of both kinds */
}

/* A stop text ends the text that is shown, and what was bound is none of it. */
static void stops_begin_behind_what_is_bound(void **unused) {
    (void)unused;
    const apus_stop stop = {"b", 1};
    const apus_sampling sampling = {.size = sizeof sampling,
                                    .max_tokens = 20,
                                    .stops = &stop,
                                    .stops_count = 1,
                                    .bind = "bbb",
                                    .bind_bytes = 3};
    generate_by_all(&sampling);
    assert_true(here.want->count > 3 || here.want->stop != APUS_STOP_TEXT);
    assert_memory_equal(here.want->ids, ((const int32_t[]){'b', 'b', 'b'}), 3 * sizeof(int32_t));

    /* a generation that ends before all is spelled shows nothing */
    apus_sampling two = sampling;
    two.max_tokens = 2;
    generate_by_all(&two);
    assert_int_equal(here.want->count, 2);
    assert_int_equal(here.want->bytes, 0);
    assert_int_equal(here.want->stop, APUS_STOP_LENGTH);

    /* and the next one is bound to nothing */
    two.bind_bytes = 0, two.max_tokens = 20, two.stops_count = 0;
    generate_by_all(&two);
    assert_int_equal(here.want->offsets[1], 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_are_where_ids_begin),
        cmocka_unit_test(alternatives_are_the_likeliest),
        cmocka_unit_test(bound_bytes_are_spelled_first),
        cmocka_unit_test(stops_begin_behind_what_is_bound),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
