/* The GGUF reader: what it reads of a good file, and a sentence for every way a file can be
 * wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/source/written.h"
#include "weights/pack/checkpoint/gguf.h"

/* ---------------------------------------------------------------------- the ways to be wrong -- */

typedef struct gguf_description desc;

static void bad_magic(desc *g) { memcpy(g->magic, "GGUX", 4); }
static void swapped_magic(desc *g) { memcpy(g->magic, "FUGG", 4); }
static void version_0(desc *g) { g->version = 0; }
static void version_1(desc *g) { g->version = 1; }
static void version_4(desc *g) { g->version = 4; }
static void version_swapped(desc *g) { g->version = 0x03000000; }
static void tensors_huge(desc *g) { g->tensors_claimed = 1u << 30; }
static void tensors_negative(desc *g) { g->tensors_claimed = (uint64_t)-2; }
static void tensors_more(desc *g) { g->tensors_claimed = g->tensors_count + 1; }
static void keys_huge(desc *g) { g->keys_claimed = (uint64_t)1 << 62; }
static void keys_negative(desc *g) { g->keys_claimed = (uint64_t)-2; }
static void keys_more(desc *g) { g->keys_claimed = g->keys_count + 1; }
static void keys_fewer(desc *g) { g->keys_claimed = g->keys_count - 1; }
static void key_empty(desc *g) { g->keys[3].key = ""; }
static void key_long(desc *g) { g->keys[3].key_bytes = 65536; }
static void key_past_end(desc *g) { g->keys[3].key_bytes = 65535; }
static void key_negative(desc *g) { g->keys[3].key_bytes = UINT64_MAX; }
static void key_zero_inside(desc *g) { g->keys[3].key_bytes = strlen(g->keys[3].key) + 3; }
static void key_twice(desc *g) { add_key(g, g->keys[3]); }
static void string_zero_inside(desc *g) { find_key(g, "general.name")->text_bytes = 6; }
static void string_long(desc *g) { find_key(g, "general.name")->text_bytes = (1 << 20) + 1; }
static void string_past_end(desc *g) { find_key(g, "general.name")->text_bytes = 1 << 20; }
static void string_wraps(desc *g) { find_key(g, "general.name")->text_bytes = UINT64_MAX - 7; }
static void kind_13(desc *g) { g->keys[3].kind = 13; }
static void kind_negative(desc *g) { g->keys[3].kind = (uint32_t)-1; }
static void bool_2(desc *g) { find_key(g, "tokenizer.ggml.add_bos_token")->number = 2; }
static void array_nested(desc *g) { find_key(g, "tokenizer.ggml.scores")->element = GGUF_ARRAY; }
static void array_unknown(desc *g) { find_key(g, "tokenizer.ggml.scores")->element = 77; }
static void array_huge(desc *g) {
    find_key(g, "tokenizer.ggml.scores")->claimed = (uint64_t)1 << 40;
}
static void array_wraps(desc *g) {
    find_key(g, "tokenizer.ggml.scores")->claimed = ((uint64_t)1 << 62) + 10;
}
static void array_strings_huge(desc *g) {
    find_key(g, "tokenizer.ggml.tokens")->claimed = ((uint64_t)1 << 61) + 10;
}
static void array_string_long(desc *g) { find_key(g, "tokenizer.ggml.tokens")->text_bytes = 65536; }
static void array_string_zero(desc *g) { find_key(g, "tokenizer.ggml.tokens")->text_bytes = 3; }
static void array_bool_7(desc *g) {
    add_key(g, (struct gguf_key){
                   .key = "x", .kind = GGUF_ARRAY, .element = GGUF_BOOL, .count = 3, .number = 7});
}
static void name_empty(desc *g) { g->tensors[2].name = ""; }
static void name_long(desc *g) { g->tensors[2].name_bytes = 64; }
static void name_zero_inside(desc *g) { g->tensors[2].name_bytes = strlen(g->tensors[2].name) + 2; }
static void name_twice(desc *g) { g->tensors[2].name = g->tensors[3].name; }
static void dims_0(desc *g) { g->tensors[2].dims = 0; }
static void dims_5(desc *g) { g->tensors[2].dims = 5; }
static void dims_negative(desc *g) { g->tensors[2].dims = (uint32_t)-1; }
static void dimension_0(desc *g) { g->tensors[2].shape[0] = 0; }
static void dimension_0_outer(desc *g) { g->tensors[2].shape[1] = 0; }
static void elements_overflow(desc *g) {
    g->tensors[2].shape[0] = g->tensors[2].shape[1] = (uint64_t)1 << 32;
}
static void elements_negative(desc *g) { g->tensors[2].shape[0] = UINT64_MAX; }
static void bytes_overflow(desc *g) { g->tensors[2].shape[0] = (uint64_t)1 << 59; }
static void bytes_padded_overflow(desc *g) {
    g->tensors[2].shape[0] = ((uint64_t)1 << 60) - 1, g->tensors[2].dims = 1;
}
static void block_row(desc *g) { g->tensors[2].type = GGUF_TYPE_Q4_0; }
static void block_row_256(desc *g) { g->tensors[2].type = GGUF_TYPE_Q6_K; }
static void type_retired(desc *g) { g->tensors[2].type = 4; }
static void type_retired_late(desc *g) { g->tensors[2].type = 31; }
static void type_unread(desc *g) { g->tensors[2].type = 9; }
static void type_unknown(desc *g) { g->tensors[2].type = 1000; }
static void type_negative(desc *g) { g->tensors[2].type = (uint32_t)-1; }
static void offset_misaligned(desc *g) { g->tensors[2].shift = 4; }
static void offset_overlaps(desc *g) { g->tensors[2].shift = -32; }
static void offset_hole(desc *g) { g->tensors[2].shift = 32; }
static void offset_past_end(desc *g) { g->tensors[2].shift = 1 << 30; }
static void offset_wraps(desc *g) { g->tensors[2].shift = INT64_MIN; }
static void data_missing(desc *g) { g->tensors[g->tensors_count - 1].size -= 4; }
static void data_extra(desc *g) { g->extra = 64; }
static void alignment(desc *g, int64_t to) {
    add_key(g, (struct gguf_key){.key = "general.alignment", .kind = GGUF_U32, .number = to});
}
static void alignment_0(desc *g) { alignment(g, 0); }
static void alignment_24(desc *g) { alignment(g, 24); }
static void alignment_huge(desc *g) { alignment(g, 1 << 30); }
static void alignment_other(desc *g) {
    alignment(g, 64);
} /* a power of two, but not the one the
                                                              offsets have */
static void alignment_text(desc *g) {
    add_key(g, (struct gguf_key){.key = "general.alignment", .kind = GGUF_STRING, .text = "32"});
}

static const struct {
    void (*bend)(desc *);
    const char *sentence; /* a part of it */
} WRONG[] = {
    {bad_magic, "not a GGUF"},
    {swapped_magic, "byte-swapped"},
    {version_0, "version 0"},
    {version_1, "version 1"},
    {version_4, "version 4"},
    {version_swapped, "big-endian"},
    {tensors_huge, "claims"},
    {tensors_negative, "claims"},
    {tensors_more, ""},
    {keys_huge, "claims"},
    {keys_negative, "claims"},
    {keys_more, ""},
    {keys_fewer, ""},
    {key_empty, "empty key"},
    {key_long, "longer than"},
    {key_past_end, "ends inside"},
    {key_negative, "longer than"},
    {key_zero_inside, "zero byte"},
    {key_twice, "occurs twice"},
    {string_zero_inside, "zero byte"},
    {string_long, "longer than"},
    {string_past_end, "ends inside"},
    {string_wraps, "longer than"},
    {kind_13, "unknown value type"},
    {kind_negative, "unknown value type"},
    {bool_2, "boolean"},
    {array_nested, "array of arrays"},
    {array_unknown, "unknown type"},
    {array_huge, "more than the file holds"},
    {array_wraps, "more than the file holds"},
    {array_strings_huge, "more than the file holds"},
    {array_string_long, "longer than"},
    {array_string_zero, "zero byte"},
    {array_bool_7, "boolean"},
    {name_empty, "without a name"},
    {name_long, "longer than"},
    {name_zero_inside, "zero byte"},
    {name_twice, "occurs twice"},
    {dims_0, "dimensions"},
    {dims_5, "dimensions"},
    {dims_negative, "dimensions"},
    {dimension_0, "dimension of 0"},
    {dimension_0_outer, "dimension of 0"},
    {elements_overflow, "too many elements"},
    {elements_negative, "too many elements"},
    {bytes_overflow, "larger than the file"},
    {bytes_padded_overflow, "larger than the file"},
    {block_row, "not a multiple"},
    {block_row_256, "not a multiple"},
    {type_retired, "Q4_2 (retired)"},
    {type_retired_late, "Q4_0_4_4 (retired)"},
    {type_unread, "Q8_1"},
    {type_unknown, "unknown"},
    {type_negative, "unknown"},
    {offset_misaligned, "offset"},
    {offset_overlaps, "offset"},
    {offset_hole, "offset"},
    {offset_past_end, "offset"},
    {offset_wraps, "offset"},
    {data_missing, "past the end"},
    {data_extra, "after the last tensor"},
    {alignment_0, "power of two"},
    {alignment_24, "power of two"},
    {alignment_huge, "power of two"},
    {alignment_other, "offset"},
    {alignment_text, "not an integer"},
};

static void wrong_files_are_refused_in_words(void **state) {
    (void)state;
    static desc g;
    for (size_t i = 0; i < sizeof WRONG / sizeof WRONG[0]; i++) {
        describe_gguf(&g);
        WRONG[i].bend(&g);
        struct bytes file = write_gguf(&g);
        struct diag d = {{0}};
        assert_null(gguf_open_memory("file", file.data, file.size, &d));
        if (!d.text[0] || !strstr(d.text, WRONG[i].sentence))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, d.text, WRONG[i].sentence);
        bytes_free(&file);
    }
}

static void truncation_at_every_byte(void **state) {
    (void)state;
    static desc g;
    describe_gguf(&g);
    struct bytes file = write_gguf(&g);
    for (size_t n = 0; n < file.size; n++) {
        struct diag d = {{0}};
        uint8_t *part = malloc(n ? n : 1);
        memcpy(part, file.data, n);
        assert_null(gguf_open_memory("file", part, n, &d));
        assert_true(d.text[0] != 0);
        free(part);
    }
    bytes_free(&file);
}

/* Every byte of the metadata, changed to a few other values: opened or refused, never more. */
static void any_byte_may_change(void **state) {
    (void)state;
    static desc g;
    describe_gguf(&g);
    struct bytes file = write_gguf(&g);
    struct diag d = {{0}};
    struct gguf *gguf = gguf_open_memory("file", file.data, file.size, &d);
    assert_non_null(gguf);
    size_t metadata = (size_t)gguf_tensor(gguf, 0)->offset;
    gguf_close(gguf);
    static const uint8_t flips[] = {1, 0x80, 0xff, 0x20};
    for (size_t at = 0; at < metadata; at++)
        for (size_t f = 0; f < sizeof flips; f++) {
            file.data[at] ^= flips[f];
            diag_clear(&d);
            gguf = gguf_open_memory("file", file.data, file.size, &d);
            assert_true((gguf != NULL) == (d.text[0] == 0));
            gguf_close(gguf);
            file.data[at] ^= flips[f];
        }
    bytes_free(&file);
}

/* -------------------------------------------------------------------------------- good files -- */

static void values_come_as_written(void **state) {
    (void)state;
    static desc g;
    describe_gguf(&g);
    add_key(&g, (struct gguf_key){.key = "t.u8", .kind = GGUF_U8, .number = 200});
    add_key(&g, (struct gguf_key){.key = "t.i8", .kind = GGUF_I8, .number = -3});
    add_key(&g, (struct gguf_key){.key = "t.i16", .kind = GGUF_I16, .number = -300});
    add_key(&g, (struct gguf_key){.key = "t.u64", .kind = GGUF_U64, .number = (int64_t)1 << 40});
    add_key(&g, (struct gguf_key){.key = "t.f64", .kind = GGUF_F64, .real = 0.1});
    add_key(&g, (struct gguf_key){.key = "t.nan", .kind = GGUF_F32, .real = (double)NAN});
    add_key(
        &g,
        (struct gguf_key){
            .key = "t.i64s", .kind = GGUF_ARRAY, .element = GGUF_I64, .count = 3, .number = -7});
    add_key(&g, (struct gguf_key){.key = "t.none", .kind = GGUF_ARRAY, .element = GGUF_STRING});
    struct bytes file = write_gguf(&g);
    struct diag d = {{0}};
    struct gguf *gguf = gguf_open_memory("file", file.data, file.size, &d);
    assert_string_equal(d.text, "");
    assert_non_null(gguf);

    uint64_t u = 5;
    double f;
    bool flag;
    struct gguf_text text;
    struct gguf_array array;
    assert_int_equal(gguf_get_uint(gguf, "t.u8", 255, &u, &d), GGUF_FOUND);
    assert_int_equal(u, 200);
    assert_int_equal(gguf_get_uint(gguf, "t.u64", UINT64_MAX, &u, &d), GGUF_FOUND);
    assert_true(u == (uint64_t)1 << 40);
    assert_int_equal(gguf_get_uint(gguf, "t.absent", 1, &u, &d), GGUF_ABSENT);
    assert_int_equal(gguf_get_float(gguf, "t.f64", &f, &d), GGUF_FOUND);
    assert_true(f == 0.1);
    assert_int_equal(gguf_get_bool(gguf, "tokenizer.ggml.add_bos_token", &flag, &d), GGUF_FOUND);
    assert_true(flag);
    assert_int_equal(gguf_get_text(gguf, "general.name", &text, &d), GGUF_FOUND);
    assert_int_equal(text.bytes, 4);
    assert_memory_equal(text.data, "tiny", 4);
    assert_int_equal(gguf_get_array(gguf, "t.i64s", &array, &d), GGUF_FOUND);
    assert_int_equal(gguf_array_int(&array, 2), -7);
    assert_int_equal(gguf_get_array(gguf, "tokenizer.ggml.tokens", &array, &d), GGUF_FOUND);
    assert_int_equal(array.count, 10);
    assert_memory_equal(gguf_array_text(&array, 9).data, "a", 1);
    assert_int_equal(gguf_get_array(gguf, "tokenizer.ggml.scores", &array, &d), GGUF_FOUND);
    assert_true(gguf_array_float(&array, 9) == -1);
    assert_int_equal(gguf_get_array(gguf, "t.none", &array, &d), GGUF_FOUND);
    assert_int_equal(array.count, 0);
    assert_string_equal(d.text, "");

    /* Wrong types and ranges are said, each with its key. */
    const char *const bad[] = {"t.i8", "t.i16", "general.name", "t.f64", "t.u64"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        diag_clear(&d);
        assert_int_equal(gguf_get_uint(gguf, bad[i], 255, &u, &d), GGUF_BAD);
        assert_non_null(strstr(d.text, bad[i]));
    }
    diag_clear(&d);
    assert_int_equal(gguf_get_float(gguf, "t.nan", &f, &d), GGUF_BAD);
    assert_non_null(strstr(d.text, "not finite"));

    assert_int_equal(gguf_tensor_count(gguf), g.tensors_count);
    const struct gguf_tensor *t = gguf_find_tensor(gguf, "blk.1.ffn_down.weight");
    assert_non_null(t);
    assert_true(t->dims == 2 && t->shape[0] == 12 && t->shape[1] == 8 && t->bytes == 12 * 8 * 4);
    assert_null(gguf_find_tensor(gguf, "blk.1.ffn_down"));
    float values[3];
    assert_true(gguf_read(gguf, t, 4, values, sizeof values, &d));
    assert_true(values[0] == 1 / 128.0f && values[2] == 3 / 128.0f);
    gguf_close(gguf);
    bytes_free(&file);
}

/* Metadata beyond the first piece that is read. */
static void long_metadata_is_read(void **state) {
    (void)state;
    static desc g;
    describe_gguf(&g);
    add_key(&g, (struct gguf_key){.key = "t.long",
                                  .kind = GGUF_ARRAY,
                                  .element = GGUF_I64,
                                  .count = 200000,
                                  .number = 9});
    add_key(&g, (struct gguf_key){.key = "t.last", .kind = GGUF_U8, .number = 8});
    struct bytes file = write_gguf(&g);
    struct diag d = {{0}};
    struct gguf *gguf = gguf_open_memory("file", file.data, file.size, &d);
    assert_string_equal(d.text, "");
    struct gguf_array array;
    uint64_t u = 0;
    assert_int_equal(gguf_get_array(gguf, "t.long", &array, &d), GGUF_FOUND);
    assert_int_equal(gguf_array_int(&array, 199999), 9);
    assert_int_equal(gguf_get_uint(gguf, "t.last", 255, &u, &d), GGUF_FOUND);
    assert_int_equal(u, 8);
    gguf_close(gguf);
    bytes_free(&file);
}

/* The file becomes shorter after it was opened. */
static void a_shrinking_file_is_an_error(void **state) {
    (void)state;
    static desc g;
    describe_gguf(&g);
    struct bytes file = write_gguf(&g);
    char path[] = "/tmp/apus_gguf_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, file.data, file.size) == (ssize_t)file.size);
    struct diag d = {{0}};
    struct gguf *gguf = gguf_open(path, &d);
    assert_non_null(gguf);
    assert_int_equal(ftruncate(fd, (off_t)file.size / 2), 0);
    const struct gguf_tensor *t = gguf_find_tensor(gguf, "output.weight");
    float value;
    assert_false(gguf_read(gguf, t, 0, &value, sizeof value, &d));
    assert_non_null(strstr(d.text, "shorter"));
    gguf_close(gguf);
    close(fd);
    unlink(path);
    bytes_free(&file);
}

static void what_is_no_file_is_refused(void **state) {
    (void)state;
    const char *const paths[] = {"/", "/nonexistent/model.gguf", "/dev/zero"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct diag d = {{0}};
        assert_null(gguf_open(paths[i], &d));
        assert_non_null(strstr(d.text, paths[i]));
    }
}

/* Blocks of any bytes, at the very end of memory that is theirs: nothing behind them is read. */
static void any_block_is_safe(void **state) {
    (void)state;
    enum { BLOCKS = 64 };
    static float out[BLOCKS * 256];
    for (uint32_t type = 0; type < 64; type++) {
        const struct gguf_type_info *info = gguf_type_info(type);
        if (!info) continue;
        assert_string_equal(info->name, gguf_type_name(type));
        assert_true(info->block >= 1 && info->block <= 256);
        uint8_t *blocks = malloc((size_t)BLOCKS * info->bytes);
        assert_non_null(blocks);
        for (uint32_t fill = 0; fill < 259; fill++) {
            uint64_t seed = type + 64 * (uint64_t)fill;
            for (size_t i = 0; i < (size_t)BLOCKS * info->bytes; i++) {
                seed = seed * 6364136223846793005u + 1442695040888963407u;
                blocks[i] = fill < 256 ? (uint8_t)fill : (uint8_t)(seed >> 56);
            }
            gguf_dequantize((enum gguf_type)type, blocks, BLOCKS, out);
            size_t finite = fill == 0 ? BLOCKS * info->block : 0;
            for (size_t i = 0; i < finite; i++) assert_true(isfinite(out[i]));
        }
        free(blocks);
    }
}

/* Worked by hand from the formats' descriptions. */
static void values_of_new_types(void **state) {
    (void)state;
    float out[256];
    const uint8_t iq4_nl[18] = {0x00, 0x3c, 0xf0, 0x87}; /* scale 1 */
    gguf_dequantize(GGUF_TYPE_IQ4_NL, iq4_nl, 1, out);
    assert_true(out[0] == -127 && out[16] == 113 && out[1] == -10 && out[17] == 1);
    const uint8_t mxfp4[17] = {128, 0x71, 0x9f}; /* scale 2; halves, 6, -6, -0.5 */
    gguf_dequantize(GGUF_TYPE_MXFP4, mxfp4, 1, out);
    assert_true(out[0] == 1 && out[16] == 12 && out[1] == -12 && out[17] == -1 && out[2] == 0);
    const uint8_t tq2_0[66] = {[0] = 0xe4, [64] = 0x00, [65] = 0x40}; /* 0, 1, 2, 3; scale 2 */
    gguf_dequantize(GGUF_TYPE_TQ2_0, tq2_0, 1, out);
    assert_true(out[0] == -2 && out[32] == 0 && out[64] == 2 && out[96] == 4 && out[128] == -2);
    const uint8_t f64[8] = {0, 0, 0, 0, 0, 0, 0x04, 0xc0}; /* -2.5 */
    gguf_dequantize(GGUF_TYPE_F64, f64, 1, out);
    assert_true(out[0] == -2.5f);
}

/* A sentence may carry a hostile name, but no control characters to the terminal. */
static void sentences_are_printable(void **state) {
    (void)state;
    struct diag d = {{0}};
    assert_false(diag_fail(&d, "%s", "a\x1b[2J\n\xc2\x9b\xff\xed\xa0\x80 \xc3\xa4"));
    assert_string_equal(d.text, "a\\x1b[2J\\n\\u009b\\xff\\xed\\xa0\\x80 \xC3\xA4");
    assert_false(diag_fail(&d, "later"));
    assert_non_null(strstr(d.text, "[2J"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_as_written),
        cmocka_unit_test(long_metadata_is_read),
        cmocka_unit_test(wrong_files_are_refused_in_words),
        cmocka_unit_test(truncation_at_every_byte),
        cmocka_unit_test(any_byte_may_change),
        cmocka_unit_test(a_shrinking_file_is_an_error),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(any_block_is_safe),
        cmocka_unit_test(values_of_new_types),
        cmocka_unit_test(sentences_are_printable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
