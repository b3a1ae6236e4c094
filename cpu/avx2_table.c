/* What AVX2 adds to the table. */
#include "cpu/variants.h"

void cpu_fill_avx2(struct cpu_kernels *table) { table->cpu = APUS_CPU_AVX2; }
