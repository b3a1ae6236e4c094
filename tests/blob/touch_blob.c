#include "tests/blob/touch_blob.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weights/blob.h"

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            fprintf(stderr, "an open blob breaks its promise: %s\n", #x);                          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static uint64_t touch_tensor(const struct blob *b, const struct blob_tensor *t) {
    uint64_t sum = b->weights[t->offset + t->bytes - 1];
    for (uint64_t k = 0; k < t->bytes; k += 61) sum += b->weights[t->offset + k];
    for (uint32_t r = 0; r < padded_rows(t->rows); r++) {
        sum += b->rows[t->row_scales + r] > 0;
        MUST(r < t->rows || b->rows[t->row_scales + r] == 0);
        if (t->bias != BLOB_ABSENT) sum += b->rows[t->bias + r] > 0;
    }
    return sum;
}

static void touch_layer(const struct blob *b, uint32_t layer) {
    apus_layer_info l = {.size = sizeof l};
    MUST(apus_blob_layer((const apus_blob *)b, layer, &l) == APUS_OK);
    MUST(l.heads == 0 || l.heads % l.kv_heads == 0);
    uint32_t q = l.heads * l.head_dim, kv = l.kv_heads * l.head_dim, d = b->model->dim;
    const struct blob_variant *v = layer_variant(&b->layers[layer], blob_variants(b));
    const uint32_t times = v->experts ? v->experts : 1, ffn = times * l.ffn;
    const uint32_t rows[LT_COUNT] = {q, kv, kv, d, ffn, ffn, times * d},
                   cols[LT_COUNT] = {d, d, d, q, d, d, l.ffn};
    for (uint32_t k = 0; k < LT_COUNT; k++) {
        uint32_t index = b->layers[layer].tensor[k];
        const int no_gate = k == LT_GATE && !activation_gated(v->activation);
        if (no_gate || (k <= LT_O ? !l.heads : !l.ffn)) {
            MUST(index == BLOB_ABSENT);
            continue;
        }
        MUST(index < b->model->tensors && b->tensors[index].rows == rows[k] &&
             b->tensors[index].cols == cols[k]);
    }
}

uint64_t touch_blob(const apus_blob *blob) {
    const struct blob *b = blob_of(blob);
    apus_info info = {.size = sizeof info};
    MUST(apus_blob_describe(blob, &info) == APUS_OK);
    uint64_t sum =
        strlen(info.name) + strlen(info.architecture) + strlen(info.provenance) + info.weight_bytes;
    for (uint32_t i = 0; i < info.tensors; i++) {
        apus_tensor_info t = {.size = sizeof t};
        MUST(apus_blob_tensor(blob, i, &t) == APUS_OK && strlen(t.name) <= 63);
        sum += touch_tensor(b, &b->tensors[i]);
    }
    for (uint32_t i = 0; i < info.layers; i++) touch_layer(b, i);
    for (size_t i = 0; i < (size_t)b->rope_tables * info.max_positions * b->model->head_dim; i++)
        MUST(b->rope[i] >= -1 && b->rope[i] <= 1);
    for (uint32_t i = 0; i < info.end_tokens; i++) {
        int32_t id;
        MUST(apus_blob_end_token(blob, i, &id) == APUS_OK && id >= 0 && (uint32_t)id < info.vocab);
    }
    apus_templates templates = {.size = sizeof templates};
    MUST(apus_blob_templates(blob, &templates) == APUS_OK);
    MUST(strlen(templates.chat) <= 23 && strlen(templates.fim) <= 23);
    for (int m = 0; m < APUS_MARKERS; m++)
        MUST(templates.markers[m] >= -1 && templates.markers[m] < (int64_t)info.vocab);
    for (uint32_t i = 0; i < info.specials; i++) {
        apus_special s = {.size = sizeof s};
        MUST(apus_blob_special(blob, i, &s) == APUS_OK && s.bytes >= 1 && s.bytes <= 255);
        MUST(s.id >= 0 && (uint32_t)s.id < info.vocab);
        for (size_t k = 0; k < s.bytes; k++) sum += (uint8_t)s.text[k];
    }
    for (uint32_t id = 0; id < info.vocab; id++)
        sum += vocab_find_whole(&b->vocab, vocab_bytes(&b->vocab, id), vocab_length(&b->vocab, id));
    const char *section;
    return sum + (uint64_t)(apus_blob_verify(blob, &section) == APUS_OK);
}
