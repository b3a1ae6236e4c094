/* A saved state is checked completely before anything changes: whatever happened to its bytes, the
 * session goes on as if nothing was asked. All of it with every type of the cache. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

#include "weights/hash.h"

enum { POSITIONS = 12, CONTEXT = 64 };

/* Bits of K and V, as apus_config has them, and as they are. */
static const uint32_t caches[][4] = {{0, 0, 8, 8}, {4, 0, 4, 4}, {8, 4, 8, 4}, {4, 8, 4, 8}};
enum { CACHES = sizeof caches / sizeof *caches };
static const uint32_t *cache = caches[0];

static void use_cache(uint32_t which) {
    cache = caches[which];
    api_kv_bits = cache[0], api_v_bits = cache[1];
}

struct saved {
    struct api_model m;
    struct api_session s;
    int32_t ids[POSITIONS];
    unsigned char *data;
    size_t bytes;
    uint64_t after; /* hash of what is generated after the saved context */
};

static void save(struct saved *t, int which) {
    api_model_open(&t->m, which, APUS_CPU_BEST);
    api_open(&t->s, &t->m, CONTEXT, 1, 16);
    api_ids(&t->m, 5, t->ids, POSITIONS);
    assert_int_equal(API_PROMPT(&t->s, t->ids, POSITIONS), APUS_OK);
    t->data = saved_state(t->s.session, &t->bytes);
    assert_in_range(t->bytes, POSITIONS * sizeof(int32_t), 1 << 20);
    t->after = api_generate(&t->s, 6, NULL);
}

static void drop(struct saved *t) {
    free(t->data);
    api_close(&t->s);
    api_model_close(&t->m);
}

/* A session that is somewhere else, and what it would say next. */
static void go_elsewhere(const struct saved *t) {
    int32_t ids[POSITIONS];
    api_ids(&t->m, 6, ids, POSITIONS);
    assert_int_equal(API_PROMPT(&t->s, ids, POSITIONS), APUS_OK);
}

static void a_state_comes_back(void **state) {
    (void)state;
    for (int which = 0; which < API_MODELS; which++) {
        struct saved t;
        save(&t, which);
        go_elsewhere(&t);
        assert_int_equal(apus_restore(t.s.session, t.data, t.bytes), APUS_OK);
        const int32_t *ids;
        size_t count;
        assert_int_equal(apus_ids(t.s.session, &ids, &count), APUS_OK);
        assert_int_equal(count, POSITIONS);
        assert_memory_equal(ids, t.ids, sizeof t.ids);
        assert_true(api_generate(&t.s, 6, NULL) == t.after);

        /* the same context gives the same bytes */
        assert_int_equal(apus_rewind(t.s.session, POSITIONS), APUS_OK);
        unsigned char *again = malloc(t.bytes);
        size_t bytes;
        assert_non_null(again);
        assert_int_equal(apus_save(t.s.session, again, t.bytes, &bytes), APUS_OK);
        assert_int_equal(bytes, t.bytes);
        free(again);
        drop(&t);
    }
}

static void expect_refusal(const struct saved *t, const void *data, size_t bytes, const char *what,
                           size_t at) {
    struct api_view before = api_look(&t->s);
    apus_status status = apus_restore(t->s.session, data, bytes);
    if (status != APUS_E_FORMAT && status != APUS_E_VERSION && status != APUS_E_MISMATCH &&
        status != APUS_E_CONTEXT && status != APUS_E_TOKEN)
        fail_msg("%s %zu: restore gives %d", what, at, status);
    api_assert_same(before, &t->s);
}

static void damage_is_refused(void **state) {
    (void)state;
    struct saved t;
    save(&t, 0);
    go_elsewhere(&t);
    uint64_t elsewhere = api_generate(&t.s, 6, NULL);
    go_elsewhere(&t);
    unsigned char *copy = malloc(t.bytes + 8);
    assert_non_null(copy);

    for (size_t i = 0; i < t.bytes; i++) {
        for (unsigned change = 1; change < 256; change = change == 1      ? 0x80
                                                         : change == 0x80 ? 0xff
                                                                          : 256) {
            memcpy(copy, t.data, t.bytes);
            copy[i] ^= (unsigned char)change;
            expect_refusal(&t, copy, t.bytes, "changed byte", i);
        }
    }
    /* Cut off: a copy of just that size, so that reading past it shows under the address
     * sanitizer. */
    for (size_t n = 0; n < t.bytes; n++) {
        unsigned char *part = malloc(n ? n : 1);
        assert_non_null(part);
        memcpy(part, t.data, n);
        expect_refusal(&t, part, n, "bytes cut to", n);
        free(part);
    }
    memcpy(copy, t.data, t.bytes);
    memset(copy + t.bytes, 0, 8);
    expect_refusal(&t, copy, t.bytes + 1, "bytes grown to", t.bytes + 1);
    expect_refusal(&t, copy, t.bytes + 8, "bytes grown to", t.bytes + 8);
    memset(copy, 0, t.bytes);
    expect_refusal(&t, copy, t.bytes, "zeros", t.bytes);
    memset(copy, 0xff, t.bytes);
    expect_refusal(&t, copy, t.bytes, "ones", t.bytes);

    assert_true(api_generate(&t.s, 6, NULL) == elsewhere);
    assert_int_equal(apus_restore(t.s.session, t.data, t.bytes), APUS_OK);
    assert_true(api_generate(&t.s, 6, NULL) == t.after);
    free(copy);
    drop(&t);
}

/* Where things are in a state (runtime/state.c). */
enum { AT_VERSION = 4, AT_MODEL = 8, AT_BYTES = 16, AT_EVALUATED = 24, AT_FLAGS = 28, AT_IDS = 32 };

/* With the right hash behind every change, so that the checks that come after it are reached. */
static void states_with_right_hashes_are_checked(void **state) {
    (void)state;
    struct saved t;
    save(&t, 0);
    go_elsewhere(&t);
    apus_layer_info layer = {.size = sizeof layer};
    assert_int_equal(apus_blob_layer(&t.m.blob, 0, &layer), APUS_OK);
    /* the first kv head's scales: behind the ids, its K and its V of 16 slots */
    const size_t scales = AT_IDS + POSITIONS * 4 + 16 * layer.head_dim * (cache[2] + cache[3]) / 8;
    const uint32_t own = (cache[2] == 4 ? 4u : 0u) | (cache[3] == 4 ? 8u : 0u);
    const struct {
        const char *what;
        size_t at, bytes;
        uint64_t value;
        apus_status status;
    } tries[] = {
        {"another kind of file", 0, 4, 0x53555041, APUS_E_FORMAT},
        {"version 0", AT_VERSION, 4, 0, APUS_E_VERSION},
        {"the version before", AT_VERSION, 4, 1, APUS_E_VERSION},
        {"the next version", AT_VERSION, 4, 3, APUS_E_VERSION},
        {"a version swapped", AT_VERSION, 4, 1u << 24, APUS_E_VERSION},
        {"another model", AT_MODEL, 8, 0, APUS_E_MISMATCH},
        {"no bytes", AT_BYTES, 8, 0, APUS_E_FORMAT},
        {"bytes that wrap", AT_BYTES, 8, UINT64_MAX, APUS_E_FORMAT},
        {"no positions", AT_EVALUATED, 4, 0, APUS_E_FORMAT},
        /* the size is the same: the last id would be padding */
        {"a position less", AT_EVALUATED, 4, POSITIONS - 1, APUS_E_FORMAT},
        {"more positions than cells", AT_EVALUATED, 4, POSITIONS + 5, APUS_E_FORMAT},
        {"2^31 positions", AT_EVALUATED, 4, 1u << 31, APUS_E_FORMAT},
        {"positions whose cells wrap", AT_EVALUATED, 4, UINT32_MAX, APUS_E_FORMAT},
        {"a key", AT_FLAGS, 4, own | 1, APUS_E_FORMAT},
        {"a flag that is none", AT_FLAGS, 4, own | 16, APUS_E_FORMAT},
        {"other bits of K", AT_FLAGS, 4, own ^ 4, APUS_E_MISMATCH},
        {"other bits of V", AT_FLAGS, 4, own ^ 8, APUS_E_MISMATCH},
        {"a negative id", AT_IDS, 4, UINT32_MAX, APUS_E_FORMAT},
        {"the vocabulary's size as an id", AT_IDS + (POSITIONS - 1) * 4, 4, t.m.info.vocab,
         APUS_E_FORMAT},
        {"a scale that is no number", scales, 4, 0x7fc00000, APUS_E_FORMAT},
        {"an infinite scale", scales + 4, 4, 0x7f800000, APUS_E_FORMAT},
        {"a negative scale", scales + 8, 4, 0xbf800000, APUS_E_FORMAT},
        {"-0", scales + 12, 4, 0x80000000, APUS_E_FORMAT},
        {"a subnormal scale", scales + 16 * 4, 4, 1, APUS_E_FORMAT},
        {"a scale above 2^50", scales + 31 * 4, 4, 0x58800001, APUS_E_FORMAT},
    };
    unsigned char *copy = malloc(t.bytes);
    assert_non_null(copy);
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
        memcpy(copy, t.data, t.bytes);
        memcpy(copy + tries[i].at, &tries[i].value, tries[i].bytes);
        uint64_t hash = hash64(copy, t.bytes - 8);
        memcpy(copy + t.bytes - 8, &hash, 8);
        struct api_view before = api_look(&t.s);
        apus_status status = apus_restore(t.s.session, copy, t.bytes);
        if (status != tries[i].status) fail_msg("%s gives %d", tries[i].what, status);
        api_assert_same(before, &t.s);
    }
    free(copy);
    assert_int_equal(apus_restore(t.s.session, t.data, t.bytes), APUS_OK);
    assert_true(api_generate(&t.s, 6, NULL) == t.after);
    drop(&t);
}

/* Any K and V are numbers: the same bits come of them on every instruction set, -128 too, which no
 * engine writes. */
static void any_rows_give_the_same_bits(void **state) {
    (void)state;
    uint64_t first = 0;
    for (int cpu = APUS_CPU_REF; cpu <= APUS_CPU_NEON; cpu++) {
        if (!api_has_cpu((apus_cpu)cpu)) continue;
        struct saved t;
        api_model_open(&t.m, 0, (apus_cpu)cpu);
        api_open(&t.s, &t.m, CONTEXT, 1, 16);
        api_ids(&t.m, 5, t.ids, POSITIONS);
        assert_int_equal(API_PROMPT(&t.s, t.ids, POSITIONS), APUS_OK);
        t.data = saved_state(t.s.session, &t.bytes);
        apus_layer_info layer = {.size = sizeof layer};
        size_t at = AT_IDS + POSITIONS * 4;
        for (uint32_t i = 0; i < t.m.info.layers; i++) {
            assert_int_equal(apus_blob_layer(&t.m.blob, i, &layer), APUS_OK);
            const size_t k = 16 * layer.head_dim * cache[2] / 8,
                         v = 16 * layer.head_dim * cache[3] / 8;
            for (uint32_t h = 0; h < layer.kv_heads; h++, at += k + v + 16 * 8) {
                /* K is stored + 128, V is not */
                memset(t.data + at, 0, k);
                memset(t.data + at + k, cache[3] == 8 ? 0x80 : 0, v);
            }
        }
        assert_int_equal(at, t.bytes - 8);
        uint64_t hash = hash64(t.data, t.bytes - 8);
        memcpy(t.data + at, &hash, 8);
        assert_int_equal(apus_restore(t.s.session, t.data, t.bytes), APUS_OK);
        hash = api_generate(&t.s, 20, NULL);
        if (!first) first = hash;
        assert_true(hash == first && hash != 0);
        drop(&t);
    }
}

static void another_models_state_is_refused(void **state) {
    (void)state;
    struct saved t, u;
    save(&t, 0);
    save(&u, 1);
    struct api_view before = api_look(&t.s);
    assert_int_equal(apus_restore(t.s.session, u.data, u.bytes), APUS_E_MISMATCH);
    api_assert_same(before, &t.s);
    drop(&u);
    drop(&t);
}

/* The session's own type is the only one that it takes. */
static void a_cache_of_other_bits_is_refused(void **state) {
    (void)state;
    const uint32_t own = (uint32_t)(cache - caches[0]) / 4;
    struct saved t;
    save(&t, 0);
    for (uint32_t i = 0; i < CACHES; i++) {
        struct api_session other;
        use_cache(i);
        api_open(&other, &t.m, CONTEXT, 1, 16);
        assert_int_equal(API_PROMPT(&other, t.ids, 3), APUS_OK);
        struct api_view before = api_look(&other);
        if (i == own) {
            assert_int_equal(apus_restore(other.session, t.data, t.bytes), APUS_OK);
            assert_true(api_generate(&other, 6, NULL) == t.after);
        } else {
            assert_int_equal(apus_restore(other.session, t.data, t.bytes), APUS_E_MISMATCH);
            api_assert_same(before, &other);
        }
        api_close(&other);
    }
    use_cache(own);
    drop(&t);
}

static void a_state_has_to_fit(void **state) {
    (void)state;
    struct saved t;
    struct api_session small;
    save(&t, 0);
    api_open(&small, &t.m, POSITIONS - 1, 1, 4);
    assert_int_equal(API_PROMPT(&small, t.ids, 3), APUS_OK);
    struct api_view before = api_look(&small);
    assert_int_equal(apus_restore(small.session, t.data, t.bytes), APUS_E_CONTEXT);
    api_assert_same(before, &small);
    api_close(&small);
    drop(&t);
}

static void saving_checks_its_arguments(void **state) {
    (void)state;
    struct saved t;
    save(&t, 0);
    assert_int_equal(apus_rewind(t.s.session, POSITIONS), APUS_OK);
    size_t bytes = 0;
    memset(t.data, 0x11, t.bytes);
    assert_int_equal(apus_save(t.s.session, t.data, t.bytes - 1, &bytes), APUS_E_SPACE);
    for (size_t i = 0; i < t.bytes; i++) assert_int_equal(t.data[i], 0x11);
    assert_int_equal(apus_save(NULL, t.data, t.bytes, &bytes), APUS_E_ARGUMENT);
    assert_int_equal(apus_save(t.s.session, t.data, t.bytes, NULL), APUS_E_ARGUMENT);
    assert_int_equal(apus_restore(NULL, t.data, t.bytes), APUS_E_ARGUMENT);
    assert_int_equal(apus_restore(t.s.session, NULL, t.bytes), APUS_E_ARGUMENT);
    drop(&t);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_comes_back),
        cmocka_unit_test(damage_is_refused),
        cmocka_unit_test(states_with_right_hashes_are_checked),
        cmocka_unit_test(any_rows_give_the_same_bits),
        cmocka_unit_test(another_models_state_is_refused),
        cmocka_unit_test(a_cache_of_other_bits_is_refused),
        cmocka_unit_test(a_state_has_to_fit),
        cmocka_unit_test(saving_checks_its_arguments),
    };
    int failed = 0;
    for (uint32_t i = 0; i < CACHES; i++) {
        use_cache(i);
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    }
    return failed;
}
