/* The GEMVs in AVX-VNNI's encoding. */
#define DOT_PREFIX "%{vex%} "
#include "cpu/avxvnni_gemv_inl.h"
#include "cpu/variants.h"

uint32_t avxvnni_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w4(args, panel_begin, panel_end);
}

uint32_t avxvnni_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w8(args, panel_begin, panel_end);
}

#ifndef APUS_FEWER_KERNELS
uint32_t avxvnni_gemv_w4t(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w4t(args, panel_begin, panel_end);
}

uint32_t avxvnni_gemv_w5(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w5(args, panel_begin, panel_end);
}

uint32_t avxvnni_gemv_w6(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w6(args, panel_begin, panel_end);
}
#endif
