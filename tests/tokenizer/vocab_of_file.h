/* The vocabulary of a tokenizer's file, for the programs that oracles are compared with. */
#ifndef TOKENIZER_VOCAB_OF_FILE_H
#define TOKENIZER_VOCAB_OF_FILE_H

#include <stdio.h>
#include <stdlib.h>

#include "weights/pack/vocab/vocab_build.h"

/* Opens the vocabulary of a SentencePiece model or a JSON file. Returns the section that it points
 * into, which the caller frees. Ends the program with a sentence if the file is refused. */
static inline void *vocab_of_file(struct vocab *vocab, const char *path) {
    struct diag diag = {{0}};
    const struct vocab_request request = {.bos = -1};
    size_t bytes = 0;
    void *section = vocab_build_file(path, &request, &bytes, &diag);
    if (!section || vocab_open(vocab, section, bytes, NULL) != APUS_OK) {
        fprintf(stderr, "%s\n", section ? "the vocabulary that was made is refused" : diag.text);
        exit(1);
    }
    return section;
}

#endif
