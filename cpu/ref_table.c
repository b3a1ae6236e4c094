/* The reference set: plain C, the definition of right. */
#include "cpu/variants.h"

void cpu_fill_ref(struct cpu_kernels *table) {
    table->cpu = APUS_CPU_REF;
    table->gemv[WEIGHT_W8] = ref_gemv_w8;
    table->gemv[WEIGHT_W4] = ref_gemv_w4;
    table->norm = ref_norm;
    table->quant = ref_quant;
    table->act = ref_act;
    table->head = ref_head;
    table->embed = ref_embed;
    table->attend[KV_8] = ref_attend;
}
