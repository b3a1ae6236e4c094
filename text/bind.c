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

void bind_begin(struct text_bind *b, const struct vocab *vocab, const uint8_t *bytes,
                size_t count) {
    assert(count <= sizeof b->bytes);
    b->vocab = vocab;
    b->count = (uint32_t)count;
    b->at = 0;
    if (count) memcpy(b->bytes, bytes, count);
}

int bind_may(const struct text_bind *b, uint32_t id) {
    const uint8_t *piece, *rest = b->bytes + b->at;
    size_t left = bind_left(b), n = tokenizer_piece(b->vocab, id, 0, &piece);
    if (!left) return 1;
    /* the first byte decides nearly always */
    return n && piece[0] == rest[0] && memcmp(piece, rest, n < left ? n : left) == 0;
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
}
