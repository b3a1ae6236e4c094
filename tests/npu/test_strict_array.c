/* The rules for control code that the device model's array checks: for each rule a small stream
 * that breaks it, and what the model says then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "npu/gemv.h"
#include "tests/npu/sim/sim_parts.h"
#include "npu/txn.h"

/* The channels that sums go through in column 0: out of the memory tile's channel 5, into the
 * shim's channel 0. */
enum {
    WORDS = 16,
    MEM_OUT = 5,
    MEM_OUT_BD = 26,
    SHIM_IN = 0,
    SHIM_IN_BD = 2,
    BUFFER_BYTES = 2 * 4096,
    BUFFER_AT = 0x30000000
};

static const uint32_t shim_in_queue = SHIM_S2MM_QUEUE + SHIM_IN * QUEUE_STRIDE,
                      mem_out_queue = MEM_MM2S_QUEUE + MEM_OUT * QUEUE_STRIDE;

static struct descriptor sixteen_words(uint64_t at) {
    return (struct descriptor){
        .base = at, .words = WORDS, .next = -1, .acquire = -1, .acquire_value = -1};
}

static void write_descriptor(struct txn *t, uint32_t row, uint32_t bd, const struct descriptor *d) {
    uint32_t words[BD_WORDS_MAX], count = descriptor_pack(d, row, words),
                                  first = row == ROW_MEM ? MEM_BD : SHIM_BD;
    txn_block(t, tile_address(0, row, first + bd * BD_STRIDE), words, count);
}

static void push(struct txn *t, uint32_t row, uint32_t queue, uint32_t bd, uint32_t runs,
                 int token) {
    txn_write(t, tile_address(0, row, queue), queue_word(bd, runs, token));
}

static void name_controller(struct txn *t) {
    txn_write(t, tile_address(0, ROW_SHIM, SHIM_S2MM_CONTROL),
              SHIM_CONTROLLER << CONTROL_CONTROLLER_SHIFT);
}

static void patch_shim(struct txn *t, uint32_t argument, uint64_t offset) {
    txn_patch(t, tile_address(0, ROW_SHIM, SHIM_BD + SHIM_IN_BD * BD_STRIDE + 4), argument, offset);
}

static void receive_at(struct txn *t, uint64_t offset) {
    struct descriptor d = sixteen_words(0);
    write_descriptor(t, ROW_SHIM, SHIM_IN_BD, &d);
    patch_shim(t, 0, offset);
}

static void send_as(struct txn *t, const struct descriptor *d, uint32_t runs) {
    write_descriptor(t, ROW_MEM, MEM_OUT_BD, d);
    push(t, ROW_MEM, mem_out_queue, MEM_OUT_BD, runs, 0);
}

static void send(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    send_as(t, &d, 1);
}

static void wait_for_sums(struct txn *t) { txn_token(t, 0, 1, TXN_S2MM, SHIM_IN); }

static void all_but_the_wait(struct txn *t, uint64_t offset, int token) {
    receive_at(t, offset);
    push(t, ROW_SHIM, shim_in_queue, SHIM_IN_BD, 1, token);
    send(t);
}

/* ---- what is right */
static void right(struct txn *t) {
    name_controller(t);
    all_but_the_wait(t, 64, 1);
    wait_for_sums(t);
}

/* ---- and what is not */
static void to_no_buffer(struct txn *t) { all_but_the_wait(t, BUFFER_BYTES, 0); }
static void over_the_end(struct txn *t) { all_but_the_wait(t, BUFFER_BYTES - 32, 0); }

static void no_wait(struct txn *t) {
    name_controller(t);
    all_but_the_wait(t, 0, 1);
}
static void no_token(struct txn *t) {
    name_controller(t);
    all_but_the_wait(t, 0, 0);
    wait_for_sums(t);
}
static void no_controller(struct txn *t) {
    all_but_the_wait(t, 0, 1);
    wait_for_sums(t);
}
static void tokens_of_no_channel(struct txn *t) { txn_token(t, 0, 1, TXN_S2MM, SHIM_CHANNELS); }

static void five_tasks(struct txn *t) {
    receive_at(t, 0);
    for (int i = 0; i <= QUEUE_DEPTH; i++) push(t, ROW_SHIM, shim_in_queue, SHIM_IN_BD, 1, 0);
}
static void changed_in_use(struct txn *t) {
    receive_at(t, 0);
    push(t, ROW_SHIM, shim_in_queue, SHIM_IN_BD, 1, 0);
    receive_at(t, 0);
}
static void patched_in_use(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    write_descriptor(t, ROW_SHIM, SHIM_IN_BD, &d);
    push(t, ROW_SHIM, shim_in_queue, SHIM_IN_BD, 1, 0);
    patch_shim(t, 0, 0);
}
static void patched_twice(struct txn *t) {
    receive_at(t, 0);
    patch_shim(t, 0, 0);
}
static void patched_nowhere(struct txn *t) {
    txn_patch(t, tile_address(0, ROW_MEM, MEM_BD + 4), 0, 0);
}
static void patched_with_nothing(struct txn *t) { patch_shim(t, 1, 0); }

static void no_descriptor(struct txn *t) { push(t, ROW_MEM, mem_out_queue, MEM_OUT_BD, 1, 0); }
static void other_half(struct txn *t) { push(t, ROW_MEM, mem_out_queue, 0, 1, 0); }
static void seventeenth_descriptor(struct txn *t) {
    push(t, ROW_SHIM, shim_in_queue, SHIM_BDS, 1, 0);
}
static void odd_queue_word(struct txn *t) {
    txn_write(t, tile_address(0, ROW_MEM, mem_out_queue), 0x40);
}
static void odd_control_word(struct txn *t) {
    txn_write(t, tile_address(0, ROW_SHIM, SHIM_S2MM_CONTROL), 2);
}
static void past_tile_memory(struct txn *t) {
    struct descriptor d = sixteen_words(MEM_BYTES - 32);
    send_as(t, &d, 1);
}
static void chain_to_the_other_half(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    d.next = 2;
    send_as(t, &d, 1);
}
static void chain_to_nothing(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    d.next = MEM_BDS;
    send_as(t, &d, 1);
}
static void lock_over_63(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    d.release = 20, d.release_value = LOCK_MAX;
    send_as(t, &d, 2);
}
static void lock_left(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    d.release = 20, d.release_value = 1;
    name_controller(t);
    receive_at(t, 0);
    push(t, ROW_SHIM, shim_in_queue, SHIM_IN_BD, 1, 1);
    send_as(t, &d, 1);
    wait_for_sums(t);
}
static void lock_by_equality(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    d.acquire = 20, d.acquire_value = 0;
    send_as(t, &d, 1);
}
static void no_such_lock(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    d.acquire = MEM_LOCKS;
    send_as(t, &d, 1);
}
static void waits_for_ever(struct txn *t) {
    receive_at(t, 0);
    push(t, ROW_SHIM, shim_in_queue, SHIM_IN_BD, 1, 0);
}

static void another_column(struct txn *t) {
    txn_write(t, tile_address(ARRAY_COLUMNS_MAX, ROW_MEM, MEM_BD), 0);
}
static void another_register(struct txn *t) { txn_write(t, tile_address(0, ROW_MEM, 0xb0000), 0); }
static void seventh_word(struct txn *t) {
    txn_write(t, tile_address(0, ROW_CORE, CORE_BD + BD_WORDS_CORE * 4), 0);
}

/* A core gets weights and x before its parameters, which are still noise. */
static void core_without_parameters(struct txn *t) {
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t words[BD_WORDS_MAX], count, out = i ? 4 : 0; /* the memory tile's channels */
        struct descriptor d = sixteen_words(0);
        write_descriptor(t, ROW_MEM, i, &d);
        d = sixteen_words(i ? CORE_X : CORE_W);
        d.release = i ? LOCK_X_FULL : LOCK_W_FULL, d.release_value = 1;
        count = descriptor_pack(&d, ROW_CORE, words);
        txn_block(t, tile_address(0, ROW_CORE, CORE_BD + i * BD_STRIDE), words, count);
        push(t, ROW_CORE, CORE_S2MM_QUEUE + i * QUEUE_STRIDE, i, 1, 0);
        push(t, ROW_MEM, MEM_MM2S_QUEUE + out * QUEUE_STRIDE, i, 1, 0);
    }
}

/* A core whose parameters say two chunks gets only one. */
static void core_without_its_end(struct txn *t) {
    const uint32_t parameters[GEMV_PARAMETERS] = {WEIGHT_W8, 1, 8, 2, 1};
    txn_block(t, tile_address(0, ROW_CORE, CORE_PARAMETERS), parameters, GEMV_PARAMETERS);
    core_without_parameters(t);
}
static void core_written_at_work(struct txn *t) {
    core_without_its_end(t);
    txn_write(t, tile_address(0, ROW_CORE, CORE_PARAMETERS), 0);
}

static void read_weights(struct txn *t) {
    struct descriptor d = sixteen_words(0);
    write_descriptor(t, ROW_SHIM, SHIM_IN_BD, &d);
    patch_shim(t, 0, 0);
    push(t, ROW_SHIM, SHIM_MM2S_QUEUE, SHIM_IN_BD, 1, 0);
}

enum buffer { OWN, IMPORTED };
static const struct rule {
    void (*write)(struct txn *t);
    const char *says; /* NULL: nothing */
    enum buffer buffer;
    uint32_t word, flip; /* bits of the finished stream that are flipped */
} rules[] = {
    {right, NULL, OWN, 0, 0},
    {to_no_buffer, "in no buffer of the command", OWN, 0, 0},
    {over_the_end, "the device reaches 64 bytes at 8160 of a buffer of 8192", OWN, 0, 0},
    {right, "writes to imported pages", IMPORTED, 0, 0},
    {read_weights, "imported pages that were not synced", IMPORTED, 0, 0},
    {no_wait, "never waited for", OWN, 0, 0},
    {no_token, "never comes", OWN, 0, 0},
    {no_controller, "never comes", OWN, 0, 0},
    {tokens_of_no_channel, "tokens that cannot come", OWN, 0, 0},
    {five_tasks, "a queue of row 0 overflows", OWN, 0, 0},
    {changed_in_use, "changed while it is in use", OWN, 0, 0},
    {patched_in_use, "patched into a descriptor in use", OWN, 0, 0},
    {patched_twice, "patched over another one", OWN, 0, 0},
    {patched_nowhere, "no descriptor of a shim", OWN, 0, 0},
    {patched_with_nothing, "an argument that the command does not have", OWN, 0, 0},
    {no_descriptor, "descriptor 26 of row 1 is not valid", OWN, 0, 0},
    {other_half, "cannot use descriptor 0", OWN, 0, 0},
    {seventeenth_descriptor, "cannot use descriptor 16", OWN, 0, 0},
    {odd_queue_word, "bits that mean nothing", OWN, 0, 0},
    {odd_control_word, "does more than this model does", OWN, 0, 0},
    {past_tile_memory, "past the tile's memory", OWN, 0, 0},
    {chain_to_the_other_half, "leaves its channel's half", OWN, 0, 0},
    {chain_to_nothing, "one that is not there", OWN, 0, 0},
    {lock_over_63, "lock 20 of row 1 counts to 126", OWN, 0, 0},
    {lock_left, "lock 20 of row 1 is left at 1", OWN, 0, 0},
    {lock_by_equality, "by equality", OWN, 0, 0},
    {no_such_lock, "no such lock", OWN, 0, 0},
    {waits_for_ever, "a channel of row 0 is still at work", OWN, 0, 0},
    {send, "words are left in a stream into row 0", OWN, 0, 0},
    {another_column, "where the partition has nothing", OWN, 0, 0},
    {another_register, "this model does not have", OWN, 0, 0},
    {seventh_word, "no register of a descriptor", OWN, 0, 0},
    {core_without_parameters, "parameters that mean nothing", OWN, 0, 0},
    {core_without_its_end, "a core is still at work when", OWN, 0, 0},
    {core_written_at_work, "written while it works", OWN, 0, 0},
    {right, "is for another array", OWN, 0, 1 << 24},
    {right, "is for another partition", OWN, 1, 1},
    {right, "counts 6 operations and has 7", OWN, 2, 1},
    {right, "bytes, and the command", OWN, 3, 4},
    {right, "cut short or unknown", OWN, TXN_HEADER_WORDS, 2},
    {right, "operation 0x100 is not known", OWN, TXN_HEADER_WORDS, 0x100},
    {right, "a write of 64 bits", OWN, TXN_HEADER_WORDS + 1, 1},
    {right, "a block with a column", OWN, TXN_HEADER_WORDS + TXN_WRITE_WORDS + 1, 1},
};

/* Runs a stream on a fresh array, and keeps what the model says about it. */
static void say(struct sim_array *a, const struct rule *r, const uint32_t *code, uint32_t words) {
    static uint8_t host[BUFFER_BYTES], synced[BUFFER_BYTES / PAGE_BYTES];
    struct sim_buffer buffer = {
        .kind = UAPI_BUFFER_SHARE, .bytes = BUFFER_BYTES, .address = BUFFER_AT, .host = host};
    struct sim_command command = {.buffer = {&buffer}, .buffers = 1};
    struct sim_image image;
    const uint64_t argument = BUFFER_AT;
    if (r->buffer == IMPORTED) buffer.imported = 1, buffer.synced = synced;
    sim_image(&image, a->generation);
    assert_int_equal(sim_array_load(a, (const uint8_t *)&image, sizeof image), 0);
    memset(host, 0, sizeof host);
    sim.complaint[0] = 0;
    a->command = &command;
    int e = sim_firmware(a, code, words, &argument, 1);
    assert_int_equal(e == 0, r->says == NULL);
    if (!r->says) assert_memory_equal(host + 64, a->tile[0][ROW_MEM].memory, WORDS * 4);
}

static void rules_are_kept(void **state) {
    (void)state;
    static uint32_t code[1024];
    for (uint32_t generation = NPU_XDNA1; generation <= NPU_XDNA2; generation++) {
        struct sim_array array;
        sim_array_open(&array, generation);
        for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
            struct txn t;
            txn_begin(&t, code, sizeof code / sizeof *code);
            rules[i].write(&t);
            uint32_t words = (uint32_t)txn_end(&t, generation, array.columns);
            code[rules[i].word] ^= rules[i].flip;
            say(&array, &rules[i], code, words);
            if (rules[i].says ? !strstr(sim.complaint, rules[i].says) : sim.complaint[0])
                fail_msg("rule %zu, generation %u: %s", i, generation, sim.complaint);
        }
        sim_array_close(&array);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(rules_are_kept)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
