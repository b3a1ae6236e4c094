/* Control code: the transaction streams that the NPU's firmware interprets (format 0.1, as AMD's
 * aie-rt writes and `aiebu-dump` reads it).
 *
 * A stream is a header of 4 words, then operations:
 *
 *   WRITE  op, 0, register, 0, value, bytes
 *          sets one register
 *   BLOCK  op, 0, register, bytes, values ...
 *          sets registers or tile memory in a row
 *   PATCH  op, bytes, 0 0 0 0, register, 0, argument, 0, low, high
 *          puts the 48-bit address of a buffer argument plus an offset into words 1 and 2 of a
 *          shim's descriptor; `register` is the address of its word 1
 *   TOKEN  op, bytes, direction | row << 8 | column << 16,
 *          rows << 8 | columns << 16 | channel << 24
 *          waits until a channel has reported a finished task, in one row of `columns` columns
 *
 * A writer that has no more room still counts words, so that the same code measures and writes. */
#ifndef NPU_TXN_H
#define NPU_TXN_H

#include <stddef.h>
#include <stdint.h>

#include "npu/array.h"

enum txn_op { TXN_WRITE = 0, TXN_BLOCK = 1, TXN_TOKEN = 0x80, TXN_PATCH = 0x81 };
enum {
    TXN_HEADER_WORDS = 4,
    TXN_WRITE_WORDS = 6,
    TXN_BLOCK_WORDS = 4,
    TXN_TOKEN_WORDS = 4,
    TXN_PATCH_WORDS = 12
};
enum { TXN_S2MM = 0, TXN_MM2S = 1 };

struct txn {
    uint32_t *words; /* NULL: count only */
    size_t room;     /* in words */
    size_t count;    /* words so far, the header included */
    uint32_t operations;
};

/* Addresses are multiples of 4 (npu/array.h), and a block has at least one value. */
void txn_begin(struct txn *t, uint32_t *words, size_t room);
void txn_write(struct txn *t, uint32_t address, uint32_t value);
void txn_block(struct txn *t, uint32_t address, const uint32_t *values, uint32_t count);
void txn_patch(struct txn *t, uint32_t address, uint32_t argument, uint64_t offset);
/* Waits for a token of a shim's channel in each of `columns` columns, beginning with `column`. */
void txn_token(struct txn *t, uint32_t column, uint32_t columns, uint32_t direction,
               uint32_t channel);
/* Writes the header and returns how many words the stream has. The stream is complete only if they
 * are not more than the room. */
size_t txn_end(struct txn *t, uint32_t generation, uint32_t columns);

/* The length in words of the operation at word `at` of a stream of `count` words, or 0 if it is cut
 * short or not one of those above. */
size_t txn_length(const uint32_t *words, size_t count, size_t at);

#endif
