/* A saved state is checked completely before anything changes: whatever happened to its bytes, the session goes on as if nothing was asked. */
#include "tests/api/fixture.h"

#include <stdlib.h>
#include <string.h>

enum { POSITIONS = 12, CONTEXT = 64 };

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
    assert_int_equal(apus_save(t->s.session, NULL, 0, &t->bytes), APUS_OK);
    assert_in_range(t->bytes, POSITIONS * sizeof(int32_t), 1 << 20);
    t->data = malloc(t->bytes);
    assert_non_null(t->data);
    assert_int_equal(apus_save(t->s.session, t->data, t->bytes, &t->bytes), APUS_OK);
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

static void expect_refusal(const struct saved *t, const void *data, size_t bytes, const char *what, size_t at) {
    struct api_view before = api_look(&t->s);
    apus_status status = apus_restore(t->s.session, data, bytes);
    if (status != APUS_E_FORMAT && status != APUS_E_VERSION && status != APUS_E_MISMATCH && status != APUS_E_CONTEXT &&
        status != APUS_E_TOKEN)
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
        for (unsigned change = 1; change < 256; change = change == 1 ? 0x80 : change == 0x80 ? 0xff : 256) {
            memcpy(copy, t.data, t.bytes);
            copy[i] ^= (unsigned char)change;
            expect_refusal(&t, copy, t.bytes, "changed byte", i);
        }
    }
    /* Cut off: a copy of just that size, so that reading past it shows under the address sanitizer. */
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
        cmocka_unit_test(another_models_state_is_refused),
        cmocka_unit_test(a_state_has_to_fit),
        cmocka_unit_test(saving_checks_its_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
