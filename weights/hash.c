#include "weights/hash.h"

#include <assert.h>
#include <string.h>

static const uint64_t P1 = 0x9E3779B185EBCA87u, P2 = 0xC2B2AE3D27D4EB4Fu, P3 = 0x165667B19E3779F9u,
                      P4 = 0x85EBCA77C2B2AE63u, P5 = 0x27D4EB2F165667C5u;

static uint64_t rotl(uint64_t x, int n) { return x << n | x >> (64 - n); }

/* The builtin avoids a call: in a freestanding build memcpy by its name would be a real call for
 * every 8 bytes. */
static uint64_t load64(const uint8_t *p) {
    uint64_t v;
    __builtin_memcpy(&v, p, 8);
    return v;
}

static uint64_t mix(uint64_t lane, uint64_t word) { return rotl(lane + word * P2, 31) * P1; }

void hash64_begin(struct hash64 *h) {
    memset(h, 0, sizeof *h);
    h->lane[0] = P1 + P2;
    h->lane[1] = P2;
    h->lane[2] = 0;
    h->lane[3] = 0 - P1;
}

static void blocks(struct hash64 *h, const uint8_t *p, size_t count) {
    uint64_t a = h->lane[0], b = h->lane[1], c = h->lane[2], d = h->lane[3];
    for (; count; count--, p += 32) {
        a = mix(a, load64(p));
        b = mix(b, load64(p + 8));
        c = mix(c, load64(p + 16));
        d = mix(d, load64(p + 24));
    }
    h->lane[0] = a, h->lane[1] = b, h->lane[2] = c, h->lane[3] = d;
}

void hash64_add(struct hash64 *h, const void *data, size_t bytes) {
    const uint8_t *p = data;
    assert(data || !bytes);
    size_t held = (size_t)(h->total & 31);
    h->total += bytes;
    if (held + bytes < 32) {
        if (bytes) memcpy(h->tail + held, p, bytes);
        return;
    }
    if (held) {
        size_t fill = 32 - held;
        memcpy(h->tail + held, p, fill);
        blocks(h, h->tail, 1);
        p += fill, bytes -= fill;
    }
    blocks(h, p, bytes / 32);
    if (bytes & 31) memcpy(h->tail, p + (bytes & ~(size_t)31), bytes & 31);
}

uint64_t hash64_end(const struct hash64 *h) {
    uint64_t x = P5;
    if (h->total >= 32) {
        x = rotl(h->lane[0], 1) + rotl(h->lane[1], 7) + rotl(h->lane[2], 12) + rotl(h->lane[3], 18);
        for (int i = 0; i < 4; i++) x = (x ^ mix(0, h->lane[i])) * P1 + P4;
    }
    x += h->total;
    const uint8_t *p = h->tail;
    size_t left = (size_t)(h->total & 31);
    for (; left >= 8; left -= 8, p += 8) x = rotl(x ^ mix(0, load64(p)), 27) * P1 + P4;
    if (left >= 4) {
        uint32_t w;
        memcpy(&w, p, 4);
        x = rotl(x ^ w * P1, 23) * P2 + P3;
        left -= 4, p += 4;
    }
    for (; left; left--, p++) x = rotl(x ^ *p * P5, 11) * P1;
    x = (x ^ x >> 33) * P2;
    x = (x ^ x >> 29) * P3;
    return x ^ x >> 32;
}

uint64_t hash64(const void *data, size_t bytes) {
    struct hash64 h;
    hash64_begin(&h);
    hash64_add(&h, data, bytes);
    return hash64_end(&h);
}
