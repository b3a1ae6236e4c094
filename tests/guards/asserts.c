/* Where a header states what a caller must keep to, the function asserts it. That asserts are on in
 * builds for development is seen by calls that break one such promise each: the process that makes
 * them has to end by the assert. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cpu/kernels.h"
#include "hal/place.h"
#include "speculate/policy.h"
#include "text/unicode.h"
#include "weights/blob.h"
#include "weights/check.h"

#ifndef NDEBUG
static void blob_never_opened(void) {
    static const struct blob_header header;
    const struct blob blob = {.header = &header};
    blob_pass_read(&blob, 1);
}

static void check_of_an_empty_range(void) {
    char why[BLOB_WHY];
    struct check c = {.why = why, .why_bytes = sizeof why};
    check_at(&c, "test", CHECK_NO_INDEX, NULL);
    check_range(&c, "field", 3, 4, 2);
}

static void piece_out_of_range(void) {
    static const struct vocab_header header = {.rows = 2};
    static const uint32_t offsets[4] = {0};
    const struct vocab vocab = {.header = &header, .offsets = offsets};
    vocab_length(&vocab, 2);
}

static void product_of_unaligned_weights(void) {
    static const _Alignas(64) uint8_t memory[64];
    static const float row_scale[16];
    struct cpu_kernels table;
    const struct gemv_args args = {.panels = memory + 1,
                                   .row_scale = row_scale,
                                   .kp = 64,
                                   .columns = 1,
                                   .x = memory,
                                   .x_stride = act_stride(64)};
    if (cpu_kernels_fill(&table, APUS_CPU_REF)) return;
    table.gemv[WEIGHT_W8](&args, 0, 1);
}

static void place_at_no_power_of_two(void) { place_up(1, 48); }

static void policy_of_too_many(void) {
    struct draft_policy policy;
    policy_open(&policy, PROPOSE_MAX + 1);
}

static void character_of_no_bytes(void) {
    uint32_t code;
    utf8_read((const uint8_t *)"", 0, &code);
}

static const struct {
    const char *assertion; /* a part of what it says */
    void (*call)(void);
} breaches[] = {
    {"blob_is_open", blob_never_opened},
    {"low <= high", check_of_an_empty_range},
    {"id < v->header->rows", piece_out_of_range},
    {"gemv_good", product_of_unaligned_weights},
    {"to & (to - 1)", place_at_no_power_of_two},
    {"fixed <= PROPOSE_MAX", policy_of_too_many},
    {"n >= 1", character_of_no_bytes},
};

static void breach_ends_the_process(void **unused) {
    (void)unused;
    for (size_t i = 0; i < sizeof breaches / sizeof *breaches; i++) {
        int said[2], status;
        char text[512] = {0};
        assert_int_equal(pipe(said), 0);
        pid_t child = fork();
        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            dup2(said[1], STDERR_FILENO);
            breaches[i].call();
            _exit(0);
        }
        close(said[1]);
        for (size_t at = 0; at < sizeof text - 1;) {
            ssize_t n = read(said[0], text + at, sizeof text - 1 - at);
            if (n <= 0) break;
            at += (size_t)n;
        }
        close(said[0]);
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
            !strstr(text, breaches[i].assertion))
            fail_msg("\"%s\": the process must end by this assert; status %x, it said \"%s\"",
                     breaches[i].assertion, (unsigned)status, text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(breach_ends_the_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
int main(void) {
    puts("asserts are off in this build");
    return 77;
}
#endif
