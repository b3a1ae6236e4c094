#include "weights/pack/calibration_text.h"

#include <stdlib.h>
#include <string.h>

#include "text/tokenizer.h"
#include "weights/hash.h"
#include "weights/pack/checkpoint/source_file.h"

static const uint64_t FILE_MOST = 64u << 20; /* the most bytes of one file, chosen: far more than
                                                all windows need */

/* The project's own text, which is put into the program as it is; by words that assemblers of ELF
 * and of Windows's objects both know. */
extern const uint8_t calibration_text_begin[], calibration_text_end[];
__asm__(".section .rodata\n"
        ".global calibration_text_begin\ncalibration_text_begin:\n"
        ".incbin \"" CALIBRATION_TEXT "\"\n"
        ".global calibration_text_end\ncalibration_text_end:\n"
        ".text\n");

struct gathered {
    const struct vocab *vocab;
    int32_t *ids;
    size_t count;
    struct hash64 hash;
    uint64_t dropped; /* bytes that no token stands for */
};

/* The bytes that the tokenizer leaves out: a byte-level one has no token for them. */
static uint64_t count_dropped(const struct vocab *v, const uint8_t *text, size_t bytes) {
    uint64_t dropped = 0;
    for (size_t i = 0; v->header->kind == VOCAB_BPE && i < bytes; i++)
        dropped += v->initial[text[i]] == VOCAB_NONE;
    return dropped;
}

static bool add_text(struct gathered *g, const uint8_t *text, size_t bytes, struct diag *d) {
    struct ids counted = {NULL, 0, 0};
    void *scratch = malloc(tokenizer_scratch(g->vocab, bytes));
    if (!scratch) return diag_fail(d, "out of memory for the calibration text");
    tokenizer_encode(g->vocab, text, bytes, 0, &counted, scratch);
    int32_t *ids = realloc(g->ids, (g->count + counted.count + 1) * sizeof *ids);
    if (ids) {
        struct ids appended = {ids + g->count, counted.count, 0};
        tokenizer_encode(g->vocab, text, bytes, 0, &appended, scratch);
        g->ids = ids, g->count += counted.count;
    }
    free(scratch);
    hash64_add(&g->hash, text, bytes);
    g->dropped += count_dropped(g->vocab, text, bytes);
    return ids || diag_fail(d, "out of memory for the calibration text");
}

static bool add_file(struct gathered *g, const char *name, struct diag *d) {
    struct source_file file;
    if (!source_file_open(&file, name, d)) return false;
    size_t bytes = (size_t)file.bytes;
    uint8_t *text = NULL;
    bool good =
        file.bytes > 0 || diag_fail(d, "%s is empty where text for calibration is expected", name);
    good = good && (file.bytes <= FILE_MOST ||
                    diag_fail(d, "%s has %llu bytes where text of at most %llu is expected", name,
                              (unsigned long long)file.bytes, (unsigned long long)FILE_MOST));
    good = good && ((text = malloc(bytes)) != NULL ||
                    diag_fail(d, "out of memory for the calibration text"));
    good = good && source_file_read(&file, 0, text, bytes, d);
    good = good && text &&
           (!memchr(text, 0, bytes) ||
            diag_fail(d, "%s holds zero bytes where text for calibration is expected", name));
    good = good && add_text(g, text, bytes, d);
    free(text);
    source_file_close(&file);
    return good;
}

static bool add_files(struct gathered *g, const char *files, struct diag *d) {
    for (const char *at = files;;) {
        size_t length = strcspn(at, ",");
        char *name = strndup(at, length);
        bool good = name ? length > 0 || diag_fail(d, "--calibrate names an empty file")
                         : diag_fail(d, "out of memory");
        good = good && add_file(g, name, d);
        free(name);
        if (!good || !at[length]) return good;
        at += length + 1;
    }
}

/* Cuts windows that begin at even distances; the last one ends where the text ends. */
static bool cut(struct calibration_text *text, const struct gathered *g, uint32_t windows,
                uint32_t length, struct diag *d) {
    text->length = g->count < length ? (uint32_t)g->count : length;
    size_t full = text->length ? g->count / text->length : 0;
    text->windows = full < windows ? (uint32_t)full : windows;
    text->ids = malloc(((size_t)text->windows * text->length + 1) * sizeof *text->ids);
    if (!text->ids) return diag_fail(d, "out of memory for the calibration text");
    for (uint32_t w = 0; w < text->windows; w++) {
        size_t at = text->windows > 1 ? (g->count - text->length) * w / (text->windows - 1) : 0;
        memcpy(text->ids + (size_t)w * text->length, g->ids + at, text->length * sizeof *text->ids);
    }
    return true;
}

/* The ids of all of the text, to be freed with g->ids. */
static bool gather(struct gathered *g, const char *files, const void *vocab, size_t vocab_bytes,
                   struct vocab *view, struct diag *d) {
    const char *why = "";
    *g = (struct gathered){.vocab = view};
    if (vocab_open(view, vocab, vocab_bytes, &why) != APUS_OK)
        return diag_fail(d, "the vocabulary made is wrong: %s", why);
    hash64_begin(&g->hash);
    if (!(files ? add_files(g, files, d)
                : add_text(
                      g, calibration_text_begin,
                      (size_t)((uintptr_t)calibration_text_end - (uintptr_t)calibration_text_begin),
                      d)))
        return false;
    return !files || g->count ||
           diag_fail(d, "the tokenizer has no id for any of the text in %s", files);
}

bool calibration_text_count(const char *files, const void *vocab, size_t vocab_bytes,
                            uint64_t *count, struct diag *d) {
    struct vocab view;
    struct gathered g;
    bool good = gather(&g, files, vocab, vocab_bytes, &view, d);
    for (size_t i = 0; good && i < g.count; i++) count[g.ids[i]]++;
    free(g.ids);
    return good;
}

bool calibration_text_read(struct calibration_text *text, const char *files, const void *vocab,
                           size_t vocab_bytes, uint32_t windows, uint32_t length, struct diag *d) {
    struct vocab view;
    struct gathered g;
    *text = (struct calibration_text){0};
    bool good =
        gather(&g, files, vocab, vocab_bytes, &view, d) && cut(text, &g, windows, length, d);
    text->hash = hash64_end(&g.hash), text->dropped = g.dropped;
    free(g.ids);
    return good;
}

void calibration_text_free(struct calibration_text *text) {
    free(text->ids);
    *text = (struct calibration_text){0};
}
