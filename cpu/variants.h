/* The functions of every instruction set by name: <set>_<function>. Each has the type of its member
 * in the table (cpu/kernels.h), which is also its contract. A set may lack some. */
#ifndef CPU_VARIANTS_H
#define CPU_VARIANTS_H

#include "cpu/kernels.h"

#define KERNEL(name, fn)    fn ref_##name, avx2_##name, avxvnni_##name, avx512_##name, neon_##name;
#define GEMV(weight, name)  KERNEL(name, cpu_gemv_fn)
#define ATTEND(cache, name) KERNEL(name, cpu_attend_fn)
#define ACT(kind, name)     KERNEL(name, cpu_act_fn)
CPU_KERNELS(KERNEL)
CPU_GEMV_KERNELS(GEMV)
CPU_ATTEND_KERNELS(ATTEND)
CPU_ACT_KERNELS(ACT)
#undef ACT
#undef ATTEND
#undef GEMV
#undef KERNEL

#endif
