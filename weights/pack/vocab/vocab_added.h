/* The tokens that the `tokenizers` and `transformers` libraries add to the vocabulary of a
 * tokenizer.json: those that the file lists, and those that only the small files beside it name.
 * Their text identifies them. A token whose text is a piece has the piece's id, whatever id the
 * files say; the others get ids from the number of pieces on, in the order in which they are added.
 * If a text occurs again, its new flags count, but a token that was special once stays special. */
#ifndef PACK_VOCAB_ADDED_H
#define PACK_VOCAB_ADDED_H

#include "weights/pack/checkpoint/json_fields.h"
#include "weights/pack/vocab/vocab_build.h"

struct added_token {
    char *text;
    size_t length;
    uint32_t id, said; /* said: the id that a file gives, or VOCAB_NONE */
    bool special, lstrip, rstrip, normalized, single_word;
    bool piece;  /* the token is also in the model's vocabulary */
    bool beside; /* only a file beside tokenizer.json names it */
};

struct added_tokens {
    struct added_token *list;
    size_t count, room;
    json_t *index; /* from the text to the place in the list */
};

/* Reads all of them. root: tokenizer.json; vocab: its model's vocabulary, from text to id. A token
 * that gets another id than a file gives is noted. */
bool added_tokens_read(struct added_tokens *added, json_t *root, json_t *vocab,
                       const struct vocab_request *r, struct diag *d);
void added_tokens_free(struct added_tokens *added);

#endif
