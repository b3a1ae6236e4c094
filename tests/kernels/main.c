/* The kernel checker: every function of the table, for every instruction set of this machine, bit
 * for bit against the reference. --bench times the very same calls instead. */
#include "checker.h"

static void masks(void **state) {
    (void)state;
    struct cpu_kernels t, untouched;
    memset(&t, 0x5a, sizeof t);
    untouched = t;
    assert_int_equal(cpu_kernels_fill(&t, (apus_cpu)(APUS_CPU_NEON + 1)), APUS_E_UNAVAILABLE);
    for (apus_cpu mask = APUS_CPU_REF; mask <= APUS_CPU_NEON; mask = (apus_cpu)(mask + 1))
        if (!apus_cpu_has(mask)) assert_int_equal(cpu_kernels_fill(&t, mask), APUS_E_UNAVAILABLE);
    assert_memory_equal(&t, &untouched, sizeof t);
    assert_int_equal(cpu_kernels_fill(&t, APUS_CPU_BEST), APUS_OK);
    assert_int_equal(t.cpu, apus_cpu_best());
    EACH_MASK(mask) table_of(mask);
    assert_string_equal(apus_cpu_name(APUS_CPU_REF), "ref");
    assert_string_equal(apus_cpu_name(APUS_CPU_AVX2), "avx2");
    assert_string_equal(apus_cpu_name(APUS_CPU_AVXVNNI), "avxvnni");
    assert_string_equal(apus_cpu_name(APUS_CPU_AVX512), "avx512");
    assert_null(apus_cpu_name(APUS_CPU_BEST));
    assert_null(apus_cpu_name((apus_cpu)(APUS_CPU_NEON + 1)));
}

int main(int argc, char **argv) {
    printf("this machine:");
    EACH_MASK(mask) printf(" %s", apus_cpu_name(mask));
    printf("%s\n", apus_cpu_has(APUS_CPU_AVXVNNI) ? ""
                   : has_evex()                   ? "; avxvnni's body in AVX-512's encoding"
                                                  : "; avxvnni's body not tried");
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        gemv_bench();
        vector_bench();
        attend_bench();
        return 0;
    }
    const struct CMUnitTest tests[] = {cmocka_unit_test(masks)};
    int failed = cmocka_run_group_tests_name("table", tests, NULL, NULL);
    failed += scalar_tests();
    failed += gemv_tests();
    failed += vector_tests();
    failed += attend_tests();
    return failed != 0;
}
