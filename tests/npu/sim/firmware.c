/* The firmware: runs control code operation by operation (npu/txn.h). After each operation the
 * array runs as far as it can. */
#include "tests/npu/sim/sim_parts.h"
#include "npu/txn.h"

static int header(const struct sim_array *a, const uint32_t *w, uint32_t count) {
    uint32_t device = a->generation == NPU_XDNA2 ? 4 : 3;
    if (count < TXN_HEADER_WORDS) return sim_complain("the control code has no header");
    if ((w[0] & 0xffff) != 0x100 || (w[0] >> 16 & 0xff) != device || w[0] >> 24 != ARRAY_ROWS)
        return sim_complain("the control code is for another array");
    if ((w[1] & 0xff) != a->columns || w[1] >> 8 != 1)
        return sim_complain("the control code is for another partition");
    return w[3] == count * 4
               ? 0
               : sim_complain("the control code says it has %u bytes, and the command %u", w[3],
                              count * 4);
}

static int token(struct sim_array *a, const uint32_t *w) {
    uint32_t direction = w[2] & 0xff, row = w[2] >> 8 & 0xff, column = w[2] >> 16,
             columns = w[3] >> 16 & 0xff, channel = w[3] >> 24;
    if (direction > 1 || row != ROW_SHIM || (w[3] & 0xffff) != 1u << 8 || !columns ||
        column + columns > a->columns || channel >= SHIM_CHANNELS)
        return sim_complain("a wait for tokens that cannot come");
    if (sim_array_token(a, column, columns, direction, channel)) return 0;
    sim_complain("a token of channel %u never comes: the array stands still", channel);
    return 1;
}

static int patch(struct sim_array *a, const uint32_t *w, const uint64_t *argument,
                 uint32_t arguments) {
    if (w[2] || w[3] || w[4] || w[5] || w[7] || w[9] || w[8] >= arguments)
        return sim_complain("a patch with an argument that the command does not have");
    return sim_array_patch(a, w[6], argument[w[8]] + (w[10] | (uint64_t)w[11] << 32));
}

static int operation(struct sim_array *a, const uint32_t *w, uint32_t length,
                     const uint64_t *argument, uint32_t arguments) {
    switch (w[0]) {
    case TXN_WRITE:
        return w[1] || w[3] ? sim_complain("a write of 64 bits") : sim_array_write(a, w[2], w[4]);
    case TXN_BLOCK:
        return w[1] ? sim_complain("a block with a column")
                    : sim_array_block(a, w[2], w + TXN_BLOCK_WORDS, length - TXN_BLOCK_WORDS);
    case TXN_TOKEN:
        return token(a, w);
    case TXN_PATCH:
        return patch(a, w, argument, arguments);
    default:
        return sim_complain("operation %#x is not known", w[0]);
    }
}

int sim_firmware(struct sim_array *a, const uint32_t *words, uint32_t count,
                 const uint64_t *argument, uint32_t arguments) {
    uint32_t operations = 0, at = TXN_HEADER_WORDS;
    sim_time_begin(a);
    if (header(a, words, count)) return -1;
    while (at < count) {
        uint32_t length = (uint32_t)txn_length(words, count, at);
        if (!length)
            return sim_complain("operation %u of the control code is cut short or unknown",
                                operations);
        int e = operation(a, words + at, length, argument, arguments);
        if (!e) e = sim_array_run(a);
        if (e) return e;
        at += length;
        operations++;
    }
    if (operations != words[2])
        return sim_complain("the control code counts %u operations and has %u", words[2],
                            operations);
    return sim_array_quiet(a);
}
