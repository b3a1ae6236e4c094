#include "text/unicode.h"

#include <assert.h>
#include <string.h>

size_t utf8_read(const uint8_t *p, size_t n, uint32_t *code) {
    assert(n >= 1);
    uint32_t c = p[0];
    if (c < 0x80) {
        *code = c;
        return 1;
    }
    if (c >= 0xC2 && c < 0xE0 && n >= 2 && (p[1] & 0xC0) == 0x80) {
        *code = (c & 31) << 6 | (p[1] & 63u);
        return 2;
    }
    if (c >= 0xE0 && c < 0xF0 && n >= 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
        uint32_t v = (c & 15) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
        if (v >= 0x800 && (v < 0xD800 || v >= 0xE000)) {
            *code = v;
            return 3;
        }
    }
    if (c >= 0xF0 && c < 0xF5 && n >= 4 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80 &&
        (p[3] & 0xC0) == 0x80) {
        uint32_t v = (c & 7) << 18 | (p[1] & 63u) << 12 | (p[2] & 63u) << 6 | (p[3] & 63u);
        if (v >= 0x10000 && v < 0x110000) {
            *code = v;
            return 4;
        }
    }
    *code = UNICODE_BAD | c;
    return 1;
}

size_t utf8_write(uint32_t code, uint8_t out[4]) {
    if (code & UNICODE_BAD || code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xC0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 63));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xE0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 63));
        out[2] = (uint8_t)(0x80 | (code & 63));
        return 3;
    }
    out[0] = (uint8_t)(0xF0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 63));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 63));
    out[3] = (uint8_t)(0x80 | (code & 63));
    return 4;
}

size_t utf8_before(const uint8_t *p, size_t at) {
    assert(at >= 1);
    for (size_t back = 2; back <= 4 && back <= at; back++) {
        uint32_t code;
        if ((p[at - back] & 0xC0) == 0x80) continue;
        if (utf8_read(p + at - back, back, &code) == back) return at - back;
        break;
    }
    return at - 1;
}

/* ------------------------------------------------------------------------------------ tables -- */

int unicode_is_word(uint32_t code) {
    const unsigned class = unicode_class(code);
    uint32_t lo = 0, hi = unicode_word_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (unicode_word_exceptions[mid][1] < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (class >= UNICODE_UPPER && class <= UNICODE_NUMBER) !=
           (lo < unicode_word_count && unicode_word_exceptions[lo][0] <= code);
}

enum {
    L_BASE = 0x1100,
    V_BASE = 0x1161,
    T_BASE = 0x11A7,
    S_BASE = 0xAC00,
    L_COUNT = 19,
    V_COUNT = 21,
    T_COUNT = 28,
    S_COUNT = 11172
};

static uint32_t combining(uint32_t code) {
    if (code < 0x300) return 0;
    uint32_t lo = 0, hi = unicode_combining_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (unicode_combining_ranges[mid].last < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == unicode_combining_count || unicode_combining_ranges[lo].first > code) return 0;
    return unicode_combining_ranges[lo].combining;
}

static uint32_t decompose(uint32_t code, uint32_t out[4]) {
    if (code - S_BASE < S_COUNT) {
        uint32_t s = code - S_BASE, t = s % T_COUNT;
        out[0] = L_BASE + s / (V_COUNT * T_COUNT);
        out[1] = V_BASE + s / T_COUNT % V_COUNT;
        out[2] = T_BASE + t;
        return t ? 3 : 2;
    }
    uint32_t lo = 0, hi = unicode_full_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (unicode_full[mid].code < code)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == unicode_full_count || unicode_full[lo].code != code) {
        out[0] = code;
        return 1;
    }
    for (uint32_t i = 0; i < unicode_full[lo].count; i++)
        out[i] = unicode_full_pool[unicode_full[lo].offset + i];
    return unicode_full[lo].count;
}

/* The character that first and second make together, or 0. */
static uint32_t compose(uint32_t first, uint32_t second) {
    if (first - L_BASE < L_COUNT && second - V_BASE < V_COUNT)
        return S_BASE + ((first - L_BASE) * V_COUNT + (second - V_BASE)) * T_COUNT;
    if (first - S_BASE < S_COUNT && (first - S_BASE) % T_COUNT == 0 &&
        second - T_BASE - 1 < T_COUNT - 1)
        return first + (second - T_BASE);
    uint32_t lo = 0, hi = unicode_pairs_count;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        const struct unicode_pair *p = &unicode_pairs[mid];
        if (p->first < first || (p->first == first && p->second < second))
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == unicode_pairs_count || unicode_pairs[lo].first != first ||
        unicode_pairs[lo].second != second)
        return 0;
    return unicode_pairs[lo].composed;
}

/* --------------------------------------------------------------------------------------- NFC -- */

/* A decomposed character of a run: combining class << 56 | place in the run << 21 | code. Sorting
 * these as numbers is the canonical order: stable within a class. */
static uint32_t entry_code(uint64_t e) { return (uint32_t)e & 0x1FFFFF; }
static uint32_t entry_class(uint64_t e) { return (uint32_t)(e >> 56); }

static void sift(uint64_t *a, size_t root, size_t n) {
    for (;;) {
        size_t child = 2 * root + 1;
        if (child >= n) return;
        if (child + 1 < n && a[child + 1] > a[child]) child++;
        if (a[root] >= a[child]) return;
        uint64_t t = a[root];
        a[root] = a[child];
        a[child] = t;
        root = child;
    }
}

/* Heap sort, because it works in place and takes n log n: a prompt may be one letter with a million
 * accents. */
static void sort(uint64_t *a, size_t n) {
    for (size_t i = n / 2; i-- > 0;) sift(a, i, n);
    for (size_t end = n; end > 1; end--) {
        uint64_t t = a[0];
        a[0] = a[end - 1];
        a[end - 1] = t;
        sift(a, 0, end - 1);
    }
}

static void order(uint64_t *a, size_t n) {
    for (size_t i = 0; i < n;) {
        if (entry_class(a[i]) == 0) {
            i++;
            continue;
        }
        size_t end = i + 1;
        int sorted = 1;
        for (; end < n && entry_class(a[end]) != 0; end++) sorted &= a[end] > a[end - 1];
        if (!sorted) sort(a + i, end - i);
        i = end;
    }
}

/* Canonical composition of a decomposed, ordered run, in place. A character joins the last starter
 * unless another starter or a character of its own class stands between. */
static size_t join(uint64_t *a, size_t n) {
    size_t out = 0, starter = SIZE_MAX;
    for (size_t i = 0; i < n; i++) {
        uint32_t code = entry_code(a[i]), class = entry_class(a[i]);
        if (starter != SIZE_MAX) {
            int between = out - starter > 1;
            uint32_t last = entry_class(a[out - 1]);
            int blocked = between && (last == 0 || last >= class);
            uint32_t joined = blocked ? 0 : compose(entry_code(a[starter]), code);
            if (joined) {
                a[starter] = joined;
                continue;
            }
        }
        a[out] = a[i];
        if (class == 0) starter = out;
        out++;
    }
    return out;
}

int nfc_is_plain(const uint8_t *text, size_t n) {
    for (size_t i = 0; i < n;) {
        uint32_t code;
        if (text[i] < 0xCC) { /* below U+0300 nothing is active */
            i++;
            continue;
        }
        i += utf8_read(text + i, n - i, &code);
        if (unicode_nibble(code) & UNICODE_ACTIVE) return 0;
    }
    return 1;
}

size_t nfc(const uint8_t *text, size_t n, uint8_t *out, uint64_t *work) {
    size_t done = 0, bytes = 0; /* text before `done` is written */
    size_t last = 0;            /* start of the last character that is not active, where a run would
                                   begin */
    for (size_t i = 0; i < n;) {
        uint32_t code;
        size_t length = utf8_read(text + i, n - i, &code);
        if (!(unicode_nibble(code) & UNICODE_ACTIVE)) {
            last = code & UNICODE_BAD ? i + length : i;
            i += length;
            continue;
        }
        memcpy(out + bytes, text + done, last - done);
        bytes += last - done;
        size_t count = 0;
        for (i = last; i < n; i += length) {
            uint32_t parts[4];
            length = utf8_read(text + i, n - i, &code);
            if (code & UNICODE_BAD || (i != last && !(unicode_nibble(code) & UNICODE_ACTIVE)))
                break;
            uint32_t k = decompose(code, parts);
            for (uint32_t j = 0; j < k; j++, count++)
                work[count] =
                    (uint64_t)combining(parts[j]) << 56 | (uint64_t)count << 21 | parts[j];
        }
        order(work, count);
        count = join(work, count);
        for (size_t j = 0; j < count; j++) bytes += utf8_write(entry_code(work[j]), out + bytes);
        done = last = i;
    }
    memcpy(out + bytes, text + done, n - done);
    return bytes + (n - done);
}
