/* What AArch64's dot products add to the table; the rest stays plain C. */
#include "cpu/variants.h"

void cpu_fill_neon(struct cpu_kernels *table) {
    table->cpu = APUS_CPU_NEON;
    table->gemv[WEIGHT_W8] = neon_gemv_w8;
    table->gemv[WEIGHT_W4] = neon_gemv_w4;
    table->gemv[WEIGHT_W4T] = neon_gemv_w4t;
    table->gemv[WEIGHT_W5] = neon_gemv_w5;
    table->gemv[WEIGHT_W6] = neon_gemv_w6;
    table->gemv[WEIGHT_W4S] = neon_gemv_w4s;
    table->gemv[WEIGHT_W8S] = neon_gemv_w8s;
}
