/* What the reader says of a layer's window, of its sinks and of its table of RoPE. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "apus/apus.h"
#include "tests/pack/tiny_blob.h"
#include "weights/blob.h"

enum { LAYERS = 5, HEADS = 4 };

static uint8_t *data;
static size_t size;

static void make(const uint32_t window[LAYERS]) {
    struct tiny_spec spec = {.layers = LAYERS, .heads = HEADS, .sinks = 1, .seed = 4};
    memcpy(spec.window, window, LAYERS * sizeof *window);
    free(data);
    data = tiny_blob(&spec, &size);
    assert_non_null(data);
}

static void *section(enum blob_kind kind) {
    return data + ((const struct blob_header *)(const void *)data)->section[kind].offset;
}

static struct blob_variant *variant(uint32_t i) {
    struct blob_layer *layers = section(BLOB_LAYERS);
    return (struct blob_variant *)(void *)(layers + LAYERS) + i;
}

/* NULL: it opens. */
static void expect(const char *what) {
    struct blob blob;
    char why[BLOB_WHY] = "";
    tiny_reseal(data, size);
    const apus_status status = blob_open(&blob, data, size, why);
    if (status != (what ? APUS_E_FORMAT : APUS_OK) || (what && !strstr(why, what)))
        fail_msg("status %d, \"%s\" where \"%s\" was expected", status, why, what ? what : "");
}

static void windows(void **unused) {
    (void)unused;
    static const uint32_t few[LAYERS] = {9, 0, 1, BLOB_POSITIONS_MAX, 9},
                          many[LAYERS] = {9, 1, 2, 3, 9};
    make(few);
    expect(NULL);
    variant(1)->window = BLOB_POSITIONS_MAX + 1;
    expect("variant 1: window is 131073, must be 0 to 131072");
    variant(1)->window = UINT32_MAX;
    expect("variant 1: window is 4294967295");
    make(many);
    expect("variant 3: window is 3, one of more than 3 different ones");
}

static void sinks(void **unused) {
    (void)unused;
    static const uint32_t window[LAYERS] = {9};
    make(window);
    expect(NULL);
    struct blob_variant *v = variant(0);
    const uint32_t
        at = v->sinks,
        floats =
            (uint32_t)(((const struct blob_header *)(const void *)data)->section[BLOB_ROWS].bytes /
                       sizeof(float));
    uint32_t *rows = section(BLOB_ROWS);
    v->sinks = at + 1;
    expect("layer 0: sinks is ");
    v->sinks = floats;
    expect("floats from there pass the");
    v->sinks = floats - 1;
    expect("layer 0: sinks is ");
    v->sinks = UINT32_MAX - 15;
    expect("floats from there pass the");
    v->sinks = at;
    rows[at + HEADS] = 0x3f800000u;
    expect("sinks: float 4 past the rows has the bits 0x3f800000");
    rows[at + HEADS] = 0;
    rows[at] = 0x7fc00000u; /* no number */
    expect("section 3 (ROWS): float");
    rows[at] = 0x00000001u; /* a denormal */
    expect("section 3 (ROWS): float");
    rows[at] = 0;
    expect(NULL);
    v->sinks = BLOB_ABSENT;
    expect(NULL);
}

/* Takes the last floats from the second table. */
static void cut_rope(void) {
    struct blob_section *rope = &((struct blob_header *)(void *)data)->section[BLOB_ROPE];
    rope->bytes -= 64;
    memset((uint8_t *)section(BLOB_ROPE) + rope->bytes, 0, 64);
}

static void tables_of_rope(void **unused) {
    (void)unused;
    free(data);
    data = tiny_blob(&(struct tiny_spec){.layers = LAYERS, .unrotated = 1, .seed = 5}, &size);
    expect(NULL);
    variant(0)->rotation = ROTATION_SECOND;
    expect("variant 0: rotation is 2, must be 0 to 1");
    free(data);
    data = tiny_blob(&(struct tiny_spec){.layers = LAYERS, .second_rope = 2, .seed = 5}, &size);
    expect(NULL);
    variant(0)->rotation = BLOB_ROTATIONS;
    expect("variant 0: rotation is 3, must be 0 to 2");
    variant(0)->rotation = ROTATION_NONE;
    expect("section 4 (ROPE): has 2 tables, must have 1 where no variant has rotation 2");
    variant(0)->rotation = ROTATION_SECOND;
    float *rope = section(BLOB_ROPE);
    rope[256 * 16] = 1.5f; /* the first of the second table */
    expect("section 4 (ROPE): float 4096 has the bits 0x3fc00000");
    rope[256 * 16] = 1;
    cut_rope();
    expect("section 4 (ROPE): bytes is 32704, must be 16384");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(windows), cmocka_unit_test(sinks),
                                       cmocka_unit_test(tables_of_rope)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(data);
    return failed;
}
