/* libFuzzer: a tokenizer section with bytes changed, opened or refused; what opens tokenizes the
 * rest of the input. The first byte says which section and flags, then come changes of four bytes
 * (where, three times; what) up to a zero one, then text. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "weights/pack/vocab/vocab_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char BPE[] = "{\"added_tokens\":[{\"id\":0,\"content\":\"<|end|>\",\"special\":true},{"
                          "\"id\":9,\"content\":\"<t>\",\"rstrip\":true}],"
                          "\"pre_tokenizer\":{\"type\":\"ByteLevel\",\"use_regex\":true},"
                          "\"normalizer\":{\"type\":\"NFC\"},"
                          "\"model\":{\"type\":\"BPE\",\"vocab\":{\"<|end|>\":0,\"a\":1,\"b\":2,"
                          "\"ab\":3,\"\\u0120\":4,\"\\u0120ab\":5,\"aa\":6},"
                          "\"merges\":[\"a b\",\"\\u0120 ab\",\"a a\"]}}";

/* Llama's kind: <unk>, 256 bytes, a few pieces. */
static char *spm_text(void) {
    static char text[16384];
    size_t at = (size_t)snprintf(
        text, sizeof text,
        "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true}],"
        "\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"\xE2\x96\x81\","
        "\"prepend_scheme\":\"always\",\"split\":false},\"model\":{\"type\":\"BPE\","
        "\"byte_fallback\":true,\"vocab\":{\"<unk>\":0");
    for (unsigned i = 0; i < 256; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, ",\"<0x%02X>\":%u", i, i + 1);
    snprintf(text + at, sizeof text - at,
             ",\"a\":257,\"b\":258,\"\xE2\x96\x81\":259,\"ab\":260,\"\xE2\x96\x81"
             "a\":261},"
             "\"merges\":[\"a b\",\"\xE2\x96\x81 a\"]}}");
    return text;
}

static void *section_of(int which, size_t *bytes) {
    static void *sections[2];
    static size_t sizes[2];
    const struct vocab_request request = {.bos = -1};
    struct diag d = {{0}};
    if (!sections[which]) {
        const char *text = which ? spm_text() : BPE;
        sections[which] =
            vocab_build_memory("x.json", text, strlen(text), &request, &sizes[which], &d);
        assert(sections[which]);
    }
    *bytes = sizes[which];
    return sections[which];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0) return 0;
    uint8_t head = *data++;
    size_t bytes;
    const void *good = section_of(head & 1, &bytes);
    uint8_t *section = malloc(bytes);
    assert(section);
    memcpy(section, good, bytes);
    for (size--; size >= 4 && data[3]; data += 4, size -= 4)
        section[(data[0] | data[1] << 8 | data[2] << 16) % bytes] ^= data[3];
    struct vocab v;
    const char *why = NULL;
    if (vocab_open(&v, section, bytes, &why) != APUS_OK)
        assert(why);
    else {
        void *scratch = malloc(tokenizer_scratch(&v, size));
        int32_t *ids = malloc((4 * size + 4) * sizeof *ids);
        uint8_t *text = malloc(size + 1), *back = malloc(size + 1);
        assert(scratch && ids && text && back);
        if (size) memcpy(text, data, size);
        struct ids out = {ids, 4 * size + 4, 0};
        tokenizer_encode(&v, text, size, head >> 1 & 3, &out, scratch);
        size_t n = out.count < out.capacity ? out.count : out.capacity;
        for (size_t i = 0; i < n; i++) assert(ids[i] >= 0 && (uint32_t)ids[i] < v.header->rows);
        tokenizer_decode(&v, ids, n, head >> 3 & 1, head >> 4 & 1, back, size);
        tokenizer_special(&v, text, size);
        free(back);
        free(text);
        free(ids);
        free(scratch);
    }
    free(section);
    return 0;
}
