/* Pre-tokenizers by the names that llama.cpp and its converter give them, and by the patterns that
 * models publish. */
#ifndef PACK_VOCAB_PRE_H
#define PACK_VOCAB_PRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A rule, and what comes with it in a GGUF file that does not say otherwise. */
struct vocab_pre_rule {
    const char *name;
    uint32_t pre;   /* enum vocab_pre */
    uint32_t flags; /* of the section */
    bool all_whole; /* a word that is a piece is never merged */
    bool add_bos;
};

/* NULL where nobody knows the name. */
const struct vocab_pre_rule *vocab_pre_find(const char *name, size_t length);

/* A few of the names, for sentences. */
#define VOCAB_PRE_SOME                                                                             \
    "gpt-2, smollm, starcoder, llama-bpe, qwen2, tekken, deepseek-coder, deepseek-llm, "           \
    "seed-coder, mellum, falcon3 "                                                                 \
    "and others of llama.cpp"

/* Steps of a tokenizer.json's pre-tokenizer by their names, with spaces between: the rule that they
 * make, or 0. */
uint32_t vocab_pre_of_steps(const char *steps);

/* The name of a step that splits by a pattern, or NULL. *covers: the pattern matches any text from
 * end to end. */
const char *vocab_pre_pattern(const char *pattern, bool *covers);

#endif
