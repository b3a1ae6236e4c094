/* Text to ids and back, over a checked vocabulary (weights/vocab.h). No allocation: the caller
 * lends scratch.
 *
 * Ids are those of the reference libraries: `sentencepiece` and `tokenizers` for SPM, `tokenizers`
 * and `tiktoken` for BPE.
 *  - Control tokens never come from plain text; TOKENIZER_SPECIALS lets those spelled in the text
 *    through, found as `tokenizers` finds added tokens: leftmost, longest. User-defined tokens are
 *    found in any text.
 *  - Text that is not UTF-8. SPM: each bad byte becomes U+FFFD, as in `sentencepiece`. BPE: each
 *    bad byte is split off like the symbol U+FFFD but keeps its value, so that bytes come back as
 *    they went in; no library defines this. Bytes a BPE vocabulary has no piece for are left out,
 *    as in `tokenizers`.
 *  - Time is n log n at worst in the bytes of the text. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stddef.h>
#include <stdint.h>

#include "apus/apus.h"
#include "weights/vocab.h"

/* The flags of a TEXT part. */
enum { TOKENIZER_NO_PREFIX = APUS_TEXT_NO_PREFIX, TOKENIZER_SPECIALS = APUS_TEXT_SPECIALS };

/* The most bytes of one text: the size of its scratch must also fit a size_t of 32 bits. */
#define TOKENIZER_TEXT_MAX ((size_t)1 << (sizeof(size_t) > 4 ? 29 : 24))

/* Where ids are written. Ids past capacity are only counted. */
struct ids {
    int32_t *to;
    size_t capacity;
    size_t count;
};
static inline void ids_put(struct ids *ids, uint32_t id) {
    if (ids->count < ids->capacity) ids->to[ids->count] = (int32_t)id;
    ids->count++;
}

/* Bytes of scratch (8-aligned) for a text of `bytes` bytes or fewer: about 17 a byte, 55 where text
 * is normalized first; SIZE_MAX for more than TOKENIZER_TEXT_MAX. */
size_t tokenizer_scratch(const struct vocab *vocab, size_t bytes);

/* Appends the ids of a text. scratch: tokenizer_scratch(vocab, bytes). */
void tokenizer_encode(const struct vocab *vocab, const uint8_t *text, size_t bytes, uint32_t flags,
                      struct ids *ids, void *scratch);

/* Appends this vocabulary's ids for the bytes of another vocabulary's piece: one word, without
 * added tokens. If there are more than TOKENIZER_PIECE_MAX bytes, it appends nothing. Needs no
 * scratch. */
enum { TOKENIZER_PIECE_MAX = 64 };
void tokenizer_encode_piece(const struct vocab *vocab, const uint8_t *bytes, size_t count,
                            struct ids *ids);

/* Sets *begin to the beginning of the last word of a text: ids from there on do not depend on
 * anything before it, whatever comes after the text. It is `bytes` where an added token ends the
 * text or the text is empty. White space at the end counts as one word. Returns whether
 * SentencePiece's implicit space stands before the word. Linear in the text. */
int tokenizer_last_word(const struct vocab *vocab, const uint8_t *text, size_t bytes,
                        uint32_t flags, size_t *begin);

/* Whether the text is only white space, which the rules for words divide depending on what
 * follows. */
int tokenizer_is_space(const uint8_t *text, size_t bytes);

/* The control or user-defined token with exactly this text, or -1. */
int32_t tokenizer_special(const struct vocab *vocab, const uint8_t *text, size_t bytes);

/* The bytes that an id stands for. Control and unknown tokens have none unless specials != 0. id
 * must be below the vocabulary's rows. */
size_t tokenizer_piece(const struct vocab *vocab, uint32_t id, int specials, const uint8_t **bytes);

/* Turns ids (all below the vocabulary's rows) into text. Writes up to capacity bytes and returns
 * the number needed. first != 0: the ids begin a text, so SPM's implicit space is dropped. */
size_t tokenizer_decode(const struct vocab *vocab, const int32_t *ids, size_t count, int first,
                        int specials, uint8_t *text, size_t capacity);

#endif
