/* The builder: the pieces that the readers name, and the rules that hold for all of them.
 * vocab_section.c makes the section from it. */
#include "weights/pack/vocab/vocab_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/unicode.h"
#include "weights/pack/vocab/vocab_files.h"

void vocab_note(const struct vocab_request *request, const char *format, ...) {
    struct vocab_notes *notes = request->notes;
    size_t used = notes ? strlen(notes->text) : 0;
    va_list args;
    if (!notes || used + 3 >= sizeof notes->text) return;
    if (used) used += (size_t)snprintf(notes->text + used, sizeof notes->text - used, "; ");
    va_start(args, format);
    vsnprintf(notes->text + used, sizeof notes->text - used, format, args);
    va_end(args);
}

enum { POOL_FIRST = 4096 };

bool builder_init(struct builder *b, uint32_t rows, struct diag *d) {
    memset(b, 0, sizeof *b);
    b->bos = b->eos = b->unk = b->add_bos = -1;
    if (rows == 0 || rows > VOCAB_ROWS_MAX)
        return diag_fail(d, "the vocabulary has %u pieces where 1 to %u are expected", rows,
                         (unsigned)VOCAB_ROWS_MAX);
    b->rows = rows;
    b->pieces = calloc(rows, sizeof *b->pieces);
    b->pool_room = POOL_FIRST;
    /* allocated at once, so that pieces without bytes have an address too */
    b->pool = malloc(b->pool_room);
    return b->pieces && b->pool ? true : diag_fail(d, "out of memory for %u pieces", rows);
}

void builder_free(struct builder *b) {
    free(b->pieces);
    free(b->pool);
    free(b->merges);
    free(b->index);
    memset(b, 0, sizeof *b);
}

/* Copies the beginning of a text of a file, to be shown in a sentence. */
static const char *shown(const void *bytes, size_t length, char out[48]) {
    size_t n = length < 44 ? length : 44;
    memcpy(out, bytes, n);
    out[n] = 0;
    return out;
}

static bool is_utf8(const uint8_t *p, size_t n) {
    uint32_t code;
    for (size_t i = 0; i < n;) {
        i += utf8_read(p + i, n - i, &code);
        if (code & UNICODE_BAD) return false;
    }
    return true;
}

static bool pool_add(struct builder *b, const void *bytes, size_t length, struct diag *d) {
    if (b->pool_bytes + length > (size_t)256 << 20)
        return diag_fail(d, "the vocabulary's pieces take more than 256 MiB");
    if (b->pool_bytes + length > b->pool_room) {
        size_t room = (b->pool_room + length) * 2 + 4096;
        uint8_t *grown = realloc(b->pool, room);
        if (!grown) return diag_fail(d, "out of memory for the vocabulary's pieces");
        b->pool = grown;
        b->pool_room = room;
    }
    if (length) memcpy(b->pool + b->pool_bytes, bytes, length);
    b->pool_bytes += length;
    return true;
}

bool builder_piece(struct builder *b, uint64_t id, const void *bytes, size_t length,
                   enum vocab_type type, float score, uint8_t added, struct diag *d) {
    char text[48];
    if (id >= b->rows)
        return diag_fail(d, "token %llu (\"%s\") lies past the model's %u rows",
                         (unsigned long long)id, shown(bytes, length, text), b->rows);
    struct builder_piece *p = &b->pieces[id];
    if (p->type)
        return diag_fail(d, "token id %llu is given twice, the second time to \"%s\"",
                         (unsigned long long)id, shown(bytes, length, text));
    if (type == VOCAB_UNUSED) length = 0;
    if (length > VOCAB_PIECE_MAX)
        return diag_fail(d, "token %llu has %zu bytes where at most %d are expected",
                         (unsigned long long)id, length, VOCAB_PIECE_MAX);
    if (type == VOCAB_NORMAL && length == 0)
        return diag_fail(d, "token %llu is empty", (unsigned long long)id);
    if (score != score)
        return diag_fail(d, "the score of token %llu (\"%s\") is not a number",
                         (unsigned long long)id, shown(bytes, length, text));
    if (added && (length == 0 || length > VOCAB_ADDED_BYTES_MAX))
        return diag_fail(d, "added token %llu has %zu bytes where 1 to %d are expected",
                         (unsigned long long)id, length, VOCAB_ADDED_BYTES_MAX);
    bool text_only = (type == VOCAB_NORMAL && b->kind == VOCAB_SPM) || type == VOCAB_CONTROL ||
                     type == VOCAB_USER || type == VOCAB_UNKNOWN;
    if (text_only && !is_utf8(bytes, length))
        return diag_fail(d, "token %llu is not UTF-8", (unsigned long long)id);
    p->offset = (uint32_t)b->pool_bytes;
    if (!pool_add(b, bytes, length, d)) return false;
    p->length = (uint32_t)length;
    p->type = (uint8_t)type;
    p->score = score;
    p->added = added;
    return true;
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

bool builder_spm_piece(struct builder *b, uint64_t id, const char *text, size_t length,
                       enum vocab_type type, float score, uint8_t added, struct diag *d) {
    char show[48];
    if (type == VOCAB_BYTE) {
        if (length != 6 || memcmp(text, "<0x", 3) != 0 || text[5] != '>' || hex(text[3]) < 0 ||
            hex(text[4]) < 0)
            return diag_fail(d, "byte token %llu is \"%s\" where <0x00> to <0xFF> is expected",
                             (unsigned long long)id, shown(text, length, show));
        uint8_t byte = (uint8_t)(hex(text[3]) << 4 | hex(text[4]));
        return builder_piece(b, id, &byte, 1, type, score, 0, d);
    }
    if (type == VOCAB_USER &&
        (memchr(text, ' ', length) || (length >= 3 && memmem(text, length, "\xE2\x96\x81", 3))))
        return diag_fail(
            d, "user-defined token %llu (\"%s\") has a space in it, which is not supported",
            (unsigned long long)id, shown(text, length, show));
    if (type != VOCAB_NORMAL) return builder_piece(b, id, text, length, type, score, added, d);
    /* builder_piece refuses it */
    if (length > VOCAB_PIECE_MAX) return builder_piece(b, id, text, length, type, score, added, d);
    if (memchr(text, ' ', length))
        return diag_fail(d, "token %llu (\"%s\") has a plain space where U+2581 is expected",
                         (unsigned long long)id, shown(text, length, show));
    uint8_t out[VOCAB_PIECE_MAX];
    size_t n = 0;
    for (size_t i = 0; i < length;) {
        if (length - i >= 3 && memcmp(text + i, "\xE2\x96\x81", 3) == 0) {
            out[n++] = ' ';
            i += 3;
        } else
            out[n++] = (uint8_t)text[i++];
    }
    return builder_piece(b, id, out, n, type, score, added, d);
}

/* GPT-2 writes printable bytes as themselves, and the others as the code points from U+0100 on, in
 * the order of the bytes. */
size_t builder_unprintable(const char *text, size_t length, uint8_t *out) {
    size_t n = 0;
    for (size_t i = 0; i < length;) {
        uint32_t code;
        i += utf8_read((const uint8_t *)text + i, length - i, &code);
        if ((code >= 0x21 && code <= 0x7E) || (code >= 0xA1 && code <= 0xFF && code != 0xAD))
            out[n++] = (uint8_t)code;
        else if (code >= 0x100 && code <= 0x120)
            out[n++] = (uint8_t)(code - 0x100);
        else if (code >= 0x121 && code <= 0x142)
            out[n++] = (uint8_t)(code - 0x121 + 0x7F);
        else if (code == 0x143)
            out[n++] = 0xAD;
        else
            return SIZE_MAX;
    }
    return n;
}

bool builder_bpe_piece(struct builder *b, uint64_t id, const char *text, size_t length,
                       enum vocab_type type, uint8_t added, struct diag *d) {
    char show[48];
    uint8_t out[2 * VOCAB_PIECE_MAX];
    if (type != VOCAB_NORMAL || length > sizeof out)
        return builder_piece(b, id, text, length, type, 0, added, d);
    size_t n = builder_unprintable(text, length, out);
    if (n == SIZE_MAX)
        return diag_fail(d, "token %llu (\"%s\") has a character that stands for no byte",
                         (unsigned long long)id, shown(text, length, show));
    return builder_piece(b, id, out, n, type, 0, added, d);
}

/* Compares bytes with an entry: by hash, then by length, then by bytes. So even if hashes collide,
 * a look-up takes a number of steps that grows with the logarithm of the number of pieces. */
static int order(const struct builder *b, uint32_t hash, const uint8_t *bytes, size_t length,
                 const struct builder_entry *entry) {
    const struct builder_piece *p = &b->pieces[entry->id];
    if (hash != entry->hash) return hash < entry->hash ? -1 : 1;
    if (length != p->length) return length < p->length ? -1 : 1;
    return memcmp(bytes, b->pool + p->offset, length);
}

static int by_content(const void *x, const void *y, void *builder) {
    const struct builder *b = builder;
    const struct builder_entry *entry = x, *other = y;
    const struct builder_piece *p = &b->pieces[entry->id];
    int place = order(b, entry->hash, b->pool + p->offset, p->length, other);
    return place ? place : (entry->id > other->id) - (entry->id < other->id);
}

bool builder_index(struct builder *b, struct diag *d) {
    b->index = malloc(b->rows * sizeof *b->index);
    if (!b->index) return diag_fail(d, "out of memory for the table of pieces");
    for (uint32_t id = 0; id < b->rows; id++) {
        const struct builder_piece *p = &b->pieces[id];
        if (p->type == VOCAB_NORMAL || p->added & BUILDER_PIECE)
            b->index[b->index_count++] =
                (struct builder_entry){vocab_hash(0x5EED, b->pool + p->offset, p->length), id};
    }
    qsort_r(b->index, b->index_count, sizeof *b->index, by_content, b);
    /* one more than there are, for the end of the last ones */
    for (uint32_t i = 0, top = 0; top <= BUILDER_TOPS; top++) {
        while (i < b->index_count && b->index[i].hash >> BUILDER_SHIFT < top) i++;
        b->first[top] = i;
    }
    for (uint32_t i = 1; i < b->index_count; i++) {
        const struct builder_piece *p = &b->pieces[b->index[i].id];
        char text[48];
        if (order(b, b->index[i].hash, b->pool + p->offset, p->length, &b->index[i - 1]) == 0)
            return diag_fail(d, "tokens %u and %u are both \"%s\"", b->index[i - 1].id,
                             b->index[i].id, shown(b->pool + p->offset, p->length, text));
    }
    return true;
}

uint32_t builder_find(const struct builder *b, const uint8_t *bytes, size_t length) {
    uint32_t hash = vocab_hash(0x5EED, bytes, length), low = b->first[hash >> BUILDER_SHIFT],
             high = b->first[(hash >> BUILDER_SHIFT) + 1];
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        int place = order(b, hash, bytes, length, &b->index[middle]);
        if (place == 0) return b->index[middle].id;
        if (place < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return VOCAB_NONE;
}

bool builder_respell(struct builder *b, uint32_t id, const char *text, struct diag *d) {
    b->pieces[id].type = 0;
    return builder_piece(b, id, text, strlen(text), VOCAB_CONTROL, 0, BUILDER_ADDED, d);
}

bool builder_merge(struct builder *b, const uint8_t *left, size_t left_bytes, const uint8_t *right,
                   size_t right_bytes, struct diag *d) {
    char text[48];
    uint8_t both[VOCAB_PIECE_MAX];
    size_t rank = b->merges_count;
    uint32_t l = builder_find(b, left, left_bytes), r = builder_find(b, right, right_bytes);
    if (l == VOCAB_NONE)
        return diag_fail(d, "merge %zu begins with \"%s\", which is no token", rank,
                         shown(left, left_bytes, text));
    if (r == VOCAB_NONE)
        return diag_fail(d, "merge %zu ends with \"%s\", which is no token", rank,
                         shown(right, right_bytes, text));
    if (left_bytes + right_bytes > sizeof both)
        return diag_fail(d, "merge %zu makes a token of more than %d bytes", rank, VOCAB_PIECE_MAX);
    memcpy(both, left, left_bytes);
    memcpy(both + left_bytes, right, right_bytes);
    uint32_t id = builder_find(b, both, left_bytes + right_bytes);
    if (id == VOCAB_NONE)
        return diag_fail(d, "merge %zu makes \"%s\", which is no token", rank,
                         shown(both, left_bytes + right_bytes, text));
    if (b->merges_count == b->merges_room) {
        size_t room = b->merges_room * 2 + 1024;
        if (room > (size_t)1 << 24) return diag_fail(d, "more than 2^24 merges");
        struct builder_merge *grown = realloc(b->merges, room * sizeof *grown);
        if (!grown) return diag_fail(d, "out of memory for %zu merges", room);
        b->merges = grown;
        b->merges_room = room;
    }
    b->merges[b->merges_count++] = (struct builder_merge){l, r, id};
    return true;
}

int64_t builder_named(const struct builder *b, const char *text, size_t length) {
    for (uint32_t id = 0; id < b->rows; id++) {
        const struct builder_piece *p = &b->pieces[id];
        if (p->type && p->type != VOCAB_UNUSED && p->length == length &&
            memcmp(b->pool + p->offset, text, length) == 0)
            return id;
    }
    return -1;
}

bool builder_is_spelled(const struct builder *b, const struct builder_piece *p, const char *text,
                        size_t length) {
    const uint8_t *bytes = b->pool + p->offset;
    size_t at = 0;
    for (uint32_t i = 0; i < p->length; i++) {
        bool space = bytes[i] == ' ' && p->type == VOCAB_NORMAL && b->kind == VOCAB_SPM;
        const char *want = space ? "\xE2\x96\x81" : (const char *)&bytes[i];
        size_t n = space ? 3 : 1;
        if (length - at < n || memcmp(text + at, want, n) != 0) return false;
        at += n;
    }
    return at == length;
}

bool builder_end(struct builder *b, int64_t id, struct diag *d) {
    if (id < 0) return true;
    if (id >= b->rows)
        return diag_fail(d, "end token %lld lies past the model's %u rows", (long long)id, b->rows);
    for (uint32_t i = 0; i < b->ends_count; i++)
        if (b->ends[i] == (uint32_t)id) return true;
    if (b->ends_count == VOCAB_ENDS_MAX)
        return diag_fail(d, "more than %d end tokens", VOCAB_ENDS_MAX);
    b->ends[b->ends_count++] = (uint32_t)id;
    return true;
}

/* ------------------------------------------------------------------------------------- doors -- */

static void *finish(struct builder *b, const struct vocab_request *r, size_t *bytes,
                    struct diag *d) {
    if (b->bos < 0) b->bos = r->bos;
    if (b->eos < 0 && r->ends_count) b->eos = r->ends[0];
    bool good = builder_end(b, b->eos, d);
    for (size_t i = 0; good && i < r->ends_count; i++) good = builder_end(b, r->ends[i], d);
    good = good && builder_known_names(b, d) && builder_recognise_templates(b, r, d);
    if (b->add_bos == 1 || (b->add_bos == 2 && b->bos >= 0)) {
        b->flags |= VOCAB_ADD_BOS;
        if (good && b->bos < 0)
            good = diag_fail(d, "prompts are to begin with a bos token, but none is named");
    }
    return good ? builder_finish(b, bytes, d) : NULL;
}

void *vocab_build_memory(const char *name, const void *data, size_t size,
                         const struct vocab_request *request, size_t *bytes, struct diag *d) {
    struct builder b = {0};
    size_t n = strlen(name);
    bool json = n > 5 && strcmp(name + n - 5, ".json") == 0;
    bool good = json ? vocab_read_json(&b, name, data, size, request, d)
                     : vocab_read_sentencepiece(&b, data, size, request, d);
    void *section = good ? finish(&b, request, bytes, d) : NULL;
    builder_free(&b);
    return section;
}

void *vocab_build_file(const char *path, const struct vocab_request *request, size_t *bytes,
                       struct diag *d) {
    size_t size;
    uint8_t *data = vocab_read_file(path, &size, d);
    void *section = data ? vocab_build_memory(path, data, size, request, bytes, d) : NULL;
    free(data);
    return section;
}

void *vocab_build(const struct vocab_request *request, size_t *bytes, struct diag *d) {
    if (!request->gguf) {
        char path[4096];
        static const char *const names[] = {"tokenizer.json", "tokenizer.model", "tekken.json"};
        for (size_t i = 0; i < 3; i++)
            if (vocab_file_path(request->directory, names[i], path, sizeof path))
                return vocab_build_file(path, request, bytes, d);
        diag_fail(d, "%s has none of tokenizer.json, tokenizer.model and tekken.json",
                  request->directory);
        return NULL;
    }
    struct builder b = {0};
    void *section = vocab_read_gguf(&b, request, d) ? finish(&b, request, bytes, d) : NULL;
    builder_free(&b);
    return section;
}
