/* The compute tile's kernel as its core calls it, and the device model. */
#ifndef NPU_AIE_GEMV_H
#define NPU_AIE_GEMV_H

#include <stdint.h>

/* Parameters as the control code writes them (struct gemv_parameters). */
enum { APUS_NPU_TYPE, APUS_NPU_GROUPS, APUS_NPU_TOKENS, APUS_NPU_CHUNKS, APUS_NPU_PANELS };
enum { APUS_NPU_W8 = 1, APUS_NPU_W4 = 2 }; /* enum weight_type */

#ifdef __cplusplus
extern "C" {
#endif

/* A chunk: w and x 64-aligned, y [tokens / 8][16 rows][8], 64-aligned; first: y begins at 0. */
void apus_npu_chunk(const uint8_t *w, const int8_t *x, int32_t *y, const uint32_t *parameters, uint32_t first);

#ifdef __cplusplus
}
#endif

#endif
