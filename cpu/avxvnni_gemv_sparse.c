/* The sparse GEMVs in AVX-VNNI's encoding. */
#define DOT_PREFIX "%{vex%} "
#include "cpu/variants.h"

#ifndef APUS_FEWER_KERNELS
#include "cpu/avxvnni_gemv_sparse_inl.h"

uint32_t avxvnni_gemv_w4s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w4s(args, panel_begin, panel_end);
}

uint32_t avxvnni_gemv_w8s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w8s(args, panel_begin, panel_end);
}
#endif
