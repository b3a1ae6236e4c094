#include "weights/pack/checkpoint/json_text.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A member of an object that is not closed yet: its key without the quotes, and its value. All are
 * offsets in the text. */
struct member {
    size_t key, key_end, value, value_end;
};

/* An open array or object. */
struct level {
    size_t members;     /* how many members were on the stack when it was opened */
    bool object, named; /* named: a key and its colon have been read, so that the next token begins
                           its value */
};

/* text[begin .. end) is replaced by a marked array; or, if sentence is NULL, "e0" is added after
 * it. */
struct edit {
    size_t begin, end;
    const char *sentence;
};

struct stack {
    void *items;
    size_t count, room;
};

struct scan {
    const char *text;
    size_t bytes, at;
    struct stack members, levels, edits;
    bool failed; /* there was not enough memory */
};

static void *push(struct scan *s, struct stack *stack, size_t size) {
    if (stack->count == stack->room) {
        size_t room = stack->room * 2 + 64;
        void *grown = realloc(stack->items, room * size);
        if (!grown) {
            s->failed = true;
            return NULL;
        }
        stack->items = grown;
        stack->room = room;
    }
    return memset((char *)stack->items + size * stack->count++, 0, size);
}

static struct member *member_at(const struct scan *s, size_t i) {
    return (struct member *)s->members.items + i;
}
static struct level *level_top(const struct scan *s) {
    return s->levels.count ? (struct level *)s->levels.items + s->levels.count - 1 : NULL;
}

static void edit(struct scan *s, size_t begin, size_t end, const char *sentence) {
    struct edit *e = push(s, &s->edits, sizeof *e);
    if (e) *e = (struct edit){begin, end, sentence};
}

/* --------------------------------------------------------------------------------- same keys -- */

static const struct scan *sorting; /* qsort has no argument to pass on */

static int by_key(const void *a, const void *b) {
    const struct member *x = a, *y = b;
    size_t xn = x->key_end - x->key, yn = y->key_end - y->key;
    int order = memcmp(sorting->text + x->key, sorting->text + y->key, xn < yn ? xn : yn);
    return order ? order : xn != yn ? (xn > yn) - (xn < yn) : (x->key > y->key) - (x->key < y->key);
}

static bool same(const struct scan *s, size_t a, size_t a_end, size_t b, size_t b_end) {
    return a_end - a == b_end - b && memcmp(s->text + a, s->text + b, a_end - a) == 0;
}

/* The members from `first` on are all the members of an object. Marks the values of those that have
 * the same key and different values. Keys are compared as they are spelled. */
static void compare_members(struct scan *s, size_t first) {
    size_t count = s->members.count - first, next;
    if (count == 0) return;
    struct member *m = member_at(s, first);
    sorting = s;
    if (count > 1) qsort(m, count, sizeof *m, by_key);
    for (size_t i = 0; i < count; i = next) {
        bool differ = false;
        for (next = i + 1;
             next < count && same(s, m[i].key, m[i].key_end, m[next].key, m[next].key_end); next++)
            differ |= !same(s, m[i].value, m[i].value_end, m[next].value, m[next].value_end);
        for (size_t k = i; differ && k < next; k++)
            edit(s, m[k].value, m[k].value_end, "is there several times with different values");
    }
    s->members.count = first;
}

/* ---------------------------------------------------------------------------------- scanning -- */

static void value_begins(struct scan *s) {
    struct level *level = level_top(s);
    if (level && level->object && level->named) member_at(s, s->members.count - 1)->value = s->at;
}

static void value_ends(struct scan *s) {
    struct level *level = level_top(s);
    if (!level || !level->object || !level->named) return;
    member_at(s, s->members.count - 1)->value_end = s->at;
    level->named = false;
}

/* Goes on to the place after the closing quote. */
static void skip_string(struct scan *s) {
    for (s->at++; s->at < s->bytes && s->text[s->at] != '"'; s->at++)
        if (s->text[s->at] == '\\') s->at++;
    s->at = s->at < s->bytes ? s->at + 1 : s->bytes;
}

/* Reads a string that is a key or a value. False if neither may stand here. */
static bool read_string(struct scan *s) {
    struct level *level = level_top(s);
    if (!level || !level->object || level->named) {
        value_begins(s);
        skip_string(s);
        value_ends(s);
        return true;
    }
    struct member m = {.key = s->at + 1};
    skip_string(s);
    m.key_end = s->at - 1;
    while (s->at < s->bytes && strchr(" \t\r\n", s->text[s->at])) s->at++;
    if (s->at >= s->bytes || s->text[s->at] != ':') return false;
    s->at++;
    struct member *slot = push(s, &s->members, sizeof m);
    if (slot) *slot = m;
    level->named = true;
    return slot != NULL;
}

static bool is_word(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '-' || c == '.';
}

/* Only the first n bytes are looked at, because the text has no terminator. */
static bool all_digits(const char *word, size_t n) {
    while (n > 0 && word[n - 1] >= '0' && word[n - 1] <= '9') n--;
    return n == 0;
}

static bool word_is(const char *word, size_t n, const char *text) {
    return n == strlen(text) && memcmp(word, text, n) == 0;
}

/* Reads a number or a literal, and marks what a strict reader would refuse. */
static void read_word(struct scan *s) {
    size_t begin = s->at;
    const char *word = s->text + begin;
    char copy[512];
    value_begins(s);
    while (s->at < s->bytes && is_word(s->text[s->at])) s->at++;
    size_t n = s->at - begin;
    value_ends(s);
    if (word_is(word, n, "NaN")) edit(s, begin, s->at, "is NaN");
    if (word_is(word, n, "Infinity")) edit(s, begin, s->at, "is infinite");
    if (!(word[0] == '-' || (word[0] >= '0' && word[0] <= '9')) || n < 2) return;
    bool integer = all_digits(word + 1, n - 1);
    if (n < sizeof copy) {
        memcpy(copy, word, n);
        copy[n] = 0;
    }
    /* A word that does not fit into the copy is a number of hundreds of digits, or is refused
     * anyway. */
    double value = n < sizeof copy ? strtod(copy, NULL) : HUGE_VAL;
    errno = 0;
    if (!isfinite(value))
        edit(s, begin, s->at, "is a number too large");
    else if (integer && (strtoll(copy, NULL, 10), errno == ERANGE))
        edit(s, begin, s->at, NULL);
}

static bool open_level(struct scan *s, bool object) {
    value_begins(s);
    struct level *level = push(s, &s->levels, sizeof *level);
    if (level) *level = (struct level){.members = s->members.count, .object = object};
    s->at++;
    return level != NULL;
}

static bool close_level(struct scan *s, bool object) {
    struct level *level = level_top(s);
    if (!level || level->object != object || level->named) return false;
    compare_members(s, level->members);
    s->levels.count--;
    s->at++;
    value_ends(s);
    return true;
}

/* Scans to the end, or to the place where the text is not JSON any more. */
static void scan(struct scan *s) {
    bool good = true;
    while (good && !s->failed && s->at < s->bytes) {
        char c = s->text[s->at];
        if (c == '"')
            good = read_string(s);
        else if (c == '{' || c == '[')
            good = open_level(s, c == '{');
        else if (c == '}' || c == ']')
            good = close_level(s, c == '}');
        else if (is_word(c))
            read_word(s);
        else
            s->at++;
    }
}

/* --------------------------------------------------------------------------------- rewriting -- */

static int by_place(const void *a, const void *b) {
    const struct edit *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return (x->end < y->end) - (x->end > y->end); /* the outer one first */
}

static char *rewrite(const struct scan *s, size_t *bytes) {
    static const char open[] = "[\"" JSON_MARK, close[] = "\"]", real[] = "e0";
    const struct edit *edits = s->edits.items;
    size_t room = s->bytes + 1, at = 0;
    for (size_t i = 0; i < s->edits.count; i++)
        room += edits[i].sentence ? strlen(edits[i].sentence) + 8 : 2;
    char *out = malloc(room), *to = out;
    if (!out) return NULL;
    for (size_t i = 0; i < s->edits.count; i++) {
        const struct edit *e = &edits[i];
        if (e->begin < at) continue; /* it lies inside one that is replaced as a whole */
        size_t kept = (e->sentence ? e->begin : e->end) - at;
        memcpy(to, s->text + at, kept), to += kept;
        if (e->sentence) {
            size_t n = strlen(e->sentence);
            memcpy(to, open, sizeof open - 1), to += sizeof open - 1;
            memcpy(to, e->sentence, n), to += n;
            memcpy(to, close, sizeof close - 1), to += sizeof close - 1;
        } else {
            memcpy(to, real, 2), to += 2;
        }
        at = e->end;
    }
    memcpy(to, s->text + at, s->bytes - at), to += s->bytes - at;
    *bytes = (size_t)(to - out);
    return out;
}

char *json_text_strict(const char *data, size_t bytes, size_t *strict_bytes) {
    struct scan s = {.text = data, .bytes = bytes};
    char *out = NULL;
    scan(&s);
    if (!s.failed) {
        if (s.edits.count > 1) qsort(s.edits.items, s.edits.count, sizeof(struct edit), by_place);
        out = rewrite(&s, strict_bytes);
    }
    free(s.members.items);
    free(s.levels.items);
    free(s.edits.items);
    return out;
}
