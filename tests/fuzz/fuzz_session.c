/* A session under any sequence of calls: prompts of any parts, appended ids, rewinding, generation,
 * saved states with bytes changed. The input is a program: a byte for the call, then what it takes.
 * Whatever comes, the session must stay usable, and what it holds must be what a second session
 * computes from the same ids. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apus/apus.h"
#include "tests/pack/tiny_blob.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes);

enum { CONTEXT = 48, PARTS = 6, STEPS = 24 };

static apus_model *model;
static apus_session *session, *other;

static void *aligned(size_t size, size_t to) {
    void *p;
    if (posix_memalign(&p, to, size)) abort();
    return p;
}

static apus_session *open_session(void) {
    apus_session *s;
    apus_memory need = {.size = sizeof need};
    apus_config config = {
        .size = sizeof config, .model = model, .context = CONTEXT, .chunk = 7, .prompt_bytes = 256};
    if (apus_measure(&config, &need)) abort();
    if (apus_open(&s, &config, aligned(need.bytes, need.alignment), need.bytes)) abort();
    return s;
}

static void open_all(void) {
    size_t size;
    struct tiny_spec spec = {.dim = 64,
                             .heads = 2,
                             .kv_heads = 1,
                             .ffn = 64,
                             .add_bos = 1,
                             .window = {0, 5},
                             .second_rope = 2,
                             .sinks = 2,
                             .normed = 1,
                             .ungated = 2};
    void *data = tiny_blob(&spec, &size);
    apus_blob blob;
    apus_memory need = {.size = sizeof need};
    if (!data || apus_blob_open(&blob, data, size, NULL)) abort();
    apus_model_config config = {.size = sizeof config, .blob = &blob};
    if (apus_model_measure(&config, &need)) abort();
    if (apus_model_open(&model, &config, aligned(need.bytes, need.alignment), need.bytes)) abort();
    session = open_session();
    other = open_session();
}

struct reader {
    const uint8_t *at;
    size_t left;
};
static uint8_t byte(struct reader *r) { return r->left ? r->left--, *r->at++ : 0; }
static const uint8_t *run(struct reader *r, size_t *n) {
    const uint8_t *p = r->at;
    if (*n > r->left) *n = r->left;
    r->at += *n, r->left -= *n;
    return p;
}

static uint32_t read_parts(struct reader *r, apus_part part[PARTS], int32_t ids[PARTS][8]) {
    uint32_t count = byte(r) % (PARTS + 1);
    for (uint32_t i = 0; i < count; i++) {
        uint8_t kind = byte(r);
        part[i] = (apus_part){(apus_part_kind)(kind % 5), kind / 5u % 5u, NULL, byte(r) % 90u};
        if (part[i].kind == APUS_PART_IDS) {
            part[i].count %= 8;
            for (size_t k = 0; k < part[i].count; k++)
                ids[i][k] = byte(r) - 3 + (byte(r) == 77 ? 100000 : 0);
            part[i].data = ids[i];
        } else {
            part[i].data = run(r, &part[i].count);
        }
    }
    return count;
}

static void generate(apus_session *s, struct reader *r) {
    apus_stop stop = {"ab", 2};
    apus_sampling sampling = {.size = sizeof sampling,
                              .temperature = byte(r) % 3 * 0.7f,
                              .top_k = byte(r) % 5,
                              .top_p = byte(r) % 4 * 0.3f,
                              .seed = byte(r),
                              .max_tokens = byte(r) % 20,
                              .stops = &stop,
                              .stops_count = byte(r) % 2,
                              .ignore_end = byte(r) % 2};
    apus_piece piece = {.size = sizeof piece};
    if (apus_begin(s, &sampling)) return;
    for (uint32_t rounds = byte(r) % 12; rounds; rounds--) {
        if (apus_next(s, &piece)) abort();
        if (piece.stop) return;
    }
}

static void save_and_restore(apus_session *s, struct reader *r) {
    size_t size;
    if (apus_save(s, NULL, 0, &size)) abort();
    uint8_t *state = malloc(size);
    if (!state || apus_save(s, state, size, &size)) abort();
    size_t at = (byte(r) | (size_t)byte(r) << 8) % size;
    uint8_t change = byte(r);
    state[at] ^= change;
    apus_status status = apus_restore(s, state, size);
    if ((status == APUS_OK) != (change == 0)) abort();
    free(state);
}

static void step(apus_session *s, struct reader *r) {
    apus_part part[PARTS];
    int32_t ids[PARTS][8];
    const int32_t *held;
    size_t count;
    uint32_t n;
    switch (byte(r) % 6) {
    case 0:
        n = read_parts(r, part, ids), apus_prompt(s, part, n, 0);
        break;
    case 1:
        n = read_parts(r, part, ids), apus_append(s, part, n, 0);
        break;
    case 2:
        generate(s, r);
        break;
    case 3:
        apus_rewind(s, byte(r) % (CONTEXT + 2));
        break;
    case 4:
        save_and_restore(s, r);
        break;
    default:
        if (apus_ids(s, &held, &count)) abort();
        for (n = 0; n < 5; n++) ids[0][n] = byte(r);
        if (apus_eval(s, ids[0], n, NULL, NULL) == APUS_OK && byte(r) % 2) apus_cancel(s);
    }
}

/* The next greedy id after what `s` holds. */
static int32_t next_id(apus_session *s) {
    apus_sampling sampling = {.size = sizeof sampling, .want_hash = 1};
    apus_piece piece = {.size = sizeof piece};
    if (apus_begin(s, &sampling) || apus_next(s, &piece) || piece.count != 1) abort();
    apus_stats stats = {.size = sizeof stats};
    if (apus_get_stats(s, &stats)) abort();
    return (int32_t)(stats.logits_hash ^ (uint64_t)(uint32_t)piece.ids[0] << 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t bytes) {
    struct reader r = {input, bytes};
    const int32_t *ids;
    size_t count;
    if (!model) open_all();
    for (int i = 0; i < STEPS && r.left; i++) step(session, &r);
    apus_rewind(session, 0);
    apus_part bos = {APUS_PART_BOS, 0, NULL, 0}; /* takes a cancel that is still pending */
    apus_prompt(session, &bos, 1, 0);
    r = (struct reader){input, bytes};
    for (int i = 0; i < STEPS && r.left; i++) step(session, &r);
    if (apus_append(session, NULL, 0, 0) == APUS_PARTIAL) apus_append(session, NULL, 0, 0);
    if (apus_ids(session, &ids, &count)) abort();
    if (count && count < CONTEXT) {
        apus_part same = {APUS_PART_IDS, 0, ids, count};
        if (apus_rewind(other, 0) || apus_prompt(other, &same, 1, 0)) abort();
        if (next_id(session) != next_id(other)) abort();
    }
    return 0;
}
