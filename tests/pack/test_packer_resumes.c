/* apus-pack as a program, ended early: by a full disk or a signal; what stays, and going on. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/pack/packer.h"

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

/* A layer takes a tenth of a second or so, for the signal to come while others are still to do:
 * sanitizers make of a quarter of the weights as much work. */
#ifdef __SANITIZE_ADDRESS__
enum { DEEP_DIM = 96 };
#else
enum { DEEP_DIM = 192 };
#endif

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
    write_source(
        "deep.gguf",
        (struct small_gguf){
            .layers = 6, .dim = DEEP_DIM, .heads = DEEP_DIM / 32, .ffn = 512, .vocab = 600});
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_what_is_there),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(resumes),
    };
    return cmocka_run_group_tests_name("pack_resumes", tests, set_up, tear_down);
}
