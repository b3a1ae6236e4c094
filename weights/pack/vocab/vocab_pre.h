/* Finds pre-tokenizers by the names that llama.cpp and its converter have for them, and by the
 * patterns that models publish. */
#ifndef PACK_VOCAB_PRE_H
#define PACK_VOCAB_PRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A rule, and what it implies in a GGUF file that does not say otherwise. */
struct vocab_pre_rule {
    const char *name;
    uint32_t pre;   /* enum vocab_pre */
    uint32_t flags; /* of the section */
    bool all_whole; /* a word that is a piece is never merged */
    bool add_bos;
};

/* NULL if the name is not known. */
const struct vocab_pre_rule *vocab_pre_find(const char *name, size_t length);

/* A few of the names, for sentences. */
#define VOCAB_PRE_SOME                                                                             \
    "gpt-2, smollm, starcoder, llama-bpe, qwen2, gpt-4o, tekken, deepseek-coder, seed-coder and "  \
    "others of llama.cpp"

/* The rule that the steps of a tokenizer.json's pre-tokenizer make, or 0. steps: their names,
 * separated by spaces. */
uint32_t vocab_pre_of_steps(const char *steps);

/* The name of a step that splits by a pattern, or NULL. *covers: whether the matches of the pattern
 * cover every text completely. */
const char *vocab_pre_pattern(const char *pattern, bool *covers);

#endif
