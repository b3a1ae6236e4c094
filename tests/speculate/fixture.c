#include "tests/speculate/fixture.h"

#include <stdlib.h>
#include <string.h>

static void *kept[128];
static size_t kept_count;

void *keep(void *memory) {
    assert_non_null(memory);
    assert_true(kept_count < sizeof kept / sizeof *kept);
    return kept[kept_count++] = memory;
}

const apus_model *open_bytes(void *data, size_t bytes, const apus_port *port, apus_cpu cpu) {
    apus_blob blob;
    apus_memory need = {.size = sizeof need};
    apus_model *model;
    keep(data);
    assert_int_equal(apus_blob_open(&blob, data, bytes, NULL), APUS_OK);
    apus_model_config config = {.size = sizeof config, .blob = &blob, .port = port, .cpu = cpu};
    assert_int_equal(apus_model_measure(&config, &need), APUS_OK);
    assert_int_equal(
        apus_model_open(&model, &config, keep(aligned_alloc(64, need.bytes)), need.bytes), APUS_OK);
    return model;
}

const apus_model *open_model(const struct tiny_spec *spec) {
    size_t bytes;
    void *data = tiny_blob(spec, &bytes);
    return open_bytes(data, bytes, apus_port_host(), APUS_CPU_BEST);
}

const apus_model *open_relative(const struct tiny_spec *spec, uint8_t mask) {
    size_t bytes;
    uint8_t *data = tiny_blob(spec, &bytes);
    assert_non_null(data);
    const struct blob_section *weights =
        &((const struct blob_header *)(const void *)data)->section[BLOB_WEIGHTS];
    uint64_t rng = mask;
    for (uint64_t i = 0; i < weights->bytes; i++) {
        rng = rng * 6364136223846793005u + 1442695040888963407u;
        data[weights->offset + i] ^= (uint8_t)(rng >> 56) & mask;
    }
    tiny_reseal(data, bytes);
    return open_bytes(data, bytes, apus_port_host(), APUS_CPU_BEST);
}

apus_session *open_session(apus_config config) {
    apus_memory need = {.size = sizeof need};
    apus_session *s;
    config.size = sizeof config;
    if (!config.context) config.context = CONTEXT;
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    void *arena = aligned_alloc(64, need.bytes);
    assert_non_null(arena);
    memset(arena, 0xa5, need.bytes);
    assert_int_equal(apus_open(&s, &config, arena, need.bytes), APUS_OK);
    return s;
}

void close_session(apus_session *s) {
    apus_close(s);
    free(s); /* a session begins its arena */
}

void take_piece(struct result *r, const apus_piece *piece) {
    assert_true(piece->count <= 16 && r->count + piece->count <= IDS &&
                r->bytes + piece->bytes <= sizeof r->text);
    memcpy(r->ids + r->count, piece->ids, piece->count * sizeof *r->ids);
    memcpy(r->log_probs + r->count, piece->log_probs, piece->count * sizeof *r->log_probs);
    memcpy(r->offsets + r->count, piece->offsets, piece->count * sizeof *r->offsets);
    size_t n = piece->alternatives;
    r->alternatives = n;
    memcpy(r->likely + r->count * n, piece->alternative_ids, piece->count * n * sizeof *r->likely);
    memcpy(r->likely_log_probs + r->count * n, piece->alternative_log_probs,
           piece->count * n * sizeof *r->likely_log_probs);
    for (size_t i = 0; i < piece->count; i++) r->shown[r->count + i] = r->bytes;
    memcpy(r->text + r->bytes, piece->text, piece->bytes);
    r->count += piece->count;
    r->bytes += piece->bytes;
}

void generate(apus_session *s, const apus_sampling *sampling, uint32_t cancel_every,
              struct result *r) {
    generate_with(s, sampling, cancel_every, NULL, r);
}

void generate_with(apus_session *s, const apus_sampling *sampling, uint32_t cancel_every,
                   void (*before_round)(apus_session *session), struct result *r) {
    apus_piece piece = {.size = sizeof piece};
    uint32_t rounds = 0;
    memset(r, 0, sizeof *r);
    assert_int_equal(apus_begin(s, sampling), APUS_OK);
    do {
        if (before_round) before_round(s);
        if (cancel_every && ++rounds % cancel_every == 0) apus_cancel(s);
        apus_status status;
        do status = apus_next(s, &piece);
        while (status == APUS_PARTIAL); /* sessions whose calls have steps */
        assert_int_equal(status, APUS_OK);
        take_piece(r, &piece);
    } while (!piece.stop);
    r->stop = piece.stop;
    r->stats.size = sizeof r->stats;
    assert_int_equal(apus_get_stats(s, &r->stats), APUS_OK);
}

void assert_same(const struct result *a, const struct result *b) {
    assert_int_equal(a->count, b->count);
    assert_memory_equal(a->ids, b->ids, a->count * sizeof *a->ids);
    assert_memory_equal(a->log_probs, b->log_probs, a->count * sizeof *a->log_probs);
    assert_memory_equal(a->offsets, b->offsets, a->count * sizeof *a->offsets);
    assert_int_equal(a->alternatives, b->alternatives);
    assert_memory_equal(a->likely, b->likely, a->count * a->alternatives * sizeof *a->likely);
    assert_memory_equal(a->likely_log_probs, b->likely_log_probs,
                        a->count * a->alternatives * sizeof *a->likely_log_probs);
    assert_int_equal(a->stats.logits_hash, b->stats.logits_hash);
    assert_int_equal(a->bytes, b->bytes);
    assert_memory_equal(a->text, b->text, a->bytes);
    assert_int_equal(a->stop, b->stop);
}

void prompt(apus_session *s, const char *text) {
    apus_part part = {APUS_PART_TEXT, 0, text, strlen(text)};
    assert_int_equal(apus_prompt(s, &part, 1, 0), APUS_OK);
}

apus_sampling sampling_of(int kind) {
    static const apus_stop stops[] = {{"\x41", 1}, {"zz", 2}};
    apus_sampling s = {
        .size = sizeof s, .want_hash = 1, .ignore_end = 1, .max_tokens = 60, .seed = 5};
    if (kind == 1) s.temperature = 0.8f;
    if (kind == 2) s.temperature = 1.3f, s.top_k = 20, s.top_p = 0.9f, s.min_p = 0.02f;
    if (kind == 3) s.repeat_penalty = 1.3f, s.temperature = 0.5f, s.repeat_last = 20;
    if (kind == 4) s.stops = stops, s.stops_count = 2, s.temperature = 1.0f, s.max_tokens = 0;
    return s;
}
