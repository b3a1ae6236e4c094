/* Every instruction set's functions by name: <set>_<function>, with the contract of the table's
 * member (cpu/kernels.h). A set may lack some. */
#ifndef CPU_VARIANTS_H
#define CPU_VARIANTS_H

#include "cpu/kernels.h"

#define CPU_VARIANT(set)                                                                           \
    cpu_gemv_fn set##_gemv_w8, set##_gemv_w4;                                                      \
    uint32_t set##_norm(const float *x, uint32_t dim, float inv_dim, float eps, void *column);     \
    uint32_t set##_quant(const float *x, uint32_t k, void *column);                                \
    uint32_t set##_act(float *g, const float *u, uint32_t ffn, void *column);                      \
    uint32_t set##_head(float *x, const float *bias, const float *cos_sin, uint32_t head_dim,      \
                        int8_t *q, float *scale);                                                  \
    uint32_t set##_embed(const int8_t *row, float scale, uint32_t dim, float *x);                  \
    cpu_attend_fn set##_attend;

CPU_VARIANT(ref)
CPU_VARIANT(avx2)
CPU_VARIANT(avxvnni)
CPU_VARIANT(avx512)

#endif
