/* What AVX-512 (F, BW, VL, DQ, VNNI) adds to the table; the rest stays AVX2's. */
#include "cpu/variants.h"

void cpu_fill_avx512(struct cpu_kernels *table) {
    table->cpu = APUS_CPU_AVX512;
    table->gemv[WEIGHT_W8] = avx512_gemv_w8;
    table->gemv[WEIGHT_W4] = avx512_gemv_w4;
    table->norm = avx512_norm;
    table->quant = avx512_quant;
    table->act[ACTIVATION_SILU] = avx512_act_silu;
    table->act[ACTIVATION_GELU] = avx512_act_gelu;
    table->act[ACTIVATION_CLAMPED] = avx512_act_clamped;
    table->act[ACTIVATION_PLAIN] = avx512_act_plain;
    table->rms = avx512_rms;
    table->head = avx512_head;
    table->mix = avx512_mix;
#ifdef APUS_FEWER_KERNELS
    table->attend[KV_8] = avx512_attend;
#else
    table->gemv[WEIGHT_W4T] = avx512_gemv_w4t;
    table->gemv[WEIGHT_W5] = avx512_gemv_w5;
    table->gemv[WEIGHT_W6] = avx512_gemv_w6;
    table->gemv[WEIGHT_W4S] = avx512_gemv_w4s;
    table->gemv[WEIGHT_W8S] = avx512_gemv_w8s;
#define ATTEND(cache, name) table->attend[cache] = avx512_##name;
    CPU_ATTEND_KERNELS(ATTEND)
#undef ATTEND
#endif
}
