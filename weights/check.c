#include "weights/check.h"

struct sentence {
    char *at, *end; /* end: where the terminating zero must fit */
};

static void put(struct sentence *s, char ch) {
    if (s->at < s->end) *s->at++ = ch;
}

static void put_text(struct sentence *s, const char *text) {
    while (*text) put(s, *text++);
}

static void put_number(struct sentence *s, uint64_t n, unsigned base) {
    char digit[20];
    int count = 0;
    do digit[count++] = "0123456789abcdef"[n % base];
    while (n /= base);
    while (count) put(s, digit[--count]);
}

void check_at(struct check *c, const char *where, uint32_t index, const char *name) {
    c->where = where;
    c->index = index;
    c->name = name;
}

bool check_fail(struct check *c, const char *text, const char *name, const uint64_t *numbers) {
    struct sentence s = {c->why, c->why + c->why_bytes - 1};
    put_text(&s, c->where);
    if (c->index != CHECK_NO_INDEX) {
        put(&s, ' ');
        put_number(&s, c->index, 10);
    }
    if (c->name) {
        put_text(&s, " (");
        put_text(&s, c->name);
        put(&s, ')');
    }
    put_text(&s, ": ");
    for (; *text; text++) {
        if (*text == '#') {
            put_number(&s, *numbers++, 10);
        } else if (*text == '$') {
            put_text(&s, "0x");
            put_number(&s, *numbers++, 16);
        } else if (*text == '@') {
            put_text(&s, name);
        } else {
            put(&s, *text);
        }
    }
    *s.at = 0;
    return false;
}

bool check_equal(struct check *c, const char *field, uint64_t found, uint64_t expected) {
    return found == expected || check_fail(c, "@ is #, must be #", field, CHECK_NUMBERS(found, expected));
}

bool check_hash(struct check *c, const char *field, uint64_t found, uint64_t expected) {
    return found == expected || check_fail(c, "@ is $, must be $", field, CHECK_NUMBERS(found, expected));
}

bool check_range(struct check *c, const char *field, uint64_t found, uint64_t low, uint64_t high) {
    return (found >= low && found <= high) || check_fail(c, "@ is #, must be # to #", field, CHECK_NUMBERS(found, low, high));
}

bool check_multiple(struct check *c, const char *field, uint64_t found, uint64_t of) {
    return found % of == 0 || check_fail(c, "@ is #, must be a multiple of #", field, CHECK_NUMBERS(found, of));
}
