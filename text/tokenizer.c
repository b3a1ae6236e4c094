#include "text/tokenizer.h"

#include <assert.h>
#include <string.h>

#include "text/merge.h"
#include "text/pretokenize.h"
#include "text/unicode.h"

/* Stands for a character without a symbol: it merges with nothing and becomes its bytes. The number
 * is above every symbol. */
#define LONE 0x80000000u

struct encoder {
    const struct vocab *vocab;
    struct ids *ids;
    struct merge merge;
    uint8_t *normal; /* NFC: room for the normalized text */
    uint32_t flags;
};

/* ----------------------------------------------------------------------------------- scratch -- */

/* Bytes that a text may have after it is normalized. */
static size_t grown(const struct vocab *v, size_t bytes) {
    return v->header->flags & VOCAB_NFC ? 3 * bytes : bytes;
}

size_t tokenizer_scratch(const struct vocab *v, size_t bytes) {
    if (bytes > TOKENIZER_TEXT_MAX) return SIZE_MAX;
    size_t n = grown(v, bytes), symbols = n + 1; /* one more for the implicit space */
    size_t words = 3 * symbols + merge_ranks(symbols);
    /* one after the other, these two use the same memory */
    if (v->header->flags & VOCAB_NFC && words < 2 * nfc_work(bytes)) words = 2 * nfc_work(bytes);
    words += words & 1;
    return words * sizeof(uint32_t) + (v->header->flags & VOCAB_NFC ? (n + 7) / 8 * 8 : 0);
}

static void place(struct encoder *e, size_t bytes, void *scratch) {
    size_t n = grown(e->vocab, bytes),
           normal = e->vocab->header->flags & VOCAB_NFC ? (n + 7) / 8 * 8 : 0;
    uint32_t *words = (uint32_t *)(void *)((uint8_t *)scratch + normal);
    e->normal = scratch;
    e->merge = (struct merge){words, words + (n + 1), words + 2 * (n + 1), words + 3 * (n + 1)};
}

/* ------------------------------------------------------------------------------------- words -- */

static void put_lone(struct encoder *e, uint32_t code) {
    uint8_t bytes[4];
    size_t n = utf8_write(code == ' ' ? 0x2581 : code, bytes);
    for (size_t i = 0; i < n; i++) ids_put(e->ids, e->vocab->fallback[bytes[i]]);
}

static void merge_and_put(struct encoder *e, uint32_t count) {
    if (count == 0) return;
    merge_run(e->vocab, &e->merge, count);
    uint32_t rows = e->vocab->header->rows;
    for (uint32_t i = 0; i < count; i += e->merge.span[i]) {
        uint32_t s = e->merge.symbol[i];
        if (s < rows)
            ids_put(e->ids, s);
        else
            put_lone(e, s & LONE ? s & ~LONE : e->vocab->virtuals[s - rows]);
    }
}

static int put_whole(struct encoder *e, const uint8_t *word, size_t bytes) {
    if (bytes > e->vocab->header->piece_max) return 0;
    uint32_t id = vocab_find_whole(e->vocab, word, bytes);
    if (id == VOCAB_NONE) return 0;
    ids_put(e->ids, id);
    return 1;
}

static void bpe_word(struct encoder *e, const uint8_t *word, size_t bytes) {
    if (put_whole(e, word, bytes)) return;
    uint32_t count = 0;
    for (size_t i = 0; i < bytes; i++) {
        uint32_t s = e->vocab->initial[word[i]];
        if (s != VOCAB_NONE) e->merge.symbol[count++] = s;
    }
    merge_and_put(e, count);
}

static void bpe_stretch(struct encoder *e, const uint8_t *text, size_t bytes) {
    struct word_scan words = word_scan_begin((enum vocab_pre)e->vocab->header->pre, text, bytes);
    for (size_t begin; word_scan_next(&words, &begin);) bpe_word(e, text + begin, words.at - begin);
}

/* A character as SentencePiece sees it: a space and U+2581 are the same, and a byte that is not
 * UTF-8 is U+FFFD. */
static size_t spm_read(const uint8_t *p, size_t n, uint32_t *code) {
    size_t length = utf8_read(p, n, code);
    if (*code & UNICODE_BAD)
        *code = 0xFFFD;
    else if (*code == 0x2581)
        *code = ' ';
    return length;
}

static uint32_t spm_symbol(const struct vocab *v, uint32_t code) {
    if (code < 128) return v->initial[code] == VOCAB_NONE ? LONE | code : v->initial[code];
    uint32_t lo = 0, hi = v->header->chars_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (v->chars[2 * mid] < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < v->header->chars_count && v->chars[2 * lo] == code ? v->chars[2 * lo + 1]
                                                                   : LONE | code;
}

static void spm_word(struct encoder *e, const uint8_t *word, size_t bytes, int prefix) {
    if (!prefix && e->vocab->header->flags & VOCAB_WORDS && put_whole(e, word, bytes)) return;
    uint32_t count = 0;
    if (prefix) e->merge.symbol[count++] = spm_symbol(e->vocab, ' ');
    for (size_t i = 0; i < bytes;) {
        uint32_t code;
        i += spm_read(word + i, bytes - i, &code);
        e->merge.symbol[count++] = spm_symbol(e->vocab, code);
    }
    merge_and_put(e, count);
}

static void spm_stretch(struct encoder *e, const uint8_t *text, size_t bytes, int prefix) {
    size_t begin = 0, at = 0;
    uint32_t before = ' ';
    while (e->vocab->header->flags & VOCAB_WORDS && at < bytes) {
        uint32_t code;
        size_t length = spm_read(text + at, bytes - at, &code);
        if (code == ' ' && before != ' ') {
            spm_word(e, text + begin, at - begin, prefix);
            begin = at;
            prefix = 0;
        }
        before = code;
        at += length;
    }
    if (bytes > begin || prefix) spm_word(e, text + begin, bytes - begin, prefix);
}

/* ------------------------------------------------------------------------------ added tokens -- */

struct match {
    size_t begin, end;
    uint32_t id, flags;
};

/* How many of their first bytes a and b have in common, at most n. */
static size_t common(const uint8_t *a, const uint8_t *b, size_t n) {
    size_t i = 0;
    for (; n - i >= 8; i += 8) {
        uint64_t x, y;
        memcpy(&x, a + i, 8);
        memcpy(&y, b + i, 8);
        if (x != y) break;
    }
    while (i < n && a[i] == b[i]) i++;
    return i;
}

/* The length of the longest added token of this pass that text[0 .. bytes) begins with, or 0. It is
 * the last token that is not after the text in their order, or that token begins with it. So tokens
 * with long common beginnings cost a search only their logarithm. */
static size_t added_at(const struct vocab *v, const uint8_t *text, size_t bytes, uint32_t pass,
                       struct match *m) {
    uint32_t lo = 0, hi = v->header->added_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2, id = v->added[mid].id;
        size_t length = vocab_length(v, id);
        int order = memcmp(vocab_bytes(v, id), text, length < bytes ? length : bytes);
        if (order < 0 || (order == 0 && length <= bytes))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0) return 0;
    uint32_t last = v->added[lo - 1].id;
    size_t same = vocab_length(v, last) < bytes ? vocab_length(v, last) : bytes;
    same = common(vocab_bytes(v, last), text, same);
    for (uint32_t i = lo; i > 0; i = v->added[i - 1].flags >> VOCAB_ADDED_INNER) {
        const struct vocab_added *added = &v->added[i - 1];
        if (vocab_length(v, added->id) > same || (added->flags & VOCAB_ADDED_SECOND) != pass)
            continue;
        m->id = added->id;
        m->flags = added->flags;
        return vocab_length(v, added->id);
    }
    return 0;
}

/* Whether the text from begin to end has no word character beside it. */
static int stands_alone(const uint8_t *text, size_t begin, size_t end, size_t bytes) {
    uint32_t code;
    if (begin > 0) {
        size_t before = utf8_before(text, begin);
        utf8_read(text + before, begin - before, &code);
        if (unicode_is_word(code)) return 0;
    }
    if (end == bytes) return 1;
    utf8_read(text + end, bytes - end, &code);
    return !unicode_is_word(code);
}

/* The next added token of this pass from text[at] on. Where control tokens are not allowed, they
 * are skipped as a whole, and so are tokens that have to be words and are not. */
static int next_added(const struct encoder *e, const uint8_t *text, size_t at, size_t bytes,
                      uint32_t pass, struct match *m) {
    const struct vocab *v = e->vocab;
    if (v->header->added_count == 0) return 0;
    for (size_t i = at; i < bytes; i++) {
        if (!(v->added_first[text[i] >> 5] >> (text[i] & 31) & 1)) continue;
        size_t length = added_at(v, text + i, bytes - i, pass, m);
        if (length == 0) continue;
        if ((vocab_type(v, m->id) == VOCAB_CONTROL && !(e->flags & TOKENIZER_SPECIALS)) ||
            (m->flags & VOCAB_ADDED_SINGLE_WORD && !stands_alone(text, i, i + length, bytes))) {
            i += length - 1;
            continue;
        }
        m->begin = i;
        m->end = i + length;
        uint32_t code;
        for (size_t before; m->flags & VOCAB_ADDED_LSTRIP && m->begin > at; m->begin = before) {
            before = utf8_before(text, m->begin);
            utf8_read(text + before, m->begin - before, &code);
            if (before < at || unicode_class(code) != UNICODE_SPACE) break;
        }
        for (size_t n; m->flags & VOCAB_ADDED_RSTRIP && m->end < bytes; m->end += n) {
            n = utf8_read(text + m->end, bytes - m->end, &code);
            if (unicode_class(code) != UNICODE_SPACE) break;
        }
        return 1;
    }
    return 0;
}

/* -------------------------------------------------------------------------------------- text -- */

static int has_prefix(const struct encoder *e, const uint8_t *text, size_t bytes, int at_start) {
    uint32_t flags = e->vocab->header->flags, code;
    if (!(flags & VOCAB_PREFIX) || e->flags & TOKENIZER_NO_PREFIX ||
        (flags & VOCAB_PREFIX_FIRST && !at_start))
        return 0;
    if (!(flags & VOCAB_PREFIX_UNLESS_SPACE)) return 1;
    spm_read(text, bytes, &code);
    return code != ' ';
}

static void stretch(struct encoder *e, const uint8_t *text, size_t bytes, int prefix) {
    if (e->vocab->header->kind == VOCAB_SPM)
        spm_stretch(e, text, bytes, prefix);
    else
        bpe_stretch(e, text, bytes);
}

/* Text between added tokens of the first pass: it is normalized as a whole and then searched for
 * those of the second pass. */
static void unit(struct encoder *e, const uint8_t *text, size_t bytes, int at_start) {
    if (bytes == 0) return;
    if (e->vocab->header->flags & VOCAB_NFC && !nfc_is_plain(text, bytes)) {
        bytes = nfc(text, bytes, e->normal, (uint64_t *)(void *)e->merge.symbol);
        text = e->normal;
    }
    int prefix = has_prefix(e, text, bytes, at_start);
    struct match m;
    size_t at = 0;
    while (next_added(e, text, at, bytes, VOCAB_ADDED_SECOND, &m)) {
        stretch(e, text + at, m.begin - at, prefix);
        ids_put(e->ids, m.id);
        at = m.end;
        prefix = 0;
    }
    stretch(e, text + at, bytes - at, prefix);
}

void tokenizer_encode(const struct vocab *v, const uint8_t *text, size_t bytes, uint32_t flags,
                      struct ids *ids, void *scratch) {
    assert((text || !bytes) && bytes <= TOKENIZER_TEXT_MAX && (uintptr_t)scratch % 8 == 0);
    struct encoder e = {.vocab = v, .ids = ids, .flags = flags};
    place(&e, bytes, scratch);
    struct match m;
    size_t at = 0;
    while (next_added(&e, text, at, bytes, 0, &m)) {
        unit(&e, text + at, m.begin - at, at == 0);
        ids_put(ids, m.id);
        at = m.end;
    }
    unit(&e, text + at, bytes - at, at == 0);
}

void tokenizer_encode_piece(const struct vocab *v, const uint8_t *bytes, size_t count,
                            struct ids *ids) {
    uint32_t words[3][TOKENIZER_PIECE_MAX],
        ranks[TOKENIZER_PIECE_MAX + TOKENIZER_PIECE_MAX / MERGE_FAN];
    struct encoder e = {.vocab = v, .ids = ids, .merge = {words[0], words[1], words[2], ranks}};
    if (count > TOKENIZER_PIECE_MAX) return;
    if (v->header->kind == VOCAB_SPM)
        spm_word(&e, bytes, count, 0);
    else
        bpe_word(&e, bytes, count);
}

int tokenizer_is_space(const uint8_t *text, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        uint32_t code;
        at += utf8_read(text + at, bytes - at, &code);
        if (unicode_class(code) != UNICODE_SPACE) return 0;
    }
    return 1;
}

static size_t bpe_last_word(const struct vocab *v, const uint8_t *text, size_t bytes) {
    struct word_scan words = word_scan_begin((enum vocab_pre)v->header->pre, text, bytes);
    size_t last = 0, space = 0;
    for (size_t begin; word_scan_next(&words, &begin);) {
        if (!tokenizer_is_space(text + begin, words.at - begin)) space = words.at;
        last = begin;
    }
    return space < last ? space : last;
}

static size_t spm_last_word(const uint8_t *text, size_t bytes) {
    size_t last = 0;
    uint32_t code, before = ' ';
    for (size_t at = 0; at < bytes; before = code) {
        size_t length = spm_read(text + at, bytes - at, &code);
        if (code == ' ' && before != ' ') last = at;
        at += length;
    }
    return last;
}

int tokenizer_last_word(const struct vocab *v, const uint8_t *text, size_t bytes, uint32_t flags,
                        size_t *begin) {
    const struct encoder e = {.vocab = v, .flags = flags};
    struct match m;
    size_t unit_at = 0, at;
    while (next_added(&e, text, unit_at, bytes, 0, &m)) unit_at = m.end;
    for (at = unit_at; next_added(&e, text, at, bytes, VOCAB_ADDED_SECOND, &m);) at = m.end;
    *begin = at;
    if (at == bytes) return 0;
    *begin += v->header->kind == VOCAB_SPM ? spm_last_word(text + at, bytes - at)
                                           : bpe_last_word(v, text + at, bytes - at);
    return *begin == unit_at && has_prefix(&e, text + at, bytes - at, unit_at == 0);
}

int32_t tokenizer_special(const struct vocab *v, const uint8_t *text, size_t bytes) {
    uint32_t lo = 0, hi = v->header->added_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2, id = v->added[mid].id;
        int order = vocab_compare(vocab_bytes(v, id), vocab_length(v, id), text, bytes);
        if (order == 0) return (int32_t)id;
        if (order < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return -1;
}

/* ------------------------------------------------------------------------------ back to text -- */

size_t tokenizer_piece(const struct vocab *v, uint32_t id, int specials, const uint8_t **bytes) {
    assert(id < v->header->rows);
    enum vocab_type type = vocab_type(v, id);
    *bytes = vocab_bytes(v, id);
    if (type == VOCAB_UNUSED || (!specials && (type == VOCAB_CONTROL || type == VOCAB_UNKNOWN)))
        return 0;
    return vocab_length(v, id);
}

size_t tokenizer_decode(const struct vocab *v, const int32_t *ids, size_t count, int first,
                        int specials, uint8_t *text, size_t capacity) {
    size_t total = 0;
    int drop = first && v->header->flags & VOCAB_PREFIX;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *bytes;
        size_t n = tokenizer_piece(v, (uint32_t)ids[i], specials, &bytes);
        if (n == 0) continue;
        if (drop && vocab_type(v, (uint32_t)ids[i]) == VOCAB_NORMAL && bytes[0] == ' ') {
            bytes++;
            n--;
        }
        drop = 0;
        for (size_t j = 0; j < n; j++, total++)
            if (total < capacity) text[total] = bytes[j];
    }
    return total;
}
