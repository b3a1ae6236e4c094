/* The cache's functions (hal/kv.h), for every type: each writes the rows it names, and nothing
 * else; what is saved comes back, at any alignment, and equal rows are equal bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hal/kv.h"

enum { SLOTS = 64, HEADS = 3, DIM = 32 };

static enum kv_type type; /* under test */

static struct kv_cache cache_open(uint32_t slots) {
    struct kv_cache c = {NULL, type, slots, HEADS, DIM};
    size_t bytes = (size_t)kv_bytes(&c);
    assert_int_equal(bytes % 64, 0);
    assert_int_equal(bytes, HEADS * kv_head_bytes(&c));
    c.data = aligned_alloc(64, bytes);
    assert_non_null(c.data);
    memset(c.data, 0x5a, bytes);
    return c;
}

static int8_t value(uint32_t head, uint32_t row, enum kv_part part, uint32_t channel) {
    return (int8_t)((head * 91 + row * 37 + (part == KV_V) * 50 + channel * 7) % 255 - 127);
}

/* What the cache makes of a value: with 4 bits the nearest level, of two the upper one. */
static int32_t kept(int8_t q, enum kv_part part) {
    uint32_t best = 0;
    if (kv_bits(type, part) == 8) return q;
    for (uint32_t i = 1; i < 16; i++)
        if (abs(q - kv_levels[i]) <= abs(q - kv_levels[best])) best = i;
    return kv_levels[best];
}

/* Row number `row` in `slot`. */
static void store(const struct kv_cache *c, uint32_t slot, uint32_t row) {
    for (uint32_t h = 0; h < c->kv_heads; h++)
        for (enum kv_part part = KV_K; part <= KV_V; part = (enum kv_part)(part + 1)) {
            int8_t q[DIM];
            for (uint32_t i = 0; i < DIM; i++) q[i] = value(h, row, part, i);
            kv_store(c, h, slot, part, q, (float)(1 + row * 2 + part));
        }
}

static int holds(const struct kv_cache *c, uint32_t slot, uint32_t row) {
    int good = 1;
    for (uint32_t h = 0; h < c->kv_heads; h++) {
        struct kv_head kv = kv_head_of(c, h);
        for (uint32_t i = 0; i < DIM; i++)
            good &= kv_k_value(&kv, kv_bits(type, KV_K), slot, i, DIM) ==
                        kept(value(h, row, KV_K, i), KV_K) &&
                    kv_v_value(&kv, kv_bits(type, KV_V), slot, i, DIM) ==
                        kept(value(h, row, KV_V, i), KV_V);
        good &= kv.kscale[slot] == (float)(1 + row * 2) && kv.vscale[slot] == (float)(2 + row * 2);
    }
    return good;
}

static int is_zero(const struct kv_cache *c, uint32_t slot) {
    int good = 1;
    for (uint32_t h = 0; h < c->kv_heads; h++) {
        struct kv_head kv = kv_head_of(c, h);
        const uint32_t k_row = DIM * kv_bits(type, KV_K) / 8, v_row = DIM * kv_bits(type, KV_V) / 8;
        for (uint32_t i = 0; i < k_row; i++) good &= !kv.k[kv_k_index(slot, i, k_row)];
        for (uint32_t i = 0; i < v_row; i++) good &= !kv.v[kv_v_index(slot, i, v_row)];
        good &= kv.kscale[slot] == 0.0f && kv.vscale[slot] == 0.0f;
    }
    return good;
}

static void rows_go_where_they_are_sent(void **unused) {
    (void)unused;
    struct kv_cache c = cache_open(SLOTS);
    for (uint32_t slot = 0; slot < SLOTS; slot++) store(&c, slot, slot);
    for (uint32_t slot = 0; slot < SLOTS; slot++) assert_true(holds(&c, slot, slot));
    kv_move(&c, 5, 33);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        assert_true(holds(&c, slot, slot == 33 ? 5 : slot));
    kv_copy(&c, 48, &c, 16, 16);
    for (uint32_t slot = 48; slot < SLOTS; slot++) assert_true(holds(&c, slot, slot - 32));
    free(c.data);
}

static void zero_ends_where_it_is_told(void **unused) {
    (void)unused;
    static const uint32_t ends[][2] = {{0, 64}, {3, 5},   {3, 16},  {0, 7}, {16, 32},
                                       {9, 50}, {15, 17}, {31, 33}, {8, 8}};
    struct kv_cache c = cache_open(SLOTS);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        for (uint32_t slot = 0; slot < SLOTS; slot++) store(&c, slot, slot);
        kv_zero(&c, ends[i][0], ends[i][1]);
        for (uint32_t slot = 0; slot < SLOTS; slot++)
            assert_true(slot >= ends[i][0] && slot < ends[i][1] ? is_zero(&c, slot)
                                                                : holds(&c, slot, slot));
    }
    free(c.data);
}

static void saved_rows_come_back(void **unused) {
    (void)unused;
    struct kv_cache c = cache_open(SLOTS), other = cache_open(32);
    for (uint32_t count = 0; count <= 32; count++) {
        size_t bytes = (size_t)kv_saved_bytes(&c, 16, count);
        uint8_t *first = malloc(bytes + 3), *second = malloc(bytes + 3);
        assert_non_null(first);
        assert_non_null(second);
        for (uint32_t slot = 0; slot < SLOTS; slot++) store(&c, slot, slot);
        kv_export(&c, 16, count, first + 1);
        for (uint32_t slot = 16 + count; slot < SLOTS; slot++) store(&c, slot, 99);
        kv_export(&c, 16, count, second + 3);
        assert_memory_equal(first + 1, second + 3, bytes);
        assert_int_equal(kv_saved_bad(&c, 16, count, first + 1), HEADS);
        memset(other.data, 0x5a, (size_t)kv_bytes(&other));
        kv_import(&other, 0, count, first + 1);
        for (uint32_t slot = 0; slot < (count + 15) / 16 * 16; slot++)
            assert_true(slot < count ? holds(&other, slot, slot + 16) : is_zero(&other, slot));
        free(first);
        free(second);
    }
    free(c.data);
    free(other.data);
}

/* The scales are the only bytes that not every pattern suits. */
static void bad_scales_are_found(void **unused) {
    (void)unused;
    static const float bad[] = {-1.0f, 0x1p-51f, 0x1.8p+50f, -0.0f};
    struct kv_cache c = cache_open(16);
    uint8_t *saved = malloc((size_t)kv_saved_bytes(&c, 0, 16));
    assert_non_null(saved);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (uint32_t h = 0; h < HEADS; h++)
            for (enum kv_part part = KV_K; part <= KV_V; part = (enum kv_part)(part + 1)) {
                static const int8_t q[DIM];
                for (uint32_t slot = 0; slot < 16; slot++) store(&c, slot, slot);
                kv_store(&c, h, 15, part, q, bad[i]);
                kv_export(&c, 0, 16, saved);
                assert_int_equal(kv_saved_bad(&c, 0, 16, saved), h);
            }
    free(saved);
    free(c.data);
}

/* All values, whatever the cache's tables say of them. */
static void codes_are_of_the_nearest_levels(void **unused) {
    (void)unused;
    struct kv_cache c = cache_open(16);
    for (int q = -128; q < 128; q++)
        for (enum kv_part part = KV_K; part <= KV_V; part = (enum kv_part)(part + 1)) {
            int8_t row[DIM];
            memset(row, q, sizeof row);
            kv_store(&c, 1, 7, part, row, 1.0f);
            const struct kv_head kv = kv_head_of(&c, 1);
            for (uint32_t i = 0; i < DIM; i++)
                assert_int_equal(part == KV_K ? kv_k_value(&kv, kv_bits(type, KV_K), 7, i, DIM)
                                              : kv_v_value(&kv, kv_bits(type, KV_V), 7, i, DIM),
                                 kept((int8_t)q, part));
        }
    free(c.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_go_where_they_are_sent), cmocka_unit_test(zero_ends_where_it_is_told),
        cmocka_unit_test(saved_rows_come_back), cmocka_unit_test(bad_scales_are_found),
        cmocka_unit_test(codes_are_of_the_nearest_levels)};
    int failed = 0;
    for (int i = 0; i < KV_TYPES; i++) {
        type = (enum kv_type)i;
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
