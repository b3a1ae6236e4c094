#include "tests/blob/made_blob.h"

#include <stdio.h>
#include <string.h>

#include "tests/blob/made_vocab.h"
#include "weights/hash.h"

static const char text[] = "\0a made model\0MadeForTests\0by hand";
enum { TEXT_NAME = 1, TEXT_ARCHITECTURE = 14, TEXT_PROVENANCE = 27 };

/* Values that depend on their place only: no two runs of the tests differ. */
static uint32_t noise(uint32_t i) {
    i = (i ^ i >> 16) * 0x7feb352du;
    i = (i ^ i >> 15) * 0x846ca68bu;
    return i ^ i >> 16;
}

static uint32_t shape[MADE_TENSORS][3]; /* type, rows, cols */

static void shapes(void) {
    const uint32_t q = MADE_HEADS * MADE_HEAD_DIM, kv = MADE_KV_HEADS * MADE_HEAD_DIM, d = MADE_DIM, f = MADE_FFN, v = MADE_PIECES;
    const uint32_t s[MADE_TENSORS][3] = {{WEIGHT_ROW8, v, d}, {WEIGHT_W4, q, d}, {WEIGHT_W4, kv, d}, {WEIGHT_W8, kv, d},
                                         {WEIGHT_W4, d, q},   {WEIGHT_W4, f, d}, {WEIGHT_W4, f, d},  {WEIGHT_W4, d, f},
                                         {WEIGHT_W8, f, d},   {WEIGHT_W8, f, d}, {WEIGHT_W8, d, f},  {WEIGHT_W8, v, d}};
    memcpy(shape, s, sizeof shape);
}

static uint64_t aligned(uint64_t n) { return (n + BLOB_ALIGN - 1) / BLOB_ALIGN * BLOB_ALIGN; }

static int has_bias(uint32_t tensor) { return tensor >= 1 && tensor <= 3; }

static void sizes(uint64_t bytes[BLOB_SECTIONS]) {
    shapes();
    uint64_t floats = 0, weights = 0;
    for (uint32_t i = 0; i < MADE_TENSORS; i++) {
        floats += padded_rows(shape[i][1]) * (has_bias(i) ? 2u : 1u);
        weights = aligned(weights) + weight_bytes(shape[i][0], shape[i][1], shape[i][2]);
    }
    bytes[BLOB_MODEL] = sizeof(struct blob_model);
    bytes[BLOB_LAYERS] = MADE_LAYERS * sizeof(struct blob_layer);
    bytes[BLOB_TENSORS] = MADE_TENSORS * sizeof(struct blob_tensor);
    bytes[BLOB_ROWS] = floats * sizeof(float);
    bytes[BLOB_ROPE] = MADE_POSITIONS * MADE_HEAD_DIM * sizeof(float);
    bytes[BLOB_VOCAB] = made_vocab_bytes();
    bytes[BLOB_TEXT] = sizeof text;
    bytes[BLOB_WEIGHTS] = weights;
}

size_t made_blob_bytes(void) {
    uint64_t bytes[BLOB_SECTIONS], end = sizeof(struct blob_header);
    sizes(bytes);
    for (uint32_t k = 0; k < BLOB_SECTIONS; k++) end = aligned(end + bytes[k]);
    return (size_t)end;
}

void *made_section(uint8_t *data, uint32_t kind) { return data + ((struct blob_header *)(void *)data)->section[kind].offset; }

static void write_tables(uint8_t *data) {
    *(struct blob_model *)made_section(data, BLOB_MODEL) = (struct blob_model){.layers = MADE_LAYERS,
                                                                               .dim = MADE_DIM,
                                                                               .vocab = MADE_PIECES,
                                                                               .max_positions = MADE_POSITIONS,
                                                                               .head_dim = MADE_HEAD_DIM,
                                                                               .tensors = MADE_TENSORS,
                                                                               .eps = 1e-5f,
                                                                               .rotated = 1,
                                                                               .parameters = 12345,
                                                                               .name = TEXT_NAME,
                                                                               .architecture = TEXT_ARCHITECTURE,
                                                                               .provenance = TEXT_PROVENANCE,
                                                                               .embed = 0,
                                                                               .head = MADE_TENSORS - 1};
    struct blob_layer *l = made_section(data, BLOB_LAYERS);
    l[0] = (struct blob_layer){MADE_HEADS, MADE_KV_HEADS, MADE_FFN, 0, {1, 2, 3, 4, 5, 6, 7}, 0};
    l[1] = (struct blob_layer){0, 0, MADE_FFN, 0, {BLOB_ABSENT, BLOB_ABSENT, BLOB_ABSENT, BLOB_ABSENT, 8, 9, 10}, 0};
}

static void write_tensors(uint8_t *data) {
    static const char *const role[] = {"q", "k", "v", "o", "ffn_gate", "ffn_up", "ffn_down", "ffn_gate", "ffn_up", "ffn_down"};
    struct blob_tensor *t = made_section(data, BLOB_TENSORS);
    float *rows = made_section(data, BLOB_ROWS);
    uint32_t floats = 0;
    uint64_t offset = 0;
    for (uint32_t i = 0; i < MADE_TENSORS; i++) {
        t[i] = (struct blob_tensor){.type = shape[i][0], .rows = shape[i][1], .cols = shape[i][2], .bias = BLOB_ABSENT};
        if (i == 0 || i == MADE_TENSORS - 1)
            snprintf(t[i].name, sizeof t[i].name, "%s", i ? "head" : "embed");
        else
            snprintf(t[i].name, sizeof t[i].name, "layer.%d.%s", i > LT_COUNT, role[i - 1]);
        t[i].offset = offset = aligned(offset);
        offset += t[i].bytes = weight_bytes(t[i].type, t[i].rows, t[i].cols);
        for (int run = 0; run < 1 + has_bias(i); run++) {
            *(run ? &t[i].bias : &t[i].row_scales) = floats;
            for (uint32_t r = 0; r < t[i].rows; r++) rows[floats + r] = (float)(noise(floats + r) % 1000 + 1) * 0x1p-12f;
            floats += padded_rows(t[i].rows);
        }
    }
}

void made_blob_write(uint8_t *data) {
    size_t size = made_blob_bytes();
    memset(data, 0, size);
    struct blob_header *h = (struct blob_header *)(void *)data;
    *h = (struct blob_header){
        .magic = {'A', 'P', 'U', 'S'}, .version = BLOB_VERSION, .header_bytes = sizeof *h, .sections = BLOB_SECTIONS, .file_bytes = size};
    uint64_t bytes[BLOB_SECTIONS], end = sizeof *h;
    sizes(bytes);
    for (uint32_t k = 0; k < BLOB_SECTIONS; k++) {
        h->section[k] = (struct blob_section){.offset = end, .bytes = bytes[k]};
        end = aligned(end + bytes[k]);
    }
    write_tables(data);
    write_tensors(data);
    float *rope = made_section(data, BLOB_ROPE);
    for (uint32_t i = 0; i < MADE_POSITIONS * MADE_HEAD_DIM; i++) rope[i] = (float)((int)(noise(i) % 2001) - 1000) * 0x1p-10f;
    made_vocab_write(made_section(data, BLOB_VOCAB));
    memcpy(made_section(data, BLOB_TEXT), text, sizeof text);
    uint8_t *w = made_section(data, BLOB_WEIGHTS);
    for (uint64_t i = 0; i < bytes[BLOB_WEIGHTS]; i++) w[i] = (uint8_t)noise((uint32_t)i);
    made_blob_rehash(data, size);
}

void made_blob_rehash(uint8_t *data, size_t size) {
    struct blob_header *h = (struct blob_header *)(void *)data;
    for (uint32_t k = 0; k < BLOB_SECTIONS; k++) {
        struct blob_section *s = &h->section[k];
        if (s->offset <= size && s->bytes <= size - s->offset) s->hash = hash64(data + s->offset, (size_t)s->bytes);
    }
    h->model_hash = hash64(h->section, sizeof h->section);
}
