/* Bytes that a text must begin with, and the ids that may spell them: those whose bytes begin with
 * what is left of them, and those that what is left begins with. So a word that was cut in two is
 * spelled anew, in whole tokens. Ids without bytes (control tokens) may not come before all is
 * spelled.
 *
 * No way ends before: every byte has a piece of its own, or bind_can_spell refuses it. */
#ifndef TEXT_BIND_H
#define TEXT_BIND_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "weights/vocab.h"

struct text_bind {
    const struct vocab *vocab;
    uint32_t count; /* of bytes; */
    uint32_t at;    /* so many of them are spelled */
    uint8_t bytes[APUS_BIND_MAX];
};

/* Whether ids can spell these bytes, wherever they begin. */
int bind_can_spell(const struct vocab *vocab, const uint8_t *bytes, size_t count);

/* From here on these bytes, up to APUS_BIND_MAX; none: nothing is bound. */
void bind_begin(struct text_bind *bind, const struct vocab *vocab, const uint8_t *bytes,
                size_t count);

/* Bytes that are left. */
static inline uint32_t bind_left(const struct text_bind *bind) { return bind->count - bind->at; }

/* Whether this id may come next. */
int bind_may(const struct text_bind *bind, uint32_t id);

/* Sets the logits [vocab] of ids that may not come next to -infinity. Linear in the vocabulary. */
void bind_mask(const struct text_bind *bind, float *logits, uint32_t vocab);

/* An id has come that may come next. */
void bind_take(struct text_bind *bind, uint32_t id);

#endif
