/* Where slots lie: no two that live at once overlap, for real programs and for made-up ones, and
 * real ones take no more than when attention and feed-forward shared their place by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "runtime/graph.h"
#include "tests/hal/random_model.h"

static uint32_t state = 1;
static uint32_t below(uint32_t n) {
    state ^= state << 13, state ^= state >> 17, state ^= state << 5;
    return state % n;
}

/* -------------------------------------------------------------- what memory would hold then -- */

enum { OPS = 40, LIMIT = 4096 };

/* Runs a program in memory whose bytes say who wrote them: every read must find what the slot was
 * given last. */
struct memory {
    uint32_t owner[LIMIT]; /* by 64 bytes: slot and time of the last write */
    uint32_t given[HAL_SLOTS];
    const uint64_t *at, *bytes;
};

static void put(struct memory *m, uint32_t slot, uint32_t now) {
    m->given[slot] = now * HAL_SLOTS + slot;
    for (uint64_t i = m->at[slot] / 64; i < (m->at[slot] + m->bytes[slot] + 63) / 64; i++) {
        assert_true(i < LIMIT);
        m->owner[i] = m->given[slot];
    }
}

static void expect(const struct memory *m, uint32_t slot) {
    for (uint64_t i = m->at[slot] / 64; i < (m->at[slot] + m->bytes[slot] + 63) / 64; i++)
        if (m->owner[i] != m->given[slot]) fail_msg("slot %u was overwritten", slot);
}

static void run(const struct hal_op *ops, uint32_t count, uint32_t results, const uint64_t *bytes,
                const uint64_t *at) {
    struct memory *m = calloc(1, sizeof *m);
    m->at = at, m->bytes = bytes;
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t n = 0; n < ops[i].ins; n++) expect(m, ops[i].in[n]);
        for (uint32_t n = 0; n < ops[i].outs; n++) {
            if (ops[i].flags & HAL_ADD) expect(m, ops[i].out[n]);
            put(m, ops[i].out[n], i + 1);
        }
        /* in any order, and while it still reads */
        for (uint32_t n = 0; n < ops[i].ins; n++) expect(m, ops[i].in[n]);
        for (uint32_t n = 0; n < ops[i].outs; n++) expect(m, ops[i].out[n]);
    }
    for (uint32_t s = 0; s < HAL_SLOTS; s++)
        if (results >> s & 1) expect(m, s);
    free(m);
}

/* Reads what was written before, and nothing that an operation writes is what it reads. */
static void make_up(struct hal_op *op, uint32_t *written) {
    uint32_t used = 0;
    memset(op, 0, sizeof *op);
    op->flags = below(4) ? 0 : HAL_ADD;
    for (uint32_t n = below(3); *written && n > 0; n--) {
        uint32_t s = below(HAL_SLOTS);
        if (!(*written >> s & 1) || used >> s & 1) continue;
        op->in[op->ins++] = (uint8_t)s, used |= 1u << s;
    }
    for (uint32_t n = 1 + below(HAL_OP_SLOTS); n > 0; n--) {
        uint32_t s = below(HAL_SLOTS);
        if (used >> s & 1 || (op->flags && !(*written >> s & 1))) continue;
        op->out[op->outs++] = (uint8_t)s, used |= 1u << s;
    }
    for (uint32_t n = 0; n < op->outs; n++) *written |= 1u << op->out[n];
}

static void made_up_programs(void **unused) {
    (void)unused;
    uint64_t shared = 0;
    for (int round = 0; round < 20000; round++) {
        struct hal_op ops[OPS];
        struct lives lives;
        uint64_t bytes[HAL_SLOTS], at[HAL_SLOTS], sum = 0;
        uint32_t count = 1 + below(OPS), written = 0;
        lives_begin(&lives);
        for (uint32_t i = 0; i < count; i++) {
            make_up(&ops[i], &written);
            lives_add(&lives, &ops[i]);
        }
        uint32_t results = below(1u << HAL_SLOTS) & written;
        lives_end(&lives, results);
        for (uint32_t s = 0; s < HAL_SLOTS; s++) {
            bytes[s] = below(5) ? 1 + below(2000) : 0;
            sum += (bytes[s] + 63) & ~(uint64_t)63;
        }
        uint64_t end = lives_place(&lives, bytes, at);
        assert_true(end <= sum);
        shared += end < sum;
        for (uint32_t s = 0; s < HAL_SLOTS; s++)
            assert_true(at[s] % 64 == 0 && at[s] + bytes[s] <= end);
        run(ops, count, results, bytes, at);
    }
    assert_true(shared > 1000); /* or it says nothing */
}

/* ----------------------------------------------------------------------------- real shapes -- */

struct shape {
    struct random_shape of;
    uint32_t columns;
};
static const struct shape shapes[] = {
    {{.layers = 2,
      .dim = 576,
      .vocab = 1000,
      .head_dim = 64,
      .positions = 64,
      .layer = {{.heads = 9, .kv_heads = 3, .ffn = 1536}, {.heads = 9, .kv_heads = 3, .ffn = 1536}},
      .w4 = 1,
      .bias = 0},
     64},
    {{.layers = 1,
      .dim = 1024,
      .vocab = 512,
      .head_dim = 128,
      .positions = 64,
      .layer = {{.heads = 8, .kv_heads = 8, .ffn = 2752}},
      .w4 = 1,
      .bias = 0},
     512},
    {{.layers = 1,
      .dim = 64,
      .vocab = 4000,
      .head_dim = 16,
      .positions = 64,
      .layer = {{.heads = 16, .kv_heads = 16, .ffn = 64}},
      .w4 = 0,
      .bias = 0},
     1},
    {{.layers = 2,
      .dim = 128,
      .vocab = 300,
      .head_dim = 32,
      .positions = 64,
      .layer = {{.heads = 4, .kv_heads = 1}, {.ffn = 256}},
      .w4 = 0,
      .bias = 0},
     16},
    {{.layers = 3,
      .dim = 64,
      .vocab = 80,
      .head_dim = 16,
      .positions = 64,
      .layer = {{.ffn = 64}, {.heads = 40, .kv_heads = 2, .ffn = 64}, {.heads = 1, .kv_heads = 1}},
      .w4 = 0,
      .bias = 1},
     33},
};

static uint64_t up(uint64_t bytes) { return (bytes + 63) & ~(uint64_t)63; }

/* As it was: X, A and the logits by themselves, attention's slots where feed-forward's are. */
static uint64_t by_hand(const uint64_t bytes[HAL_SLOTS]) {
    uint64_t attention =
                 up(bytes[SLOT_Q]) + up(bytes[SLOT_K]) + up(bytes[SLOT_V]) + up(bytes[SLOT_QI]),
             feed_forward = up(bytes[SLOT_G]) + up(bytes[SLOT_U]);
    return up(bytes[SLOT_X]) + up(bytes[SLOT_A]) + up(bytes[SLOT_LOGITS]) +
           (attention > feed_forward ? attention : feed_forward);
}

static void real_programs(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct hal_model model = random_model(&shapes[i].of, 1);
        struct hal_program program;
        struct hal_op ops[64];
        uint32_t weight[64];
        struct lives lives;
        uint64_t bytes[HAL_SLOTS], at[HAL_SLOTS];
        graph_build(&model, ops, weight, &program);
        graph_lives(&model, &lives);
        for (uint32_t s = 0; s < HAL_SLOTS; s++)
            bytes[s] = program.stride[s] *
                       (uint64_t)(s == SLOT_LOGITS ? HAL_LOGITS_MAX : shapes[i].columns);
        uint64_t end = lives_place(&lives, bytes, at), before = by_hand(bytes);
        print_message("%u columns of %u: %llu bytes, %llu by hand\n", shapes[i].columns,
                      shapes[i].of.dim, (unsigned long long)end, (unsigned long long)before);
        assert_true(end <= before && end > bytes[SLOT_X]);
        random_model_free(&model);
    }
}

/* A part's operations are those of its layers, in the whole's arrays. */
static void parts_are_slices(void **unused) {
    (void)unused;
    const struct shape *s = &shapes[sizeof shapes / sizeof *shapes - 1];
    struct hal_model model = random_model(&s->of, 1);
    struct hal_program whole, part;
    struct hal_op ops[64];
    uint32_t weight[64], layers = s->of.layers;
    graph_build(&model, ops, weight, &whole);
    for (uint32_t first = 0; first < layers; first++)
        for (uint32_t end = first + 1; end <= layers; end++) {
            part = graph_part(&model, &whole, (struct hal_range){first, end});
            assert_ptr_equal(part.weight, weight);
            uint32_t n = 0;
            for (uint32_t i = 0; i < whole.count; i++) {
                if (ops[i].layer < first || ops[i].layer >= end) continue;
                assert_ptr_equal(&part.ops[n++], &ops[i]);
            }
            assert_int_equal(part.count, n);
        }
    random_model_free(&model);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(made_up_programs),
                                       cmocka_unit_test(real_programs),
                                       cmocka_unit_test(parts_are_slices)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
