/* As gemv_evex.c, for sparse weights. */
#define DOT_PREFIX "%{evex%} "
#include "cpu/avxvnni_gemv_sparse_inl.h"

cpu_gemv_fn evex_gemv_w4s, evex_gemv_w8s;

uint32_t evex_gemv_w4s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w4s(args, panel_begin, panel_end);
}

uint32_t evex_gemv_w8s(const struct gemv_args *args, uint32_t panel_begin, uint32_t panel_end) {
    return gemv_w8s(args, panel_begin, panel_end);
}
