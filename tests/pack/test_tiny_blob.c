/* What the helper makes is a blob to the reader, in every shape that tests ask for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/pack/tiny_blob.h"
#include "weights/blob.h"

static void check(struct tiny_spec spec) {
    size_t bytes = 0, again_bytes = 0;
    void *data = tiny_blob(&spec, &bytes), *again = tiny_blob(&spec, &again_bytes);
    struct blob blob;
    char why[BLOB_WHY] = "";
    assert_non_null(data);
    assert_non_null(again);
    assert_true(bytes == again_bytes && memcmp(data, again, bytes) == 0);
    if (blob_open(&blob, data, bytes, why) != APUS_OK) fail_msg("%s", why);
    assert_int_equal(blob_verify(&blob), BLOB_SECTIONS);
    assert_string_equal(blob.text + blob.model->architecture, "random");
    free(data), free(again);
}

static void every_shape_opens(void **state) {
    (void)state;
    check((struct tiny_spec){0});
    check((struct tiny_spec){.weights = WEIGHT_W4, .bias = 1, .add_bos = 1, .seed = 5});
    check((struct tiny_spec){.bias = 1, .normed = 3, .ungated = 2, .seed = 6});
    check((struct tiny_spec){.weights = WEIGHT_W5, .dim = 320, .seed = 7});
    check((struct tiny_spec){.weights = WEIGHT_W6, .ffn = 320, .seed = 8});
    check((struct tiny_spec){.weights = WEIGHT_W4S, .dim = 320, .seed = 9});
    check((struct tiny_spec){.weights = WEIGHT_W8S, .ffn = 320, .seed = 10});
    check((struct tiny_spec){.weights = WEIGHT_W4T, .ffn = 320, .seed = 11});
    check((struct tiny_spec){
        .layers = 4, .layer_kv_heads = {1, 2, 4, 1}, .without_attention = 4, .without_ffn = 1});
    check((struct tiny_spec){.dim = 100,
                             .heads = 3,
                             .kv_heads = 1,
                             .head_dim = 48,
                             .ffn = 192,
                             .vocab = 259,
                             .weights = WEIGHT_W4});
    check((struct tiny_spec){.dim = 576,
                             .heads = 9,
                             .kv_heads = 3,
                             .head_dim = 64,
                             .ffn = 1536,
                             .layers = 1,
                             .vocab = 1000,
                             .positions = 33});
}

static void seeds_differ(void **state) {
    (void)state;
    size_t bytes;
    uint8_t *a = tiny_blob(&(struct tiny_spec){.seed = 1}, &bytes),
            *b = tiny_blob(&(struct tiny_spec){.seed = 2}, &bytes);
    assert_true(a && b && memcmp(a, b, bytes) != 0);
    free(a), free(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_shape_opens),
                                       cmocka_unit_test(seeds_differ)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
