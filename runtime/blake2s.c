#include "runtime/blake2s.h"

#include <assert.h>
#include <string.h>

enum { BLOCK = 64, ROUNDS = 10 };

static const uint32_t start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static const uint8_t sigma[ROUNDS][16] = {{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15},
                                          {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
                                          {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4},
                                          {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
                                          {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13},
                                          {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
                                          {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11},
                                          {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
                                          {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5},
                                          {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};

static uint32_t rotr(uint32_t x, int n) { return x >> n | x << (32 - n); }

static void mix(uint32_t v[16], int a, int b, int c, int d, uint32_t x, uint32_t y) {
    v[a] += v[b] + x;
    v[d] = rotr(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotr(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = rotr(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotr(v[b] ^ v[c], 7);
}

/* Compresses one block. count: bytes up to its end, the key's block included. */
static void compress(uint32_t h[8], const uint8_t *block, uint64_t count, int last) {
    uint32_t v[16], m[16];
    memcpy(m, block, sizeof m); /* little-endian, like the host */
    for (int i = 0; i < 8; i++) v[i] = h[i], v[i + 8] = start[i];
    v[12] ^= (uint32_t)count;
    v[13] ^= (uint32_t)(count >> 32);
    if (last) v[14] = ~v[14];
    for (int r = 0; r < ROUNDS; r++) {
        const uint8_t *s = sigma[r];
        for (int i = 0; i < 4; i++) mix(v, i, 4 + i, 8 + i, 12 + i, m[s[2 * i]], m[s[2 * i + 1]]);
        for (int i = 0; i < 4; i++)
            mix(v, i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4, m[s[8 + 2 * i]],
                m[s[9 + 2 * i]]);
    }
    for (int i = 0; i < 8; i++) h[i] ^= v[i] ^ v[i + 8];
}

void blake2s(uint8_t *hash, const uint8_t *key, const void *data, size_t bytes) {
    assert(data || !bytes);
    const uint8_t *at = data;
    uint8_t block[BLOCK] = {0};
    uint32_t h[8];
    uint64_t count = 0;
    memcpy(h, start, sizeof h);
    h[0] ^= 0x01010000u ^ (key ? (uint32_t)BLAKE2S_KEY << 8 : 0) ^ BLAKE2S_BYTES;
    if (key) {
        memcpy(block, key, BLAKE2S_KEY);
        compress(h, block, count = BLOCK, bytes == 0);
        memset(block, 0, sizeof block);
    }
    for (; bytes > BLOCK; bytes -= BLOCK, at += BLOCK)
        compress(h, at, count += BLOCK, 0); /* the last block is kept for the end */
    if (bytes || !key) {
        if (bytes) memcpy(block, at, bytes);
        compress(h, block, count + bytes, 1);
    }
    memcpy(hash, h, BLAKE2S_BYTES);
}

int blake2s_equal(const uint8_t *a, const uint8_t *b) {
    uint32_t differs = 0;
    for (int i = 0; i < BLAKE2S_BYTES; i++) differs |= (uint32_t)(a[i] ^ b[i]);
    return differs == 0;
}
