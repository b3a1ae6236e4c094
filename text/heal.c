/* A border is a place between two pieces of a word. The pieces before a border are made from the
 * bytes before the border alone, so they stay the same, whatever follows it. When the text goes on,
 * a piece may reach across its present end. Such a piece can only begin where the rest of the text
 * is the beginning of that piece; these places are marked in `reached`. So the ids up to a place
 * stay the same if this place is a border in two ways: in the pieces of the text itself, and in
 * those of the text up to each place that is reached. */
#include "text/heal.h"

#include <assert.h>
#include <string.h>

#include "text/tokenizer.h"
#include "text/unicode.h"
#include "text/utf8.h"

struct word {
    const struct vocab *vocab;
    const uint8_t *text; /* [bytes] from the word's beginning to the end of the text */
    size_t bytes;        /* at most HEAL_BYTES */
    uint32_t flags;
    size_t implicit; /* 1: the word's ids begin with a space that is not in the text */
    void *scratch;
    uint8_t reached[HEAL_BYTES]; /* pieces that reach across the end may begin here */
};

size_t heal_scratch(const struct vocab *v) { return tokenizer_scratch(v, HEAL_BYTES); }

void heal_reached(const struct vocab *v, const uint8_t *text, size_t bytes, uint8_t *reached) {
    assert(bytes <= HEAL_BYTES);
    uint8_t has[256] = {0}; /* most pieces begin with a byte that is not in the text */
    memset(reached, 0, bytes);
    for (size_t i = 0; i < bytes; i++) has[text[i]] = 1;
    for (uint32_t id = 0; id < v->header->rows; id++) {
        const uint8_t *piece = vocab_bytes(v, id);
        if (vocab_length(v, id) < 2 || !has[*piece]) continue;
        size_t n = tokenizer_piece(v, id, 0, &piece);
        for (size_t k = 1; k < n && k <= bytes; k++) {
            const uint8_t *at = text + bytes - k;
            if (*at == *piece && memcmp(at, piece, k) == 0) reached[bytes - k] = 1;
        }
    }
}

/* The first place where the rest of the text is the beginning of a user-defined token, or
 * `bytes`. */
static size_t user_begun(const struct vocab *v, const uint8_t *text, size_t bytes) {
    size_t longest = 0;
    for (uint32_t i = 0; i < v->header->added_count; i++) {
        uint32_t id = v->added[i].id;
        if (vocab_type(v, id) != VOCAB_USER) continue;
        for (size_t k = longest + 1; k < vocab_length(v, id) && k <= bytes; k++)
            if (memcmp(text + bytes - k, vocab_bytes(v, id), k) == 0) longest = k;
    }
    return bytes - longest;
}

/* The last border at or before `at` in the pieces of the word's first `end` bytes. If those pieces
 * are not these bytes, it is 0, where every word begins. */
static size_t border_before(const struct word *w, size_t end, size_t at) {
    int32_t id[HEAL_BYTES + 1];
    struct ids ids = {id, HEAL_BYTES + 1, 0};
    size_t sum = 0, border = 0;
    tokenizer_encode(w->vocab, w->text, end, w->flags, &ids, w->scratch);
    if (ids.count > ids.capacity) return 0;
    for (size_t i = 0; i < ids.count; i++) {
        const uint8_t *piece;
        sum += tokenizer_piece(w->vocab, (uint32_t)id[i], 0, &piece);
        if (sum >= w->implicit && sum - w->implicit <= at) border = sum - w->implicit;
    }
    return sum == end + w->implicit ? border : 0;
}

/* Whether the word's first `at` bytes have the same pieces by themselves. They may not, because the
 * rules for words look at what follows white space. */
static int stays_alone(const struct word *w, size_t at) {
    int32_t whole[HEAL_BYTES + 1], alone[HEAL_BYTES + 1];
    struct ids a = {whole, HEAL_BYTES + 1, 0}, b = {alone, HEAL_BYTES + 1, 0};
    tokenizer_encode(w->vocab, w->text, w->bytes, w->flags, &a, w->scratch);
    tokenizer_encode(w->vocab, w->text, at, w->flags, &b, w->scratch);
    if (tokenizer_is_space(w->text, at)) return 0; /* also with what may stand before the text */
    return b.count <= a.count && a.count <= a.capacity &&
           memcmp(whole, alone, b.count * sizeof *whole) == 0;
}

/* The last place up to which the ids stay the same, however the word goes on. The search goes back
 * until the place is a border in the pieces of all these texts. */
static size_t stable(const struct word *w) {
    size_t at = w->bytes, before;
    for (size_t i = w->bytes; i-- > 0;)
        if (w->reached[i]) at = i;
    do {
        before = at;
        at = border_before(w, w->bytes, at);
        for (size_t end = 1; end < w->bytes; end++)
            if (w->reached[end] && end > at) at = border_before(w, end, at);
        if (at && !stays_alone(w, at)) at--;
    } while (at < before);
    return at;
}

size_t heal_keep(const struct vocab *v, const uint8_t *text, size_t bytes, uint32_t flags,
                 void *scratch) {
    assert((text || !bytes) && (uintptr_t)scratch % 8 == 0);
    size_t whole = bytes - utf8_unfinished(text, bytes), user = user_begun(v, text, bytes), begin;
    int implicit = tokenizer_last_word(v, text, whole, flags, &begin);
    if (user < bytes) { /* if the user-defined token comes, the words end before it */
        size_t before;
        int space = tokenizer_last_word(v, text, user, flags, &before);
        if (before < begin) begin = before, implicit = space;
    }
    if (begin == bytes) return bytes;
    if (bytes - begin > HEAL_BYTES) {
        begin = bytes - HEAL_BYTES, implicit = 0;
        while (begin < whole && (text[begin] & 0xC0) == 0x80) begin++;
    }
    /* the bytes of the word's ids differ from the word's own */
    if (v->header->flags & VOCAB_NFC && !nfc_is_plain(text + begin, bytes - begin)) return bytes;
    struct word w = {.vocab = v,
                     .text = text + begin,
                     .bytes = bytes - begin,
                     .flags = implicit ? flags : flags | TOKENIZER_NO_PREFIX,
                     .implicit = implicit != 0,
                     .scratch = scratch};
    size_t at = 0;
    if (whole == bytes) {
        heal_reached(v, w.text, w.bytes, w.reached);
        at = stable(&w);
    }
    return implicit && !at ? bytes : begin + at;
}
