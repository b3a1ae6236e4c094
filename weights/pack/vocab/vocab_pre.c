#include "weights/pack/vocab/vocab_pre.h"

#include <string.h>

#include "weights/pack/vocab/vocab_tekken.h"
#include "weights/vocab.h"

static const struct vocab_pre_rule RULES[] = {
    {"default", VOCAB_PRE_DEFAULT, 0, false, false},
    {"gpt-2", VOCAB_PRE_GPT2, 0, false, false},
    {"phi-2", VOCAB_PRE_GPT2, 0, false, false},
    {"mpt", VOCAB_PRE_GPT2, 0, false, false},
    {"olmo", VOCAB_PRE_GPT2, 0, false, false},
    {"jais", VOCAB_PRE_GPT2, 0, false, false},
    {"mellum", VOCAB_PRE_GPT2, 0, false, false},
    {"gigachat", VOCAB_PRE_GPT2, 0, false, false},
    {"a.x-4.0", VOCAB_PRE_GPT2, 0, false, false},
    {"granite-docling", VOCAB_PRE_GPT2, 0, false, false}, /* Granite 4 */
    {"trillion", VOCAB_PRE_GPT2, 0, false, false},
    {"exaone4", VOCAB_PRE_GPT2, 0, false, false},
    {"smollm", VOCAB_PRE_DIGITS_GPT2, 0, false, false},
    {"starcoder", VOCAB_PRE_DIGITS_GPT2, 0, false, false},
    {"refact", VOCAB_PRE_DIGITS_GPT2, 0, false, false},
    {"command-r", VOCAB_PRE_DIGITS_GPT2, 0, false, false},
    {"codeshell", VOCAB_PRE_DIGITS_GPT2, 0, false, false},
    {"exaone", VOCAB_PRE_DIGITS_GPT2, 0, false, false},
    {"minerva-7b", VOCAB_PRE_DIGITS_GPT2, 0, false, false},
    {"mellum2", VOCAB_PRE_DIGITS_GPT2, 0, false, false},
    {"llama3", VOCAB_PRE_LLAMA3, 0, true, true},
    {"llama-v3", VOCAB_PRE_LLAMA3, 0, true, true},
    {"llama-bpe", VOCAB_PRE_LLAMA3, 0, true, true},
    {"falcon3", VOCAB_PRE_LLAMA3, 0, true, true},
    {"falcon-h1", VOCAB_PRE_LLAMA3, 0, true, true},
    {"pixtral", VOCAB_PRE_LLAMA3, 0, true, true},
    {"midm-2.0", VOCAB_PRE_LLAMA3, 0, true, true},
    {"lfm2", VOCAB_PRE_LLAMA3, 0, true, true},
    {"dbrx", VOCAB_PRE_LLAMA3, 0, false, false},
    {"smaug-bpe", VOCAB_PRE_LLAMA3, 0, false, false},
    {"glm4", VOCAB_PRE_LLAMA3, 0, false, false},
    {"chatglm-bpe", VOCAB_PRE_LLAMA3, 0, false, false},
    {"qwen2", VOCAB_PRE_QWEN2, VOCAB_NFC, false, false},
    {"deepseek-r1-qwen", VOCAB_PRE_QWEN2, VOCAB_NFC, false, false},
    {"stablelm2", VOCAB_PRE_QWEN2, 0, false, false},
    {"megrez", VOCAB_PRE_QWEN2, 0, false, false},
    {"hunyuan", VOCAB_PRE_QWEN2, 0, false, false},
    {"solar-open", VOCAB_PRE_QWEN2, 0, false, false},
    {"grok-2", VOCAB_PRE_QWEN2, 0, false, false},
    {"seed-coder", VOCAB_PRE_SEED_CODER, 0, false, false},
    {"qwen35", VOCAB_PRE_QWEN35, VOCAB_NFC, false, false},
    {"tekken", VOCAB_PRE_TEKKEN, 0, true, true},
    {"gpt-4o", VOCAB_PRE_O200K, 0, true, false},
    {"llama4", VOCAB_PRE_O200K, 0, true, false},
    {"kanana2", VOCAB_PRE_O200K, 0, false, false},
    {"deepseek-coder", VOCAB_PRE_DEEPSEEK_CODER, 0, false, false},
    {"deepseek-llm", VOCAB_PRE_DEEPSEEK_LLM, 0, false, false},
};

const struct vocab_pre_rule *vocab_pre_find(const char *name, size_t length) {
    for (size_t i = 0; i < sizeof RULES / sizeof *RULES; i++)
        if (strlen(RULES[i].name) == length && memcmp(RULES[i].name, name, length) == 0)
            return &RULES[i];
    return NULL;
}

uint32_t vocab_pre_of_steps(const char *steps) {
    static const struct {
        const char *steps;
        uint32_t pre;
    } known[] = {{"gpt2", VOCAB_PRE_GPT2},
                 {"gpt2-split bytes", VOCAB_PRE_GPT2},
                 {"digits gpt2", VOCAB_PRE_DIGITS_GPT2},
                 {"digits gpt2-split bytes", VOCAB_PRE_DIGITS_GPT2},
                 {"llama3 bytes", VOCAB_PRE_LLAMA3},
                 {"qwen2 bytes", VOCAB_PRE_QWEN2},
                 {"seed-coder bytes", VOCAB_PRE_SEED_CODER},
                 {"tekken bytes", VOCAB_PRE_TEKKEN},
                 {"o200k bytes", VOCAB_PRE_O200K},
                 {"qwen35 bytes", VOCAB_PRE_QWEN35},
                 {"breaks letters punctuation east digits bytes", VOCAB_PRE_DEEPSEEK_CODER},
                 {"breaks cased wide last-spaces east digits bytes", VOCAB_PRE_DEEPSEEK_LLM_DIGITS},
                 {"breaks cased wide last-spaces east numbers bytes", VOCAB_PRE_DEEPSEEK_LLM},
                 {"symbols gpt2-split numbers threes bytes", VOCAB_PRE_DEFAULT}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(steps, known[i].steps) == 0) return known[i].pre;
    return 0;
}

#define CONTRACTIONS   "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define LETTERS_BEFORE CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|"
#define BREAKS_BEHIND  "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define O200K_PATTERN                                                                              \
    TEKKEN_LETTERS CONTRACTIONS "?|" TEKKEN_CAPITALS CONTRACTIONS "?|\\p{N}{1,3}" TEKKEN_SYMBOLS
#define QWEN35_PATTERN                                                                             \
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"                                   \
                 "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" BREAKS_BEHIND
#define GPT2_PATTERN                                                                               \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|"                                                 \
    " ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
#define CASED_PATTERN                                                                              \
    "\\s?["                                                                                        \
    "A-Za-z\u00B5\u00C0-\u00D6\u00D8-\u00F6\u00F8-\u01BA\u01BC-\u01BF\u01C4-\u0293"                \
    "\u0295-\u02AF\u0370-\u0373\u0376\u0377\u037B-\u037D\u037F\u0386\u0388-\u038A\u038C"           \
    "\u038E-\u03A1\u03A3-\u03F5\u03F7-\u0481\u048A-\u052F\u0531-\u0556\u10A0-\u10C5"               \
    "\u13A0-\u13F5\u13F8-\u13FD\u1C90-\u1CBA\u1CBD-\u1CBF\u1D00-\u1D2B\u1D6B-\u1D77"               \
    "\u1D79-\u1D9A\u1E00-\u1F15\u1F18-\u1F1D\u1F20-\u1F45\u1F48-\u1F4D\u1F50-\u1F57\u1F59"         \
    "\u1F5B\u1F5D\u1F5F-\u1F7D\u1F80-\u1FB4\u1FB6-\u1FBC\u1FBE\u1FC2-\u1FC4\u1FC6-\u1FCC"          \
    "\u1FD0-\u1FD3\u1FD6-\u1FDB\u1FE0-\u1FEC\u1FF2-\u1FF4\u1FF6-\u1FFC\u2102\u2107"                \
    "\u210A-\u2113\u2115\u2119-\u211D\u2124\u2126\u2128\u212A-\u212D\u212F-\u2134\u2139"           \
    "\u213C-\u213F\u2145-\u2149\u214E\u2183\u2184\u2C00-\u2C7B\u2C7E-\u2CE4\u2CEB-\u2CEE"          \
    "\u2CF2\u2CF3\uA640-\uA66D\uA680-\uA69B\uA722-\uA76F\uA771-\uA787\uA78B-\uA78E"                \
    "\uAB70-\uABBF\uFB00-\uFB06\uFB13-\uFB17\uFF21-\uFF3A\uFF41-\uFF5A"                            \
    "\U00010400-\U0001044F\U000104B0-\U000104D3\U000104D8-\U000104FB\U00010C80-\U00010CB2"         \
    "\U00010CC0-\U00010CF2\U000118A0-\U000118DF\U0001E900-\U0001E943"                              \
    "]+"

/* The patterns as they are published, but with escapes for characters that a file may hold as
 * themselves, and without "{1}". */
static const struct {
    const char *pattern, *name;
    bool covers;
} PATTERNS[] = {
    {LETTERS_BEFORE "\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" BREAKS_BEHIND, "llama3", true},
    {LETTERS_BEFORE "\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" BREAKS_BEHIND, "qwen2", true},
    {LETTERS_BEFORE "\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" BREAKS_BEHIND, "seed-coder", true},
    {TEKKEN_PATTERN, "tekken", true},
    {O200K_PATTERN, "o200k", true},
    {QWEN35_PATTERN, "qwen35", true},
    {GPT2_PATTERN "|\\s+", "gpt2-split", true},
    {GPT2_PATTERN, "gpt2-split",
     false}, /* what is left between the matches is the other pattern's last alternative */
    {"[\\r\\n]", "breaks", false},
    {"\\s?\\p{L}+", "letters", false},
    {"\\s?\\p{P}+", "punctuation", false},
    {"[\u4E00-\u9FA5\u0800-\u4E00\uAC00-\uD7FF]+", "east", false},
    {CASED_PATTERN, "cased", false},
    {"\\s?[!-/:-~\uFF01-\uFF0F\uFF1A-\uFF5E\u2018-\u201F\u3000-\u3002]+", "wide", false},
    {"\\s+$", "last-spaces", false},
    {"\\p{N}+", "numbers", false},
    {"\\p{N}", "digits", false},
    {"[\\p{P}\\$\\+<=>\\^~\\|]+", "symbols", false},
    {"[0-9][0-9][0-9]", "threes", false},
};

/* Writes a pattern in the form of PATTERNS. False if it is too long to be one of them. */
static bool canonical(const char *pattern, char *out, size_t room) {
    size_t n = 0;
    for (const char *c = pattern; *c; c++) {
        if (n + 3 > room) return false;
        if (strncmp(c, "{1}", 3) == 0) {
            c += 2;
        } else if (*c == '\r' || *c == '\n') {
            out[n++] = '\\';
            out[n++] = *c == '\r' ? 'r' : 'n';
        } else {
            out[n++] = *c;
        }
    }
    out[n] = 0;
    return true;
}

const char *vocab_pre_pattern(const char *pattern, bool *covers) {
    char text[1024];
    if (!canonical(pattern, text, sizeof text)) return NULL;
    for (size_t i = 0; i < sizeof PATTERNS / sizeof *PATTERNS; i++) {
        if (strcmp(text, PATTERNS[i].pattern) != 0) continue;
        *covers = PATTERNS[i].covers;
        return PATTERNS[i].name;
    }
    return NULL;
}
