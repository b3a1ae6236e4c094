/* What the reader says of norms behind a layer's parts, and of norms of all heads together. */
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

enum { LAYERS = 3, DIM = 72, HEADS = 3, HEAD_DIM = 16 };

static uint8_t *data;
static size_t size;

/* Layers with norms behind, around and before their parts; the last one's gains are of q and k. */
static void make(void) {
    const struct tiny_spec spec = {.layers = LAYERS,
                                   .dim = DIM,
                                   .heads = HEADS,
                                   .kv_heads = 1,
                                   .head_dim = HEAD_DIM,
                                   .behind = 1,
                                   .around = 2,
                                   .normed = 5,
                                   .whole = 5,
                                   .seed = 5};
    free(data);
    data = tiny_blob(&spec, &size);
    assert_non_null(data);
}

static void *section(enum blob_kind kind) {
    return data + ((const struct blob_header *)(const void *)data)->section[kind].offset;
}
static uint32_t *row(uint32_t at) { return (uint32_t *)section(BLOB_ROWS) + at; }
static uint32_t floats(void) {
    return (uint32_t)(((const struct blob_header *)(const void *)data)->section[BLOB_ROWS].bytes /
                      sizeof(float));
}
static struct blob_variant *variant(uint32_t i) {
    struct blob_layer *layers = section(BLOB_LAYERS);
    return (struct blob_variant *)(void *)(layers + LAYERS) + i;
}

/* NULL: it opens. The blob is made anew afterwards. */
static void expect(const char *what) {
    struct blob blob;
    char why[BLOB_WHY] = "";
    tiny_reseal(data, size);
    const apus_status status = blob_open(&blob, data, size, why);
    if (status != (what ? APUS_E_FORMAT : APUS_OK) || (what && !strstr(why, what)))
        fail_msg("status %d, \"%s\" where \"%s\" was expected", status, why, what ? what : "");
    make();
}

static void behind(void **unused) {
    (void)unused;
    make();
    expect(NULL);
    variant(0)->norms = BLOB_NORMS;
    expect("variant 0: norms is 3, must be 0 to 2");
    variant(0)->norms = UINT32_MAX;
    expect("variant 0: norms is 4294967295");
    variant(0)->norms = NORMS_BEFORE;
    expect("variant 0: o_gain is ");
    variant(0)->norms = NORMS_BEFORE, variant(0)->o_gain = 0;
    expect("variant 0: down_gain is ");
    variant(2)->norms = NORMS_AROUND; /* without places, so that they are 0 */
    expect("variant 2: o_gain: float 72 past the rows has the bits ");
    variant(1)->o_gain += 1;
    expect("variant 1: o_gain is ");
    variant(1)->down_gain = floats() - 64;
    expect("and 80 floats from there pass the");
    variant(1)->o_gain = BLOB_ABSENT;
    expect("variant 1: o_gain is 4294967295, must be a multiple of 16");
    variant(1)->down_gain = BLOB_ABSENT - 15;
    expect("variant 1: down_gain is 4294967280, and 80 floats from there pass the");
    *row(variant(1)->o_gain + DIM) = 0x3f800000u;
    expect("o_gain: float 72 past the rows has the bits 0x3f800000");
    *row(variant(1)->down_gain) = 0x7f800000u;
    expect("section 3 (ROWS): float");
    variant(1)->zero[0] = 1;
    expect("variant 1: zero is 1, must be 0");
}

static void whole(void **unused) {
    (void)unused;
    make();
    variant(0)->whole = 2;
    expect("variant 0: whole is 2, must be 0 to 1");
    variant(2)->q_gain = floats() - HEAD_DIM;
    expect("layer 2: q_gain is ");
    variant(2)->whole = 0, variant(2)->q_gain = floats() - HEAD_DIM;
    expect(NULL);
    variant(2)->q_gain = variant(2)->k_gain = BLOB_ABSENT;
    expect(NULL);
    variant(2)->k_gain += 1;
    expect("variant 2: k_gain is ");
}

/* Experts add their products one by one, without a norm. */
static void experts(void **unused) {
    (void)unused;
    const struct tiny_spec spec = {
        .layers = LAYERS, .with_experts = 1, .experts = 3, .active = 1, .around = 1, .seed = 6};
    free(data);
    data = tiny_blob(&spec, &size);
    assert_non_null(data);
    expect("variant 0: norms is 2, must be 0");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(behind), cmocka_unit_test(whole),
                                       cmocka_unit_test(experts)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(data);
    return failed;
}
