/* The tokens that the `tokenizers` and `transformers` libraries add to a tokenizer.json's
 * vocabulary: those that it lists, and those that only the small files beside it name. They count
 * by their text. A text that is a piece has the piece's id, whatever id is written down; the others
 * get the ids from the number of pieces on, in the order of their adding. A text that comes again
 * brings its flags; a token once special stays special. */
#ifndef PACK_VOCAB_ADDED_H
#define PACK_VOCAB_ADDED_H

#include "weights/pack/checkpoint/json_fields.h"
#include "weights/pack/vocab/vocab_build.h"

struct added_token {
    char *text;
    size_t length;
    uint32_t id, said; /* said: the id written down, VOCAB_NONE where none is */
    bool special, lstrip, rstrip, normalized;
    bool piece;  /* the model's vocabulary has it */
    bool beside; /* only a file beside tokenizer.json names it */
};

struct added_tokens {
    struct added_token *list;
    size_t count, room;
    json_t *index; /* text to place in the list */
};

/* All of them. root: tokenizer.json; vocab: its model's, text to id. A token that gets another id
 * than was written down is noted. */
bool added_tokens_read(struct added_tokens *added, json_t *root, json_t *vocab,
                       const struct vocab_request *r, struct diag *d);
void added_tokens_free(struct added_tokens *added);

#endif
