/* apus-pack as a program: what it writes, what it says, what it leaves behind when it fails. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdbool.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/pack/small_gguf.h"
#include "weights/blob.h"

static char folder[] = "/tmp/apus-pack-test-XXXXXX", program[4096];
static char said[8192], complained[8192]; /* by the last program */

static const char *in_folder(const char *name) {
    static char path[16][512];
    static int turn;
    snprintf(path[turn = (turn + 1) % 16], sizeof path[0], "%s/%s", folder, name);
    return path[turn];
}

static void slurp(const char *name, char *out, size_t room) {
    FILE *f = fopen(in_folder(name), "rb");
    out[f ? fread(out, 1, room - 1, f) : 0] = 0;
    if (f) fclose(f);
    unlink(in_folder(name));
}

static pid_t begin(rlim_t file_limit, const char *const *arguments) {
    const char *argv[32] = {program};
    int n = 1;
    while (arguments[n - 1]) argv[n] = arguments[n - 1], n++;
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {file_limit, file_limit};
        if (file_limit != RLIM_INFINITY) setrlimit(RLIMIT_FSIZE, &limit);
        if (!freopen(in_folder("said"), "wb", stdout) ||
            !freopen(in_folder("complained"), "wb", stderr))
            _exit(99);
        execv(program, (char *const *)(uintptr_t)argv);
        _exit(98);
    }
    assert_true(child > 0);
    return child;
}

static int end(pid_t child) {
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    slurp("said", said, sizeof said);
    slurp("complained", complained, sizeof complained);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}

#define RUN(...) end(begin(RLIM_INFINITY, (const char *const[]){__VA_ARGS__, NULL}))

/* How many files there are whose names hold `part`. */
static int files_with(const char *part) {
    DIR *d = opendir(folder);
    assert_non_null(d);
    int count = 0;
    for (struct dirent *e; (e = readdir(d));)
        count += e->d_name[0] != '.' && strstr(e->d_name, part) != NULL;
    closedir(d);
    return count;
}

struct file {
    uint8_t *data;
    size_t bytes;
};

static struct file map(const char *path) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &st) || st.st_size == 0) fail_msg("%s is not there", path);
    struct file file = {mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0),
                        (size_t)st.st_size};
    close(fd);
    assert_true(file.data != MAP_FAILED);
    return file;
}

static void unmap(struct file file) { munmap(file.data, file.bytes); }

static bool same(const char *a, const char *b) {
    struct file x = map(a), y = map(b);
    bool equal = x.bytes == y.bytes && memcmp(x.data, y.data, x.bytes) == 0;
    unmap(x), unmap(y);
    return equal;
}

static bool is_calibrated(const char *name, const char *with) {
    struct file file = map(in_folder(name));
    struct blob blob;
    char why[BLOB_WHY] = "";
    if (blob_open(&blob, file.data, file.bytes, why) != APUS_OK) fail_msg("%s", why);
    bool found = strstr(blob.text + blob.model->provenance, with) != NULL;
    unmap(file);
    return found;
}

static void write_source(const char *name, struct small_gguf spec) {
    assert_int_equal(small_gguf_write(&spec, in_folder(name)), 0);
}

static int set_up(void **state) {
    (void)state;
    const char *build = getenv("APUS_BUILD");
    snprintf(program, sizeof program, "%s/apus-pack", build ? build : ".");
    if (access(program, X_OK)) {
        fprintf(stderr, "%s is not there: run ctest, or set APUS_BUILD to the build folder\n",
                program);
        return 1;
    }
    if (!mkdtemp(folder)) return 1;
    write_source("model.gguf", (struct small_gguf){0});
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    DIR *d = opendir(folder);
    if (!d) return 1;
    for (struct dirent *e; (e = readdir(d));) unlink(in_folder(e->d_name));
    closedir(d);
    return rmdir(folder);
}

/* ------------------------------------------------------------------------------ what is made -- */

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
                         which == LT_V ? WEIGHT_W8 : WEIGHT_W4);
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
        assert_true(relative > 0 && relative < (strcmp(type, "w4") ? 0.01 : 0.11));
    }
    json_decref(all);
}

static void check_failed(int status, int expected) {
    if (status != expected || said[0] || !complained[0])
        fail_msg("status %d, standard output \"%s\", standard error \"%s\"", status, said,
                 complained);
    assert_int_equal(files_with("no.apus"), 0);
}

/* The tensors of a report whose types are not fixed, by what 4 bits cost them. */
static void check_budget(double bits, bool measured) {
    json_error_t error;
    json_t *all = json_load_file(in_folder("bits.json"), JSON_REJECT_DUPLICATES, &error), *tensors;
    double layer_bits, worst_eight = INFINITY, best_four = 0;
    int eight = 0, four = 0;
    if (!all) fail_msg("%s", error.text);
    assert_int_equal(json_unpack_ex(all, &error, 0, "{s:F, s:o}", "layer_bits_per_weight",
                                    &layer_bits, "tensors", &tensors),
                     0);
    assert_true(layer_bits <= bits && layer_bits > bits - 0.5);
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
        eight += !strcmp(type, "w8"), four += !strcmp(type, "w4");
        if (rows != 32 || cols != 96)
            continue; /* K and V: of one size, so that the dearer ones
                                                   come first */
        if (!strcmp(type, "w8")) worst_eight = fmin(worst_eight, kl);
        if (!strcmp(type, "w4")) best_four = fmax(best_four, kl);
    }
    assert_true(eight > 0 && four > 0 && eight + four == 2 * LT_COUNT);
    if (measured) assert_true(worst_eight >= best_four);
    json_decref(all);
}

static void spends_a_budget(void **state) {
    (void)state;
    char model[512], out[512], report[512];
    snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
    snprintf(out, sizeof out, "%s", in_folder("bits.apus")),
        snprintf(report, sizeof report, "%s", in_folder("bits.json"));
    assert_int_equal(RUN(model, "-o", out, "--report", report, "--bits", "6.5"), 0);
    check_budget(6.5, true);
    assert_int_equal(RUN(model, "-o", in_folder("1.apus"), "--bits", "6.5", "--weights", "int4",
                         "--threads", "3"),
                     0);
    assert_true(same(out, in_folder("1.apus")));
    assert_int_equal(RUN(model, "-o", out, "--report", report, "--bits=7", "--no-calibrate"), 0);
    check_budget(7, false);
    check_failed(RUN(model, "-o", in_folder("no.apus"), "--bits", "4"), 1);
    assert_non_null(strstr(complained, "with 4 bits everywhere"));
}

static void write_text(const char *name, const void *data, size_t bytes) {
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
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
        is_calibrated("2.apus", "calibrated on 12 windows of 128 tokens of the packer's text"));
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

/* Templates are programs out of a file: nothing of them is run, kept or even looked at. */
static void chat_templates_are_left_behind(void **state) {
    (void)state;
    static char huge[300000]; /* and not unrolled: the loop would run for years */
    snprintf(huge, sizeof huge,
             "{%% for i in range(10**18) %%}{%% include '/etc/passwd' %%}{{ "
             "cycler.__init__.__globals__.os.popen('id') }}");
    memset(huge + strlen(huge), '{', sizeof huge - 1 - strlen(huge));
    write_source("chat.gguf", (struct small_gguf){0});
    assert_int_equal(RUN(in_folder("chat.gguf"), "-o", in_folder("1.apus")), 0);
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

/* -------------------------------------------------------------------------------- what fails -- */

static void wrong_usage(void **state) {
    (void)state;
    char model[512], out[512]; /* in_folder gives its storage again after a while */
    snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
    snprintf(out, sizeof out, "%s", in_folder("no.apus"));
    check_failed(RUN("-q"), 2);
    check_failed(RUN(model), 2);
    check_failed(RUN("-o", out), 2);
    check_failed(RUN(model, model, "-o", out), 2);
    check_failed(RUN(model, "-o", out, "-o", model), 2);
    assert_non_null(strstr(complained, "--output is given twice"));
    check_failed(RUN(model, "-o", out, "--ctx", "8", "--ctx=9"), 2);
    check_failed(RUN(model, "-o", "-"), 2);
    assert_non_null(strstr(complained, "-o is - (standard output)"));
    check_failed(RUN(model, "-o", out, "--report", "-"), 2);
    check_failed(RUN("-", "-o", out), 2);
    assert_non_null(strstr(complained, "standard input"));
    check_failed(RUN(model, "-o"), 2);
    check_failed(RUN(model, "-o", ""), 2);
    check_failed(RUN("", "-o", out), 2);
    check_failed(RUN(model, "-o", out, "--weights", "int2"), 2);
    check_failed(RUN(model, "-o", out, "--weights="), 2);
    static const char *const bits[] = {"3.9", "9.5", "", "x", "4.25x", "-5", "nan"};
    for (size_t i = 0; i < sizeof bits / sizeof bits[0]; i++)
        check_failed(RUN(model, "-o", out, "--bits", bits[i]), 2);
    check_failed(RUN(model, "-o", out, "--bits", "5", "--weights", "int8"), 2);
    check_failed(RUN(model, "-o", out, "--quiet=yes"), 2);
    check_failed(RUN(model, "-o", out, "--frobnicate"), 2);
    assert_null(strstr(complained, "did you mean"));
    check_failed(RUN(model, "-o", out, "--wieghts=int8"), 2);
    assert_non_null(strstr(complained, "did you mean --weights?"));
    check_failed(RUN(model, "-o", out, "--weights", "int5"), 2);
    assert_non_null(strstr(complained, "did you mean int8?"));
    check_failed(RUN(model, out), 2);
    assert_non_null(strstr(complained, "behind -o"));
    check_failed(RUN(model, "-o", out, "--name", ""), 2);
    check_failed(RUN(model, "-o", out, "--calibrate", ""), 2);
    check_failed(RUN(model, "-o", out, "--calibrate", "text", "--no-calibrate"), 2);
    check_failed(RUN(model, "-o", out, "--effort", "quick", "--no-calibrate"), 2);
    check_failed(RUN(model, "-o", out, "--effort", "fast"), 2);
    assert_non_null(strstr(complained, "quick or full"));
    check_failed(RUN(model, "-o", out, "--report", out), 2);
    static const char *const numbers[] = {
        "0", "-1", "", "x", "4x", "131073", "99999999999999999999", " 4", "+4"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        check_failed(RUN(model, "-o", out, "--ctx", numbers[i]), 2);
        check_failed(RUN(model, "-o", out, "--threads", numbers[i]), 2);
    }
}

static void wrong_files(void **state) {
    (void)state;
    char model[512], out[512]; /* in_folder gives its storage again after a while */
    snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
    snprintf(out, sizeof out, "%s", in_folder("no.apus"));
    check_failed(RUN(in_folder("absent.gguf"), "-o", out), 1);
    check_failed(RUN(folder, "-o", out), 1); /* no config.json in it */
    check_failed(RUN("/dev/null", "-o", out), 1);
    check_failed(RUN(model, "-o", in_folder("absent/no.apus")), 1);
    check_failed(RUN(model, "-o", folder), 1);
    check_failed(RUN(model, "-o", out, "--report", in_folder("absent/report.json")), 1);
    check_failed(RUN(model, "-o", out, "--report", "/dev/full"), 1);
    check_failed(RUN(model, "-o", out, "--calibrate", in_folder("absent.txt")), 1);
    check_failed(RUN(model, "-o", out, "--calibrate", "/dev/zero"), 1);
    check_failed(RUN(model, "-o", out, "--calibrate", ","), 1);
    write_text("empty.txt", "", 0);
    check_failed(RUN(model, "-o", out, "--calibrate", in_folder("empty.txt")), 1);
    assert_non_null(strstr(complained, "is empty where text"));
    check_failed(RUN(model, "-o", out, "--calibrate", model), 1); /* which is no text */
    assert_non_null(strstr(complained, "holds zero bytes"));
    struct stat st;
    check_failed(RUN(model, "-o", "/dev/full"), 1);
    assert_true(stat("/dev/full", &st) == 0 && S_ISCHR(st.st_mode));
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
    assert_int_equal(json_array_size(notes), 2);
    assert_non_null(strstr(json_string_value(json_array_get(notes, 0)), "attention window of 40"));
    assert_non_null(strstr(complained, "note: positions end at the attention window of 40"));
    assert_non_null(strstr(complained, "note: heads of 20 are filled up to 32"));
    assert_true(is_calibrated("d.apus", "attention window of 40"));
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

/* What people give in a checkpoint's place is named, with what to give instead. */
static void sources_that_are_none(void **state) {
    (void)state;
    static const struct {
        const char *name, *data;
        size_t bytes;
        const char *said, *advice;
    } files[] = {
        {"empty.gguf", "", 0, "is empty", "fetch it again"},
        {"lfs.gguf", "version https://git-lfs.github.com/spec/v1\noid", 46, "Git LFS",
         "git lfs pull"},
        {"page.gguf", "\xef\xbb\xbf \n<!DOCTYPE html>", 20, "a web page", "/resolve/"},
        {"page2.gguf", "<HTML><head>", 12, "a web page", "/resolve/"},
        {"pytorch_model.bin", "PK\3\4abcd", 8, "a PyTorch checkpoint", "safetensors"},
        {"consolidated.00.pth", "\x80\2}q", 4, "a PyTorch checkpoint", "safetensors"},
        {"model.ckpt", "anything", 8, "a PyTorch checkpoint", "safetensors"},
        {"model.onnx", "\x08\x07", 2, "an ONNX graph", "exported from"},
        {"model.zip", "PK\3\4abcd", 8, "an archive", "unpack it"},
        {"model.gguf.gz", "\x1f\x8b\x08", 3, "gzip", "unpack it"},
        {"elf",
         "\x7f"
         "ELF\2\1",
         6, "a program (ELF)", "GGUF file"},
        {"old.bin", "tjgg\3\0\0\0", 8, "before GGUF", "as a GGUF file"},
        {"big.gguf", "FUGG", 4, "big-endian", "little-endian"},
        {"blob.apus", "APUS\2\0\0\0", 8, "a blob", "packed already"},
        {"lone.safetensors", "\2\0\0\0\0\0\0\0{}", 10, "a safetensors file", "give the directory"},
        {"tokenizer.model", "\n\x0e", 2, "a tokenizer", "give the directory"},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        write_text(files[i].name, files[i].data, files[i].bytes);
        check_failed(RUN(in_folder(files[i].name), "-o", in_folder("no.apus")), 1);
        if (!strstr(complained, files[i].said) || !strstr(complained, files[i].advice))
            fail_msg("%s: %s", files[i].name, complained);
        unlink(in_folder(files[i].name));
    }
}

/* A directory that lacks something is asked for what it needs, and one of its files for itself. */
static void directories_that_lack_something(void **state) {
    (void)state;
    static const char config[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":16,\"num_hidden_layers\":1,"
        "\"num_attention_heads\":1,\"intermediate_size\":16,\"vocab_size\":300,"
        "\"max_position_embeddings\":64,\"rms_norm_eps\":1e-5,\"hidden_act\":\"silu\"}";
    assert_int_equal(mkdir(in_folder("hub"), 0700), 0);
    write_text("hub/b.gguf", "GGUF", 4);
    check_failed(RUN(in_folder("hub"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "hub/b.gguf"));
    unlink(in_folder("hub/b.gguf"));
    assert_int_equal(mkdir(in_folder("hub/snapshots"), 0700), 0);
    assert_int_equal(mkdir(in_folder("hub/snapshots/1f"), 0700), 0);
    write_text("hub/snapshots/1f/config.json", config, sizeof config - 1);
    check_failed(RUN(in_folder("hub"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "hub/snapshots/1f"));
    check_failed(RUN(in_folder("hub/snapshots/1f/config.json"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "give the directory, "));
    write_text("hub/snapshots/1f/pytorch_model.bin", "PK\3\4", 4);
    check_failed(RUN(in_folder("hub/snapshots/1f"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "pytorch_model.bin, not as model.safetensors"));
    write_text("hub/snapshots/1f/model.safetensors", "version https://git-lfs.github.com/spec/v1",
               42);
    check_failed(RUN(in_folder("hub/snapshots/1f"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "git lfs pull"));
    static const struct {
        const char *type, *said;
    } types[] = {
        {"F8_E4M3", "BF16 or F16"}, {"I32", "GPTQ"}, {"U8", "GPTQ"}, {"BOOL", "not supported"}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char file[128];
        int length = snprintf(file + 8, sizeof file - 8,
                              "{\"x\":{\"dtype\":\"%s\",\"shape\":[1],\"data_offsets\":[0,1]}}",
                              types[i].type);
        memcpy(file, (uint64_t[]){(uint64_t)length}, 8);
        write_text("hub/snapshots/1f/model.safetensors", file, 8 + (size_t)length + 1);
        check_failed(RUN(in_folder("hub/snapshots/1f"), "-o", in_folder("no.apus")), 1);
        assert_non_null(strstr(complained, types[i].type));
        assert_non_null(strstr(complained, types[i].said));
    }
    static const char *const methods[] = {"gptq", "awq", "fp8", "mxfp4"};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char quantized[1024];
        int length = snprintf(quantized, sizeof quantized,
                              "%.*s,\"quantization_config\":{\"quant_method\":\"%s\",\"bits\":4}}",
                              (int)sizeof config - 2, config, methods[i]);
        write_text("hub/snapshots/1f/config.json", quantized, (size_t)length);
        check_failed(RUN(in_folder("hub/snapshots/1f"), "-o", in_folder("no.apus")), 1);
        assert_non_null(strstr(complained, methods[i]));
        assert_non_null(strstr(complained, "BF16 or F16, or a GGUF file"));
    }
    static const char *const rest[] = {"model.safetensors", "pytorch_model.bin", "config.json"};
    char path[64];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "hub/snapshots/1f/%s", rest[i]);
        assert_int_equal(unlink(in_folder(path)), 0);
    }
    assert_false(rmdir(in_folder("hub/snapshots/1f")) || rmdir(in_folder("hub/snapshots")) ||
                 rmdir(in_folder("hub")));
}

static void models_outside_the_format(void **state) {
    (void)state;
    write_source("odd.gguf", (struct small_gguf){.head_dim = 258});
    check_failed(RUN(in_folder("odd.gguf"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "head_dim is 258"));
    write_source("odd.gguf", (struct small_gguf){.spoil = NAN});
    check_failed(RUN(in_folder("odd.gguf"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "blk.0.attn_q.weight"));
    write_source("odd.gguf", (struct small_gguf){.spoil = 3e38f});
    check_failed(RUN(in_folder("odd.gguf"), "-o", in_folder("no.apus")), 1);
    assert_non_null(strstr(complained, "blk.0.attn_q.weight: row"));
}

static void truncated_sources(void **state) {
    (void)state;
    struct file model = map(in_folder("model.gguf"));
    for (size_t bytes = 0; bytes < model.bytes; bytes += 1 + model.bytes / 23) {
        FILE *f = fopen(in_folder("cut.gguf"), "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(model.data, 1, bytes, f), bytes);
        fclose(f);
        check_failed(RUN(in_folder("cut.gguf"), "-o", in_folder("no.apus")), 1);
    }
    unmap(model);
}

/* Whatever is there and no blob stays; a blob is replaced by a good one and by nothing less. */
static void keeps_what_is_there(void **state) {
    (void)state;
    char model[512], out[512]; /* in_folder gives its storage again after a while */
    snprintf(model, sizeof model, "%s", in_folder("model.gguf"));
    snprintf(out, sizeof out, "%s", in_folder("there.apus"));
    write_source("copy.gguf", (struct small_gguf){0});
    assert_int_equal(RUN(model, "-o", model), 1);
    assert_non_null(strstr(complained, "names the source itself"));
    assert_true(same(model, in_folder("copy.gguf")));
    FILE *f = fopen(out, "wb");
    assert_true(f && fputs("notes", f) >= 0 && fclose(f) == 0);
    assert_int_equal(RUN(model, "-o", out), 1);
    char text[16];
    slurp("there.apus", text, sizeof text);
    assert_string_equal(text, "notes");
    assert_int_equal(RUN(model, "-o", out, "--weights", "int8"), 0);
    assert_int_equal(RUN(model, "-o", in_folder("reference.apus"), "--weights", "int8"), 0);
    write_source("odd.gguf", (struct small_gguf){.spoil = 3e38f});
    assert_int_equal(RUN(in_folder("odd.gguf"), "-o", out), 1);
    assert_true(same(out, in_folder("reference.apus")));
    assert_int_equal(RUN(model, "-o", out, "--weights", "int4"), 0);
    assert_false(same(out, in_folder("reference.apus")));
    assert_int_equal(files_with("there.apus"), 1);
}

static void full_disk(void **state) {
    (void)state;
    static const rlim_t limits[] = {0, 1, 4096, 60000, 150000};
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        int status = end(begin(limits[i], (const char *const[]){in_folder("model.gguf"), "-o",
                                                                in_folder("no.apus"), "-q", NULL}));
        assert_int_equal(status, 1);
        assert_int_equal(files_with("no.apus"), 0);
    }
}

static void interrupted(void **state) {
    (void)state;
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
    write_source(
        "large.gguf",
        (struct small_gguf){.dim = 512, .heads = 8, .head_dim = 64, .ffn = 1024, .vocab = 12000});
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        pid_t child = begin(RLIM_INFINITY,
                            (const char *const[]){in_folder("large.gguf"), "-o",
                                                  in_folder("no.apus"), "--weights", "int4", NULL});
        for (int wait = 0; wait < 10000 && files_with("no.apus.tmp-") == 0; wait++)
            nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
        assert_int_equal(kill(child, signals[i]), 0);
        assert_int_equal(end(child), 256 + signals[i]);
        assert_int_equal(files_with("no.apus"), 0);
    }
}

/* Begins to pack, and ends it by a signal once a layer is finished. */
static void stop_after_a_layer(const char *weights, int signal_number) {
    pid_t child =
        begin(RLIM_INFINITY,
              (const char *const[]){in_folder("deep.gguf"), "-o", in_folder("r.apus"), "--weights",
                                    weights, "--resume", "--threads", "1", NULL});
    char layer[512];
    snprintf(layer, sizeof layer, "%s", in_folder("r.apus.state"));
    for (int wait = 0; wait < 600000 && access(layer, F_OK) != 0; wait++)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    assert_int_equal(access(layer, F_OK), 0);
    assert_int_equal(kill(child, signal_number), 0);
    assert_int_equal(end(child), 256 + signal_number);
    assert_int_equal(files_with("r.apus.part"), 1);
}

static void spoil(const char *name, long at) {
    FILE *file = fopen(in_folder(name), "r+b");
    assert_true(file && fseek(file, at, SEEK_END) == 0);
    int c = fgetc(file);
    assert_true(c != EOF && fseek(file, -1, SEEK_CUR) == 0 && fputc(c ^ 1, file) != EOF &&
                fclose(file) == 0);
}

/* Ends what was begun: the bytes of work that nobody interrupted, and nothing left beside them. */
static void go_on(const char *weights, bool resumed) {
    char whole[16];
    snprintf(whole, sizeof whole, "%s.apus", weights);
    assert_int_equal(
        RUN(in_folder("deep.gguf"), "-o", in_folder("r.apus"), "--weights", weights, "--resume"),
        0);
    if ((strstr(said, "Went on after") != NULL) != resumed) fail_msg("said \"%s\"", said);
    assert_true(same(in_folder("r.apus"), in_folder(whole)));
    assert_int_equal(files_with("r.apus"), 1);
}

static void resumes(void **state) {
    (void)state;
    static const int signals[] = {SIGKILL, SIGINT};
    static const char *const types[] = {"int4", "int8"};
    write_source("deep.gguf", (struct small_gguf){
                                  .layers = 6, .dim = 192, .heads = 6, .ffn = 512, .vocab = 600});
    assert_int_equal(RUN(in_folder("deep.gguf"), "-o", in_folder("int4.apus"), "--weights", "int4"),
                     0);
    assert_int_equal(RUN(in_folder("deep.gguf"), "-o", in_folder("int8.apus"), "--weights", "int8"),
                     0);
    for (size_t i = 0; i < 2; i++) {
        stop_after_a_layer(types[i], signals[i]);
        go_on(types[i], true);
    }
    stop_after_a_layer("int4", SIGTERM); /* other work: begun anew */
    go_on("int8", false);
    stop_after_a_layer("int4", SIGKILL); /* damage is noticed */
    spoil("r.apus.state", -1000);
    go_on("int4", false);
    stop_after_a_layer("int4", SIGKILL);
    char part[512];
    snprintf(part, sizeof part, "%s", in_folder("r.apus.part"));
    assert_int_equal(truncate(part, 100000), 0);
    go_on("int4", false);
    FILE *file = fopen(part, "wb"); /* not ours */
    assert_true(file && fputs("mine", file) >= 0 && fclose(file) == 0);
    assert_int_equal(RUN(in_folder("deep.gguf"), "-o", in_folder("r.apus"), "--resume"), 1);
    assert_non_null(strstr(complained, "r.apus.part exists"));
    assert_int_equal(remove(part), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(makes_a_blob),
                                       cmocka_unit_test(options_take_effect),
                                       cmocka_unit_test(threads_do_not_matter),
                                       cmocka_unit_test(reports),
                                       cmocka_unit_test(spends_a_budget),
                                       cmocka_unit_test(calibrates),
                                       cmocka_unit_test(chat_templates_are_left_behind),
                                       cmocka_unit_test(sources_that_are_none),
                                       cmocka_unit_test(directories_that_lack_something),
                                       cmocka_unit_test(says_what_was_decided),
                                       cmocka_unit_test(heads_are_filled_up),
                                       cmocka_unit_test(a_model_without_tokenizer),
                                       cmocka_unit_test(help_and_version),
                                       cmocka_unit_test(wrong_usage),
                                       cmocka_unit_test(wrong_files),
                                       cmocka_unit_test(models_outside_the_format),
                                       cmocka_unit_test(truncated_sources),
                                       cmocka_unit_test(keeps_what_is_there),
                                       cmocka_unit_test(full_disk),
                                       cmocka_unit_test(interrupted),
                                       cmocka_unit_test(resumes)};
    return cmocka_run_group_tests_name("pack_command", tests, set_up, tear_down);
}
