#include "text/bind.h"

#include <assert.h>
#include <string.h>

#include "text/tokenizer.h"

int bind_can_spell(const struct vocab *v, const uint8_t *bytes, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint8_t *piece;
        uint32_t id = v->fallback[bytes[i]];
        if (id >= v->header->rows || tokenizer_piece(v, id, 0, &piece) != 1 || *piece != bytes[i])
            return 0;
    }
    return 1;
}

/* Whether these bytes are what is left, or one of the two begins with the other. */
static int agrees(const struct text_bind *b, const uint8_t *piece, size_t n) {
    const uint8_t *rest = b->bytes + b->at;
    size_t left = bind_left(b);
    return n && memcmp(piece, rest, n < left ? n : left) == 0;
}

/* Lets the first id of what is left, up to `end`, come next. Returns whether that id stands for the
 * first of these bytes. */
static int let_first(struct text_bind *b, size_t end) {
    const uint8_t *piece;
    int32_t id = -1;
    struct ids first = {&id, 1, 0};
    tokenizer_encode(b->vocab, b->bytes + b->at, end, TOKENIZER_NO_PREFIX, &first, b->scratch);
    size_t n = first.count ? tokenizer_piece(b->vocab, (uint32_t)id, 0, &piece) : 0;
    if (n > HEAL_BYTES || !agrees(b, piece, n)) return 0;
    b->shorter[n] = id;
    return 1;
}

/* Whether an id stands for all that is left and nothing else. */
static int is_piece(const struct text_bind *b) {
    const uint8_t *piece;
    for (uint32_t id = 0; id < b->vocab->header->rows; id++) {
        if (vocab_length(b->vocab, id) != bind_left(b)) continue;
        size_t n = tokenizer_piece(b->vocab, id, 0, &piece);
        if (agrees(b, piece, n)) return 1;
    }
    return 0;
}

/* Finds the shorter ids that may come next: those that are first in what is left, however it
 * continues. */
static void find_shorter(struct text_bind *b) {
    uint8_t reached[HEAL_BYTES];
    const uint8_t *rest = b->bytes + b->at;
    size_t left = bind_left(b), seen = left < HEAL_BYTES ? left : HEAL_BYTES;
    memset(b->shorter, 0xff, sizeof b->shorter);
    if (!left || is_piece(b)) return;
    /* these bytes are normalized first, or are not a character yet */
    if (!let_first(b, seen)) b->shorter[1] = (int32_t)b->vocab->fallback[rest[0]];
    if (seen < left) return; /* the end is far away */
    heal_reached(b->vocab, rest, left, reached);
    for (size_t end = 1; end < left; end++)
        if (reached[end]) let_first(b, end);
}

void bind_begin(struct text_bind *b, const struct vocab *vocab, const uint8_t *bytes, size_t count,
                void *scratch) {
    assert(count <= sizeof b->bytes);
    b->vocab = vocab;
    b->scratch = scratch;
    b->count = (uint32_t)count;
    b->at = 0;
    if (count) memcpy(b->bytes, bytes, count);
    find_shorter(b);
}

int bind_may(const struct text_bind *b, uint32_t id) {
    const uint8_t *piece = vocab_bytes(b->vocab, id);
    size_t left = bind_left(b), n = vocab_length(b->vocab, id);
    if (!left) return 1;
    if (n < left) return n <= HEAL_BYTES && b->shorter[n] == (int32_t)id;
    /* nearly always the first byte decides */
    if (*piece != b->bytes[b->at]) return 0;
    n = tokenizer_piece(b->vocab, id, 0, &piece);
    return agrees(b, piece, n);
}

void bind_mask(const struct text_bind *b, float *logits, uint32_t vocab) {
    if (!bind_left(b)) return;
    for (uint32_t id = 0; id < vocab; id++)
        if (!bind_may(b, id)) logits[id] = -__builtin_inff();
}

void bind_take(struct text_bind *b, uint32_t id) {
    const uint8_t *piece;
    size_t left = bind_left(b);
    if (!left) return;
    assert(bind_may(b, id));
    size_t n = tokenizer_piece(b->vocab, id, 0, &piece);
    b->at += (uint32_t)(n < left ? n : left);
    find_shorter(b);
}
