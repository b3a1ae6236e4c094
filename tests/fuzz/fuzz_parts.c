/* libFuzzer: prompts made of parts over a byte vocabulary under every word rule. Refused or
 * tokenized; plain text gives no control token, and comes back byte for byte. Input: a byte for the
 * rule; then parts: kind and flags, length, data. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "text/parts.h"
#include "weights/pack/vocab/vocab_build.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct vocab vocab_of(enum vocab_pre pre) {
    static void *sections[VOCAB_PRE_COUNT];
    static size_t bytes[VOCAB_PRE_COUNT];
    static const char *const words[] = {"th",   "the",  " the", "ab",
                                        "abab", "\n\n", "  ",   "\xC3\xA9"};
    static const char *const cuts[] = {"t\0h",   "th\0e",  " \0the", "a\0b",
                                       "ab\0ab", "\n\0\n", " \0 ",   "\xC3\0\xA9"};
    if (!sections[pre]) {
        struct builder b;
        bool good = builder_init(&b, 267, NULL);
        b.kind = VOCAB_BPE;
        b.pre = pre;
        b.order = BUILDER_MERGES;
        b.bos = 264;
        b.flags = VOCAB_ADD_BOS;
        for (uint32_t i = 0; i < 256; i++)
            good =
                good && builder_piece(&b, i, &(uint8_t){(uint8_t)i}, 1, VOCAB_NORMAL, 0, 0, NULL);
        for (uint32_t i = 0; i < 8; i++)
            good = good &&
                   builder_piece(&b, 256 + i, words[i], strlen(words[i]), VOCAB_NORMAL, 0, 0, NULL);
        good = good && builder_piece(&b, 264, "<|s|>", 5, VOCAB_CONTROL, 0, BUILDER_ADDED, NULL);
        good = good && builder_piece(&b, 265, "<|s|>>", 6, VOCAB_CONTROL, 0,
                                     BUILDER_ADDED | VOCAB_ADDED_LSTRIP, NULL);
        good = good &&
               builder_piece(&b, 266, "<u>", 3, VOCAB_USER, 0, BUILDER_ADDED | VOCAB_ADDED_SECOND,
                             NULL) &&
               builder_index(&b, NULL);
        for (uint32_t i = 0; i < 8 && good; i++) {
            const char *right = cuts[i] + strlen(cuts[i]) + 1;
            good = builder_merge(&b, (const uint8_t *)cuts[i], strlen(cuts[i]),
                                 (const uint8_t *)right, strlen(right), NULL);
        }
        sections[pre] = good ? builder_finish(&b, &bytes[pre], NULL) : NULL;
        builder_free(&b);
        assert(sections[pre]);
    }
    struct vocab v;
    apus_status status = vocab_open(&v, sections[pre], bytes[pre], NULL);
    assert(status == APUS_OK);
    return v;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { PARTS = 16 };
    apus_part parts[PARTS];
    void *held[PARTS];
    size_t count = 0, plain = 0, other = 0;
    if (size == 0) return 0;
    struct vocab v = vocab_of((enum vocab_pre)(1 + data[0] % (VOCAB_PRE_COUNT - 1)));
    for (data++, size--; size >= 2 && count < PARTS; count++) {
        uint8_t kind = data[0];
        size_t n = data[1] < size - 2 ? data[1] : size - 2;
        data += 2;
        size -= 2;
        parts[count] = (apus_part){(apus_part_kind)(kind & 7), kind >> 3 & 7, NULL, n};
        if (parts[count].kind == APUS_PART_IDS) parts[count].count = n / 4;
        parts[count].data = held[count] = malloc(n + 1);
        assert(held[count]);
        memcpy(held[count], data, n);
        data += n;
        size -= n;
        if (parts[count].kind == APUS_PART_TEXT && !(parts[count].flags & APUS_TEXT_SPECIALS))
            plain += n;
        else
            other++;
    }
    if (parts_check(&v, NULL, parts, count) == APUS_OK) {
        size_t text = parts_text_bytes(parts, count), n = 8192;
        void *scratch = malloc(parts_scratch(&v, text));
        int32_t *ids = malloc(n * sizeof *ids);
        uint8_t *back = malloc(plain + 1);
        assert(scratch && ids && back);
        struct ids out = {ids, n, 0};
        parts_encode(&v, parts, count, &out, scratch);
        assert(out.count <= n);
        for (size_t i = 0; i < out.count; i++)
            assert(ids[i] >= 0 && (uint32_t)ids[i] < v.header->rows &&
                   (other || (ids[i] != 264 && ids[i] != 265)));
        if (!other) {
            assert(tokenizer_decode(&v, ids, out.count, 1, 1, back, plain) == plain);
            size_t at = 0;
            for (size_t i = 0; i < count; at += parts[i++].count)
                assert(memcmp(back + at, parts[i].data, parts[i].count) == 0);
        }
        free(back);
        free(ids);
        free(scratch);
    }
    while (count) free(held[--count]);
    return 0;
}
