#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/tokenizer/made.h"

static size_t plain(const char *from, size_t n, uint8_t *to) {
    for (size_t i = 0; i < n; i++) to[i] = from[i] == '_' ? ' ' : (uint8_t)from[i];
    return n;
}

void *made_bpe(enum vocab_pre pre, uint32_t flags, const char *merges, size_t *bytes) {
    struct diag d = {{0}};
    struct builder b;
    uint32_t rows = 256;
    for (const char *m = merges; *m; m += strlen(m) + 1) rows++;
    assert_true(builder_init(&b, rows + 4, &d));
    b.kind = VOCAB_BPE;
    b.pre = pre;
    b.flags = flags;
    b.order = BUILDER_MERGES;
    for (uint32_t i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        assert_true(
            builder_piece(&b, i, &byte, 1, i == 0xF5 ? VOCAB_UNUSED : VOCAB_NORMAL, 0, 0, &d));
    }
    uint8_t left[64], right[64];
    uint32_t id = 256;
    for (const char *m = merges; *m; m += strlen(m) + 1, id++) {
        const char *space = strchr(m, ' ');
        size_t n = plain(m, (size_t)(space - m), left);
        n += plain(space + 1, strlen(space + 1), left + n);
        assert_true(builder_piece(&b, id, left, n, VOCAB_NORMAL, 0, 0, &d));
    }
    assert_true(builder_piece(&b, id++, "<|end|>", 7, VOCAB_CONTROL, 0, BUILDER_ADDED, &d));
    assert_true(builder_piece(&b, id++, "<|end|>x", 8, VOCAB_CONTROL, 0, BUILDER_ADDED, &d));
    assert_true(builder_piece(&b, id++, "<tool>", 6, VOCAB_USER, 0, BUILDER_ADDED, &d));
    assert_true(
        builder_piece(&b, id++, "  !", 3, VOCAB_USER, 0, BUILDER_ADDED | VOCAB_ADDED_SECOND, &d));
    assert_true(builder_index(&b, &d));
    for (const char *m = merges; *m; m += strlen(m) + 1) {
        const char *space = strchr(m, ' ');
        size_t l = plain(m, (size_t)(space - m), left),
               r = plain(space + 1, strlen(space + 1), right);
        assert_true(builder_merge(&b, left, l, right, r, &d));
    }
    b.templates = (struct vocab_templates){"chatml", "qwen", {0}};
    for (int m = 0; m < APUS_MARKERS; m++)
        b.templates.markers[m] = m == APUS_MARKER_FILE ? VOCAB_NONE : id - 4;
    void *section = builder_finish(&b, bytes, &d);
    assert_string_equal(d.text, "");
    assert_non_null(section);
    builder_free(&b);
    return section;
}

void *made_spm(const struct made_piece *pieces, size_t count, uint32_t flags, size_t *bytes) {
    static const char *const reserved[] = {"<unk>", "<s>", "</s>"};
    static const enum vocab_type types[] = {VOCAB_UNKNOWN, VOCAB_CONTROL, VOCAB_CONTROL};
    struct diag d = {{0}};
    struct builder b;
    uint8_t text[64];
    assert_true(builder_init(&b, (uint32_t)count + 260, &d));
    b.kind = VOCAB_SPM;
    b.flags = flags;
    b.order = BUILDER_SCORES;
    b.bos = 1;
    b.eos = 2;
    b.unk = 0;
    for (uint32_t i = 0; i < 3; i++)
        assert_true(builder_spm_piece(&b, i, reserved[i], strlen(reserved[i]), types[i], 0,
                                      types[i] == VOCAB_CONTROL ? BUILDER_ADDED : 0, &d));
    for (uint32_t i = 0; i < 256; i++) {
        uint8_t byte = (uint8_t)i;
        assert_true(builder_piece(&b, 3 + i, &byte, 1, VOCAB_BYTE, 0, 0, &d));
    }
    for (size_t i = 0; i < count; i++)
        assert_true(builder_piece(&b, 259 + i, text,
                                  plain(pieces[i].text, strlen(pieces[i].text), text), VOCAB_NORMAL,
                                  pieces[i].score, 0, &d));
    assert_true(builder_spm_piece(&b, 259 + count, "<user>", 6, VOCAB_USER, 0,
                                  BUILDER_ADDED | VOCAB_ADDED_SECOND, &d));
    assert_true(builder_index(&b, &d));
    void *section = builder_finish(&b, bytes, &d);
    assert_string_equal(d.text, "");
    assert_non_null(section);
    builder_free(&b);
    return section;
}

struct vocab made_open(const void *section, size_t bytes) {
    struct vocab v;
    const char *why = "";
    if (vocab_open(&v, section, bytes, &why) != APUS_OK) fail_msg("%s", why);
    return v;
}

size_t made_ids(const struct vocab *v, const void *text, size_t bytes, uint32_t flags,
                int32_t *ids) {
    size_t need = tokenizer_scratch(v, bytes);
    uint8_t *scratch = malloc(need + 8);
    assert_non_null(scratch);
    memset(scratch + need, 0xA5, 8);
    struct ids counted = {NULL, 0, 0};
    tokenizer_encode(v, text, bytes, flags, &counted, scratch);
    struct ids out = {ids, counted.count, 0};
    tokenizer_encode(v, text, bytes, flags, &out, scratch);
    for (int i = 0; i < 8; i++) assert_int_equal(scratch[need + (size_t)i], 0xA5);
    assert_int_equal(out.count, counted.count);
    free(scratch);
    return out.count;
}
