/* Splits text into the words that byte BPE merges within. The rules are the patterns of the
 * published tokenizers, written as state machines over the classes of unicode.h:
 *
 *   GPT2
 *     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   DIGITS_GPT2
 *     Every \p{N} is a word. The text between is split as by GPT2, each stretch as if the text
 *     ended there: its trailing spaces stay together.
 *   LLAMA3
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}
 *     | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *   QWEN2
 *     The same with \p{N}.
 *   TEKKEN
 *     [^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+
 *     |[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*
 *     |\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *   O200K
 *     As TEKKEN with \p{N}{1,3}, and behind either pattern of letters
 *     (?i:'s|'t|'re|'ve|'m|'ll|'d)?
 *   DEEPSEEK_CODER
 *     Nested: each step splits the pieces of the step before. [\r\n], \s?\p{L}+, \s?\p{P}+,
 *     [\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+, every \p{N} by itself.
 *   SEED_CODER
 *     As QWEN2, but symbols do not take the line breaks after them.
 *   QWEN35
 *     As QWEN2, but \p{M} counts as a letter: [\p{L}\p{M}]+ and [^\s\p{L}\p{M}\p{N}]+
 *   DEEPSEEK_LLM
 *     Nested: [\r\n], \s? and cased letters as its pattern lists them,
 *     \s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+, \s+$, the characters of
 *     DEEPSEEK_CODER's fourth step, \p{N}+. In ..._DIGITS every \p{N} is by itself.
 *   DEFAULT
 *     Nested, as llama.cpp does for files without a name: [\p{P}$+<=>^~|]+, GPT2, \p{N}+,
 *     [0-9][0-9][0-9].
 *
 * A byte that is not UTF-8 counts as a symbol, like the U+FFFD that a decoder would put there.
 * Every rule is linear in the text: what it has looked at ahead, it keeps or never reads again. */
#ifndef TEXT_PRETOKENIZE_H
#define TEXT_PRETOKENIZE_H

#include <stddef.h>
#include <stdint.h>

#include "weights/vocab.h"

enum { WORDS_STEPS = 6 };
struct word_scan {
    const uint8_t *text;
    size_t bytes;
    size_t at;                /* end of the last word returned */
    size_t ends[WORDS_STEPS]; /* of a nested rule: ends of the pieces of its steps, the outermost
                                 first */
    enum vocab_pre pre;
};

static inline struct word_scan word_scan_begin(enum vocab_pre pre, const uint8_t *text,
                                               size_t bytes) {
    struct word_scan w = {text, bytes, 0, {0}, pre};
    return w;
}

/* The next word is text[*begin .. w->at). Returns 0 at the end of the text; every byte belongs to
 * one word. */
int word_scan_next(struct word_scan *w, size_t *begin);

#endif
