/* The safetensors reader: what it reads of good files, and a sentence for every way a header, an
 * index or a shard can be wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/source/written.h"
#include "weights/pack/checkpoint/safetensors.h"

static bool opens(const struct bytes *file, struct diag *d) {
    struct safetensors *st = safetensors_open_memory("file", file->data, file->size, d);
    safetensors_close(st);
    return st != NULL;
}

static void refused(const char *header, uint64_t claimed, size_t data, const char *sentence) {
    struct bytes file = write_safetensors(header, claimed, data);
    struct diag d = {{0}};
    bool opened = opens(&file, &d);
    if (opened || !d.text[0] || !strstr(d.text, sentence))
        fail_msg("%.200s: \"%s\" does not say \"%s\"", header, d.text, sentence);
    bytes_free(&file);
}

/* A header of one tensor of 16 bytes, and everything that can be wrong with one. */
static void wrong_headers_are_refused_in_words(void **state) {
    (void)state;
    static const struct {
        const char *header, *sentence;
    } wrong[] = {
        {"", "file: line"},
        {"[]", "not a JSON object"},
        {"7", ""},
        {"{}", "no tensors"},
        {"{\"__metadata__\":{}}", "no tensors"},
        {"{\"__metadata__\":7,\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
         "__metadata__"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}", "line"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}x",
         "end of file expected"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},\"a\":{\"dtype\":"
         "\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}"
         "}",
         "duplicate"},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
         "duplicate"},
        {"{\"\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "without a name"},
        {"{\"a\\u0000b\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "\\u0000"},
        {"{\"a\\ud800\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "nicode"},
        {"{\"a\\udc00\\ud800\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
         "nicode"},
        {"{\"a\xff\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
         "unable to decode"},
        {"{\"a\":7}", "not described by an object"},
        {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", "no dtype"},
        {"{\"a\":{\"dtype\":7,\"shape\":[4],\"data_offsets\":[0,16]}}", "dtype is not a string"},
        {"{\"a\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[0,16]}}", "type I64"},
        {"{\"a\":{\"dtype\":\"F8_E4M3\",\"shape\":[16],\"data_offsets\":[0,16]}}", "type F8_E4M3"},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,16]}}", "dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,16]}}", "dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,4],\"data_offsets\":[0,16]}}", "dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,16]}}", "dimensions"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}",
         "not a positive integer"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}",
         "not a positive integer"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4.0],\"data_offsets\":[0,16]}}",
         "not a positive integer"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,16]}}",
         "too many elements"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387908],\"data_offsets\":[0,16]}}",
         "too many elements"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,16]}}",
         "too big integer"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1e999],\"data_offsets\":[0,16]}}", "overflow"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16,16]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[\"0\",16]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[-16,0]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[16,0]}}", "data_offsets"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,9223372036854775807]}}",
         "past the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[9223372036854775800,"
         "9223372036854775807]}}",
         "past the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}}", "past the end"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,16]}}", "take"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,16]}}", "take"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}",
         "belong to no tensor"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[4,16]}}", "belong to none"},
        {"{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"F32\","
         "\"shape\":[3],\"data_offsets\":[2,14]}}",
         "multiple"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]},\"b\":{\"dtype\":"
         "\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}"
         "}",
         "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]},\"b\":{\"dtype\":"
         "\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}"
         "}",
         "overlaps"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\","
         "\"shape\":[1],\"data_offsets\":[12,16]}"
         "}",
         "belong to none"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16],\"scale\":2}}",
         "unknown field scale"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}", "type U8"},
        {"{\"x_blocks\":{\"dtype\":\"U8\",\"shape\":[1,1,16],\"data_offsets\":[0,16]}}",
         "no scales"},
        {"{\"x_scales\":{\"dtype\":\"U8\",\"shape\":[16],\"data_offsets\":[0,16]}}", "no blocks"},
        {"{\"x_blocks\":{\"dtype\":\"U8\",\"shape\":[1,15],\"data_offsets\":[0,15]},\"x_"
         "scales\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[15,16]}}",
         "16 bytes"},
        {"{\"x_blocks\":{\"dtype\":\"U8\",\"shape\":[15],\"data_offsets\":[0,15]},\"x_sc"
         "ales\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[15,16]}}",
         "16 bytes"},
        {"{\"x_blocks\":{\"dtype\":\"U8\",\"shape\":[1,2,4],\"data_offsets\":[0,8]},\"x_"
         "scales\":{\"dtype\":\"U8\",\"shape\":[2,4],\"data_offsets\":[8,16]}}",
         "16 bytes"},
        {"{\"x_blocks\":{\"dtype\":\"F32\",\"shape\":[1,1,3],\"data_offsets\":[0,12]},\""
         "x_scales\":{\"dtype\":\"U8\",\"shape\":[2,2],\"data_offsets\":[12,16]}}",
         "no blocks"},
    };
    const char *good = "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}";
    struct diag d = {{0}};
    struct bytes file = write_safetensors(good, 0, 16);
    assert_true(opens(&file, &d)); /* the frame itself is sound */
    bytes_free(&file);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        refused(wrong[i].header, 0, 16, wrong[i].sentence);
    refused(good, 1000, 16, "longer than the file");
    refused(good, UINT64_MAX, 16, "longer than the file");
    refused(good, UINT64_MAX - 7, 16, "longer than the file");
    refused(good, strlen(good) + 4, 16, "");
    refused(good, strlen(good) - 4, 16, "");
    refused(good, 0, 20, "belong to no tensor");
}

/* Blocks and scales become one tensor of values, in the order of names. */
static void codes_and_scales_are_one_tensor(void **state) {
    (void)state;
    const char *header =
        "{\"b_blocks\":{\"dtype\":\"U8\",\"shape\":[3,2,1,16],\"data_offsets\":[6,102]"
        "},\"b_scales\":{\"dtype\":\"U8\",\"shape\":[3,2,1],\"data_offsets\":[0,6]},"
        "\"b_bias\":{\"dtype\":\"F16\",\"shape\":[3],\"data_offsets\":[102,108]}}";
    struct bytes file = write_safetensors(header, 0, 108);
    struct diag d = {{0}};
    struct safetensors *st = safetensors_open_memory("file", file.data, file.size, &d);
    assert_string_equal(d.text, "");
    assert_int_equal(safetensors_count(st), 2);
    const struct safetensors_tensor *values = safetensors_at(st, 0);
    assert_string_equal(values->name, "b");
    assert_int_equal(values->type, GGUF_TYPE_MXFP4);
    assert_int_equal(values->dims, 3);
    assert_int_equal(values->shape[0], 3);
    assert_int_equal(values->shape[1], 2);
    assert_int_equal(values->shape[2], 32);
    assert_int_equal(values->offset - values->scales_offset, 6);
    assert_string_equal(safetensors_at(st, 1)->name, "b_bias");
    safetensors_close(st);
    bytes_free(&file);
    refused("{\"x_blocks\":{\"dtype\":\"U8\",\"shape\":[1,1,16],\"data_offsets\":[0,16]},"
            "\"x_scales\":{\"dtype\":\"U8\",\"shape\":[1,2],\"data_offsets\":[16,18]}}",
            0, 18, "16 bytes");
    refused("{\"x_blocks\":{\"dtype\":\"U8\",\"shape\":[1,1,16],\"data_offsets\":[0,16]},"
            "\"x_scales\":{\"dtype\":\"F16\",\"shape\":[1,1],\"data_offsets\":[16,18]}}",
            0, 18, "16 bytes");
    refused("{\"x_blocks\":{\"dtype\":\"U8\",\"shape\":[1,1,16],\"data_offsets\":[0,16]},"
            "\"x_scales\":{\"dtype\":\"U8\",\"shape\":[1,1],\"data_offsets\":[16,17]},"
            "\"x\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[17,19]}}",
            0, 19, "multiple");
    refused("{\"x_blocks\":{\"dtype\":\"U8\",\"shape\":[2,1,16],\"data_offsets\":[0,32]},"
            "\"x_scales\":{\"dtype\":\"U8\",\"shape\":[2,1],\"data_offsets\":[32,34]},"
            "\"x\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[34,36]}}",
            0, 36, "in two forms");
}

static void deep_nesting_is_refused(void **state) {
    (void)state;
    enum { DEPTH = 100000 };
    char *header = malloc(DEPTH + 8);
    memcpy(header, "{\"a\":", 5);
    memset(header + 5, '[', DEPTH);
    header[5 + DEPTH] = 0;
    refused(header, 0, 16, "depth");
    free(header);
}

static void truncation_at_every_byte(void **state) {
    (void)state;
    size_t data;
    char *header = safetensors_header(&data);
    struct bytes file = write_safetensors(header, 0, data);
    struct diag d = {{0}};
    assert_true(opens(&file, &d));
    for (size_t n = 0; n < file.size; n++) {
        struct bytes part = {.data = malloc(n ? n : 1), .size = n};
        memcpy(part.data, file.data, n);
        diag_clear(&d);
        assert_false(opens(&part, &d));
        assert_true(d.text[0] != 0);
        bytes_free(&part);
    }
    bytes_free(&file);
    free(header);
}

/* ------------------------------------------------------------------------------- directories -- */

static char folder[64];

static void write_file(const char *name, const void *data, size_t size) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void write_shard(const char *name, const char *tensor) {
    char header[160];
    snprintf(header, sizeof header,
             "{\"%s\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,16]}}", tensor);
    struct bytes file = write_safetensors(header, 0, 16);
    write_file(name, file.data, file.size);
    bytes_free(&file);
}

static void remove_files(void) {
    static const char *const names[] = {"model.safetensors", "model.safetensors.index.json",
                                        "one.safetensors", "two.safetensors"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
}

static void indexes_and_shards_agree(void **state) {
    (void)state;
    static const struct {
        const char *index, *sentence; /* sentence NULL: opens */
    } cases[] = {
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}", NULL},
        {"{\"metadata\":{\"total_size\":32},\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two."
         "safetensors\"}}",
         NULL},
        {"{\"weight_map\":{\"a\":\"one.safetensors\"}}", NULL},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"one.safetensors\"}}",
         "tensor b is not in one"},
        {"{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}}", "is not in"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"two.safetensors\"}}",
         "tensor c is not in two"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"three.safetensors\"}}",
         "three.safetensors"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"../two.safetensors\"}}",
         "not the name of a shard"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"/etc/passwd\"}}",
         "not the name of a shard"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"\"}}", "not the name of a shard"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":7}}", "not a string"},
        {"{\"weight_map\":{}}", "no weight_map"},
        {"{\"weight_map\":[]}", "no weight_map"},
        {"{}", "no weight_map"},
        {"{\"weight_map\":{\"a\":\"one.safetensors\",\"a\":\"two.safetensors\"}}",
         "a is there several times"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_shard("one.safetensors", "a");
        write_shard("two.safetensors", "b");
        write_file("model.safetensors.index.json", cases[i].index, strlen(cases[i].index));
        struct diag d = {{0}};
        struct safetensors *st = safetensors_open(folder, &d);
        if ((st == NULL) != (cases[i].sentence != NULL) ||
            (cases[i].sentence && !strstr(d.text, cases[i].sentence)))
            fail_msg("case %zu: \"%s\"", i, d.text);
        safetensors_close(st);
        remove_files();
    }
}

/* One tensor in two shards, and one that the index does not list. */
static void shards_hold_what_the_index_lists(void **state) {
    (void)state;
    const char *index = "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}";
    struct diag d = {{0}};
    write_shard("one.safetensors", "a");
    write_shard("two.safetensors", "a");
    write_file("model.safetensors.index.json", index, strlen(index));
    assert_null(safetensors_open(folder, &d));
    assert_non_null(strstr(d.text, "tensor a is in"));

    const char *both = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},\"extra\":{"
                       "\"dtype\":\"F32\",\"shape\":[2],\"data_"
                       "offsets\":[8,16]}}";
    struct bytes file = write_safetensors(both, 0, 16);
    write_file("one.safetensors", file.data, file.size);
    bytes_free(&file);
    write_shard("two.safetensors", "b");
    diag_clear(&d);
    assert_null(safetensors_open(folder, &d));
    assert_non_null(strstr(d.text, "does not list tensor extra"));
    remove_files();
}

static void a_single_file_comes_first(void **state) {
    (void)state;
    struct diag d = {{0}};
    assert_null(safetensors_open(folder, &d));
    assert_non_null(strstr(d.text, "neither"));
    write_shard("model.safetensors", "only");
    write_file("model.safetensors.index.json", "broken", 6);
    diag_clear(&d);
    struct safetensors *st = safetensors_open(folder, &d);
    assert_non_null(st);
    assert_int_equal(safetensors_count(st), 1);
    const struct safetensors_tensor *t = safetensors_at(st, 0);
    assert_string_equal(t->name, "only");
    assert_true(t->dims == 2 && t->shape[0] == 2 && t->bytes == 16);
    float values[4];
    assert_true(source_file_read(t->file, t->offset, values, sizeof values, &d));
    assert_true(values[3] == 3 / 128.0f);
    safetensors_close(st);
    remove_files();
}

static int make_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/apus_safetensors_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    remove_files();
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_headers_are_refused_in_words),
        cmocka_unit_test(codes_and_scales_are_one_tensor),
        cmocka_unit_test(deep_nesting_is_refused),
        cmocka_unit_test(truncation_at_every_byte),
        cmocka_unit_test(indexes_and_shards_agree),
        cmocka_unit_test(shards_hold_what_the_index_lists),
        cmocka_unit_test(a_single_file_comes_first),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
