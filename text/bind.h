/* Bytes that a text must begin with, and the ids that may spell them: those whose bytes begin with
 * what is left of them. Where no id is just what is left, also the shorter ones with which the
 * tokenizer begins what is left, whatever follows it. So a word that was cut in two is spelled anew
 * in the tokens of the whole word, and not in those of its letters, each of which is a likely word
 * itself (docs/decisions.md). Ids without bytes (control tokens) may not come before all is
 * spelled.
 *
 * No way ends before: every byte has a piece of its own, or bind_can_spell refuses it, and what is
 * left always begins with an id that may come. */
#ifndef TEXT_BIND_H
#define TEXT_BIND_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "text/heal.h"
#include "weights/vocab.h"

struct text_bind {
    const struct vocab *vocab;
    uint32_t count; /* of bytes; */
    uint32_t at;    /* so many of them are spelled */
    uint8_t bytes[APUS_BIND_MAX];
    int32_t shorter[HEAL_BYTES + 1]; /* [n]: the id of n bytes, less than are left, that may come
                                        next; or -1 */
    void *scratch;
};

/* Whether ids can spell these bytes, wherever they begin. */
int bind_can_spell(const struct vocab *vocab, const uint8_t *bytes, size_t count);

/* From here on these bytes, up to APUS_BIND_MAX; none: nothing is bound. scratch:
 * heal_scratch(vocab), until all is spelled; others may use it between calls. */
void bind_begin(struct text_bind *bind, const struct vocab *vocab, const uint8_t *bytes,
                size_t count, void *scratch);

/* Bytes that are left. */
static inline uint32_t bind_left(const struct text_bind *bind) { return bind->count - bind->at; }

/* Whether this id may come next. */
int bind_may(const struct text_bind *bind, uint32_t id);

/* Sets the logits [vocab] of ids that may not come next to -infinity. Linear in the vocabulary. */
void bind_mask(const struct text_bind *bind, float *logits, uint32_t vocab);

/* An id has come that may come next. */
void bind_take(struct text_bind *bind, uint32_t id);

#endif
