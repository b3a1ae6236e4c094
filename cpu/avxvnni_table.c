/* What AVX-VNNI adds to the table; the rest stays AVX2's. */
#include "cpu/variants.h"

void cpu_fill_avxvnni(struct cpu_kernels *table) {
    table->cpu = APUS_CPU_AVXVNNI;
    table->gemv[WEIGHT_W8] = avxvnni_gemv_w8;
    table->gemv[WEIGHT_W4] = avxvnni_gemv_w4;
#ifndef APUS_FEWER_KERNELS
    table->gemv[WEIGHT_W4T] = avxvnni_gemv_w4t;
    table->gemv[WEIGHT_W5] = avxvnni_gemv_w5;
    table->gemv[WEIGHT_W6] = avxvnni_gemv_w6;
    table->gemv[WEIGHT_W4S] = avxvnni_gemv_w4s;
    table->gemv[WEIGHT_W8S] = avxvnni_gemv_w8s;
#endif
}
