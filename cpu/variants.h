/* Every instruction set's functions by name: <set>_<function>, of the type that the table's member
 * has (cpu/kernels.h), which is their contract. A set may lack some. */
#ifndef CPU_VARIANTS_H
#define CPU_VARIANTS_H

#include "cpu/kernels.h"

#define DECLARE_KERNELS(set)                                                                       \
    cpu_gemv_fn set##_gemv_w8, set##_gemv_w4;                                                      \
    cpu_norm_fn set##_norm;                                                                        \
    cpu_quant_fn set##_quant;                                                                      \
    cpu_act_fn set##_act;                                                                          \
    cpu_head_fn set##_head;                                                                        \
    cpu_embed_fn set##_embed;                                                                      \
    cpu_attend_fn set##_attend;

DECLARE_KERNELS(ref)
DECLARE_KERNELS(avx2)
DECLARE_KERNELS(avxvnni)
DECLARE_KERNELS(avx512)

#endif
