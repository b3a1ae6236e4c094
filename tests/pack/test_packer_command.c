/* apus-pack as a program: what it writes and what it says of it. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/pack/packer.h"
#include "weights/blob.h"

static void makes_a_blob(void **state) {
    (void)state;
    assert_int_equal(RUN(in_folder("model.gguf"), "-o", in_folder("a.apus")), 0);
    assert_non_null(strstr(said, "Small Model"));
    assert_string_equal(complained, "");
    struct file file = map(in_folder("a.apus"));
    struct blob blob;
    char why[BLOB_WHY] = "";
    if (blob_open(&blob, file.data, file.bytes, why) != APUS_OK) fail_msg("%s", why);
    assert_int_equal(blob_verify(&blob), BLOB_SECTIONS);
    assert_true(blob.model->layers == 2 && blob.model->dim == 96 && blob.model->vocab == 264 &&
                blob.model->max_positions == 128);
    assert_true(blob.layers[0].ffn == 128 && blob.model->rotated == 1);
    assert_string_equal(blob.text + blob.model->name, "Small Model");
    assert_string_equal(blob.text + blob.model->architecture, "llama");
    assert_non_null(strstr(blob.text + blob.model->provenance, "GGUF file model.gguf"));
    assert_null(strstr(blob.text + blob.model->provenance, folder));
    assert_int_equal(files_with("a.apus"), 1);
    unmap(file);
}

static void options_take_effect(void **state) {
    (void)state;
    assert_int_equal(RUN(in_folder("model.gguf"), "-q", "--output", in_folder("b.apus"),
                         "--weights=int4", "--ctx", "40", "--name", "Other", "--no-rotate"),
                     0);
    assert_true(said[0] == 0 && complained[0] == 0);
    struct file file = map(in_folder("b.apus"));
    struct blob blob;
    char why[BLOB_WHY] = "";
    if (blob_open(&blob, file.data, file.bytes, why) != APUS_OK) fail_msg("%s", why);
    assert_true(blob.model->max_positions == 40 && blob.model->rotated == 0);
    assert_string_equal(blob.text + blob.model->name, "Other");
    assert_non_null(strstr(blob.text + blob.model->provenance, "capped at 40 of 128"));
    for (int which = 0; which < LT_COUNT; which++)
        assert_int_equal(blob.tensors[blob.layers[1].tensor[which]].type,
                         which == LT_V ? WEIGHT_W6 : WEIGHT_W4T);
    assert_int_equal(blob.tensors[blob.model->head].type, WEIGHT_W8);
    unmap(file);
    /* more positions than the model has are not made up, and that is said */
    assert_int_equal(RUN(in_folder("model.gguf"), "-o", in_folder("b.apus"), "--ctx", "4000"), 0);
    assert_non_null(
        strstr(complained, "note: --ctx 4000 was not reached: the model has 128 positions"));
    assert_true(is_calibrated("b.apus", "--ctx 4000 was not reached"));
    file = map(in_folder("b.apus"));
    assert_int_equal(((const struct blob_model *)(const void *)(file.data + 4096))->max_positions,
                     128);
    unmap(file);
}

static bool keeps(const struct blob *b, uint32_t id) {
    const uint32_t *ids = head_ids(model_draft(b->model));
    for (uint32_t i = 0; i < head_rows(b->model); i++)
        if (ids[i] == id) return true;
    return false;
}

/* The rows of the ids that a text has most, and of special tokens, are those of the whole head. */
static void cuts_a_head(void **state) {
    (void)state;
    enum { KEPT = 12 };
    static const char text[] = "hahaha hello";
    write_text("draft.txt", text, strlen(text));
    assert_int_equal(
        RUN(in_folder("model.gguf"), "-q", "-o", in_folder("whole.apus"), "--no-calibrate"), 0);
    assert_int_equal(RUN(in_folder("model.gguf"), "-o", in_folder("cut.apus"), "--no-calibrate",
                         "--draft-vocab", "12", "--draft-text", in_folder("draft.txt")),
                     0);
    assert_non_null(strstr(complained, "the head has rows for 12 ids only"));
    struct file files[2] = {map(in_folder("whole.apus")), map(in_folder("cut.apus"))};
    struct blob whole, cut;
    char why[BLOB_WHY] = "";
    assert_int_equal(blob_open(&whole, files[0].data, files[0].bytes, why), APUS_OK);
    if (blob_open(&cut, files[1].data, files[1].bytes, why) != APUS_OK) fail_msg("%s", why);
    assert_int_equal(blob_verify(&cut), BLOB_SECTIONS);
    assert_int_equal(head_rows(whole.model), whole.model->vocab);
    assert_int_equal(head_rows(cut.model), KEPT);
    assert_int_equal(cut.model->vocab, whole.model->vocab);
    assert_int_equal(model_draft(cut.model)->mask, BLOB_ABSENT);
    const struct blob_tensor *from = &whole.tensors[whole.model->head],
                             *to = &cut.tensors[cut.model->head];
    assert_true(to->rows == KEPT && from->cols == to->cols && to->type == WEIGHT_W8);
    for (uint32_t r = 0; r < KEPT; r++) {
        uint32_t id = head_ids(model_draft(cut.model))[r];
        assert_true(cut.rows[to->row_scales + r] == whole.rows[from->row_scales + id]);
        for (uint32_t c = 0; c < to->cols; c++) {
            size_t at = c / 4 * 64 + c % 4, panel = panel_bytes(WEIGHT_W8, to->cols);
            assert_int_equal(cut.weights[to->offset + r / 16 * panel + at + r % 16 * 4],
                             whole.weights[from->offset + id / 16 * panel + at + id % 16 * 4]);
        }
    }
    for (const char *c = text; *c; c++) assert_true(keeps(&cut, cut.vocab.initial[(uint8_t)*c]));
    for (uint32_t i = 0; i < cut.vocab.header->added_count; i++)
        assert_true(keeps(&cut, cut.vocab.added[i].id));
    for (uint32_t i = 0; i < cut.vocab.header->ends_count; i++)
        assert_true(keeps(&cut, cut.vocab.ends[i]));
    unmap(files[0]), unmap(files[1]);
    /* by the packer's own text, and calibrated for 4 bits */
    assert_int_equal(RUN(in_folder("model.gguf"), "-q", "-o", in_folder("cut.apus"), "--weights",
                         "int4", "--draft-vocab", "100"),
                     0);
    check_failed(RUN(in_folder("model.gguf"), "-o", in_folder("no.apus"), "--draft-vocab", "264"),
                 1);
    assert_non_null(strstr(complained, "--draft-vocab is 264 where "));
    check_failed(RUN(in_folder("model.gguf"), "-o", in_folder("no.apus"), "--draft-vocab", "1"), 1);
    check_failed(RUN(in_folder("model.gguf"), "-o", in_folder("no.apus"), "--draft-text",
                     in_folder("draft.txt")),
                 2);
    check_failed(RUN(in_folder("model.gguf"), "-o", in_folder("no.apus"), "--draft-vocab", "100",
                     "--draft-text", in_folder("missing.txt")),
                 1);
    assert_int_equal(files_with("no.apus"), 0);
}

static void threads_do_not_matter(void **state) {
    (void)state;
    static const char *const types[] = {"int8", "int4"};
    write_source(
        "tied.gguf",
        (struct small_gguf){
            .tied = 1, .dim = 160, .head_dim = 80, .heads = 4, .kv_heads = 2, .vocab = 1500});
    for (int i = 0; i < 2; i++) {
        assert_int_equal(RUN(in_folder("tied.gguf"), "-o", in_folder("1.apus"), "--weights",
                             types[i], "--threads", "1"),
                         0);
        assert_int_equal(RUN(in_folder("tied.gguf"), "-o", in_folder("2.apus"), "--weights",
                             types[i], "--threads", "2"),
                         0);
        assert_int_equal(RUN(in_folder("tied.gguf"), "-o", in_folder("7.apus"), "--weights",
                             types[i], "--threads", "7"),
                         0);
        assert_true(same(in_folder("1.apus"), in_folder("2.apus")) &&
                    same(in_folder("1.apus"), in_folder("7.apus")));
        assert_int_equal(RUN(in_folder("tied.gguf"), "-o", in_folder("2.apus"), "--weights",
                             types[i], "--threads", "1"),
                         0);
        assert_true(same(in_folder("1.apus"), in_folder("2.apus")));
    }
}

static void reports(void **state) {
    (void)state;
    assert_int_equal(RUN(in_folder("model.gguf"), "-o", in_folder("c.apus"), "--report",
                         in_folder("c.json"), "--weights", "int4", "--no-calibrate"),
                     0);
    json_error_t error;
    json_t *all = json_load_file(in_folder("c.json"), JSON_REJECT_DUPLICATES, &error);
    if (!all) fail_msg("%s", error.text);
    const char *name, *weights, *hash;
    json_int_t bytes, parameters, rss;
    double bits, seconds;
    json_t *tensors;
    assert_int_equal(json_unpack_ex(all, &error, 0, "{s:s, s:s, s:s, s:I, s:I, s:I, s:F, s:F, s:o}",
                                    "name", &name, "weights", &weights, "hash", &hash, "bytes",
                                    &bytes, "parameters", &parameters, "peak_rss_bytes", &rss,
                                    "bits_per_weight", &bits, "seconds", &seconds, "tensors",
                                    &tensors),
                     0);
    struct stat st;
    assert_int_equal(stat(in_folder("c.apus"), &st), 0);
    assert_true(bytes == st.st_size && parameters > 150000 && rss > 0 && bits > 4 && bits < 10 &&
                seconds >= 0);
    assert_true(strlen(hash) == 16 && !strcmp(weights, "int4") && !strcmp(name, "Small Model"));
    assert_int_equal(json_array_size(tensors), 2 + 2 * LT_COUNT);
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const char *type;
        double relative, largest, mean;
        json_int_t rows, cols, size;
        assert_int_equal(json_unpack_ex(json_array_get(tensors, i), &error, 0,
                                        "{s:s, s:s, s:I, s:I, s:I, s:F, s:F, s:F}", "name", &name,
                                        "type", &type, "rows", &rows, "cols", &cols, "bytes", &size,
                                        "relative_rms_error", &relative, "max_error", &largest,
                                        "mean_squared_error", &mean),
                         0);
        assert_true(rows > 0 && cols > 0 && size > 0 && largest > 0 && sqrt(mean) <= largest);
        const double limit = !strcmp(type, "w4t")  ? 0.11
                             : !strcmp(type, "w5") ? 0.055
                             : !strcmp(type, "w6") ? 0.028
                                                   : 0.01;
        assert_true(relative > 0 && relative < limit);
    }
    json_decref(all);
}

/* The tensors of a report whose types are not fixed, by what 4 bits cost them. */
static void check_budget(double bits, bool measured) {
    json_error_t error;
    json_t *all = json_load_file(in_folder("bits.json"), JSON_REJECT_DUPLICATES, &error), *tensors;
    double layer_bits, least[2][9], most[2][9]; /* KL of K and of V by bits */
    int seen[9] = {0};
    if (!all) fail_msg("%s", error.text);
    assert_int_equal(json_unpack_ex(all, &error, 0, "{s:F, s:o}", "layer_bits_per_weight",
                                    &layer_bits, "tensors", &tensors),
                     0);
    assert_true(layer_bits <= bits && layer_bits > bits - 0.5);
    for (int b = 0; b < 18; b++) least[b / 9][b % 9] = INFINITY, most[b / 9][b % 9] = 0;
    for (size_t i = 0; i < json_array_size(tensors); i++) {
        const char *name, *type;
        double kl = -1;
        json_int_t rows, cols;
        assert_int_equal(json_unpack_ex(json_array_get(tensors, i), &error, 0,
                                        "{s:s, s:s, s:I, s:I, s?F}", "name", &name, "type", &type,
                                        "rows", &rows, "cols", &cols, "kl_at_4_bits", &kl),
                         0);
        bool layer = strncmp(name, "layer.", 6) == 0;
        assert_true((kl > 0 && kl < 10) == (layer && measured));
        if (!layer) continue;
        const int has = type[1] - '0';
        assert_true(type[0] == 'w' && has >= 4 && has <= 8);
        seen[has]++;
        const bool is_k = strstr(name, "attn_k"), is_v = strstr(name, "attn_v");
        if (!is_k && !is_v) continue; /* of one role and size the dearer ones come first */
        assert_true(rows == 32 && cols == 96);
        least[is_v][has] = fmin(least[is_v][has], kl), most[is_v][has] = fmax(most[is_v][has], kl);
    }
    assert_true(seen[5] > 0 && seen[6] > 0);
    assert_int_equal(seen[4] + seen[5] + seen[6] + seen[8], 2 * LT_COUNT);
    for (int b = 4; measured && b < 8; b++)
        for (int more = b + 1; more <= 8; more++)
            assert_true(least[0][more] >= most[0][b] && least[1][more] >= most[1][b]);
    json_decref(all);
}

static void spends_a_budget(void **state) {
    (void)state;
    char model[512], out[512], report[512];
    snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
    snprintf(out, sizeof out, "%s", in_folder("bits.apus")),
        snprintf(report, sizeof report, "%s", in_folder("bits.json"));
    assert_int_equal(RUN(model, "-o", out, "--report", report, "--bits", "5.5"), 0);
    check_budget(5.5, true);
    assert_int_equal(RUN(model, "-o", in_folder("1.apus"), "--bits", "5.5", "--weights", "int4",
                         "--threads", "3"),
                     0);
    assert_true(same(out, in_folder("1.apus")));
    assert_int_equal(RUN(model, "-o", out, "--report", report, "--bits=5.3", "--no-calibrate"), 0);
    check_budget(5.3, false);
    check_failed(RUN(model, "-o", in_folder("no.apus"), "--bits", "4"), 1);
    assert_non_null(strstr(complained, "with 4 bits everywhere"));
}

static void calibrates(void **state) {
    (void)state;
    char one[512], two[512], both[1100], model[512];
    snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
    snprintf(one, sizeof one, "%s", in_folder("one.txt")),
        snprintf(two, sizeof two, "%s", in_folder("two.txt"));
    snprintf(both, sizeof both, "%s,%s", one, two);
    write_text("one.txt", "some text, more than nothing", 28),
        write_text("two.txt", "and some more, as a second file", 31);
    assert_int_equal(RUN(model, "-o", in_folder("1.apus"), "--weights", "int4", "--calibrate", one),
                     0);
    assert_true(is_calibrated("1.apus", "calibrated on 1 windows of "));
    assert_null(strstr(said, "Not calibrated"));
    assert_non_null(strstr(said, "tokens only"));
    assert_int_equal(
        RUN(model, "-o", in_folder("2.apus"), "--weights", "int4", "--calibrate", both), 0);
    assert_false(same(in_folder("1.apus"), in_folder("2.apus")));
    assert_int_equal(RUN(model, "-o", in_folder("2.apus"), "--weights", "int4"), 0);
    assert_true(
        is_calibrated("2.apus", "calibrated on 12 windows of 64 tokens of the packer's text"));
    assert_int_equal(RUN(model, "-o", in_folder("1.apus"), "--weights", "int4", "--effort=quick",
                         "--threads", "1"),
                     0);
    assert_true(is_calibrated(
        "1.apus", "calibrated quickly on 12 windows of 64 tokens of the packer's text"));
    assert_false(same(in_folder("1.apus"), in_folder("2.apus")));
    assert_int_equal(RUN(model, "-o", in_folder("2.apus"), "--weights", "int4", "--effort", "quick",
                         "--threads", "3"),
                     0);
    assert_true(same(in_folder("1.apus"), in_folder("2.apus")));
    assert_int_equal(RUN(model, "-o", in_folder("2.apus"), "--weights", "int4", "--no-calibrate"),
                     0);
    assert_true(is_calibrated("2.apus", "not calibrated"));
    assert_non_null(strstr(said, "Not calibrated"));
}

/* Templates are programs out of a file: nothing of them is run or kept but the name of one that is
 * known. */
static void chat_templates_are_left_behind(void **state) {
    (void)state;
    static char huge[300000]; /* and not unrolled: the loop would run for years */
    snprintf(huge, sizeof huge,
             "{%% for i in range(10**18) %%}{%% include '/etc/passwd' %%}{{ "
             "cycler.__init__.__globals__.os.popen('id') }}");
    memset(huge + strlen(huge), '{', sizeof huge - 1 - strlen(huge));
    write_source("chat.gguf", (struct small_gguf){.chat_template = "{{ messages }}"});
    assert_int_equal(RUN(in_folder("chat.gguf"), "-o", in_folder("1.apus")), 0);
    assert_non_null(strstr(complained, "the chat template is none that is known by name"));
    write_source("chat.gguf", (struct small_gguf){.chat_template = huge});
    assert_int_equal(RUN(in_folder("chat.gguf"), "-o", in_folder("2.apus")), 0);
    assert_true(same(in_folder("1.apus"), in_folder("2.apus")));
}

/* Heads of any even size: the blob's is the next multiple of 16, parameters count as they were. */
static void heads_are_filled_up(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{2, 16}, {24, 32}, {36, 48}, {100, 112}, {250, 256}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        write_source("odd.gguf", (struct small_gguf){.head_dim = sizes[i][0]});
        assert_int_equal(RUN(in_folder("odd.gguf"), "-o", in_folder("odd.apus"), "--no-calibrate"),
                         0);
        struct file file = map(in_folder("odd.apus"));
        struct blob blob;
        char why[BLOB_WHY] = "";
        if (blob_open(&blob, file.data, file.bytes, why) != APUS_OK) fail_msg("%s", why);
        assert_int_equal(blob.model->head_dim, sizes[i][1]);
        assert_int_equal(blob.model->parameters,
                         2 * 264 * 96 + 96 + 2 * (2 * 96 + 8 * sizes[i][0] * 96 + 3 * 100 * 96));
        unmap(file);
    }
}

/* As llama.cpp's own tests write them: such a model runs on ids. */
static void a_model_without_tokenizer(void **state) {
    (void)state;
    write_source("ids.gguf", (struct small_gguf){.no_tokenizer = 1});
    assert_int_equal(RUN(in_folder("ids.gguf"), "-o", in_folder("ids.apus")), 0);
    struct file file = map(in_folder("ids.apus"));
    struct blob blob;
    char why[BLOB_WHY] = "";
    if (blob_open(&blob, file.data, file.bytes, why) != APUS_OK) fail_msg("%s", why);
    assert_int_equal(blob.model->vocab, 264);
    assert_non_null(strstr(blob.text + blob.model->provenance, "no tokenizer"));
    assert_non_null(strstr(complained, "bytes of the calibration text are left out"));
    unmap(file);
}

static void help_and_version(void **state) {
    (void)state;
    assert_int_equal(RUN("--help"), 0);
    assert_non_null(strstr(said, "usage: apus-pack"));
    assert_int_equal(RUN("--version"), 0);
    assert_non_null(strstr(said, "apus-pack "));
    assert_string_equal(complained, "");
}

/* The result and every sentence as objects, for scripts. */
static void answers_in_json(void **state) {
    (void)state;
    char out[512];
    snprintf(out, sizeof out, "%s", in_folder("j.apus"));
    assert_int_equal(RUN(in_folder("model.gguf"), "-o", out, "--json", "--ctx", "4000"), 0);
    json_t *object = json_loads(said, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(object, "output")), out);
    assert_string_equal(json_string_value(json_object_get(object, "name")), "Small Model");
    assert_int_equal(json_integer_value(json_object_get(object, "layer_bits")), 8);
    assert_true(json_is_true(json_object_get(object, "calibrated")));
    struct file file = map(out);
    assert_int_equal(json_integer_value(json_object_get(object, "bytes")), file.bytes);
    unmap(file);
    json_decref(object);
    assert_non_null(strstr(complained, "{\"warning\":{"));
    assert_int_equal(RUN(in_folder("model.gguf"), "--json", "--ouptut", out), 2);
    assert_string_equal(said, "");
    object = json_loads(complained, 0, NULL);
    const json_t *error = json_object_get(object, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "usage");
    assert_string_equal(json_string_value(json_object_get(error, "hint")),
                        "Did you mean --output?");
    json_decref(object);
    assert_int_equal(RUN(in_folder("absent.gguf"), "-o", in_folder("k.apus"), "--json"), 1);
    object = json_loads(complained, 0, NULL);
    error = json_object_get(object, "error");
    assert_string_equal(json_string_value(json_object_get(error, "code")), "fault");
    json_decref(object);
}

static json_t *notes_of(const char *report) {
    json_t *all = json_load_file(in_folder(report), 0, NULL),
           *notes = json_object_get(all, "notes");
    assert_true(json_is_array(notes));
    json_incref(notes);
    json_decref(all);
    return notes;
}

/* On standard error unless it is to be quiet, in the report and in the provenance. */
static void says_what_was_decided(void **state) {
    (void)state;
    char out[512], report[512];
    snprintf(out, sizeof out, "%s", in_folder("d.apus"));
    snprintf(report, sizeof report, "%s", in_folder("d.json"));
    write_source("window.gguf", (struct small_gguf){.window = 40, .head_dim = 20});
    assert_int_equal(RUN(in_folder("window.gguf"), "-o", out, "--report", report, "--no-calibrate"),
                     0);
    json_t *notes = notes_of("d.json");
    assert_int_equal(json_array_size(notes), 1);
    assert_non_null(strstr(json_string_value(json_array_get(notes, 0)), "heads of 20 are filled"));
    assert_non_null(strstr(complained, "note: heads of 20 are filled up to 32"));
    assert_true(is_calibrated("d.apus", "heads of 20 are filled up to 32"));
    json_decref(notes);
    assert_int_equal(RUN(in_folder("window.gguf"), "-o", out, "--no-calibrate", "-q"), 0);
    assert_string_equal(complained, "");
    /* 4 bits over 4 bits */
    write_source("coarse.gguf", (struct small_gguf){.coarse = 1});
    assert_int_equal(
        RUN(in_folder("coarse.gguf"), "-o", out, "--no-calibrate", "--weights", "int4"), 0);
    assert_non_null(strstr(complained, "4 of 14 layer tensors are rounded already (Q4_0)"));
    assert_int_equal(
        RUN(in_folder("coarse.gguf"), "-o", out, "--no-calibrate", "--weights", "int8"), 0);
    assert_null(strstr(complained, "rounded"));
    write_source("plain.gguf", (struct small_gguf){0});
    assert_int_equal(RUN(in_folder("plain.gguf"), "-o", out, "--report", report, "--no-calibrate",
                         "--weights", "int4"),
                     0);
    assert_string_equal(complained, "");
    notes = notes_of("d.json");
    assert_int_equal(json_array_size(notes), 0);
    json_decref(notes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_a_blob),
        cmocka_unit_test(options_take_effect),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(cuts_a_head),
        cmocka_unit_test(reports),
        cmocka_unit_test(spends_a_budget),
        cmocka_unit_test(calibrates),
        cmocka_unit_test(chat_templates_are_left_behind),
        cmocka_unit_test(says_what_was_decided),
        cmocka_unit_test(heads_are_filled_up),
        cmocka_unit_test(a_model_without_tokenizer),
        cmocka_unit_test(help_and_version),
        cmocka_unit_test(answers_in_json),
    };
    return cmocka_run_group_tests_name("pack_command", tests, set_up, tear_down);
}
