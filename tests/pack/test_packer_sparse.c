/* apus-pack and 2:4 sparsity: zeros that the source has, and zeros that --prune makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/pack/packer.h"
#include "tests/pack/unpack.h"
#include "weights/blob.h"

static struct blob open_blob(struct file file) {
    struct blob blob;
    char why[BLOB_WHY] = "";
    if (blob_open(&blob, file.data, file.bytes, why) != APUS_OK) fail_msg("%s", why);
    assert_int_equal(blob_verify(&blob), BLOB_SECTIONS);
    return blob;
}

static int weight_of(const struct blob *blob, const struct blob_tensor *t, uint32_t r, uint32_t c) {
    return unpack_weight(t->type, t->cols, blob->weights + t->offset, r, c);
}

/* No weight is where the source has a zero, and most of the others are there. Rows of Q and K have
 * another order than in the file. */
static void check_zeros(const struct blob *blob) {
    static const enum layer_tensor roles[] = {LT_V, LT_O, LT_GATE, LT_UP, LT_DOWN};
    uint32_t filled = 0, all = 0;
    for (uint32_t layer = 0; layer < blob->model->layers; layer++)
        for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
            const struct blob_tensor *t = &blob->tensors[blob->layers[layer].tensor[roles[i]]];
            const uint32_t rows = t->rows < 96 ? t->rows : 96; /* UP and GATE are filled up */
            for (uint32_t r = 0; r < rows; r++)
                for (uint32_t c = 0; c < t->cols; c++) {
                    const int w = weight_of(blob, t, r, c);
                    if (!small_gguf_keeps(r, c)) assert_int_equal(w, 0);
                    filled += w != 0, all++;
                }
        }
    assert_true(filled > all * 2 / 5 && filled <= all / 2);
}

static const struct blob_variant *variant_of(const struct blob *blob, uint32_t layer) {
    return layer_variant(&blob->layers[layer], blob_variants(blob));
}

static void check_types(const struct blob *blob, enum weight_type one, enum weight_type more) {
    for (uint32_t layer = 0; layer < blob->model->layers; layer++) {
        const bool sparse = weight_traits(one)->sparse;
        assert_int_equal(variant_of(blob, layer)->activation,
                         sparse ? ACTIVATION_PLAIN : ACTIVATION_SILU);
        for (int which = 0; which < LT_COUNT; which++) {
            const uint32_t type = blob->tensors[blob->layers[layer].tensor[which]].type;
            if (type != (uint32_t)more) assert_int_equal(type, one);
        }
    }
    assert_int_equal(blob->tensors[blob->model->head].type, WEIGHT_W8);
}

static void zeros_of_the_source_stay(void **state) {
    (void)state;
    static const char *const how[] = {"--no-calibrate", "--effort=quick", "--effort=full"};
    char model[512], out[512], other[512];
    write_source("sparse.gguf", (struct small_gguf){.sparse = 1});
    snprintf(model, sizeof model, "%s", in_folder("sparse.gguf"));
    snprintf(out, sizeof out, "%s", in_folder("s.apus"));
    snprintf(other, sizeof other, "%s", in_folder("t.apus"));
    for (int i = 0; i < 6; i++) {
        const bool int4 = i % 2;
        assert_int_equal(RUN(model, "-o", out, int4 ? "--weights=int4" : "--weights=int8",
                             how[i / 2], "--threads", "1"),
                         0);
        assert_non_null(strstr(complained, "14 of 14 tensors of layers have two zeros in every "
                                           "four weights: 14 are packed so, and the model is "
                                           "not rotated"));
        assert_non_null(strstr(said, "14 tensors keep two of every four weights. In the source "
                                     "100.0 % of all fours"));
        assert_int_equal(RUN(model, "-o", other, int4 ? "--weights=int4" : "--weights=int8",
                             how[i / 2], "--threads", "3"),
                         0);
        assert_true(same(out, other));
        struct file file = map(out);
        struct blob blob = open_blob(file);
        assert_int_equal(blob.model->rotated, 0);
        check_types(&blob, int4 ? WEIGHT_W4S : WEIGHT_W8S, WEIGHT_W8S);
        check_zeros(&blob);
        unmap(file);
    }
}

/* Where the sparse matrices are the greater part, the dense ones are dense in the model's own
 * basis; where they are not, all are rotated as if there were no zeros. */
static void the_greater_part_decides(void **state) {
    (void)state;
    write_source("mixed.gguf", (struct small_gguf){.sparse = 1, .dense = "attn_"});
    assert_int_equal(RUN(in_folder("mixed.gguf"), "-o", in_folder("m.apus"), "--no-calibrate"), 0);
    assert_non_null(strstr(complained, "6 of 14 tensors of layers have two zeros"));
    struct file file = map(in_folder("m.apus"));
    struct blob blob = open_blob(file);
    assert_int_equal(blob.model->rotated, 0);
    for (int which = 0; which < LT_COUNT; which++)
        assert_int_equal(blob.tensors[blob.layers[1].tensor[which]].type,
                         which >= LT_GATE ? WEIGHT_W8S : WEIGHT_W8);
    unmap(file);
    write_source("mixed.gguf", (struct small_gguf){.sparse = 1, .dense = "ffn_"});
    assert_int_equal(RUN(in_folder("mixed.gguf"), "-o", in_folder("m.apus"), "--no-calibrate"), 0);
    assert_non_null(strstr(complained, "8 of 14 tensors of layers have two zeros"));
    assert_non_null(strstr(complained, "less than half of the weights"));
    file = map(in_folder("m.apus"));
    blob = open_blob(file);
    assert_int_equal(blob.model->rotated, 1);
    check_types(&blob, WEIGHT_W8, WEIGHT_W8);
    unmap(file);
}

static void prunes(void **state) {
    (void)state;
    char out[512], other[512];
    snprintf(out, sizeof out, "%s", in_folder("p.apus"));
    snprintf(other, sizeof other, "%s", in_folder("q.apus"));
    static const char *const how[] = {"--no-calibrate", "--effort=quick", "--effort=full"};
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            RUN(in_folder("model.gguf"), "-o", out, "--weights", "int4", "--prune", "2:4", how[i]),
            0);
        assert_non_null(strstr(complained, "pruned to two of every four weights in 14 of 14"));
        assert_true(is_calibrated("p.apus", "pruned to two of every four weights"));
        struct file file = map(out);
        struct blob blob = open_blob(file);
        assert_int_equal(blob.model->rotated, 0);
        check_types(&blob, WEIGHT_W4S, WEIGHT_W8S);
        unmap(file);
    }
    /* a sparse model has nothing to prune */
    write_source("sparse.gguf", (struct small_gguf){.sparse = 1});
    assert_int_equal(RUN(in_folder("sparse.gguf"), "-o", out), 0);
    assert_int_equal(RUN(in_folder("sparse.gguf"), "-o", other, "--prune", "2:4"), 0);
    struct file a = map(out), b = map(other);
    struct blob plain = open_blob(a), pruned = open_blob(b);
    const struct blob_section *weights = &plain.header->section[BLOB_WEIGHTS];
    assert_int_equal(weights->hash, pruned.header->section[BLOB_WEIGHTS].hash);
    unmap(a), unmap(b);
}

/* Without calibration the two largest of four stay. */
static void magnitudes_decide(void **state) {
    (void)state;
    assert_int_equal(RUN(in_folder("model.gguf"), "-q", "-o", in_folder("p.apus"), "--no-calibrate",
                         "--prune=2:4"),
                     0);
    assert_int_equal(RUN(in_folder("model.gguf"), "-q", "-o", in_folder("d.apus"), "--no-calibrate",
                         "--no-rotate"),
                     0);
    struct file a = map(in_folder("p.apus")), b = map(in_folder("d.apus"));
    struct blob pruned = open_blob(a), dense = open_blob(b);
    for (int which = 0; which < LT_DOWN; which++) {
        const struct blob_tensor *p = &pruned.tensors[pruned.layers[0].tensor[which]],
                                 *d = &dense.tensors[dense.layers[0].tensor[which]];
        for (uint32_t r = 0; r < p->rows; r++)
            for (uint32_t c = 0; c < p->cols; c += 4) {
                int kept = 127, dropped = 0, there = 0;
                for (uint32_t i = c; i < c + 4; i++) {
                    const int size = abs(weight_of(&dense, d, r, i));
                    const bool is = weight_of(&pruned, p, r, i) != 0;
                    there += is;
                    if (is && size < kept) kept = size;
                    if (!is && size > dropped) dropped = size;
                }
                assert_true(there <= 2 && (there < 2 || kept >= dropped));
            }
    }
    unmap(a), unmap(b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_of_the_source_stay),
        cmocka_unit_test(the_greater_part_decides),
        cmocka_unit_test(prunes),
        cmocka_unit_test(magnitudes_decide),
    };
    return cmocka_run_group_tests_name("pack_sparse", tests, set_up, tear_down);
}
