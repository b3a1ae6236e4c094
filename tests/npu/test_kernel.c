/* The tile kernel by itself: compares the sums of every kind of chunk with plain ones. The buffers
 * end with the chunk, so that the sanitizers notice accesses past it; in a tile other buffers lie
 * there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "npu/aie/gemv.h"
#include "weights/types.h"

enum { ROWS = 16, GROUPS_MAX = 4, TOKENS_MAX = 16, LINE = 64 };

static uint32_t noise = 1;
static uint8_t byte(void) {
    noise = noise * 1664525u + 1013904223u;
    return (uint8_t)(noise >> 24);
}

static void *noisy(size_t bytes) {
    uint8_t *p = aligned_alloc(LINE, bytes);
    assert_non_null(p);
    for (size_t i = 0; i < bytes; i++) p[i] = byte();
    return p;
}

/* Weight [r][k] of a chunk: lines of [row][4 k]; W4's and W4T's begin with the groups' scales, two
 * lines of 4 k to one of nibbles. */
static int32_t weight(uint32_t type, const uint8_t *w, uint32_t r, uint32_t k) {
    if (type == APUS_NPU_W8) return w[k / 4 * LINE + r * 4 + k % 4] - 128;
    int32_t scale = (w[k / GROUP * ROWS + r] ^ 128) - 128;
    uint8_t two = w[LINE + k / 8 * LINE + r * 4 + k % 4];
    static const int8_t table[16] = WEIGHT_TABLE(0);
    int32_t nibble = k % 8 < 4 ? two & 15 : two >> 4;
    return (type == APUS_NPU_W4T ? table[nibble] : nibble - 8) * scale;
}

/* x is [k / 4][tokens / 8][4 k][8 tokens], y [tokens / 8][row][8 tokens]. */
static uint32_t x_at(uint32_t k, uint32_t c, uint32_t tokens) {
    return k / 4 * 4 * tokens + c / 8 * 32 + k % 4 * 8 + c % 8;
}

static void chunk(uint32_t type, uint32_t groups, uint32_t tokens, uint32_t first) {
    const uint32_t parameter[] = {[APUS_NPU_TYPE] = type,
                                  [APUS_NPU_GROUPS] = groups,
                                  [APUS_NPU_TOKENS] = tokens,
                                  [APUS_NPU_CHUNKS] = 1,
                                  [APUS_NPU_PANELS] = 1};
    uint8_t *w = noisy(type == APUS_NPU_W8 ? groups * 16 * LINE : (1 + groups * 8) * LINE);
    int8_t *x = noisy((size_t)groups * GROUP * tokens);
    int32_t *y = noisy(ROWS * tokens * sizeof *y), want[ROWS * TOKENS_MAX];
    for (uint32_t r = 0; r < ROWS; r++)
        for (uint32_t c = 0; c < tokens; c++) {
            uint32_t at = c / 8 * ROWS * 8 + r * 8 + c % 8, sum = first ? 0 : (uint32_t)y[at];
            for (uint32_t k = 0; k < groups * GROUP; k++)
                sum += (uint32_t)(weight(type, w, r, k) * x[x_at(k, c, tokens)]);
            want[at] = (int32_t)sum;
        }
    apus_npu_chunk(w, x, y, parameter, first);
    assert_memory_equal(y, want, ROWS * tokens * sizeof *y);
    free(w), free(x), free(y);
}

static void every_chunk_is_exact(void **state) {
    (void)state;
    static const uint32_t types[] = {APUS_NPU_W8, APUS_NPU_W4, APUS_NPU_W4T};
    for (size_t t = 0; t < sizeof types / sizeof *types; t++)
        for (uint32_t groups = 1; groups <= GROUPS_MAX; groups++)
            for (uint32_t tokens = 8; tokens <= TOKENS_MAX; tokens += 8)
                for (uint32_t first = 0; first < 2; first++) chunk(types[t], groups, tokens, first);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_chunk_is_exact)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
