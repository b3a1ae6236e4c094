/* What AVX2 adds to the table. */
#include "cpu/variants.h"

void cpu_fill_avx2(struct cpu_kernels *table) {
    table->cpu = APUS_CPU_AVX2;
    table->gemv[WEIGHT_W8] = avx2_gemv_w8;
    table->gemv[WEIGHT_W4] = avx2_gemv_w4;
    table->gemv[WEIGHT_W4T] = avx2_gemv_w4t;
    table->norm = avx2_norm;
    table->quant = avx2_quant;
    table->act[ACTIVATION_SILU] = avx2_act_silu;
    table->act[ACTIVATION_GELU] = avx2_act_gelu;
    table->act[ACTIVATION_CLAMPED] = avx2_act_clamped;
    table->act[ACTIVATION_PLAIN] = avx2_act_plain;
    table->rms = avx2_rms;
    table->head = avx2_head;
    table->embed = avx2_embed;
    table->mix = avx2_mix;
    table->join = avx2_join;
#ifdef APUS_FEWER_KERNELS
    table->attend[KV_8] = avx2_attend;
#else
    table->gemv[WEIGHT_W5] = avx2_gemv_w5;
    table->gemv[WEIGHT_W6] = avx2_gemv_w6;
    table->gemv[WEIGHT_W4S] = avx2_gemv_w4s;
    table->gemv[WEIGHT_W8S] = avx2_gemv_w8s;
#define ATTEND(cache, name) table->attend[cache] = avx2_##name;
    CPU_ATTEND_KERNELS(ATTEND)
#undef ATTEND
#endif
}
