#include "weights/check.h"

#include <assert.h>

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

static void put_signed(struct sentence *s, int64_t n) {
    if (n < 0) put(s, '-');
    put_number(s, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10);
}

/* Six significant digits: enough to recognise a setting. */
static void put_float(struct sentence *s, uint32_t bits) {
    union {
        uint32_t b;
        float x;
    } w = {.b = bits & 0x7fffffffu};
    if (bits >> 31) put(s, '-');
    if (w.b >= 0x7f800000u || w.b == 0) {
        put_text(s, w.b == 0 ? "0" : w.b == 0x7f800000u ? "infinity" : "NaN");
        return;
    }
    double x = (double)w.x;
    int exponent = 0, count = 6;
    for (; x >= 10.0; exponent++) x /= 10.0;
    for (; x < 1.0; exponent--) x *= 10.0;
    uint32_t n = (uint32_t)(x * 1e5 + 0.5);
    if (n == 1000000) n = 100000, exponent++;
    char digit[6];
    for (int i = 5; i >= 0; i--, n /= 10) digit[i] = (char)('0' + n % 10);
    while (count > 1 && digit[count - 1] == '0') count--;
    int plain = exponent >= -5 && exponent <= 8,
        point = plain ? exponent : 0; /* the point stands behind this digit */
    for (int i = point < 0 ? point : 0; i < count || i <= point; i++) {
        put(s, i >= 0 && i < count ? digit[i] : '0');
        if (i == point && i + 1 < count) put(s, '.');
    }
    if (plain) return;
    put(s, 'e');
    put_signed(s, exponent);
}

void check_at(struct check *c, const char *where, uint32_t index, const char *name) {
    assert(where);
    c->where = where;
    c->index = index;
    c->name = name;
}

bool check_fail(struct check *c, const char *text, const char *name, const uint64_t *numbers) {
    assert(c->why && c->why_bytes && c->where);
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
        } else if (*text == '~') {
            put_signed(&s, (int64_t)*numbers++);
        } else if (*text == '%') {
            put_float(&s, (uint32_t)*numbers++);
        } else if (*text == '@') {
            assert(name);
            put_text(&s, name);
        } else {
            put(&s, *text);
        }
    }
    *s.at = 0;
    return false;
}

bool check_equal(struct check *c, const char *field, uint64_t found, uint64_t expected) {
    return found == expected ||
           check_fail(c, "@ is #, must be #", field, CHECK_NUMBERS(found, expected));
}

bool check_hash(struct check *c, const char *field, uint64_t found, uint64_t expected) {
    return found == expected ||
           check_fail(c, "@ is $, must be $", field, CHECK_NUMBERS(found, expected));
}

bool check_range(struct check *c, const char *field, uint64_t found, uint64_t low, uint64_t high) {
    assert(low <= high);
    return (found >= low && found <= high) ||
           check_fail(c, "@ is #, must be # to #", field, CHECK_NUMBERS(found, low, high));
}

bool check_multiple(struct check *c, const char *field, uint64_t found, uint64_t of) {
    assert(of);
    return found % of == 0 ||
           check_fail(c, "@ is #, must be a multiple of #", field, CHECK_NUMBERS(found, of));
}
