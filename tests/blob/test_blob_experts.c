/* Layers with experts in a blob: one that is right opens, and each thing that can be wrong with the
 * records is refused with its name. */
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

enum { DIM = 64, FFN = 128, EXPERTS = 5, ACTIVE = 2 };

static const struct tiny_spec spec = {.layers = 2,
                                      .dim = DIM,
                                      .ffn = FFN,
                                      .weights = WEIGHT_W4,
                                      .with_experts = 2,
                                      .experts = EXPERTS,
                                      .active = ACTIVE,
                                      .mixing = MIXING_ALL};
static uint8_t *blob;
static size_t size;

static void *section(uint32_t kind) {
    return blob + ((struct blob_header *)(void *)blob)->section[kind].offset;
}
static struct blob_layer *layer(uint32_t i) {
    return (struct blob_layer *)section(BLOB_LAYERS) + i;
}
static struct blob_variant *variant(void) { return (struct blob_variant *)(void *)layer(2); }
static struct blob_tensor *tensor(uint32_t i) {
    return (struct blob_tensor *)section(BLOB_TENSORS) + i;
}

enum damage {
    NOTHING,
    NO_ACTIVE,
    MORE_ACTIVE,
    MANY_EXPERTS,
    ONE_MORE_EXPERT,
    ONE_LESS_EXPERT,
    NO_EXPERTS,
    ONLY_ROUTER,
    MIXING,
    MIXING_WITHOUT,
    NO_ROUTER,
    ROUTER_INDEX,
    ROUTER_IS_GATE,
    ROUTER_IS_EMBED,
    GATE_OF_ONE,
    DOWN_IS_UP,
    NO_FFN,
    PLAIN_LAYER,
    DAMAGES
};

static void damage(enum damage which) {
    struct blob_variant *v = variant();
    switch (which) {
    case NOTHING:
    case DAMAGES:
        break;
    case NO_ACTIVE:
        v->active = 0;
        break;
    case MORE_ACTIVE:
        v->active = EXPERTS + 1;
        break;
    case MANY_EXPERTS:
        v->experts = UINT32_MAX;
        break;
    case ONE_MORE_EXPERT:
        v->experts++;
        break;
    case ONE_LESS_EXPERT:
        v->experts--;
        break;
    case NO_EXPERTS:
        v->experts = v->active = v->mixing = 0, v->router = BLOB_ABSENT;
        break;
    case ONLY_ROUTER:
        v->experts = v->active = v->mixing = 0;
        break;
    case MIXING:
        v->mixing = BLOB_MIXINGS;
        break;
    case MIXING_WITHOUT:
        v->experts = v->active = 0, v->router = BLOB_ABSENT;
        break;
    case NO_ROUTER:
        v->router = BLOB_ABSENT;
        break;
    case ROUTER_INDEX:
        v->router = ((struct blob_model *)section(BLOB_MODEL))->tensors;
        break;
    case ROUTER_IS_GATE:
        v->router = layer(1)->tensor[LT_GATE];
        break;
    case ROUTER_IS_EMBED:
        v->router = 0;
        break;
    case GATE_OF_ONE:
        layer(1)->tensor[LT_GATE] = layer(0)->tensor[LT_GATE];
        break;
    case DOWN_IS_UP:
        layer(1)->tensor[LT_DOWN] = layer(1)->tensor[LT_UP];
        break;
    case NO_FFN:
        layer(1)->ffn = 0;
        break;
    case PLAIN_LAYER:
        layer(1)->variant = 0;
        break;
    }
}

static void each_damage_is_named(void **unused) {
    (void)unused;
    static const char *const says[DAMAGES] = {
        [NO_ACTIVE] = "variant 0: active is 0, must be 1 to 5",
        [MORE_ACTIVE] = "variant 0: active is 6, must be 1 to 5",
        [MANY_EXPERTS] = "variant 0: experts is 4294967295, must be 0 to 512",
        [ONE_MORE_EXPERT] = "(layer.1.ffn_router): rows is 5, must be 6",
        [ONE_LESS_EXPERT] = "(layer.1.ffn_router): rows is 5, must be 4",
        [NO_EXPERTS] = "(layer.1.ffn_gate): rows is 640, must be 128",
        [ONLY_ROUTER] = "variant 0: router is ",
        [MIXING] = "variant 0: mixing is 2, must be 0 to 1",
        [MIXING_WITHOUT] = "variant 0: mixing is 1, must be 0",
        [NO_ROUTER] = "variant 0: router is 4294967295, must be 0 to ",
        [ROUTER_INDEX] = "variant 0: router is ",
        [ROUTER_IS_GATE] = "(layer.1.ffn_gate): rows is 640, must be 5",
        [ROUTER_IS_EMBED] = "tensor 0 (embed): rows is ",
        [GATE_OF_ONE] = "(layer.0.ffn_gate): rows is 128, must be 640",
        [DOWN_IS_UP] = "(layer.1.ffn_up): rows is 640, must be 320",
        [NO_FFN] = "layer 1: ffn is 0 where the variant has 5 experts",
        [PLAIN_LAYER] = "(layer.1.ffn_gate): rows is 640, must be 128"};
    for (enum damage which = NOTHING; which < DAMAGES; which++) {
        char why[BLOB_WHY] = "";
        struct blob opened;
        blob = tiny_blob(&spec, &size);
        assert_non_null(blob);
        damage(which);
        tiny_reseal(blob, size);
        apus_status status = blob_open(&opened, blob, size, why);
        if (which == NOTHING ? status != APUS_OK
                             : status != APUS_E_FORMAT || !strstr(why, says[which]))
            fail_msg("damage %d: status %d, \"%s\" where \"%s\" was expected", (int)which, status,
                     why, says[which] ? says[which] : "");
        free(blob);
    }
}

/* dim is no multiple of 16, so that experts would share panels. */
static void width_of_panels(void **unused) {
    (void)unused;
    struct tiny_spec odd = spec;
    char why[BLOB_WHY] = "";
    struct blob opened;
    odd.dim = DIM + 8;
    blob = tiny_blob(&odd, &size);
    assert_non_null(blob);
    assert_int_equal(blob_open(&opened, blob, size, why), APUS_E_FORMAT);
    assert_non_null(strstr(why, "variant 0: experts is 5 where dim is 72"));
    free(blob);
}

static void layers_are_described(void **unused) {
    (void)unused;
    struct tiny_spec windowed = spec;
    windowed.window[0] = 24;
    apus_blob shown;
    apus_layer_info is = {.size = sizeof is};
    blob = tiny_blob(&windowed, &size);
    assert_non_null(blob);
    assert_int_equal(apus_blob_open(&shown, blob, size, NULL), APUS_OK);
    assert_int_equal(apus_blob_layer(&shown, 0, &is), APUS_OK);
    assert_true(is.experts == 0 && is.active == 0 && is.window == 24);
    assert_int_equal(apus_blob_layer(&shown, 1, &is), APUS_OK);
    assert_true(is.experts == EXPERTS && is.active == ACTIVE && is.window == 0 && is.ffn == FFN);
    free(blob);
}

/* What a pass reads: of the experts those that one column chooses; at most all of them. */
static void counts_what_a_pass_reads(void **unused) {
    (void)unused;
    char why[BLOB_WHY] = "";
    struct blob opened;
    blob = tiny_blob(&spec, &size);
    assert_non_null(blob);
    assert_int_equal(blob_open(&opened, blob, size, why), APUS_OK);
    uint64_t experts = 0, others = 0;
    for (uint32_t i = 1; i < opened.tensor_count; i++) {
        const int of_experts =
            strstr(tensor(i)->name, "layer.1.ffn_") && !strstr(tensor(i)->name, "router");
        *(of_experts ? &experts : &others) += blob_tensor_bytes(tensor(i));
    }
    assert_int_equal(blob_pass_read(&opened, 1).bytes, others + experts * ACTIVE / EXPERTS);
    const uint64_t two = blob_pass_read(&opened, 2).bytes; /* 1 - (3/5)^2 of the experts */
    assert_in_range(two, others + experts * 16 / 25 - 3, others + experts * 16 / 25 + 3);
    assert_in_range(blob_pass_read(&opened, 64).bytes, others + experts - 3, others + experts);
    free(blob);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damage_is_named), cmocka_unit_test(width_of_panels),
        cmocka_unit_test(layers_are_described), cmocka_unit_test(counts_what_a_pass_reads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
