#include "runtime/pretokenize.h"

#include "runtime/unicode.h"

/* One character ahead. Past the end: class END, code 0. */
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

/* The end of a run of classes from `at`. */
static size_t run(const uint8_t *s, size_t at, size_t end, unsigned classes) {
    for (struct look l = look(s, at, end); in(l, classes); l = look(s, at, end)) at = l.next;
    return at;
}

/* \s+(?!\S)|\s+ at white space: all of it at the end of the text, else all but the last, which goes with the next word. */
static size_t spaces(const uint8_t *s, size_t at, size_t end) {
    size_t last = at, next = at;
    for (struct look l = look(s, at, end); in(l, SPACES); l = look(s, next, end)) {
        last = next;
        next = l.next;
    }
    return next == end || last == at ? next : last;
}

/* \s*[\r\n]+ : to behind the last line break of the white space at `at`; `at` if it has none. */
static size_t line_breaks(const uint8_t *s, size_t at, size_t end) {
    size_t found = at;
    for (struct look l = look(s, at, end); in(l, SPACES); l = look(s, l.next, end))
        if (l.code == '\r' || l.code == '\n') found = l.next;
    return found;
}

/* 's 't 're 've 'm 'll 'd: its end, or `at`. In either case of letters, 's has a third form: U+017F folds to s. */
static size_t contraction(const uint8_t *s, size_t at, size_t end, int fold) {
    if (s[at] != '\'' || end - at < 2) return at;
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

/* What Llama-3, Qwen2 and Tekken share behind their letters and digits. */
static size_t symbols_and_spaces(const uint8_t *s, size_t at, size_t end, int slash) {
    struct look l = look(s, at, end);
    if (l.code == ' ') l = look(s, l.next, end);
    if (in(l, SYMBOLS)) {
        size_t next = run(s, l.next, end, SYMBOLS);
        while (next < end && (s[next] == '\r' || s[next] == '\n' || (slash && s[next] == '/'))) next++;
        return next;
    }
    size_t found = line_breaks(s, at, end);
    return found != at ? found : spaces(s, at, end);
}

static size_t llama3(const uint8_t *s, size_t at, size_t end, int digits) {
    size_t found = contraction(s, at, end, 1);
    if (found != at) return found;
    struct look l = look(s, at, end);
    if (in(l, LETTERS)) return run(s, l.next, end, LETTERS);
    if (in(l, NUMBERS)) {
        for (at = l.next; --digits > 0; at = l.next) {
            l = look(s, at, end);
            if (!in(l, NUMBERS)) break;
        }
        return at;
    }
    if (l.code != '\r' && l.code != '\n') {
        struct look after = look(s, l.next, end);
        if (in(after, LETTERS)) return run(s, after.next, end, LETTERS);
    }
    return symbols_and_spaces(s, at, end, 0);
}

/* The two letter patterns of Tekken from `at`, without the character before: U*W+ or else U+W*, with U upper case, W lower case, and
 * uncased letters and marks in both. Where no lower case follows the run of U, the first pattern gives U back up to the last uncased
 * letter. `at` if neither matches; `*second` if the second did. */
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

static size_t tekken(const uint8_t *s, size_t at, size_t end) {
    struct look l = look(s, at, end);
    int second;
    if (!in(l, LETTERS | NUMBERS) && l.code != '\r' && l.code != '\n') {
        size_t found = tekken_letters(s, l.next, end, &second);
        /* A mark may be the character before, or a letter itself: the first pattern without it comes before the second with it. */
        if (found != l.next && second && in(l, MARKS)) return l.next;
        if (found != l.next) return found;
        if (in(l, MARKS)) return l.next;
    }
    if (in(l, LETTERS)) return tekken_letters(s, at, end, &second);
    if (in(l, NUMBERS)) return l.next;
    return symbols_and_spaces(s, at, end, 1);
}

/* ------------------------------------------------------------------------------------------------------------ nested rules -- */

static int digits_gpt2(struct words *w) {
    if (w->at >= w->stretch) {
        struct look l = look(w->text, w->at, w->bytes);
        if (in(l, NUMBERS)) {
            w->stretch = w->at = l.next;
            return 1;
        }
        w->stretch = run(w->text, w->at, w->bytes, 0xFFu & ~(unsigned)NUMBERS);
    }
    w->at = gpt2(w->text, w->at, w->stretch);
    return 1;
}

static int is_break(struct look l) { return l.code == '\r' || l.code == '\n'; }
static int is_east(struct look l) { return (l.code >= 0x800 && l.code <= 0x9FA5) || (l.code >= 0xAC00 && l.code <= 0xD7FF); }

/* Where a word of letters or of punctuation begins at `at` (a white space may come before): its class mask, else 0. */
static unsigned deepseek_head(const struct words *w, struct look l) {
    if (in(l, LETTERS)) return LETTERS;
    if (in(l, PUNCTS)) return PUNCTS;
    if (!in(l, SPACES) || is_break(l)) return 0;
    struct look after = look(w->text, l.next, w->bytes);
    return in(after, LETTERS) ? LETTERS : in(after, PUNCTS) ? PUNCTS : 0;
}

/* The end of the piece at `at` that the first three patterns leave: a line break, letters, punctuation, or what lies between. */
static size_t deepseek_outer(const struct words *w, size_t at) {
    struct look l = look(w->text, at, w->bytes);
    if (is_break(l)) return l.next;
    unsigned head = deepseek_head(w, l);
    if (head) return run(w->text, l.next, w->bytes, head);
    for (;;) {
        at = l.next;
        l = look(w->text, at, w->bytes);
        if (l.class == END || is_break(l) || deepseek_head(w, l)) return at;
    }
}

static int deepseek(struct words *w) {
    if (w->at >= w->stretch) w->stretch = deepseek_outer(w, w->at);
    struct look l = look(w->text, w->at, w->stretch);
    if (w->at >= w->inner) {
        int east = is_east(l);
        for (w->inner = l.next;;) {
            struct look after = look(w->text, w->inner, w->stretch);
            if (after.class == END || is_east(after) != east) break;
            w->inner = after.next;
        }
    }
    w->at = in(l, NUMBERS) ? l.next : run(w->text, w->at, w->inner, 0xFFu & ~(unsigned)NUMBERS);
    return 1;
}

int words_next(struct words *w, size_t *begin) {
    *begin = w->at;
    if (w->at >= w->bytes) return 0;
    switch (w->pre) {
    case VOCAB_PRE_DIGITS_GPT2:
        return digits_gpt2(w);
    case VOCAB_PRE_LLAMA3:
        w->at = llama3(w->text, w->at, w->bytes, 3);
        return 1;
    case VOCAB_PRE_QWEN2:
        w->at = llama3(w->text, w->at, w->bytes, 1);
        return 1;
    case VOCAB_PRE_TEKKEN:
        w->at = tekken(w->text, w->at, w->bytes);
        return 1;
    case VOCAB_PRE_DEEPSEEK_CODER:
        return deepseek(w);
    default:
        w->at = gpt2(w->text, w->at, w->bytes);
        return 1;
    }
}
