/* The reference set: plain C, which defines the right results. It has every kernel. */
#include "cpu/variants.h"

void cpu_fill_ref(struct cpu_kernels *table) {
    *table = (struct cpu_kernels){.cpu = APUS_CPU_REF};
#define KERNEL(name, type)  table->name = ref_##name;
#define GEMV(weights, name) table->gemv[weights] = ref_##name;
#define ATTEND(cache, name) table->attend[cache] = ref_##name;
#define ACT(kind, name)     table->act[kind] = ref_##name;
    CPU_KERNELS(KERNEL)
    CPU_GEMV_KERNELS(GEMV)
    CPU_ATTEND_KERNELS(ATTEND)
    CPU_ACT_KERNELS(ACT)
#undef KERNEL
#undef GEMV
#undef ATTEND
#undef ACT
}
