#include "npu/txn.h"

#include <assert.h>
#include <string.h>

void txn_begin(struct txn *t, uint32_t *words, size_t room) {
    *t = (struct txn){words, words ? room : 0, TXN_HEADER_WORDS, 0};
}

static void add(struct txn *t, const uint32_t *words, size_t count) {
    if (t->count + count <= t->room) memcpy(t->words + t->count, words, count * sizeof *words);
    t->count += count;
}

void txn_write(struct txn *t, uint32_t address, uint32_t value) {
    assert(address % 4 == 0);
    const uint32_t w[TXN_WRITE_WORDS] = {TXN_WRITE, 0, address, 0, value, sizeof w};
    add(t, w, TXN_WRITE_WORDS);
    t->operations++;
}

void txn_block(struct txn *t, uint32_t address, const uint32_t *values, uint32_t count) {
    assert(address % 4 == 0 && values && count);
    const uint32_t w[TXN_BLOCK_WORDS] = {TXN_BLOCK, 0, address,
                                         (TXN_BLOCK_WORDS + count) * (uint32_t)sizeof *w};
    add(t, w, TXN_BLOCK_WORDS);
    add(t, values, count);
    t->operations++;
}

void txn_patch(struct txn *t, uint32_t address, uint32_t argument, uint64_t offset) {
    assert(address % 4 == 0);
    const uint32_t w[TXN_PATCH_WORDS] = {TXN_PATCH,
                                         sizeof w,
                                         0,
                                         0,
                                         0,
                                         0,
                                         address,
                                         0,
                                         argument,
                                         0,
                                         (uint32_t)offset,
                                         (uint32_t)(offset >> 32)};
    add(t, w, TXN_PATCH_WORDS);
    t->operations++;
}

void txn_token(struct txn *t, uint32_t column, uint32_t columns, uint32_t direction,
               uint32_t channel) {
    assert(columns && column + columns <= ARRAY_COLUMNS_MAX && direction <= TXN_MM2S);
    const uint32_t w[TXN_TOKEN_WORDS] = {TXN_TOKEN, sizeof w,
                                         direction | ROW_SHIM << 8 | column << 16,
                                         1u << 8 | columns << 16 | channel << 24};
    add(t, w, TXN_TOKEN_WORDS);
    t->operations++;
}

size_t txn_end(struct txn *t, uint32_t generation, uint32_t columns) {
    assert(columns && columns <= ARRAY_COLUMNS_MAX);
    uint32_t device = generation == NPU_XDNA2 ? 4 : 3;
    /* version 0.1, generation, rows; columns, rows of memory tiles; operations; bytes */
    const uint32_t w[TXN_HEADER_WORDS] = {0u | 1u << 8 | device << 16 | (uint32_t)ARRAY_ROWS << 24,
                                          columns | 1u << 8, t->operations,
                                          (uint32_t)(t->count * sizeof *w)};
    if (t->count <= t->room) memcpy(t->words, w, sizeof w);
    return t->count;
}

size_t txn_length(const uint32_t *words, size_t count, size_t at) {
    assert(at <= count);
    size_t left = count - at, length;
    if (left < 4) return 0;
    switch (words[at] & 0xff) {
    case TXN_WRITE:
        length =
            left < TXN_WRITE_WORDS || words[at + 5] != TXN_WRITE_WORDS * 4 ? 0 : TXN_WRITE_WORDS;
        break;
    case TXN_BLOCK:
        length = words[at + 3] % 4 || words[at + 3] <= TXN_BLOCK_WORDS * 4 ? 0 : words[at + 3] / 4;
        break;
    case TXN_TOKEN:
        length = words[at + 1] == TXN_TOKEN_WORDS * 4 ? TXN_TOKEN_WORDS : 0;
        break;
    case TXN_PATCH:
        length = words[at + 1] == TXN_PATCH_WORDS * 4 ? TXN_PATCH_WORDS : 0;
        break;
    default:
        length = 0;
    }
    return length > left ? 0 : length;
}
