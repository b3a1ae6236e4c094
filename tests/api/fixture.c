#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "tests/pack/tiny_blob.h"

enum { CANARY_BYTES = 256, CANARY = 0xa5, NOISE = 0xcd };

struct guarded guarded_take(size_t bytes, size_t alignment) {
    struct guarded g = {.bytes = bytes, .raw_bytes = bytes + 4 * alignment + 2 * CANARY_BYTES};
    g.raw = malloc(g.raw_bytes);
    assert_non_null(g.raw);
    uintptr_t at = (uintptr_t)g.raw + CANARY_BYTES + alignment;
    /* not aligned to more than asked */
    at = (at + 2 * alignment - 1) / (2 * alignment) * (2 * alignment) + alignment;
    g.at = (unsigned char *)at;
    memset(g.raw, CANARY, g.raw_bytes);
    memset(g.at, NOISE, bytes);
    return g;
}

void guarded_check(const struct guarded *g) {
    for (const unsigned char *p = g->raw; p < g->raw + g->raw_bytes; p++)
        if ((p < g->at || p >= g->at + g->bytes) && *p != CANARY)
            fail_msg("a byte %td from the memory given was written", p - g->at);
}

void guarded_free(struct guarded *g) {
    guarded_check(g);
    free(g->raw);
    *g = (struct guarded){0};
}

const apus_port *api_port(void) {
    static apus_port port;
    port = *apus_port_host();
    port.processors = NULL;
    return &port;
}

void api_model_close(struct api_model *m) {
    apus_model_close(m->model);
    guarded_free(&m->memory);
    guarded_free(&m->bytes);
}

uint32_t api_kv_bits, api_v_bits;

void api_open(struct api_session *s, const struct api_model *m, uint32_t context, uint32_t threads,
              uint32_t chunk) {
    apus_config config = {.size = sizeof config,
                          .model = m->model,
                          .context = context,
                          .threads = threads,
                          .chunk = chunk,
                          .kv_bits = api_kv_bits,
                          .v_bits = api_v_bits};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_measure(&config, &need), APUS_OK);
    s->arena = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_open(&s->session, &config, s->arena.at, need.bytes), APUS_OK);
}

void api_close(struct api_session *s) {
    apus_close(s->session);
    guarded_free(&s->arena);
}

int api_has_cpu(apus_cpu cpu) { return apus_cpu_has(cpu); }

void api_ids(const struct api_model *m, uint32_t seed, int32_t *ids, size_t count) {
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        ids[i] = (int32_t)((seed >> 8) % m->info.vocab);
    }
}

apus_part api_ids_part(const int32_t *ids, size_t count) {
    return (apus_part){.kind = APUS_PART_IDS, .data = ids, .count = count};
}
apus_part api_text(const char *text) {
    return (apus_part){.kind = APUS_PART_TEXT, .data = text, .count = strlen(text)};
}

uint64_t api_hash(uint64_t hash, const void *data, size_t bytes) {
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; i++) hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

struct api_view api_look(const struct api_session *s) {
    const int32_t *ids;
    size_t count;
    apus_stats stats = {.size = sizeof stats};
    assert_int_equal(apus_ids(s->session, &ids, &count), APUS_OK);
    assert_int_equal(apus_get_stats(s->session, &stats), APUS_OK);
    assert_true(stats.positions <= count); /* the last id of a generation, and what a deadline left
                                              of a prompt, are not evaluated yet */
    return (struct api_view){stats.positions, count, api_hash(1, ids, count * sizeof *ids)};
}

void api_assert_same(struct api_view before, const struct api_session *s) {
    struct api_view now = api_look(s);
    assert_int_equal(now.positions, before.positions);
    assert_int_equal(now.ids, before.ids);
    assert_int_equal(now.hash, before.hash);
}

uint64_t api_generate(const struct api_session *s, uint32_t tokens, int32_t *ids) {
    apus_sampling greedy = {
        .size = sizeof greedy, .max_tokens = tokens, .ignore_end = 1, .want_hash = 1};
    apus_piece piece = {.size = sizeof piece};
    uint32_t got = 0;
    assert_int_equal(apus_begin(s->session, &greedy), APUS_OK);
    do {
        assert_int_equal(apus_next(s->session, &piece), APUS_OK);
        for (size_t i = 0; i < piece.count && ids; i++) ids[got + i] = piece.ids[i];
        got += (uint32_t)piece.count;
    } while (!piece.stop);
    assert_int_equal(piece.stop, APUS_STOP_LENGTH);
    assert_int_equal(got, tokens);
    apus_stats stats = {.size = sizeof stats};
    assert_int_equal(apus_get_stats(s->session, &stats), APUS_OK);
    return stats.logits_hash;
}

void api_model_make(struct api_model *m, const struct tiny_spec *spec, apus_cpu cpu) {
    *m = (struct api_model){0};
    size_t bytes;
    void *blob = tiny_blob(spec, &bytes);
    assert_non_null(blob);
    m->bytes = guarded_take(bytes, 4096);
    memcpy(m->bytes.at, blob, bytes);
    free(blob);
    assert_int_equal(apus_blob_open(&m->blob, m->bytes.at, bytes, NULL), APUS_OK);
    m->info.size = sizeof m->info;
    assert_int_equal(apus_blob_describe(&m->blob, &m->info), APUS_OK);

    apus_model_config config = {
        .size = sizeof config, .blob = &m->blob, .port = api_port(), .cpu = cpu};
    apus_memory need = {.size = sizeof need};
    assert_int_equal(apus_model_measure(&config, &need), APUS_OK);
    m->memory = guarded_take(need.bytes, need.alignment);
    assert_int_equal(apus_model_open(&m->model, &config, m->memory.at, need.bytes), APUS_OK);
}

void api_model_open(struct api_model *m, int which, apus_cpu cpu) {
    static const struct tiny_spec specs[API_MODELS] = {
        {.layers = 3,
         .bias = 1,
         .positions = 512,
         .add_bos = 1,
         .layer_kv_heads = {4, 1, 2},
         .seed = 1},
        {.layers = 3,
         .dim = 192,
         .heads = 6,
         .kv_heads = 3,
         .head_dim = 32,
         .ffn = 320,
         .positions = 512,
         .weights = WEIGHT_W4,
         .window = {9},
         .sinks = 4,
         .without_attention = 2,
         .without_ffn = 4,
         .seed = 2},
    };
    api_model_make(m, &specs[which], cpu);
}
