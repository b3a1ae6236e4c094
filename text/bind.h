/* Bytes that a text must begin with, and the ids that may spell them. An id may come if its bytes
 * begin with what is left to spell. Where no id stands for exactly what is left, an id for fewer
 * bytes may also come, if the tokenizer begins what is left with it, whatever follows. So a word
 * that was cut in two is spelled in the tokens of the whole word, and not in those of its letters,
 * each of which is itself a likely word (docs/decisions.md). Ids without bytes (control tokens) may
 * not come before everything is spelled.
 *
 * The spelling can always be finished: every byte has its own piece, or bind_can_spell refuses it,
 * and what is left always begins with an id that may come. */
#ifndef TEXT_BIND_H
#define TEXT_BIND_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "text/heal.h"
#include "weights/vocab.h"

struct text_bind {
    const struct vocab *vocab;
    uint32_t count; /* the number of bytes */
    uint32_t at;    /* how many of them are spelled */
    uint8_t bytes[APUS_BIND_MAX];
    int32_t shorter[HEAL_BYTES + 1]; /* [n]: the id of n bytes that may come next, where n is less
                                        than what is left; or -1 */
    void *scratch;
};

/* Whether ids can spell these bytes, wherever they begin. */
int bind_can_spell(const struct vocab *vocab, const uint8_t *bytes, size_t count);

/* From here on the text must begin with these bytes, at most APUS_BIND_MAX; with no bytes nothing
 * is bound. scratch: heal_scratch(vocab), kept until everything is spelled; others may use it
 * between calls. */
void bind_begin(struct text_bind *bind, const struct vocab *vocab, const uint8_t *bytes,
                size_t count, void *scratch);

/* The number of bytes that are left to spell. */
static inline uint32_t bind_left(const struct text_bind *bind) { return bind->count - bind->at; }

/* Whether this id may come next. */
int bind_may(const struct text_bind *bind, uint32_t id);

/* Sets the logits [vocab] of ids that may not come next to -infinity. Linear in the vocabulary. */
void bind_mask(const struct text_bind *bind, float *logits, uint32_t vocab);

/* Records that an id has come, one that may come next. */
void bind_take(struct text_bind *bind, uint32_t id);

#endif
