/* More bytes than addresses count, and files longer than that. Where addresses have 64 bits, the
 * same is simply done. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "apps/kit/outfile.h"
#include "apus/apus.h"
#include "apus/port.h"
#include "tests/pack/tiny_blob.h"
#include "weights/pack/checkpoint/source_file.h"
#include "weights/pack/quantize/activations.h"

enum { NARROW = sizeof(size_t) < sizeof(uint64_t) };

static char said[512];
static void hear(void *user, int level, const char *text) {
    (void)user, (void)level;
    snprintf(said, sizeof said, "%s", text);
}

/* A blob of a megabyte whose cache over all positions takes 4.3 GiB: such sizes wrapped once. */
static void sizes_that_addresses_do_not_count_are_refused(void **unused) {
    (void)unused;
    static const struct tiny_spec spec = {
        .layers = 16, .heads = 64, .kv_heads = 64, .positions = BLOB_POSITIONS_MAX, .seed = 4};
    size_t bytes;
    void *data = tiny_blob(&spec, &bytes);
    apus_port port = *apus_port_host();
    port.log = hear;
    apus_blob blob;
    apus_model *model;
    apus_memory need = {.size = sizeof need};
    assert_non_null(data);
    assert_int_equal(apus_blob_open(&blob, data, bytes, &port), APUS_OK);
    const apus_model_config mc = {.size = sizeof mc, .blob = &blob, .port = &port};
    assert_int_equal(apus_model_measure(&mc, &need), APUS_OK);
    void *memory = aligned_alloc(64, (size_t)need.bytes);
    assert_non_null(memory);
    assert_int_equal(apus_model_open(&model, &mc, memory, (size_t)need.bytes), APUS_OK);

    const apus_config all = {.size = sizeof all, .model = model, .context = spec.positions};
    assert_int_equal(apus_measure(&all, &need), NARROW ? APUS_E_SPACE : APUS_OK);
    if (NARROW)
        assert_non_null(strstr(said, "addresses of this build end at 4294967295"));
    else
        assert_true(need.bytes > UINT32_MAX);
    const apus_config few = {.size = sizeof few, .model = model, .context = 64};
    assert_int_equal(apus_measure(&few, &need), APUS_OK);
    assert_true(need.bytes < 1 << 27);
    apus_model_close(model);
    free(memory);
    free(data);
}

static void long_files_are_written_and_read(void **unused) {
    (void)unused;
    static const struct outfile_kind kind = {.what = "file"};
    static const uint64_t at = ((uint64_t)5 << 30) + 1;
    char folder[] = "/tmp/apus_addresses_XXXXXX", path[64], found[4];
    struct outfile out = {0};
    struct source_file file;
    struct diag d = {{0}};
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/long", folder);
    if (!outfile_open(&out, path, &kind) || !outfile_put(&out, at, "long", 4) ||
        !outfile_commit(&out))
        fail_msg("%s", out.why);

    if (!source_file_open(&file, path, &d)) fail_msg("%s", d.text);
    assert_true(file.bytes == at + 4);
    if (!source_file_read(&file, at, found, sizeof found, &d)) fail_msg("%s", d.text);
    assert_memory_equal(found, "long", 4);
    source_file_close(&file);

    apus_map map;
    assert_int_equal(apus_map_open(&map, path), NARROW ? EFBIG : 0);
    if (!NARROW) {
        assert_memory_equal((const char *)map.data + at, "long", 4);
        apus_map_close(&map);
    }
    unlink(path);
    rmdir(folder);
}

/* The packer's matrices: 65536 * 65536 floats are none of zero bytes. */
static void products_of_sizes_do_not_wrap(void **unused) {
    (void)unused;
    const size_t half = (size_t)1 << sizeof(size_t) * 4;
    assert_null(floats(half, half));
    assert_null(floats(half, half / 4));
    assert_null(floats(SIZE_MAX / 2, 2));
    float *few = floats(3, 0);
    assert_non_null(few);
    free(few);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_that_addresses_do_not_count_are_refused),
        cmocka_unit_test(long_files_are_written_and_read),
        cmocka_unit_test(products_of_sizes_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
