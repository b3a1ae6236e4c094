#include "text/pretokenize.h"

#include "text/unicode.h"

/* The next character. Past the end it has class END and code 0. */
enum { END = 8 };
struct look {
    uint32_t code;
    unsigned class;
    size_t next;
};

static struct look look(const uint8_t *s, size_t at, size_t end) {
    struct look l = {0, END, at};
    if (at >= end) return l;
    l.next = at + utf8_read(s + at, end - at, &l.code);
    l.class = unicode_class(l.code);
    return l;
}

enum {
    OTHERS = 1 << UNICODE_OTHER,
    UPPERS = 1 << UNICODE_UPPER,
    LOWERS = 1 << UNICODE_LOWER,
    OTHER_LETTERS = 1 << UNICODE_LETTER,
    MARKS = 1 << UNICODE_MARK,
    NUMBERS = 1 << UNICODE_NUMBER,
    PUNCTS = 1 << UNICODE_PUNCT,
    SPACES = 1 << UNICODE_SPACE,
    LETTERS = UPPERS | LOWERS | OTHER_LETTERS,
    SYMBOLS = OTHERS | MARKS | PUNCTS /* [^\s\p{L}\p{N}] */
};
static int in(struct look l, unsigned classes) { return (int)(classes >> l.class & 1); }

/* The end of the run of these classes that begins at `at`. */
static size_t run(const uint8_t *s, size_t at, size_t end, unsigned classes) {
    for (struct look l = look(s, at, end); in(l, classes); l = look(s, at, end)) at = l.next;
    return at;
}

/* \s+(?!\S)|\s+ at white space: at the end of the text all of it, otherwise all but the last
 * character, which belongs to the next word. */
static size_t spaces(const uint8_t *s, size_t at, size_t end) {
    size_t last = at, next = at;
    for (struct look l = look(s, at, end); in(l, SPACES); l = look(s, next, end)) {
        last = next;
        next = l.next;
    }
    return next == end || last == at ? next : last;
}

/* \s*[\r\n]+ : ends after the last line break of the white space at `at`; returns `at` if it has
 * none. */
static size_t line_breaks(const uint8_t *s, size_t at, size_t end) {
    size_t found = at;
    for (struct look l = look(s, at, end); in(l, SPACES); l = look(s, l.next, end))
        if (l.code == '\r' || l.code == '\n') found = l.next;
    return found;
}

/* 's 't 're 've 'm 'll 'd: its end, or `at`. If both cases of letters count, 's has a third form:
 * U+017F folds to s. */
static size_t contraction(const uint8_t *s, size_t at, size_t end, int fold) {
    if (end - at < 2 || s[at] != '\'') return at;
    uint8_t a = s[at + 1], b = end - at > 2 ? s[at + 2] : 0;
    if (fold) {
        if (a == 0xC5 && b == 0xBF) return at + 3;
        if (a >= 'A' && a <= 'Z') a |= 32;
        if (b >= 'A' && b <= 'Z') b |= 32;
    }
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return at + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return at + 3;
    return at;
}

static size_t gpt2(const uint8_t *s, size_t at, size_t end) {
    size_t found = contraction(s, at, end, 0);
    if (found != at) return found;
    struct look l = look(s, at, end);
    if (l.code == ' ') {
        struct look after = look(s, l.next, end);
        if (after.class == END || in(after, SPACES)) return spaces(s, at, end);
        l = after;
    }
    if (in(l, LETTERS)) return run(s, l.next, end, LETTERS);
    if (in(l, NUMBERS)) return run(s, l.next, end, NUMBERS);
    if (in(l, SYMBOLS)) return run(s, l.next, end, SYMBOLS);
    return spaces(s, at, end);
}

/* What Llama-3, Qwen2, Qwen3.5, Seed-Coder, Tekken and o200k differ in: how many digits stay
 * together, what symbols take with them (nothing, line breaks, or line breaks and slashes), whether
 * marks are letters, and whether a contraction belongs to the word before it. */
enum tail { NOTHING, BREAKS, BREAKS_AND_SLASHES };
struct style {
    int digits;
    enum tail tail;
    int marks, contractions;
};

/* The part after letters that they share: \p{N}{1,digits}, symbols, white space. */
static size_t numbers(const uint8_t *s, size_t at, size_t end, int digits) {
    for (struct look l = look(s, at, end); in(l, NUMBERS) && digits > 0; l = look(s, at, end)) {
        at = l.next;
        digits--;
    }
    return at;
}

static size_t symbols_and_spaces(const uint8_t *s, size_t at, size_t end, enum tail tail,
                                 unsigned symbols) {
    struct look l = look(s, at, end);
    if (l.code == ' ') l = look(s, l.next, end);
    if (in(l, symbols)) {
        size_t next = run(s, l.next, end, symbols);
        while (next < end && ((tail && (s[next] == '\r' || s[next] == '\n')) ||
                              (tail == BREAKS_AND_SLASHES && s[next] == '/')))
            next++;
        return next;
    }
    size_t found = line_breaks(s, at, end);
    return found != at ? found : spaces(s, at, end);
}

static size_t llama3(const uint8_t *s, size_t at, size_t end, struct style style) {
    const unsigned letters = style.marks ? LETTERS | MARKS : LETTERS;
    size_t found = contraction(s, at, end, 1);
    if (found != at) return found;
    struct look l = look(s, at, end);
    if (in(l, letters)) return run(s, l.next, end, letters);
    if (in(l, NUMBERS)) return numbers(s, at, end, style.digits);
    if (l.code != '\r' && l.code != '\n') {
        struct look after = look(s, l.next, end);
        if (in(after, letters)) return run(s, after.next, end, letters);
    }
    return symbols_and_spaces(s, at, end, style.tail, SYMBOLS & ~letters);
}

/* The two letter patterns of Tekken from `at`, without the character before: U*W+ or else U+W*,
 * with U upper case, W lower case, and uncased letters and marks in both. Where no lower case
 * follows the run of U, the first pattern goes back to the last uncased letter of U. Returns `at`
 * if neither matches; sets *second if the second did. */
static size_t tekken_letters(const uint8_t *s, size_t at, size_t end, int *second) {
    size_t next = at, uncased = at;
    struct look l = look(s, at, end);
    for (; in(l, UPPERS | OTHER_LETTERS | MARKS); l = look(s, next, end)) {
        next = l.next;
        if (!in(l, UPPERS)) uncased = next;
    }
    *second = 0;
    if (in(l, LOWERS)) return run(s, l.next, end, LOWERS | OTHER_LETTERS | MARKS);
    if (uncased != at) return uncased;
    *second = 1;
    return next;
}

/* A word of letters from `at`, or `at`. */
static size_t cased_word(const uint8_t *s, size_t at, size_t end) {
    struct look l = look(s, at, end);
    int second;
    if (!in(l, LETTERS | NUMBERS) && l.code != '\r' && l.code != '\n') {
        size_t found = tekken_letters(s, l.next, end, &second);
        /* A mark may be the character before, or a letter itself. The first pattern without that
         * character is tried before the second pattern with it. */
        if (found != l.next && second && in(l, MARKS)) return l.next;
        if (found != l.next) return found;
        if (in(l, MARKS)) return l.next;
    }
    return in(l, LETTERS) ? tekken_letters(s, at, end, &second) : at;
}

static size_t tekken(const uint8_t *s, size_t at, size_t end, struct style style) {
    size_t found = cased_word(s, at, end);
    if (found != at) return style.contractions ? contraction(s, found, end, 1) : found;
    found = numbers(s, at, end, style.digits);
    return found != at ? found : symbols_and_spaces(s, at, end, style.tail, SYMBOLS);
}

/* ------------------------------------------------------------------------------ nested rules -- */

/* The cased letters that DeepSeek-LLM's pattern lists, ascending. */
static const uint32_t CASED[][2] = {
    {0x41, 0x5A},       {0x61, 0x7A},       {0xB5, 0xB5},       {0xC0, 0xD6},
    {0xD8, 0xF6},       {0xF8, 0x1BA},      {0x1BC, 0x1BF},     {0x1C4, 0x293},
    {0x295, 0x2AF},     {0x370, 0x373},     {0x376, 0x376},     {0x377, 0x377},
    {0x37B, 0x37D},     {0x37F, 0x37F},     {0x386, 0x386},     {0x388, 0x38A},
    {0x38C, 0x38C},     {0x38E, 0x3A1},     {0x3A3, 0x3F5},     {0x3F7, 0x481},
    {0x48A, 0x52F},     {0x531, 0x556},     {0x10A0, 0x10C5},   {0x13A0, 0x13F5},
    {0x13F8, 0x13FD},   {0x1C90, 0x1CBA},   {0x1CBD, 0x1CBF},   {0x1D00, 0x1D2B},
    {0x1D6B, 0x1D77},   {0x1D79, 0x1D9A},   {0x1E00, 0x1F15},   {0x1F18, 0x1F1D},
    {0x1F20, 0x1F45},   {0x1F48, 0x1F4D},   {0x1F50, 0x1F57},   {0x1F59, 0x1F59},
    {0x1F5B, 0x1F5B},   {0x1F5D, 0x1F5D},   {0x1F5F, 0x1F7D},   {0x1F80, 0x1FB4},
    {0x1FB6, 0x1FBC},   {0x1FBE, 0x1FBE},   {0x1FC2, 0x1FC4},   {0x1FC6, 0x1FCC},
    {0x1FD0, 0x1FD3},   {0x1FD6, 0x1FDB},   {0x1FE0, 0x1FEC},   {0x1FF2, 0x1FF4},
    {0x1FF6, 0x1FFC},   {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210A, 0x2113},
    {0x2115, 0x2115},   {0x2119, 0x211D},   {0x2124, 0x2124},   {0x2126, 0x2126},
    {0x2128, 0x2128},   {0x212A, 0x212D},   {0x212F, 0x2134},   {0x2139, 0x2139},
    {0x213C, 0x213F},   {0x2145, 0x2149},   {0x214E, 0x214E},   {0x2183, 0x2183},
    {0x2184, 0x2184},   {0x2C00, 0x2C7B},   {0x2C7E, 0x2CE4},   {0x2CEB, 0x2CEE},
    {0x2CF2, 0x2CF2},   {0x2CF3, 0x2CF3},   {0xA640, 0xA66D},   {0xA680, 0xA69B},
    {0xA722, 0xA76F},   {0xA771, 0xA787},   {0xA78B, 0xA78E},   {0xAB70, 0xABBF},
    {0xFB00, 0xFB06},   {0xFB13, 0xFB17},   {0xFF21, 0xFF3A},   {0xFF41, 0xFF5A},
    {0x10400, 0x1044F}, {0x104B0, 0x104D3}, {0x104D8, 0x104FB}, {0x10C80, 0x10CB2},
    {0x10CC0, 0x10CF2}, {0x118A0, 0x118DF}, {0x1E900, 0x1E943},
};

static int is_cased(struct look l) {
    size_t lo = 0, hi = sizeof CASED / sizeof *CASED;
    while (lo < hi) {
        size_t mid = (lo + hi) / 2;
        if (CASED[mid][1] < l.code)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < sizeof CASED / sizeof *CASED && l.class != END && CASED[lo][0] <= l.code;
}

/* What the steps of nested rules look for. */
enum set {
    LINE_BREAKS,
    ALL_LETTERS,
    CASED_LETTERS,
    PUNCTUATION,
    WIDE_PUNCTUATION,
    ASCII_SYMBOLS,
    EAST,
    DIGITS
};

static int is_in(struct look l, enum set set) {
    uint32_t c = l.code;
    if (l.class == END) return 0;
    switch (set) {
    case LINE_BREAKS:
        return c == '\r' || c == '\n';
    case ALL_LETTERS:
        return in(l, LETTERS);
    case CASED_LETTERS:
        return is_cased(l);
    case PUNCTUATION:
        return in(l, PUNCTS);
    case WIDE_PUNCTUATION:
        return (c >= '!' && c <= '/') || (c >= ':' && c <= '~') || (c >= 0xFF01 && c <= 0xFF0F) ||
               (c >= 0xFF1A && c <= 0xFF5E) || (c >= 0x2018 && c <= 0x201F) ||
               (c >= 0x3000 && c <= 0x3002);
    case ASCII_SYMBOLS:
        return in(l, PUNCTS) || c == '$' || c == '+' || (c >= '<' && c <= '>') || c == '^' ||
               c == '~' || c == '|';
    case EAST:
        return (c >= 0x800 && c <= 0x9FA5) || (c >= 0xAC00 && c <= 0xD7FF);
    case DIGITS:
        return in(l, NUMBERS);
    }
    return 0;
}

/* The step "[set]" or "[set]+" between at and end: the match at `at`, otherwise what lies before
 * the next match. */
static size_t cut(const uint8_t *s, size_t at, size_t end, enum set set, int one) {
    struct look l = look(s, at, end);
    int found = is_in(l, set);
    if (found && one) return l.next;
    for (at = l.next; at < end; at = l.next) {
        l = look(s, at, end);
        if (is_in(l, set) != found) return at;
    }
    return end;
}

/* A match of \s?[set]+ at `at`: its end, or `at`. White space that is in the set may be the first
 * character or the whole match. */
static size_t spaced_match(const uint8_t *s, size_t at, size_t end, enum set set) {
    struct look l = look(s, at, end);
    struct look after = in(l, SPACES) ? look(s, l.next, end) : l;
    if (!is_in(after, set) && !is_in(l, set)) return at;
    size_t next = is_in(after, set) ? after.next : l.next;
    for (l = look(s, next, end); is_in(l, set); l = look(s, next, end)) next = l.next;
    return next;
}

/* The step \s?[set]+. */
static size_t cut_spaced(const uint8_t *s, size_t at, size_t end, enum set set) {
    size_t found = spaced_match(s, at, end, set);
    if (found != at) return found;
    for (struct look l = look(s, at, end);; l = look(s, at, end)) {
        at = l.next;
        if (at >= end) return end;
        l = look(s, at, end);
        if (is_in(l, set)) return at;
        if (in(l, SPACES) && is_in(look(s, l.next, end), set)) return at;
    }
}

/* The step \s+$ : white space at the end by itself. */
static size_t cut_last_spaces(const uint8_t *s, size_t at, size_t end) {
    size_t tail = at;
    int all = 1;
    for (struct look l = look(s, at, end); at < end; l = look(s, at, end)) {
        at = l.next;
        if (in(l, SPACES)) continue;
        tail = at;
        all = 0;
    }
    return all || tail == end ? end : tail;
}

/* The step [0-9][0-9][0-9]. */
static size_t cut_threes(const uint8_t *s, size_t at, size_t end) {
    size_t digits = 0;
    for (size_t i = at; i < end; i++) {
        digits = s[i] >= '0' && s[i] <= '9' ? digits + 1 : 0;
        if (digits == 3) return i + 1 - at == 3 ? i + 1 : i - 2;
    }
    return end;
}

/* The steps of a rule. Each works within the pieces of the step before. */
enum step {
    STEP_NONE,
    STEP_BREAK,
    STEP_LETTERS,
    STEP_CASED,
    STEP_PUNCTUATION,
    STEP_WIDE_PUNCTUATION,
    STEP_SYMBOLS,
    STEP_LAST_SPACES,
    STEP_EAST,
    STEP_NUMBERS,
    STEP_NUMBER,
    STEP_THREES,
    STEP_GPT2
};

static const uint8_t STEPS[VOCAB_PRE_COUNT][WORDS_STEPS] = {
    [VOCAB_PRE_DIGITS_GPT2] = {STEP_NUMBER, STEP_GPT2},
    [VOCAB_PRE_DEEPSEEK_CODER] = {STEP_BREAK, STEP_LETTERS, STEP_PUNCTUATION, STEP_EAST,
                                  STEP_NUMBER},
    [VOCAB_PRE_DEEPSEEK_LLM] = {STEP_BREAK, STEP_CASED, STEP_WIDE_PUNCTUATION, STEP_LAST_SPACES,
                                STEP_EAST, STEP_NUMBERS},
    [VOCAB_PRE_DEEPSEEK_LLM_DIGITS] = {STEP_BREAK, STEP_CASED, STEP_WIDE_PUNCTUATION,
                                       STEP_LAST_SPACES, STEP_EAST, STEP_NUMBER},
    [VOCAB_PRE_DEFAULT] = {STEP_SYMBOLS, STEP_GPT2, STEP_NUMBERS, STEP_THREES},
};

static size_t step_end(enum step step, const uint8_t *s, size_t at, size_t end) {
    switch (step) {
    case STEP_BREAK:
        return cut(s, at, end, LINE_BREAKS, 1);
    case STEP_LETTERS:
        return cut_spaced(s, at, end, ALL_LETTERS);
    case STEP_CASED:
        return cut_spaced(s, at, end, CASED_LETTERS);
    case STEP_PUNCTUATION:
        return cut_spaced(s, at, end, PUNCTUATION);
    case STEP_WIDE_PUNCTUATION:
        return cut_spaced(s, at, end, WIDE_PUNCTUATION);
    case STEP_SYMBOLS:
        return cut(s, at, end, ASCII_SYMBOLS, 0);
    case STEP_LAST_SPACES:
        return cut_last_spaces(s, at, end);
    case STEP_EAST:
        return cut(s, at, end, EAST, 0);
    case STEP_NUMBERS:
        return cut(s, at, end, DIGITS, 0);
    case STEP_NUMBER:
        return cut(s, at, end, DIGITS, 1);
    case STEP_THREES:
        return cut_threes(s, at, end);
    case STEP_GPT2:
        return gpt2(s, at, end);
    case STEP_NONE:
        break;
    }
    return end;
}

static void nested(struct word_scan *w) {
    const uint8_t *steps = STEPS[w->pre];
    size_t end = w->bytes;
    for (size_t i = 0; i < WORDS_STEPS && steps[i]; i++) {
        if (w->at >= w->ends[i]) w->ends[i] = step_end((enum step)steps[i], w->text, w->at, end);
        end = w->ends[i];
    }
    w->at = end;
}

static const struct style STYLES[VOCAB_PRE_COUNT] = {
    [VOCAB_PRE_LLAMA3] = {3, BREAKS, 0, 0},
    [VOCAB_PRE_QWEN2] = {1, BREAKS, 0, 0},
    [VOCAB_PRE_QWEN35] = {1, BREAKS, 1, 0},
    [VOCAB_PRE_SEED_CODER] = {1, NOTHING, 0, 0},
    [VOCAB_PRE_TEKKEN] = {1, BREAKS_AND_SLASHES, 0, 0},
    [VOCAB_PRE_O200K] = {3, BREAKS_AND_SLASHES, 0, 1},
};

int word_scan_next(struct word_scan *w, size_t *begin) {
    *begin = w->at;
    if (w->at >= w->bytes) return 0;
    switch (w->pre) {
    case VOCAB_PRE_GPT2:
        w->at = gpt2(w->text, w->at, w->bytes);
        return 1;
    case VOCAB_PRE_LLAMA3:
    case VOCAB_PRE_QWEN2:
    case VOCAB_PRE_QWEN35:
    case VOCAB_PRE_SEED_CODER:
        w->at = llama3(w->text, w->at, w->bytes, STYLES[w->pre]);
        return 1;
    case VOCAB_PRE_TEKKEN:
    case VOCAB_PRE_O200K:
        w->at = tekken(w->text, w->at, w->bytes, STYLES[w->pre]);
        return 1;
    default:
        nested(w);
        return 1;
    }
}
