/* AVX-VNNI's GEMVs with vpdpbusd in AVX-512's encoding (256 bits), for processors that have this
 * one alone. Every other instruction is what the library's own file is compiled to. */
#define DOT_PREFIX "%{evex%} "
#include "cpu/avxvnni_gemv_inl.h"

cpu_gemv_fn evex_gemv_w8, evex_gemv_w4, evex_gemv_w4t, evex_gemv_w5, evex_gemv_w6;

uint32_t evex_gemv_w4(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w4(args, panel_begin, panel_end);
}

uint32_t evex_gemv_w4t(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w4t(args, panel_begin, panel_end);
}

uint32_t evex_gemv_w8(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w8(args, panel_begin, panel_end);
}

uint32_t evex_gemv_w5(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w5(args, panel_begin, panel_end);
}

uint32_t evex_gemv_w6(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w6(args, panel_begin, panel_end);
}
